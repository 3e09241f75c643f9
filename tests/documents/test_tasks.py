"""Document sets against lm-eval itself: the same prompts, answers and scores; all else is refused by name.

The reference is lm_eval.simple_evaluate on the stock definition, included from a YAML file of the test's own.
"""

import dataclasses
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import lm_eval
import pytest
import yaml
from lm_eval.tasks import TaskManager

from cornerstone.documents.document import Request
from cornerstone.documents.task_index import find_definition
from cornerstone.documents.tasks import build_documents, sampled_rows
from cornerstone.system.errors import CornerstoneError
from lm_eval_samples import assert_same_as_lm_eval, samples_of

ROOT = Path(__file__).parents[2]
SHARED_DOCUMENTS = ROOT / ".." / "shared" / "data" / "documents"
SCORED_SPLITS = {"boolq": "validation", "piqa": "validation", "winogrande": "validation"}


def question(number, choices, labels, answer):
    return {
        "id": f"q{number}",
        "question": f"Which thing is number {number}?",
        "question_stem": f"Thing number {number} is a",
        "choices": {"text": choices, "label": labels},
        "answerKey": answer,
    }


QUESTIONS = [
    question(0, ["ant", "bee – ünïcode", "cat", "dog"], ["A", "B", "C", "D"], "B"),
    question(1, ["a long answer", "no", "yes"], ["A", "B", "C"], "C"),
    question(2, ["one", "two", "three", "four", "five"], ["A", "B", "C", "D", "E"], "E"),
    question(3, ["up", "down", "left", "right"], ["1", "2", "3", "4"], "4"),
    question(4, ["same", "same", "other"], ["1", "2", "3"], "2"),
]
PASSAGES = [
    {"passage": f"Passage {n}.", "question": f"is it {n}", "idx": n, "label": n % 2} for n in range(8)
]
GOALS = [{"goal": f"Goal {n}", "sol1": f"do {n}", "sol2": "wait", "label": n % 2} for n in range(4)]
BLANKS = [
    {"sentence": f"Ann met Sue so _ was {n}.", "option1": "Ann", "option2": "Sue", "answer": str(1 + n % 2)}
    for n in range(4)
]
ENDINGS = [
    {
        "activity_label": "Cooking",
        "ctx_a": "A cook stirs [title] the pot.",
        "ctx_b": "then he",
        "endings": [f"tastes {n}", "leaves", "sings", "sits"],
        "label": str(n % 4),
    }
    for n in range(4)
]
LESSONS = [
    {"question": f"What is {n}?", "subject": "astronomy", "choices": ["p", "q", "r", "s"], "answer": n % 4}
    for n in range(8)
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def lm_evals_samples(tmp_path, task, data, split, limit=None, shots=None, **overrides):
    """What lm-eval logs of each document; `overrides` change the stock definition."""
    definition = {
        "include": str(find_definition(task).yaml_path),
        "task": task,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(data)}, "cache_dir": str(tmp_path / "cache")},
        "training_split": None,
        "fewshot_split": None,
        **overrides,
    }
    if split == "test":
        definition["validation_split"] = None
    path = tmp_path / "definition.yaml"
    path.write_text(yaml.safe_dump(definition))
    manager = TaskManager(include_defaults=False)
    return samples_of(manager.load(str(path))["tasks"][task], task, manager, limit, shots)


def refusal(call, *arguments, **keywords):
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# As lm-eval builds and scores them


@pytest.mark.parametrize(("task", "split"), SCORED_SPLITS.items())
def test_real_documents_are_asked_and_scored_as_lm_eval_does(tmp_path, task, split):
    data = SHARED_DOCUMENTS / f"{task}.jsonl"
    if not data.is_file():
        pytest.skip(f"no real documents: {data} is missing")
    document_set = build_documents(task, data=data)
    assert len(document_set.documents) == sum(1 for _ in data.open(encoding="utf-8"))
    first = dataclasses.replace(document_set, documents=document_set.documents[:300])
    assert_same_as_lm_eval(first, lm_evals_samples(tmp_path, task, data.resolve(), split, limit=300))


