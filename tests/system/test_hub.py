"""The hub on loopback as the client libraries see it: what it has and what it refuses."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from asking_the_hub import AT_REVISION, DATA_SET, LLAMA, ONE_FILE, SHARD, SNAPSHOT, client, got, raw
from hub import DATA_SETS, MODELS, PAPER_MODELS, Hub, address_where_nothing_listens, make_content
from hub.content import pinned_commits
from hub.data_sets import CONFIGURATIONS
from hub.models import TINY_MODELS, make_model

TASKS = {
    "super_glue/boolq/default.yaml": "aps/super_glue boolq",
    "arc/arc_easy.yaml": "allenai/ai2_arc ARC-Easy",
    "piqa/piqa.yaml": "baber/piqa null",
    "winogrande/default.yaml": "allenai/winogrande winogrande_xl",
    "openbookqa/openbookqa.yaml": "allenai/openbookqa main",
    "hellaswag/hellaswag.yaml": "Rowan/hellaswag null",
}


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Path:
    return make_content(tmp_path_factory.mktemp("content"), MODELS, DATA_SETS)


# What it has


def test_a_snapshot_under_a_real_id_is_the_repository_byte_for_byte(hub, content, home):
    snapshot = Path(got(hub.url, home, SNAPSHOT, LLAMA))
    source = content / "models" / LLAMA
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert {path.relative_to(snapshot) for path in snapshot.rglob("*") if path.is_file()} == names
    assert all((snapshot / name).read_bytes() == (source / name).read_bytes() for name in names)
    commit = json.loads(raw(hub, f"/api/models/{LLAMA}")[2])["sha"]
    assert snapshot.name == commit
    blob = (snapshot / SHARD).resolve().name
    assert blob == hashlib.sha256((source / SHARD).read_bytes()).hexdigest()
    sent = sum(request.bytes_sent for request in hub.asked("*/resolve/*", "GET"))
    assert sent == sum((source / name).stat().st_size for name in names)


def test_the_models_have_the_depth_the_shards_and_the_decoys_of_the_real_ones(content):
    depths = {"Meta-Llama-3-8B": (32, 4), "Meta-Llama-3-70B": (80, 30), "Mixtral-8x7B-v0.1": (32, 19)}
    for model_id in MODELS:
        folder = content / "models" / model_id
        blocks = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
        shards = len(list(folder.glob("model*.safetensors")))
        assert (blocks, shards) == depths.get(folder.name, (3, TINY_MODELS[model_id].shards or 1))
    llama, mixtral, pythia = (content / "models" / name for name in (LLAMA, MODELS[2], MODELS[4]))
    assert (llama / "original" / "consolidated.00.pth").stat().st_size > (llama / SHARD).stat().st_size
    assert (mixtral / "consolidated.safetensors").is_file()
    assert (pythia / "pytorch_model.bin").is_file()


@pytest.mark.study
def test_transformers_opens_every_model_and_its_tokenizer(hub, home):
    code = f"""
import torch, transformers
for name in {[name for name in MODELS if "70B" not in name]}:
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    network = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    text = "The heron near the river ™"
    tokens = torch.tensor([tokenizer(text)["input_ids"]])
    assert tokenizer.decode(tokens[0], skip_special_tokens=True).strip() == text
    logits = network(tokens).logits[0]
    ours = len(tokenizer) <= network.config.vocab_size < len(tokenizer) + 128
    begins = tokenizer.bos_token_id == int(tokens[0, 0])
    print(name, type(network).__name__, ours, begins, 0.1 < float(logits.std()) < 10)
"""
    assert client(hub.url, home, code, TRANSFORMERS_VERBOSITY="error").splitlines() == [
        "meta-llama/Meta-Llama-3-8B LlamaForCausalLM True True True",
        "mistralai/Mixtral-8x7B-v0.1 MixtralForCausalLM True True True",
        "Qwen/Qwen3-8B Qwen3ForCausalLM True False True",
        "EleutherAI/pythia-160m GPTNeoXForCausalLM True False True",
    ]


def test_load_dataset_reads_every_configuration_with_the_splits_of_its_card(hub, home):
    wanted = {f"{each.data_set} {each.name}": each.splits for each in CONFIGURATIONS}
    code = f"""
import datasets, json
datasets.disable_progress_bars()
for name in {list(wanted)}:
    found = datasets.load_dataset(*name.split())
    print(json.dumps([name, {{split: len(rows) for split, rows in found.items()}}]))
