"""Documents as data files have them and worse: each is refused in one line that names file and row, or works.

Works is: finite log-likelihoods on a real model, and the same documents read back from their file.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornerstone.documents.document import read_documents, write_documents
from cornerstone.documents.tasks import build_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents
from cornerstone.loading.load import load_model
from cornerstone.system.errors import CornerstoneError
from task_rows import PASSAGES, refusal

REPOSITORY = Path(__file__).parents[2]
DEMO_MODEL = REPOSITORY / "resources" / "demo" / "models" / "demo_llama"
ODD = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
COALITIONS = [(), (0,)]


def a_row(task, text=lambda name: f"A {name}."):
    """A sound row of a task, its texts made by `text` of their field's name."""

    def choices():
        return {"text": [text("first"), text("second"), text("third")], "label": ["A", "B", "C"]}

    return {
        "boolq": lambda: {"passage": text("passage"), "question": text("question"), "label": 1},
        "piqa": lambda: {"goal": text("goal"), "sol1": text("one"), "sol2": text("two"), "label": 0},
        "arc_easy": lambda: {"question": text("question"), "choices": choices(), "answerKey": "B"},
        "openbookqa": lambda: {"question_stem": text("stem"), "choices": choices(), "answerKey": "C"},
        "winogrande": lambda: {
            "sentence": f"{text('start')} _ {text('end')}",
            "option1": text("one"),
            "option2": text("two"),
            "answer": "2",
        },
    }[task]()


TASKS = ("boolq", "piqa", "arc_easy", "openbookqa", "winogrande")

# What is tried

TEXTS = [
    *("", " ", "   ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\x85",
    "\x00", "\x00\x01"),
    *("\x1b[31mred\x1b[0m", "\x7f", "\U0010ffff", "\ufffe", "שלום עולם", "\u202eabc\u202c", "مرحبا"),
    *("a\u0301\u0302\u0303", "Z\u0351\u036b\u0343" * 20, "👩‍👩‍👧‍👦", "ｆｕｌｌ", "名前", "<s>", "</s>",
    "<s> <s>", "<unk>", "<|endoftext|>"),
    *("{{goal}}", "{{ question }}", "{% raw %}", "{%", "{{", "}}", "{# x", "{{ 1/0 }}",
    "{{ self }}", "%s", "%(x)s", "\\", "\\n"),
    *("3", "-1", "1e9", "0x10", "NaN", "nan", "None", "null", "true", "inf", "[1]", '{"a": 1}',
    "'", '"', ",", ";", "_", "__"),
    *("A. ", ". A", "Question: a\nAnswer: b", "A", " A", "A "),
]  # fmt: skip
HALVES = ["\ud800", "a\udc00b", "\udfff\ud800"]
"""Of characters: JSON can write them, and no file of text can hold them."""
LONG = ["word " * 20000, "é" * 50000]
"""100 kB."""
ANY_TEXT = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = [
    *(None, True, False, 0, 1, 2, 3, -1, 7, 10**6, 2**31, 2**63, 10**30, 0.0, 1.0, 0.5, -100,
    float("nan"), float("inf")),
    *([], [0], [1, 2], [[]], [None], ["A", "B"], [0, "A"], {}, {"text": []}, {"text": [],
    "label": []}, {"label": ["A"]}),
    *({"text": ["a"], "label": ["B"]}, {"text": ["a", "b"], "label": ["A"]}, {"text": ["a"],
    "label": ["A", "B"]}),
    *({"text": ["a", None], "label": ["B", "A"]}, {"text": [1, 2], "label": ["B", "C"]},
    {"text": "ab", "label": "BC"}),
    *({"text": ["same"] * 100, "label": [chr(33 + n) for n in range(100)]}, {"text": ["", "b"],
    "label": ["B", "C"]}),
    *({"text": ["a", "b"], "label": ["B", "B"]}, {"text": ["b"], "label": ["C"]}, {"text": [" ",
    "b"], "label": [1, 2]}),
    *({"text": [["a"], ["b"]], "label": ["B", "C"]}, {"text": None, "label": None}, [{"text": "a",
    "label": "B"}]),
]  # fmt: skip


def odd_rows(task):
    """Rows of which the texts are odd, all of one type, so that they may stand in one file."""

    def row(texts):
        left = iter(texts)
        return a_row(task, lambda _: next(left))

    return st.lists(ANY_TEXT, min_size=4, max_size=4).map(row)