@pytest.mark.parametrize(
    ("task", "rows", "split"),
    [
        ("arc_easy", QUESTIONS, "test"),
        ("arc_challenge", QUESTIONS, "test"),
        ("openbookqa", QUESTIONS, "test"),
        ("hellaswag", ENDINGS, "validation"),  # has a process_docs
        ("mmlu_astronomy", LESSONS, "test"),  # has a description, a named examples' split and its own sampler
    ],
)
def test_tasks_of_every_shape_are_asked_and_scored_as_lm_eval_does(tmp_path, task, rows, split):
    data = write_rows(tmp_path / "rows.jsonl", rows)
    document_set = build_documents(task, data=data)
    assert document_set.split == split
    assert len(document_set.documents) == len(rows)
    assert_same_as_lm_eval(document_set, lm_evals_samples(tmp_path, task, data, split))


def test_a_document_has_the_choices_gold_and_lengths_of_its_row(tmp_path):
    document_set = build_documents("arc_easy", data=write_rows(tmp_path / "rows.jsonl", QUESTIONS))
    assert [len(document.requests) for document in document_set.documents] == [4, 3, 5, 4, 3]
    assert [document.gold for document in document_set.documents] == [(1,), (2,), (4,), (3,), (1,)]
    assert document_set.documents[0].choice_lengths == (3, len("bee – ünïcode"), 3, 3)
    first = Request("Question: Which thing is number 0?\nAnswer:", " ant")
    assert document_set.documents[0].requests[0] == first


def test_each_choice_of_winogrande_is_a_context(tmp_path):
    document_set = build_documents("winogrande", data=write_rows(tmp_path / "rows.jsonl", BLANKS))
    assert document_set.documents[1].requests == (
        Request("Ann met Sue so Ann", " was 1."),
        Request("Ann met Sue so Sue", " was 1."),
    )
    assert document_set.documents[1].gold == (1,)


@pytest.mark.parametrize(
    ("task", "metrics"), [("boolq", ("acc",)), ("piqa", ("acc", "acc_norm")), ("mrpc", ("acc",))]
)
def test_metrics_are_those_of_acc_and_acc_norm_that_the_task_reports(tmp_path, task, metrics):
    rows = {"boolq": PASSAGES, "piqa": GOALS, "mrpc": [{"sentence1": "a", "sentence2": "b", "label": 1}]}[
        task
    ]
    assert build_documents(task, data=write_rows(tmp_path / "rows.jsonl", rows)).metrics == metrics