"""
    found = dict(map(json.loads, client(hub.url, home, code).splitlines()))
    assert found == wanted


def test_the_data_sets_are_those_that_lm_evals_tasks_name():
    tasks = Path(importlib.util.find_spec("lm_eval").origin).parent / "tasks"
    ours = {f"{each.data_set} {each.name.replace('default', 'null')}" for each in CONFIGURATIONS}
    for path, named in TASKS.items():
        text = (tasks / path).read_text()
        found = [re.search(rf"^dataset_{key}: (\S+)", text, re.MULTILINE)[1] for key in ("path", "name")]
        assert " ".join(found) == named
        assert named in ours


def test_the_same_seed_makes_the_same_content_and_another_seed_another(tmp_path, content):
    again, other = (make_content(tmp_path / str(seed), [LLAMA], ["baber/piqa"], seed) for seed in (0, 1))
    for name in (f"models/{LLAMA}/{SHARD}", "datasets/baber/piqa/data/validation-00000-of-00001.parquet"):
        assert (again / name).read_bytes() == (content / name).read_bytes() != (other / name).read_bytes()


def test_a_branch_and_a_commit_are_revisions_and_a_changed_file_is_a_new_commit(tmp_path, home):
    folder = make_model(tmp_path, "EleutherAI/pythia-160m")
    make_model(tmp_path, "EleutherAI/pythia-160m", seed=7, revision="step1000")
    get = (
        f"{SNAPSHOT}\nfor r in ('main', 'step1000', COMMIT): print(get('EleutherAI/pythia-160m', revision=r))"
    )
    with Hub(tmp_path) as hub:
        commit = json.loads(raw(hub, "/api/models/EleutherAI/pythia-160m")[2])["sha"]
        said = client(hub.url, home, get.replace("COMMIT", repr(commit)))
        main, branch, at_commit = map(Path, said.split())
        assert main == at_commit != branch
        assert (main / "config.json").read_bytes() == (branch / "config.json").read_bytes()
        assert (main / "model.safetensors").read_bytes() != (branch / "model.safetensors").read_bytes()
        (folder / "README.md").write_text("Another.")
        assert json.loads(raw(hub, "/api/models/EleutherAI/pythia-160m")[2])["sha"] != commit
        assert raw(hub, f"/api/models/EleutherAI/pythia-160m/revision/{commit}")[0] == 404


def test_the_commits_that_the_default_configuration_pins_are_there(hub, content):
    pinned = {model: commit for model in PAPER_MODELS for commit in pinned_commits(model)}
    assert list(pinned) == list(PAPER_MODELS)
    for model, commit in pinned.items():
        status, _, body = raw(hub, f"/api/models/{model}/revision/{commit}")
        assert (status, json.loads(body)["sha"]) == (200, commit)


def test_a_listing_comes_in_pages_and_with_what_the_hub_knows_of_files(content, home):
    code = f"""
from huggingface_hub import HfApi
api = HfApi()
files = [file for file in api.list_repo_tree("{LLAMA}", recursive=True) if hasattr(file, "size")]
info = api.model_info("{LLAMA}", files_metadata=True)
assert {{(s.rfilename, s.size, s.lfs and s.lfs.sha256) for s in info.siblings}} == {{
    (file.path, file.size, file.lfs and file.lfs.sha256) for file in files}}
