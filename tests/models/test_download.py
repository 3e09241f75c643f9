"""Downloads against a hub that misbehaves: what is fetched, what is never fetched twice, and what is said."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from downloads import LLAMA, Client
from hub import Fault, Hub, address_where_nothing_listens, make_content
from hub.models import make_model
from hub.variants import keep_bin_only, name_a_shard_that_is_not_there, need_remote_code, quantise

MIXTRAL = "mistralai/Mixtral-8x7B-v0.1"


@pytest.fixture
def hub(tmp_path):
    with Hub(make_content(tmp_path / "hub", models=[LLAMA, MIXTRAL])) as hub:
        yield hub


@pytest.fixture
def client(hub, tmp_path):
    return Client(hub.url, tmp_path / "home")


def model_folder(hub: Hub, model: str = LLAMA) -> Path:
    return Path(hub.root) / "models" / model


def fetched(hub: Hub, pattern: str) -> list[str]:
    return [request.path.rpartition("/")[2] for request in hub.asked(pattern, "GET")]


# What is fetched


@pytest.mark.parametrize("model", [LLAMA, MIXTRAL])
def test_only_what_an_evaluation_reads_is_fetched(hub, client, model):
    folder = Path(client.download(model)["folder"])
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors.index.json"} <= names
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {name for name in names if name.endswith(".safetensors")}
    for unneeded in ("original/*", "*.bin", "*.pth", "*.pt", "consolidated*", "README.md", "LICENSE"):
        assert not hub.asked(f"*/{unneeded}"), unneeded


def test_a_branch_is_noted_as_the_commit_that_it_is(hub, client):
    found = client.download(revision="main")
    assert len(found["commit"]) == 40
    assert Path(found["folder"]).name == found["commit"]
    again = client.download(revision=found["commit"])
    assert (again["folder"], again["commit"]) == (found["folder"], found["commit"])


def test_what_is_in_the_cache_is_used_and_another_commits_same_files_too(hub, client):
    client.download()
    before = len(fetched(hub, "*.safetensors"))
    client.download()
    make_model(Path(hub.root), LLAMA, revision="v2")
    (model_folder(hub, f"{LLAMA}@v2") / "generation_config.json").write_text("{}")
    assert "commit" in client.download(revision="v2")
    assert len(fetched(hub, "*.safetensors")) == before


def test_python_files_come_only_where_they_may_be_run(hub, client):
    need_remote_code(model_folder(hub))
    assert not list(Path(client.download(code=False)["folder"]).glob("*.py"))
    assert list(Path(client.download(code=True)["folder"]).glob("*.py"))


def test_chat_templates_come_whether_one_is_asked_for_or_not_so_that_they_are_there_offline(hub, client):
    more = model_folder(hub) / "additional_chat_templates"
    more.mkdir()
    (more / "rag.jinja").write_text("{{ messages[0].content }}")
    client.download()
    asked_offline = client.download(template="rag", environment={"HF_HUB_OFFLINE": "1"})
    folder = Path(asked_offline["folder"])
    assert (folder / more.name / "rag.jinja").read_text() == "{{ messages[0].content }}"


def test_a_model_without_a_tokenizer_is_refused_before_its_weights_come(hub, client):
    for name in ("tokenizer.json", "tokenizer.model"):
        (model_folder(hub) / name).unlink(missing_ok=True)
    assert "has no tokenizer: it needs a tokenizer.json" in client.error()
    assert not hub.asked("*.safetensors", "GET")


def test_files_that_nobody_reads_may_be_gone_or_damaged_in_the_cache(client):
    folder = Path(client.download()["folder"])
    (folder / "pytorch_model.bin").symlink_to(f"../../blobs/{'ab' * 32}")
    (folder.parents[1] / "blobs" / ("cd" * 20)).write_text("cut off")
    (folder / "README.md").symlink_to(f"../../blobs/{'cd' * 20}")
    assert client.download(environment={"HF_HUB_OFFLINE": "1"})["folder"] == str(folder)


def test_a_model_without_the_chat_template_is_refused_before_its_weights_come(hub, client):
    message = client.error(template=True)
    assert "has no chat template, and apply_chat_template is True" in message
    assert not hub.asked("*.safetensors", "GET")


# Bad connections


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", "*-00002-*.safetensors", after=1000, times=1),
        Fault("reset", "*-00002-*.safetensors", after=1000, times=2),
        Fault("status", "*-00002-*.safetensors", status=503, times=2),
        Fault("short", "*-00002-*.safetensors", after=1000, times=1),
        Fault("stall", "*-00002-*.safetensors", after=1000, times=1),
        Fault("status", "*/api/models/*", status=502, times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status or ''}",
)
def test_what_a_bad_connection_breaks_off_is_tried_again(hub, client, fault):
    hub.misbehave(fault)
    assert "commit" in client.download()
    assert not client.partial_files()
    whole = [name for name in fetched(hub, "*.safetensors") if "-00002-" not in name]
    assert len(whole) == len(set(whole))  # the others came once


def test_a_connection_that_stays_bad_ends_in_one_line_and_keeps_what_is_finished(hub, client):
    hub.misbehave(Fault("reset", "*-00004-*.safetensors", after=1000, times=None))
    message = client.error()
    assert hub.url in message and "type the same command again" in message
    assert not client.partial_files()
    hub.behave()
    before = set(fetched(hub, "*.safetensors"))
    kept = {path.name for path in client.home.rglob("*.safetensors")}
    requests = len(hub.requests)
    assert "commit" in client.download()
    again = [
        request.path.rpartition("/")[2] for request in hub.requests[requests:] if request.method == "GET"
    ]
    assert kept and not kept & set(again), before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_download_that_was_stopped_goes_on_without_a_finished_file(hub, client, number):
    hub.misbehave(Fault("slow", "*-00004-*.safetensors", bytes_per_second=40_000, times=None))
    process = client.start()
    wait_until(lambda: len(list(client.home.rglob("*.safetensors"))) == 3 and client.partial_files())
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode
    assert bool(client.partial_files()) == (number == signal.SIGKILL)
    hub.behave()
    requests = len(hub.requests)
    assert "commit" in client.download()
    again = [r.path for r in hub.requests[requests:] if r.method == "GET" and r.path.endswith(".safetensors")]
    assert {path.rpartition("/")[2] for path in again} == {"model-00004-of-00004.safetensors"}
    assert not client.partial_files()


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


# Damage


@pytest.mark.parametrize("name", ["model-00002-of-00004.safetensors", "config.json", "tokenizer.json"])
def test_a_flipped_byte_of_the_right_size_is_noticed_and_the_file_fetched_again(hub, client, name):
    hub.misbehave(Fault("flip", f"*/{name}", after=300, times=1))
    found = client.download()
    assert f"{name}: its digest is not the one that the hub lists" in found["said"]
    assert (Path(found["folder"]) / name).read_bytes() == (model_folder(hub) / name).read_bytes()


def test_a_file_that_always_comes_damaged_is_refused_and_not_kept(hub, client):
    hub.misbehave(Fault("flip", "*-00002-*.safetensors", after=300, times=None))
    assert (
        "model-00002-of-00004.safetensors of meta-llama/Meta-Llama-3-8B was damaged twice in transit"
        in client.error()
    )
    assert {path.name[:11] for path in client.home.rglob("*.safetensors")} == {
        "model-00001",
        "model-00003",
        "model-00004",
    }


def test_a_copy_in_the_cache_that_was_damaged_since_is_fetched_again(hub, client):
    shard = Path(client.download()["folder"]) / "model-00003-of-00004.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.resolve().write_bytes(content)
    assert "its digest is not the one" in client.download()["said"]
    shard.resolve().write_bytes(content[:-5])
    client.download()
    assert shard.read_bytes() == (model_folder(hub) / shard.name).read_bytes()


# What could not be fetched


def test_a_gated_model_without_a_token_names_the_page_and_the_variable(hub, client):
    hub.gate(LLAMA, "hf_granted")
    message = client.error()
    assert f"accept its terms at {hub.url}/{LLAMA}" in message and "HF_TOKEN" in message
    assert "commit" in client.download(token="hf_granted")
    assert "commit" in client.download()  # it is in the cache now


def test_a_token_that_is_refused_is_told_apart_and_never_shown(hub, client):
    hub.gate(LLAMA, "hf_granted")
    hub.known_tokens = {"hf_granted", "hf_elsewhere"}
    no_access = client.download(token="hf_elsewhere")
    assert "your token gives no access" in no_access["error"]
    unknown = client.download(token="hf_mistyped")
    assert "refuses the token" in unknown["error"]
    assert "hf_" not in no_access["said"] + unknown["said"]


def test_a_whole_copy_in_the_cache_is_used_where_the_hub_refuses_the_token(hub, client):
    """As hf_hub_download does with each file: an old token must not stop a run that needs nothing."""
    found = client.download()
    hub.known_tokens = {"hf_granted"}
    again = client.download(token="hf_old")
    assert (again["folder"], again["commit"]) == (found["folder"], found["commit"])
    assert "the hub refuses it, so the copy in the cache is used" in again["said"]
    (Path(found["folder"]) / "model-00003-of-00004.safetensors").unlink()
    refused = client.download(token="hf_old")["error"]
    assert "refuses the token" in refused and "the copy in the cache cannot be used" in refused


def test_a_repository_or_revision_that_is_not_there(hub, client):
    assert "the hub has no model meta-llama/Meta-Llama-9" in client.error("meta-llama/Meta-Llama-9")
    assert f"{LLAMA} has no revision 'v9'" in client.error(revision="v9")
    assert "has no revision" in client.error(revision="0" * 40)


def test_without_a_network_a_whole_copy_in_the_cache_is_used_and_nothing_else(hub, client, tmp_path):
    down = Client(address_where_nothing_listens(), client.home)
    assert "check the network" in down.error()
    found = client.download()
    assert (down.download()["folder"], down.download()["commit"]) == (found["folder"], found["commit"])
    assert client.download(environment={"HF_HUB_OFFLINE": "1"})["commit"] == found["commit"]
    (Path(found["folder"]) / "model-00003-of-00004.safetensors").unlink()
    assert "the copy in the cache cannot be used" in down.error()
    empty = Client(hub.url, tmp_path / "empty")
    assert "HF_HUB_OFFLINE" in empty.error(environment={"HF_HUB_OFFLINE": "1"})


def test_a_disk_without_room_is_refused_before_anything_large_is_fetched(hub, client):
    message = client.error(free=200_000)
    assert "0.00 GB are free" in message and "HF_HOME" in message
    assert not fetched(hub, "*.safetensors")


def test_models_that_cannot_be_evaluated_are_refused_before_anything_large_is_fetched(hub, client):
    quantise(model_folder(hub), "fp8")
    assert "quantised checkpoint (quantization_config: fp8)" in client.error()
    name_a_shard_that_is_not_there(model_folder(hub, MIXTRAL))
    assert "model.safetensors.index.json names" in client.error(MIXTRAL)
    keep_bin_only(model_folder(hub, MIXTRAL))
    assert "has no safetensors weights (pickled ones" in client.error(MIXTRAL)
    assert not fetched(hub, "*.safetensors") and not fetched(hub, "*.bin")


def test_an_adapter_shards_without_an_index_and_own_code_are_refused_before_anything_large_is_fetched(
    hub, client
):
    folder = model_folder(hub)
    need_remote_code(folder)
    assert "allow_remote_code: true" in client.error() and "allow_remote_code: false" in client.error()
    for code in folder.glob("*.py"):
        code.unlink()
    assert "that is not beside its config.json" in client.error(code=True)
    (folder / "adapter_config.json").write_text("{}")
    assert "holds an adapter (adapter_config.json)" in client.error(code=False)
    (model_folder(hub, MIXTRAL) / "model.safetensors.index.json").unlink()
    assert (
        "has shards such as model-00001-of-00019.safetensors and no model.safetensors.index.json"
        in client.error(MIXTRAL)
    )
    assert not fetched(hub, "*.safetensors")


def test_a_copy_in_the_store_that_repositories_share_is_no_damage_and_is_never_removed(hub, client):
    shard = Path(client.download()["folder"]) / "model-00003-of-00004.safetensors"
    blob, store = shard.resolve(), client.home / "hub" / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    blob.rename(store)  # as huggingface_hub lays out what it fetched by Xet
    blob.symlink_to(store)
    down = Client(address_where_nothing_listens(), client.home)
    assert "folder" in down.download()
    store.write_bytes(store.read_bytes()[:-1] + b"x")
    assert "is damaged" in down.error()
    assert "its digest is not the one" in client.download()["said"]
    assert shard.read_bytes() == (model_folder(hub) / shard.name).read_bytes()
    assert store.is_file()


def test_a_damaged_index_in_the_cache_is_fetched_again(hub, client):
    index = Path(client.download()["folder"]) / "model.safetensors.index.json"
    content = bytearray(index.read_bytes())
    content[0] = ord("x")
    index.resolve().write_bytes(content)
    assert "its digest is not the one" in client.download()["said"]
    assert json.loads(index.read_text())


def test_digests_of_large_files_are_remembered(hub, client, tmp_path):
    weights = model_folder(hub, MIXTRAL)
    shard = weights / "model-00001-of-00019.safetensors"
    header = shard.read_bytes()
    shard.write_bytes(header + bytes((16 << 20) + 1))  # bytes after the tensors are allowed
    remembered = tmp_path / "digests.json"
    client.download(MIXTRAL, digests=str(remembered))
    assert next(iter(json.loads(remembered.read_text()).values()))["size"] == shard.stat().st_size
