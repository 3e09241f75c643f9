"""Tasks, rows and files that cannot be measured are refused by name, in one line."""

import pytest

from cornerstone.documents.tasks import build_documents
from task_rows import BLANKS, ENDINGS, GOALS, PASSAGES, QUESTIONS, refusal, write_rows

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
    ("gsm8k", "task gsm8k has answers to generate: say generate: true in its entry"),
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
    ("piqa", [GOALS[0] | {"sol1": ""}], "row 1: choice 1 is empty, so there is nothing to score"),
    (
        "piqa",
        [row | {"label": str(row["label"])} for row in GOALS],
        "row 1: the answer is '0', but there are",
    ),
    ("arc_easy", [QUESTIONS[0], QUESTIONS[1] | {"answerKey": "D"}], "row 2: ValueError: 'D' is not in list"),
    ("arc_easy", [QUESTIONS[0], QUESTIONS[1] | {"choices": {"text": ["a"]}}], "row 2: "),
    ("arc_easy", [row | {"choices": ["a", "b"]} for row in QUESTIONS], "row 1: UndefinedError: "),
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
    needs = "task boolq needs passage, question, label, the file has passage"
    expected = f"{data}, row 1: no field 'question' (or null); {needs}"
    assert refusal(build_documents, "boolq", data=data) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rows.jsonl", '{"passage": "A."}\nnot json\n', "cannot read "),
        ("rows.jsonl", "", "rows.jsonl"),
        ("rows.parquet", "not parquet", "cannot read "),
        ("rows.txt", "text", "is not a file of documents: give one of .jsonl, .json, .parquet, .csv"),
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
    assert "lm-eval fixes it at 0 shots, but 2 were requested" in message