some = api.get_paths_info("{LLAMA}", ["{SHARD}", "original", "absent"])
branch = api.list_repo_refs("{LLAMA}").branches[0].name
print(len(files), [entry.path for entry in some], info.safetensors.parameters, branch)
"""
    with Hub(content, page=5) as hub:
        said = client(hub.url, home, code)
        pages = hub.asked("/api/*/tree/*")
    parameters = sum(
        len(file.read_bytes()) - 8 - int.from_bytes(file.read_bytes()[:8], "little")
        for file in (content / "models" / LLAMA).glob("model-*.safetensors")
    )
    assert said == f"17 ['original', '{SHARD}'] {{'BF16': {parameters // 2}}} main\n"
    assert len(pages) == 4


def test_a_range_is_sent_alone(hub, content):
    whole = (content / "models" / LLAMA / SHARD).read_bytes()
    path = f"/{LLAMA}/resolve/main/{SHARD}"
    for asked, part in (("10-19", whole[10:20]), ("100-", whole[100:]), ("-7", whole[-7:])):
        status, headers, body = raw(hub, path, Range=f"bytes={asked}")
        assert (status, body, headers["Content-Length"]) == (206, part, str(len(part)))
    assert headers["Content-Range"] == f"bytes {len(whole) - 7}-{len(whole) - 1}/{len(whole)}"
    assert raw(hub, path, Range=f"bytes={len(whole)}-")[0] == 416


def test_many_ask_at_once_and_a_connection_is_kept(hub):
    def ask(_: int) -> list[int]:
        connection = HTTPConnection(urlsplit(hub.url).netloc, timeout=10)
        statuses = []
        for name in ("config.json", "absent", "tokenizer.json"):
            connection.request("GET", f"/{LLAMA}/resolve/main/{name}")
            answer = connection.getresponse()
            statuses.append(answer.status)
            answer.read()
        connection.close()
        return statuses

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(64))) == [[200, 404, 200]] * 64
    end = time.monotonic() + 10
    while len(hub.requests) < 64 * 3 and time.monotonic() < end:
        time.sleep(0.01)  # a request is noted after its answer was sent
    assert len(hub.requests) == 64 * 3


def test_as_a_command_it_makes_everything_and_says_where_it_listens(tmp_path):
    command = [sys.executable, "-m", "hub", str(tmp_path / "hub")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], **pipes) as server:
        url = server.stdout.readline().strip().removeprefix("export HF_ENDPOINT=")
        for path in (f"api/models/{MODELS[0]}", f"api/datasets/{DATA_SETS[0]}"):
            with urlopen(f"{url}/{path}") as answer:
                assert answer.status == 200
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(10) == 130
        finally:
            server.kill()  # else leaving the block would wait for ever


def test_a_hub_that_is_down_refuses_connections(content, home):
    with Hub(content) as hub:
        connection = HTTPConnection(urlsplit(hub.url).netloc, timeout=10)
        connection.request("GET", f"/api/models/{LLAMA}")
        connection.getresponse().read()
    with pytest.raises(OSError):
        connection.request("GET", f"/api/models/{LLAMA}")  # kept alive, and gone with the hub
        connection.getresponse()
    for url in (hub.url, address_where_nothing_listens()):
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", urlsplit(url).port))


# What it refuses


@pytest.mark.parametrize(
    ("get", "arguments", "error"),
    [
        (SNAPSHOT, ("nobody/nothing",), "RepositoryNotFoundError"),
        (AT_REVISION, (LLAMA, "v9"), "RevisionNotFoundError"),
        (ONE_FILE, (LLAMA, "absent.json"), "RemoteEntryNotFoundError"),
        (DATA_SET, ("nobody/nothing",), "DatasetNotFoundError"),
    ],
)
def test_what_is_not_there_is_refused_by_the_clients_own_error(hub, home, get, arguments, error):
    assert got(hub.url, home, get, *arguments) == error


def test_an_unknown_repository_is_unknown_to_those_with_a_token_too(hub, home):
    assert got(hub.url, home, SNAPSHOT, "nobody/nothing", token="hf_any") == "RepositoryNotFoundError"
    assert [(request.status, request.with_token) for request in hub.requests] == [(404, True)]


def test_a_private_repository_looks_as_if_it_were_not_there(hub, home):
    hub.private.add(LLAMA)
    assert got(hub.url, home, SNAPSHOT, LLAMA) == "RepositoryNotFoundError"
    assert {request.status for request in hub.requests} == {401}


@pytest.mark.parametrize(
    ("token", "outcome", "status"),
    [(None, "GatedRepoError", 401), ("hf_other", "GatedRepoError", 403), ("hf_granted", None, 200)],
)
def test_a_gated_models_files_are_for_granted_tokens(hub, home, token, outcome, status):
    hub.gate(LLAMA, "hf_granted")
    found = got(hub.url, home, ONE_FILE, LLAMA, SHARD, token=token)
    assert found == outcome or (outcome is None and found.endswith(SHARD))
    assert hub.requests[0].status == status
    assert all(request.with_token == (token is not None) for request in hub.requests)
    assert "hf_" not in repr(hub.requests)
    assert json.loads(raw(hub, f"/api/models/{LLAMA}")[2])["gated"] == "manual"


def test_a_gated_data_set_and_an_unknown_token_are_refused(hub, home):
    hub.gate("baber/piqa")
    hub.known_tokens = {"hf_granted"}
    assert got(hub.url, home, DATA_SET, "baber/piqa") == "DatasetNotFoundError"
    assert got(hub.url, home, SNAPSHOT, LLAMA, token="hf_revoked") == "HfHubHTTPError"
    assert hub.requests[-1].status == 401