@st.composite
def odd_rows_alone(draw, task):
    """A sound row, with one or two fields of another type, out of range, missing or too many."""
    row = a_row(task)
    for _ in range(draw(st.integers(1, 2))):
        field = draw(
            st.sampled_from(list(row) or ["x"])
            | st.sampled_from(["extra", "", "a\nb", "text", "label", "doc_id"])
        )
        if draw(st.integers(0, 5)) == 0:
            row.pop(field, None)
        else:
            row[field] = draw(st.sampled_from(VALUES) | st.sampled_from(HALVES + LONG) | ANY_TEXT)
    return row


# What is held against it


@pytest.fixture(scope="module")
def model():
    return load_model(DEMO_MODEL)


@pytest.fixture(scope="module", autouse=True)
def without_progress_bars():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def write_rows(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


def assert_one_line(error, *named):
    line = str(error)
    assert line.splitlines() == [line], ascii(line)
    assert len(line) <= 3000
    assert all(name in line for name in named), ascii(line)


def accepted_of(task, rows, path):
    """The documents of those rows that are not refused; each refusal is one line that names the file."""
    rows = list(rows)
    while rows:
        write_rows(path, rows)
        try:
            document_set = build_documents(task, data=path)
        except CornerstoneError as error:
            assert_one_line(error, str(path))
            refused = re.search(r", row (\d+)\b", str(error))
            if refused is None or len(rows) == 1:  # a file that cannot be read is refused whole
                return []
            del rows[int(refused[1]) - 1]
        else:
            assert len(document_set.documents) == len(rows)
            write_documents(document_set, path.with_suffix(".documents"))
            assert read_documents(path.with_suffix(".documents")) == document_set
            return document_set.documents
    return []


def assert_evaluated(model, documents):
    """Each document has finite log-likelihoods, or is refused in a line that names it; how many have."""
    encoded = []
    for document in documents:
        try:
            encoded += encode_documents(model.encoder, [document])
        except CornerstoneError as error:
            assert_one_line(error, f"document {document.index}, choice ")
    loglikelihoods = evaluate(model, encoded, COALITIONS).loglikelihoods if encoded else []
    assert all(np.isfinite(each).all() and (each <= 1e-3).all() for each in loglikelihoods)
    return len(loglikelihoods)


def tried(tmp_path, strategy, examples):
    """Try files of rows; the documents accepted, and how many rows were judged."""
    accepted, counts = [], Counter()

    @settings(ODD, max_examples=examples)
    @given(strategy)
    def try_one(asked):
        task, rows, ending = asked
        documents = accepted_of(task, rows, tmp_path / f"rows.{ending}")
        accepted.extend(documents)
        counts["rows"] += len(rows)
        counts["accepted"] += len(documents)

    try_one()
    print(dict(counts))
    return accepted, counts


def files_of(rows_of, count, *endings):
    """(task, so many rows, ending of their file); a CSV file holds no rows with lists."""

    def files(task):
        flat = {"csv"} if task in ("arc_easy", "openbookqa") else set()
        rows = st.lists(rows_of(task), min_size=count, max_size=count)
        return st.tuples(st.just(task), rows, st.sampled_from([e for e in endings if e not in flat]))

    return st.sampled_from(TASKS).flatmap(files)


@pytest.mark.study
def test_rows_of_odd_texts_are_evaluated_or_refused_by_name(tmp_path, model):
    accepted, counts = tried(tmp_path, files_of(odd_rows, 30, "jsonl", "jsonl", "json", "parquet", "csv"), 27)
    assert counts["rows"] >= 800
    assert counts["accepted"] >= 500
    assert assert_evaluated(model, accepted) >= 500


@pytest.mark.study
def test_rows_of_odd_fields_are_evaluated_or_refused_by_name(tmp_path, model):
    accepted, counts = tried(tmp_path, files_of(odd_rows_alone, 1, "jsonl", "jsonl", "json"), 200)
    assert counts["rows"] == 200
    assert counts["accepted"] >= 25
    assert assert_evaluated(model, accepted) >= 25


# Choices that a row lists itself

OWN_TASK = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: options
doc_to_target: answer
"""
OWN_ROW = {"question": "Which?", "options": ["x", "y"], "answer": 0}
OWN_CHOICES = [
    ([], "it has no choices"),
    ({"a": 1}, "its choices are {'a': 1}; give a list of texts"),
    ("xy", "its choices are 'xy'; give a list of texts"),
    ([1, 2], "choice 1 is 1, which is no text"),
    (["x", None], "choice 2 is None, which is no text"),
    ([True], "choice 1 is True, which is no text"),
    ([["x"], ["y"]], "choice 1 is ['x'], which is no text"),
    (["x", ""], "choice 2 is empty"),
    (["a"] * 2**15, "it has 32768 choices; give up to 32767"),
]


@pytest.fixture
def own(tmp_path):
    (tmp_path / "mine.yaml").write_text(OWN_TASK)

    def build(*rows):
        write_rows(tmp_path / "rows.jsonl", rows)
        return build_documents("mine", include_path=tmp_path, data=tmp_path / "rows.jsonl")

    return build


@pytest.mark.parametrize(("options", "expected"), OWN_CHOICES, ids=[expected for _, expected in OWN_CHOICES])
def test_choices_that_are_no_list_of_texts_name_the_row(own, options, expected):
    with pytest.raises(CornerstoneError) as caught:
        own(OWN_ROW, OWN_ROW | {"options": options})
    assert_one_line(caught.value, "rows.jsonl, row 2: ", expected)


@pytest.mark.parametrize("options", [["one"], ["same"] * 100, [" ", "\x00"], ["{{ question }}", "{%"]])
def test_odd_choices_of_text_are_asked_as_they_are(own, options):
    (document,) = own(OWN_ROW | {"options": options}).documents
    assert [request.continuation for request in document.requests] == [f" {option}" for option in options]


def test_a_gold_of_a_hundred_thousand_characters_is_told_by_its_beginning(own):
    with pytest.raises(CornerstoneError) as caught:
        own(OWN_ROW | {"answer": "x" * 100_000})
    assert_one_line(caught.value, "row 1: the answer is 'xxx", "but there are 2 choices: it must be an index")


# By the command itself


def test_the_command_tells_bad_data_in_one_line_and_leaves_no_documents(tmp_path):
    for name in ("Snakefile", "workflow", "config", "profiles", "envs"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    write_rows(tmp_path / "piqa.jsonl", [a_row("piqa"), a_row("piqa") | {"label": 2}])
    (tmp_path / "boolq.parquet").write_bytes(b"PAR1 and no more")
    data = {"piqa": {"data": "piqa.jsonl"}, "boolq": {"data": "boolq.parquet"}}
    (tmp_path / "study.json").write_text(json.dumps({"models": {"mine": {"hub": "a/b"}}, "tasks": data}))
    targets = [f"results/documents/{task}.parquet" for task in data]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *targets, "--configfile", "study.json", "--keep-going"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 1
    told = sorted(line for line in done.stderr.splitlines() if line.startswith("Cornerstone: "))
    assert len(told) == 2, done.stderr
    assert told[0].startswith("Cornerstone: cannot read boolq.parquet (")
    assert told[1].startswith(
        "Cornerstone: task piqa: piqa.jsonl, row 2: the answer is 2, but there are 2 choices"
    )
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "results" / "documents").glob("*"))


def test_a_null_within_a_list_is_refused_where_it_would_be_written_as_none(tmp_path):
    row = {"question": "Which bone?", "subject": "anatomy", "choices": ["p", "q", "r", None], "answer": 1}
    data = tmp_path / "rows.jsonl"
    write_rows(data, [row])
    assert "no field 'choices.3' (or null)" in refusal(build_documents, "mmlu_anatomy", data=data)


def test_a_parquet_file_without_rows_has_no_documents(tmp_path):
    data = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"passage": pa.array([], pa.string())}), data)
    assert "rows.parquet has no documents: give one per line" in refusal(build_documents, "boolq", data=data)


def test_a_full_temporary_folder_is_told_as_that(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    data = tmp_path / "rows.jsonl"
    write_rows(data, PASSAGES)
    monkeypatch.setattr("cornerstone.documents.local_rows.pa.OSFile", full)
    message = refusal(build_documents, "boolq", data=data)
    assert f"does not fit into the temporary folder {tempfile.gettempdir()}: make room there" in message
    assert "TMPDIR" in message
