"""Stock tasks from a hub on loopback: lm-eval's own requests, and how many there will be."""

import json
import re
import subprocess
import sys

import pytest

from cornerstone.documents.document import read_documents
from hub import DATA_SETS, Hub, address_where_nothing_listens, client_environment, make_content
from hub.repositories import read_repository
from lm_eval_samples import assert_same_as_lm_eval
from tasks_on_hub import BUILD, ROOT, built, client, own_task

pytestmark = pytest.mark.study

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


ALONE = {"shared": 0.0, "sharing": 1.0, "answer": None}
"""Of documents that do not begin alike."""


def test_a_local_files_size_is_counted(hub, tmp_path):
    data = tmp_path / "rows.jsonl"
    rows = [{"passage": "P" * length, "question": "is it", "label": 0} for length in (10, 20)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers, _ = client(
        BUILD, "size", json.dumps([{"task": "boolq", "data": str(data)}]), url=hub.url, home=tmp_path
    )
    context, choices = len("\nQuestion: is it?\nAnswer:"), len(" no yes")
    counted = {"documents": 2, "characters": 15 + context + choices, "choices": choices}
    assert answers == [["done", counted | ALONE]]


def test_a_card_that_does_not_tell_gives_no_size(hub, tmp_path):
    card = hub.root / "datasets" / "baber" / "piqa" / "README.md"
    text = card.read_text()
    try:
        card.write_text(re.sub(r"^dataset_info:.*?(?=^configs:)", "", text, flags=re.DOTALL | re.MULTILINE))
        answers, _ = client(BUILD, "size", json.dumps([{"task": "piqa"}]), url=hub.url, home=tmp_path)
    finally:
        card.write_text(text)
    assert answers == [["done", {"documents": None, "characters": None, "choices": None} | ALONE]]


# The rule


@pytest.mark.slow
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
            timeout=1200,
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
