"""Stock tasks from a hub on loopback: lm-eval's own requests, and a clear line for whatever goes wrong.

The libraries read their environment when they are imported, so each client is a process of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cornerstone.documents.document import Document, DocumentSet, Request, read_documents
from cornerstone.system.hub_probe import hub_answers
from hub import DATA_SETS, Fault, Hub, address_where_nothing_listens, client_environment, make_content
from hub.repositories import read_repository
from lm_eval_samples import assert_same_as_lm_eval

ROOT = Path(__file__).parents[2]
TOKEN = "hf_AnAccountWithoutAccess012345678901"
GRANTED = "hf_AnAccountThatWasGranted01234567890"

BUILD = """
import dataclasses, json, sys
from cornerstone.system.errors import CornerstoneError
from cornerstone.documents import data_set
from cornerstone.system import hub
from cornerstone.documents.tasks import build_documents
from cornerstone.documents.task_size import expected_size
hub.WAITS = (0.1, 0.1)
call = {"build": build_documents, "size": expected_size}[sys.argv[1]]
for arguments in json.loads(sys.argv[2]):
    try:
        print(json.dumps(["done", dataclasses.asdict(call(**arguments))]))
    except CornerstoneError as error:
        print(json.dumps(["refused", str(error)]))
"""
LM_EVAL = """
import json, sys
from lm_eval.tasks import TaskManager
from cornerstone.documents.task_index import find_definition
from lm_eval_samples import samples_of
for task, shots in json.loads(sys.argv[1]):
    manager = TaskManager(include_defaults=False, include_path=find_definition(task).yaml_path.parent)
    samples = samples_of(task, task, manager, shots=shots)
    kept = ("doc_id", "arguments", "acc", "acc_norm")
    print(json.dumps([{key: sample[key] for key in kept if key in sample} for sample in samples]))
"""

AS_LM_EVAL = [
    ("boolq", None),
    ("boolq", 5),
    ("arc_easy", None),
    ("arc_challenge", None),
    ("piqa", None),
    ("winogrande", None),
    ("winogrande", 3),
    ("openbookqa", None),
    ("hellaswag", None),
    ("hellaswag", 5),
    ("mmlu_anatomy", None),
    ("mmlu_anatomy", 5),
]
SPLITS = {"boolq": "validation", "piqa": "validation", "winogrande": "validation", "hellaswag": "validation"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with Hub(make_content(tmp_path_factory.mktemp("hub"), data_sets=DATA_SETS)) as hub:
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The Hugging Face cache of those who share one."""
    return tmp_path_factory.mktemp("home")


