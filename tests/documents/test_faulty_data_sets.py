"""Data sets that the hub refuses, breaks off or has in another shape: a clear line for whatever goes wrong."""

import json
import os
import shutil
import subprocess

import pytest

from cornerstone.system.hub_probe import hub_answers
from hub import Fault, Hub, address_where_nothing_listens, make_content
from tasks_on_hub import BUILD, GRANTED, TOKEN, built, client, own_task, refused


@pytest.fixture
def faulty(tmp_path):
    """A hub that a test may spoil."""
    with Hub(make_content(tmp_path / "hub", data_sets=["aps/super_glue"])) as hub:
        yield hub


def test_an_unknown_data_set_is_named(faulty, tmp_path):
    (message,) = refused([{"task": "piqa"}], url=faulty.url, home=tmp_path / "home")
    assert message.startswith("task piqa: the hub has no dataset baber/piqa: check the spelling")


def test_a_gated_data_set_without_a_token_says_which_page_and_which_variable(faulty, tmp_path):
    faulty.gate("aps/super_glue", GRANTED)
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home")
    assert f"accept its terms at {faulty.url}/datasets/aps/super_glue" in message
    assert "set HF_TOKEN to it" in message


def test_a_gated_data_set_with_another_accounts_token_says_so(faulty, tmp_path):
    faulty.gate("aps/super_glue", GRANTED)
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home", token=TOKEN)
    assert f"your token gives no access: accept its terms at {faulty.url}/datasets/aps/super_glue" in message