def test_a_limit_keeps_the_first_documents_with_their_digest_of_their_own(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    whole, limited = build_documents("boolq", data=data), build_documents("boolq", data=data, limit=3)
    assert limited.documents == whole.documents[:3]
    assert limited.digest != whole.digest
    assert build_documents("boolq", data=data, limit=100) == whole


def test_a_document_set_says_where_it_comes_from(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    document_set = build_documents("boolq", name="mine", data=data)
    assert (document_set.task, document_set.version, document_set.split) == ("mine", "2.0", "validation")
    assert document_set.lm_eval_version == lm_eval.__version__
    assert document_set.source.startswith(f"{data} (sha256 ")


# Few-shot examples


@pytest.mark.parametrize(
    ("task", "rows", "split", "overrides"),
    [
        ("boolq", PASSAGES, "validation", {}),
        ("arc_easy", QUESTIONS, "test", {"fewshot_split": "test"}),
        ("winogrande", BLANKS, "validation", {}),
        ("mmlu_astronomy", LESSONS, "test", {"fewshot_split": "test"}),
    ],
)
def test_examples_of_local_data_are_drawn_from_the_other_documents(tmp_path, task, rows, split, overrides):
    data = write_rows(tmp_path / "rows.jsonl", rows)
    document_set = build_documents(task, data=data, shots=2)
    samples = lm_evals_samples(tmp_path, task, data, split, shots=2, **overrides)
    assert_same_as_lm_eval(document_set, samples)
    unsolved = build_documents(task, data=data)
    for document, plain in zip(document_set.documents, unsolved.documents, strict=True):
        gold = plain.requests[plain.gold[0]]
        solved = gold.context + gold.continuation
        examples = document.requests[0].context
        assert examples.count("\n\n") >= 2
        assert solved not in examples


def test_more_examples_than_documents_are_refused(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    assert "cannot build its 9-shot prompts" in refusal(build_documents, "boolq", data=data, shots=9)


# Samples


def test_a_larger_sample_of_one_seed_begins_with_the_smaller():
    large = sampled_rows(1000, 300, seed=7)
    assert sampled_rows(1000, 20, seed=7) == large[:20]
    assert len(set(large)) == 300
    assert large != sorted(large)
    assert sampled_rows(1000, 20, seed=8) != large[:20]


def test_a_sample_is_the_same_on_every_machine():
    assert sampled_rows(10, 5, seed=1234) == [2, 8, 3, 5, 6]


def test_without_a_sample_the_rows_are_all_in_order():
    assert sampled_rows(4, None, seed=7) == [0, 1, 2, 3]


def test_a_sample_larger_than_the_split_is_all_of_it_and_says_so(capsys):
    assert sorted(sampled_rows(4, 9, seed=7, task="boolq")) == [0, 1, 2, 3]
    assert "boolq: a sample of 9 was asked, there are 4 documents: all are taken" in capsys.readouterr().err


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize(("task", "rows"), [("boolq", PASSAGES), ("mmlu_astronomy", LESSONS)])
def test_a_sampled_document_is_asked_as_without_the_sample(tmp_path, task, rows, shots):
    data = write_rows(tmp_path / "rows.jsonl", rows)
    whole = build_documents(task, data=data, shots=shots).documents
    sampled = build_documents(task, data=data, shots=shots, sample=5, seed=3).documents
    assert [document.index for document in sampled] == sampled_rows(len(rows), 5, seed=3)
    assert sampled == tuple(whole[document.index] for document in sampled)


def test_a_limit_takes_the_first_of_a_sample(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    sampled = build_documents("boolq", data=data, sample=5, seed=3)
    limited = build_documents("boolq", data=data, sample=5, seed=3, limit=2)
    assert limited.documents == sampled.documents[:2]


@pytest.mark.parametrize("sample", [0, -1])
def test_a_sample_that_leaves_no_document_is_refused(sample):
    assert f"a sample of {sample} documents leaves none" in refusal(build_documents, "boolq", sample=sample)


# Local files


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_documents(tmp_path, ending):
    rows = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    other = tmp_path / f"rows.{ending}"
    if ending == "json":
        other.write_text(json.dumps(PASSAGES))
    else:
        getattr(datasets.Dataset.from_list(PASSAGES), f"to_{ending}")(str(other))
    assert build_documents("boolq", data=other).documents == build_documents("boolq", data=rows).documents


def test_a_changed_file_is_read_anew(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    build_documents("boolq", data=data)
    status = data.stat()
    write_rows(data, [row | {"passage": row["passage"].replace("Passage", "passage")} for row in PASSAGES])
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    context = build_documents("boolq", data=data).documents[0].requests[0].context
    assert context.startswith("passage 0.")


OFFLINE = """
import socket, sys
def refuse(*arguments): raise AssertionError(f"connected to {arguments}")
socket.socket.connect = socket.getaddrinfo = refuse
from cornerstone.system.errors import CornerstoneError
from cornerstone.documents.tasks import build_documents
print(len(build_documents("boolq", data=sys.argv[1]).documents))
try:
    build_documents("sciq")
except CornerstoneError as error:
    print(error)
"""


def test_local_data_need_no_network_and_leave_nothing_in_the_cache(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    home = tmp_path / "home"
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HOME": str(home)}
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(data)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    count, refused = done.stdout.splitlines()
    assert count == str(len(PASSAGES))
    assert refused.startswith("task sciq: data set allenai/sciq is not in the Hugging Face cache ")
    assert refused.endswith("or give the task a local file as its `data`")
    assert not [path for path in home.rglob("*") if path.is_file()]


# Tasks of one's own

OWN_TASK = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: ROWS}}
output_type: multiple_choice
test_split: test
process_docs: !function rows.loud
doc_to_text: "{{passage}} {{question}}?"
doc_to_choice: ["no", "yes"]
doc_to_target: label
metadata: {version: 3}
"""
OWN_FUNCTIONS = """
def loud(rows):
    return rows.map(lambda row: {"question": row["question"].upper()})
"""


@pytest.fixture
def own(tmp_path):
    """A folder with a task, its data and its functions."""
    rows = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    (tmp_path / "mine.yaml").write_text(OWN_TASK.replace("ROWS", str(rows)))
    (tmp_path / "rows.py").write_text(OWN_FUNCTIONS)
    return tmp_path


def test_a_task_of_ones_own_is_built_from_its_own_data(own):
    document_set = build_documents("mine", include_path=own, sample=3, seed=1)
    assert [document.index for document in document_set.documents] == sampled_rows(len(PASSAGES), 3, seed=1)
    row = document_set.documents[0].index
    assert document_set.documents[0].requests[1] == Request(f"Passage {row}. IS IT {row}?", " yes")
    assert (document_set.version, document_set.split) == ("3", "test")
    assert document_set.source == f"json {own / 'rows.jsonl'}"


def test_a_task_of_ones_own_may_read_a_given_file(own, tmp_path):
    data = write_rows(tmp_path / "other.jsonl", PASSAGES[:2])
    assert len(build_documents("mine", include_path=own, data=data).documents) == 2


def test_own_data_that_are_missing_are_named(own):
    (own / "rows.jsonl").unlink()
    message = refusal(build_documents, "mine", include_path=own)
    assert "task mine: cannot load data set json" in message
    assert str(own / "rows.jsonl") in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("doc_to_txt: x", "doc_to_txt"),
        ("metric_list: [{metric: brier_score}]", "its only metrics are brier_score"),
        ("test_split: null", "names no test or validation split"),
        ("output_type: generate_until", "it is not multiple choice"),
        ("doc_to_text: '{{passage'", "its doc_to_text is no template"),
        ("doc_to_text: pasage", "no field 'pasage'"),
        ("process_docs: !function rows.quiet", "has no function 'quiet'"),
    ],
)
def test_a_mistake_in_a_definition_of_ones_own_is_told_in_a_line(own, line, expected):
    key = line.split(":")[0]
    kept = [
        known for known in (own / "mine.yaml").read_text().splitlines() if not known.startswith(f"{key}:")
    ]
    (own / "mine.yaml").write_text("\n".join([*kept, line]))
    message = refusal(build_documents, "mine", include_path=own)
    assert expected in message
    assert "mine" in message


# Refused by name

REFUSED_TASKS = [
    ("boolqq", "has no task 'boolqq': did you mean boolq"),
    ("BoolQ", "has no task 'BoolQ': did you mean boolq"),
    (
        "mmlu",
        "mmlu is a group of 57 tasks: configure it as `group: mmlu`, or name them (mmlu_abstract_algebra, ",
    ),
    (
        "ai2_arc",
        "ai2_arc is a group of 2 tasks: configure it as `group: ai2_arc`, or name them (arc_challenge, arc_easy)",
    ),
    ("gsm8k", "it is not multiple choice (its output type is generate_until)"),
    ("wikitext", "it is not multiple choice (its output type is loglikelihood_rolling)"),
    ("lambada_openai", "it is not multiple choice (its output type is loglikelihood)"),
    ("truthfulqa_mc2", "it scores by its own process_results"),
    ("cola", "its only metrics are mcc"),
    ("tinyArc", "it averages acc_norm in a way of its own"),
    ("squadv2", "it is a Python class of its own"),
]


@pytest.mark.parametrize(("task", "expected"), REFUSED_TASKS)
def test_a_task_that_cannot_be_measured_is_refused_by_name(task, expected):
    message = refusal(build_documents, task)
    assert expected in message
    assert task in message


def without(row, field):
    return {key: value for key, value in row.items() if key != field}


REFUSED_ROWS = [
    (
        "boolq",
        [without(row, "passage") for row in PASSAGES],
        "row 1: no field 'passage' (or null); task boolq needs",
    ),
    (
        "boolq",
        [PASSAGES[0], without(PASSAGES[1], "question")],
        "row 2: no field 'question' (or null); task boolq",
    ),
    ("boolq", [*PASSAGES, PASSAGES[0] | {"label": None}], "row 9: no field 'label' (or null)"),
    ("boolq", [PASSAGES[0], PASSAGES[1] | {"label": 2}], "row 2: the answer is 2, but there are 2 choices"),
    ("boolq", [PASSAGES[0] | {"label": -1}], "row 1: the answer is -1, but there are 2 choices"),
    ("openbookqa", [without(row, "question_stem") for row in QUESTIONS], "row 1: no field 'question_stem'"),
    ("winogrande", [without(row, "option2") for row in BLANKS], "row 1: no field 'option2' (or null)"),
    ("winogrande", [BLANKS[0], without(BLANKS[1], "option2")], "row 2: no field 'option2' (or null)"),
    (
        "winogrande",
        [BLANKS[0], BLANKS[1] | {"sentence": "No blank."}],
        "row 2: ValueError: substring not found",
    ),
    ("winogrande", [BLANKS[0], BLANKS[1] | {"sentence": "It is _"}], "row 2: choice 1 is empty"),
    ("piqa", [GOALS[0], GOALS[1] | {"sol2": ""}], "row 2: choice 2 is empty, so there is nothing to score"),
    ("piqa", [GOALS[0] | {"sol1": ""}], "row 1 (IndexError: string index out of range; is a choice empty?)"),
    (
        "piqa",
        [row | {"label": str(row["label"])} for row in GOALS],
        "row 1: the answer is '0', but there are",
    ),
    ("arc_easy", [QUESTIONS[0], QUESTIONS[1] | {"answerKey": "D"}], "row 2: ValueError: 'D' is not in list"),
    ("arc_easy", [QUESTIONS[0], QUESTIONS[1] | {"choices": {"text": ["a"]}}], "row 2: "),
    ("arc_easy", [row | {"choices": ["a", "b"]} for row in QUESTIONS], "row 1 (UndefinedError: "),
    (
        "hellaswag",
        [without(row, "endings") for row in ENDINGS],
        "row 1: no field 'endings'; task hellaswag cannot",
    ),
    ("hellaswag", [*ENDINGS, ENDINGS[0] | {"endings": None}], "row 5: TypeError: "),
]


@pytest.mark.parametrize(
    ("task", "rows", "expected"), REFUSED_ROWS, ids=[f"{task}: {text[:40]}" for task, _, text in REFUSED_ROWS]
)
def test_a_row_that_does_not_fit_the_task_is_named_with_its_file_and_field(tmp_path, task, rows, expected):
    data = write_rows(tmp_path / "rows.jsonl", rows)
    message = refusal(build_documents, task, data=data)
    assert expected in message
    assert str(data) in message


def test_a_missing_field_is_told_with_all_that_the_task_needs(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", [{"passage": "A."}])
    expected = f"{data}, row 1: no field 'question' (or null); task boolq needs passage, question, label"
    assert refusal(build_documents, "boolq", data=data) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rows.jsonl", '{"passage": "A."}\nnot json\n', "cannot read "),
        ("rows.jsonl", "", "rows.jsonl"),
        ("rows.parquet", "not parquet", "cannot read "),
        ("rows.txt", "text", "is no file of documents: give one of .jsonl, .json, .parquet, .csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    message = refusal(build_documents, "boolq", data=path)
    assert expected in message
    assert str(path) in message


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.jsonl does not exist" in refusal(
        build_documents, "boolq", data=tmp_path / "nowhere.jsonl"
    )


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_no_document_is_refused(limit):
    assert f"a limit of {limit} documents leaves none" in refusal(build_documents, "boolq", limit=limit)


def test_shots_that_lm_eval_would_ignore_are_refused(tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", PASSAGES)
    message = refusal(build_documents, "truthfulqa_mc1", data=data, shots=2)
    assert "lm-eval fixes it at 0 shots, but 2 were asked" in message


def test_only_the_document_step_imports_lm_eval_and_datasets():
    library = Path(inspect.getfile(build_documents)).parent
    importing = {
        path.name
        for path in library.rglob("*.py")
        if re.search(r"^\s*(import|from) (lm_eval|datasets)\b", path.read_text(), re.MULTILINE)
    }
    assert importing == {
        "data_set.py",
        "task_data.py",
        "task_fields.py",
        "task_index.py",
        "task_size.py",
        "tasks.py",
    }