def client(program, *arguments, url, home, token=None, preamble=(), **more):
    """What a program prints, line by line as JSON, and all it says."""
    paths = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    done = subprocess.run(
        [*preamble, sys.executable, "-c", program, *arguments],
        env=client_environment(url, home, token, PYTHONPATH=paths, **more),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", "{"))], done


def built(calls, **where):
    """The document sets, in the order of the calls."""
    answers, _ = client(BUILD, "build", json.dumps(calls), **where)
    assert [answer for answer, _ in answers] == ["done"] * len(calls), answers
    return [document_set(fields) for _, fields in answers]


def document_set(fields):
    documents = tuple(
        Document(
            document["index"],
            tuple(Request(**request) for request in document["requests"]),
            tuple(document["gold"]),
            tuple(document["choice_lengths"]),
        )
        for document in fields["documents"]
    )
    return DocumentSet(**{**fields, "metrics": tuple(fields["metrics"]), "documents": documents})


def refused(calls, **where):
    """The messages of calls that are all refused; none of them, nor anything said, shows the token."""
    answers, done = client(BUILD, "build", json.dumps(calls), **where)
    assert [answer for answer, _ in answers] == ["refused"] * len(calls), answers
    messages = [message for _, message in answers]
    assert not [message for message in messages if "\n" in message]
    if token := where.get("token"):
        assert token not in done.stdout + done.stderr
    return messages


def own_task(folder, name, **keys):
    """A YAML task of one's own in a folder: boolq with other keys."""
    from cornerstone.documents.task_index import find_definition

    folder.mkdir(exist_ok=True)
    lines = {"include": str(find_definition("boolq").yaml_path), "task": name, **keys}
    (folder / f"{name}.yaml").write_text(
        "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())
    )
    return {"task": name, "include_path": str(folder)}


# As lm-eval asks


@pytest.fixture(scope="module")
def stock(hub, home):
    """Document sets by (task, shots)."""
    calls = [{"task": task, "shots": shots} for task, shots in AS_LM_EVAL]
    return dict(zip(AS_LM_EVAL, built(calls, url=hub.url, home=home), strict=True))


@pytest.fixture(scope="module")
def lm_evals(hub, tmp_path_factory):
    """lm-eval's samples by (task, shots), with a cache of its own."""
    lines, _ = client(LM_EVAL, json.dumps(AS_LM_EVAL), url=hub.url, home=tmp_path_factory.mktemp("home"))
    return dict(zip(AS_LM_EVAL, lines, strict=True))


@pytest.mark.parametrize(("task", "shots"), AS_LM_EVAL)
def test_a_stock_task_is_asked_and_scored_as_lm_eval_does(stock, lm_evals, task, shots):
    assert_same_as_lm_eval(stock[task, shots], lm_evals[task, shots])
    assert stock[task, shots].split == SPLITS.get(task, "test")


def test_a_document_set_names_the_commit_of_its_data(hub, stock):
    commit = read_repository(hub.root, "datasets", "allenai/winogrande", "main").commit
    assert stock["winogrande", None].source == f"allenai/winogrande winogrande_xl @ {commit}"


def test_a_sampled_document_is_asked_as_without_the_sample(hub, home, stock):
    calls = [{"task": "hellaswag", "shots": shots, "sample": 7, "limit": 5} for shots in (None, 5)]
    for shots, sampled in zip((None, 5), built(calls, url=hub.url, home=home), strict=True):
        whole = stock["hellaswag", shots].documents
        assert len(sampled.documents) == 5
        assert sampled.documents == tuple(whole[document.index] for document in sampled.documents)


def test_what_was_loaded_once_needs_no_network(stock, home):
    calls = [{"task": task, "shots": shots} for task, shots in AS_LM_EVAL]
    again = built(calls, url=address_where_nothing_listens(), home=home, HF_HUB_OFFLINE="1")
    assert again == list(stock.values())


def test_a_task_of_ones_own_reads_the_hubs_data(hub, home, stock, tmp_path):
    call = own_task(tmp_path / "own", "closely", description="Read closely.\n\n", dataset_kwargs={})
    (document_set,) = built([call], url=hub.url, home=home)
    first = stock["boolq", None].documents[0].requests[0]
    assert document_set.documents[0].requests[0].context == f"Read closely.\n\n{first.context}"


def test_the_leave_to_run_remote_code_is_not_passed_on(hub, home, stock, tmp_path):
    call = own_task(tmp_path / "own", "trusting", dataset_kwargs={"trust_remote_code": True})
    (document_set,) = built([call], url=hub.url, home=home)
    assert document_set.documents == stock["boolq", None].documents


# How large it will be


def test_a_tasks_size_is_known_before_any_data_are_fetched(hub, tmp_path, stock):
    asked_before = len(hub.asked("*.parquet"))
    calls = [
        {"task": "boolq", "limit": 7},
        {"task": "hellaswag", "shots": 5},
        {"task": "winogrande", "sample": 9},
    ]
    answers, _ = client(BUILD, "size", json.dumps(calls), url=hub.url, home=tmp_path)
    sizes = [size for _, size in answers]
    assert [size["documents"] for size in sizes] == [7, 40, 9]
    assert len(hub.asked("*.parquet")) == asked_before
    for size, (task, shots) in zip(
        sizes, [("boolq", None), ("hellaswag", 5), ("winogrande", None)], strict=True
    ):
        documents = stock[task, shots].documents
        characters = sum(
            sum(len(context) for context in {request.context for request in document.requests})
            + sum(len(request.continuation) for request in document.requests)
            for document in documents
        )
        assert 0.5 < size["characters"] / (characters / len(documents)) < (3 if shots else 2), task


def test_a_local_files_size_is_counted(hub, tmp_path):
    data = tmp_path / "rows.jsonl"
    rows = [{"passage": "P" * length, "question": "is it", "label": 0} for length in (10, 20)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers, _ = client(
        BUILD, "size", json.dumps([{"task": "boolq", "data": str(data)}]), url=hub.url, home=tmp_path
    )
    context, choices = len("\nQuestion: is it?\nAnswer:"), len(" no yes")
    assert answers == [["done", {"documents": 2, "characters": 15 + context + choices}]]


def test_a_card_that_does_not_tell_gives_no_size(hub, tmp_path):
    card = hub.root / "datasets" / "baber" / "piqa" / "README.md"
    text = card.read_text()
    try:
        card.write_text(re.sub(r"^dataset_info:.*?(?=^configs:)", "", text, flags=re.DOTALL | re.MULTILINE))
        answers, _ = client(BUILD, "size", json.dumps([{"task": "piqa"}]), url=hub.url, home=tmp_path)
    finally:
        card.write_text(text)
    assert answers == [["done", {"documents": None, "characters": None}]]


# What goes wrong


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
        "cannot be asked for it (no network, or HF_HUB_OFFLINE is set): mend that, or give the task a local file "
        "as its `data`"
    )


def test_a_hub_that_is_down_is_noticed_before_its_libraries_wait_for_it(hub, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert hub_answers()
    monkeypatch.setenv("HF_ENDPOINT", address_where_nothing_listens())
    assert not hub_answers()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
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


# The rule


def test_the_rule_follows_the_configuration_and_edits_of_ones_own_tasks(hub, home, tmp_path):
    call = own_task(tmp_path / "own", "mine", description="Read closely.\n\n")
    study = {
        "results": "out",
        "models": {"llama": {"hub": "meta-llama/Meta-Llama-3-8B"}},
        "tasks": {
            "mine": {"include_path": "own", "sample": 7, "shots": 2, "documents": 3},
            "arc": {"group": "ai2_arc", "sample": 4},
        },
    }
    (tmp_path / "study.yaml").write_text(json.dumps(study))
    targets = [f"out/documents/{task}.parquet" for task in ("mine", "arc_easy", "arc_challenge")]

    def snakemake(*more):
        command = [
            "-m",
            "snakemake",
            "-s",
            ROOT / "Snakefile",
            "--configfile",
            "study.yaml",
            "-c1",
            *targets,
            *more,
        ]
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=tmp_path,
            env=client_environment(hub.url, home),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    snakemake()
    expected = built([{**call, "name": "mine", "sample": 7, "shots": 2, "limit": 3}], url=hub.url, home=home)
    assert [read_documents(tmp_path / targets[0])] == expected
    assert len(read_documents(tmp_path / targets[1]).documents) == 4
    last = (tmp_path / "out" / "logs" / "build_documents" / "mine.log").read_text().splitlines()[-1]
    assert last.startswith(f"mine: 3 documents of {expected[0].source}, split validation; task version 2.0, ")
    assert "Nothing to be done" in snakemake("-n")
    (tmp_path / "own" / "helping.py").write_text("pass\n")
    assert re.search(r"build_documents +1\n", snakemake("-n")), (
        "one rule runs again: mine, for its folder changed"
    )