def test_a_gated_data_set_is_read_with_the_right_token(faulty, tmp_path):
    faulty.gate("aps/super_glue", GRANTED)
    (document_set,) = built([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home", token=GRANTED)
    assert len(document_set.documents) == 60


def test_a_token_that_the_hub_does_not_know_is_refused(faulty, tmp_path):
    faulty.known_tokens = {GRANTED}
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home", token=TOKEN)
    assert "the hub refuses the token for aps/super_glue" in message
    assert "set HF_TOKEN to a valid one" in message


def test_a_token_that_cannot_be_sent_is_not_shown(faulty, tmp_path):
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home", token="hf_sécret")
    assert "cret" not in message


def test_without_a_network_and_a_copy_it_says_both(tmp_path):
    url = address_where_nothing_listens()
    (message,) = refused([{"task": "boolq"}], url=url, home=tmp_path, HF_HUB_OFFLINE="1")
    assert message == (
        f"task boolq: data set aps/super_glue is not in the Hugging Face cache {tmp_path / 'datasets'}, and {url} "
        "cannot be asked for it (no network, or HF_HUB_OFFLINE is set): fix that, or give the task a local file "
        "as its `data`"
    )


def test_a_hub_that_is_down_is_noticed_before_its_libraries_wait_for_it(faulty, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", faulty.url)
    assert hub_answers()
    for address in (address_where_nothing_listens(), "http://localhost:80x", "http://127.0.0.1:9 9"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert not hub_answers()
    monkeypatch.setenv("HF_ENDPOINT", faulty.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not hub_answers()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset", "*/validation-*.parquet", after=500),
        Fault("status", "*/validation-*.parquet", status=503),
        Fault("cut", "*/validation-*.parquet", after=500),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_download_that_breaks_off_is_tried_again(faulty, tmp_path, fault):
    faulty.misbehave(fault)
    (document_set,) = built([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home")
    assert len(document_set.documents) == 60
    assert fault.times == 0


def test_a_download_that_always_breaks_off_ends_in_a_line(faulty, tmp_path):
    faulty.misbehave(Fault("reset", "*/validation-*.parquet", after=500, times=None))
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=tmp_path / "home")
    assert f"{faulty.url} does not answer as it should for aps/super_glue" in message
    assert len(faulty.asked("*/validation-*.parquet", "GET")) == 3, "the first try and one after each wait"


SMALL_DISK = 'mount -t tmpfs -o size=300k none "$HF_HOME" && exec "$@"'


def test_a_full_disk_is_told_with_the_variable_that_moves_the_cache(faulty, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    preamble = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"]
    allowed = shutil.which("unshare") and subprocess.run(
        [*preamble, "true"], env={**os.environ, "HF_HOME": str(home)}, capture_output=True
    )
    if not allowed or allowed.returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    filler = faulty.root / "datasets" / "aps" / "super_glue" / "boolq" / "train-00000-of-00001.parquet"
    make_large(filler)
    (message,) = refused([{"task": "boolq"}], url=faulty.url, home=home, preamble=preamble)
    assert "aps/super_glue does not fit on the disk of the Hugging Face cache" in message
    assert "set HF_HOME to a folder on a larger disk" in message


def make_large(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    passages = pa.array([os.urandom(20_000).hex() for _ in range(len(table))])
    pq.write_table(table.set_column(table.schema.get_field_index("passage"), "passage", passages), path)


def test_a_data_set_that_does_not_fit_the_task_is_told_by_what_it_lacks(faulty, tmp_path):
    own = tmp_path / "own"
    calls = [
        own_task(own, "configuration", dataset_name="wic"),
        own_task(own, "split", validation_split="dev"),
        own_task(own, "examples", training_split="practice"),
        own_task(own, "field", doc_to_text="{{passage}} {{query}}"),
        own_task(own, "bare_name", doc_to_text="quastion"),
        own_task(own, "unlabelled", validation_split="test"),
        own_task(own, "nothing", dataset_path=None),
        own_task(own, "key", doc_to_txt="{{passage}}"),
    ]
    messages = dict(
        zip(
            (call["task"] for call in calls),
            refused(calls, url=faulty.url, home=tmp_path / "home"),
            strict=True,
        )
    )
    assert "aps/super_glue has no configuration 'wic': it has boolq" in messages["configuration"]
    assert "has no split 'dev', which is scored: it has train, validation, test" in messages["split"]
    assert "has no split 'practice', which is drawn from for examples" in messages["examples"]
    assert (
        "no field 'query' (or null); task field needs passage, query, label, its data have "
        in messages["field"]
    )
    assert "row 1: no field 'quastion'" in messages["bare_name"]
    assert ", test, row 1: the answer is -1, but there are 2 choices" in messages["unlabelled"]
    assert "task nothing names no data set: give its definition a dataset_path" in messages["nothing"]
    assert "doc_to_txt" in messages["key"]


def test_a_data_set_without_data_that_can_be_read_is_told(faulty, tmp_path):
    for name, file in {"script": "script.py", "pickles": "train.pkl", "empty": "README.md"}.items():
        folder = faulty.root / "datasets" / "someone" / name
        folder.mkdir(parents=True)
        (folder / file).write_text("raise SystemExit('was run')\n")
    calls = [
        own_task(tmp_path / "own", name, dataset_path=f"someone/{name}", dataset_name=None)
        for name in ("script", "pickles", "empty")
    ]
    script, pickles, empty = refused(calls, url=faulty.url, home=tmp_path / "home")
    assert "data set someone/script is made by a script, which is never run" in script
    assert "data set someone/pickles has no data files that can be read" in pickles
    assert "data set someone/empty has no data files that can be read" in empty


def test_a_null_of_the_data_sets_own_is_written_as_lm_eval_does_and_told(faulty, tmp_path):
    import pyarrow.parquet as pq

    path = faulty.root / "datasets" / "aps" / "super_glue" / "boolq" / "validation-00000-of-00001.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[4]["passage"] = None
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    answers, done = client(
        BUILD, "build", json.dumps([{"task": "boolq"}]), url=faulty.url, home=tmp_path / "home"
    )
    assert ", validation, row 5: 'passage' is null, and lm-eval writes None for it" in done.stderr
    ((answer, fields),) = answers
    assert answer == "done"
    assert fields["documents"][4]["requests"][0]["context"].startswith("None\nQuestion: ")
