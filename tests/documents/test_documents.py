"""The document file: what is written is read back, and nothing else is taken for it."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import message_of
from cornerstone.documents.document import (
    Document,
    DocumentSet,
    Request,
    check_same_items,
    digest_documents,
    read_documents,
    write_documents,
)
from cornerstone.system.errors import CornerstoneError

DOCUMENTS = (
    Document(0, (Request("", " no"), Request("", " yes")), (1,), (2, 3)),
    Document(4, (Request("A 'quote', a \n newline – ünïcode", " x"),) * 3, (0, 2), (1, 1, 1)),
)


def a_set(documents=DOCUMENTS):
    return DocumentSet(
        task="mine",
        version="2.0",
        split="validation",
        metrics=("acc", "acc_norm"),
        digest=digest_documents(documents),
        documents=tuple(documents),
        lm_eval_version="0.4.13",
        source="mine.jsonl",
    )


@st.composite
def document_lists(draw):
    indices = draw(st.lists(st.integers(0, 10**6), unique=True, max_size=4))
    return [draw_document(draw, index) for index in indices]


def draw_document(draw, index):
    requests = draw(st.lists(st.builds(Request, st.text(), st.text()), min_size=1, max_size=5))
    gold = draw(st.lists(st.integers(0, len(requests) - 1), unique=True).map(sorted))
    lengths = draw(st.lists(st.integers(0, 10**6), min_size=len(requests), max_size=len(requests)))
    sizes = draw(st.none() | st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)))
    return Document(index, tuple(requests), tuple(gold), tuple(lengths), *(sizes or ()))


@settings(max_examples=30, deadline=None)
@given(document_lists())
def test_what_is_written_is_read_back(tmp_path_factory, documents):
    path = tmp_path_factory.getbasetemp() / "documents.parquet"
    write_documents(a_set(documents), path)
    assert read_documents(path) == a_set(documents)


def test_file_has_a_row_a_request_in_plain_columns(tmp_path):
    write_documents(a_set(), tmp_path / "new" / "mine.parquet")
    table = pq.read_table(tmp_path / "new" / "mine.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "document": "int32",
        "choice": "int16",
        "context": "string",
        "continuation": "string",
        "gold": "bool",
        "choice_length": "int32",
        "words": "int32",
        "bytes": "int32",
        "generation": "string",
        "row": "string",
    }
    assert table["gold"].to_pylist() == [False, True, True, False, True]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.parquet"]


CHANGES = [
    {"index": 1},
    {"gold": (0,)},
    {"choice_lengths": (2, 4)},
    {"requests": (Request("x", " no"), Request("", " yes"))},
    {"requests": (Request(" ", "no"), Request("", " yes"))},
    {"words": 2, "bytes": 7},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_digest_changes_with_all_that_a_score_rests_on(change):
    changed = (dataclasses.replace(DOCUMENTS[0], **change), DOCUMENTS[1])
    assert digest_documents(changed) != digest_documents(DOCUMENTS)


def test_digest_is_the_same_on_every_machine():
    assert digest_documents(DOCUMENTS) == "2f6c5d7489e35a9caede0dbbb402fa41fce4e5fcf10f510e853117935cb9401b"


def truncated(path):
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path):
    path.write_bytes(b"")


def foreign(path):
    pq.write_table(pa.table({"a": [1]}), path)


def of_another_format(path):
    rewrite(path, pq.read_table(path), b'"format": 4', b'"format": 0')


def of_another_kind(path):
    rewrite(path, pq.read_table(path), b'"documents"', b'"evaluation"')


def with_a_row_less(path):
    rewrite(path, pq.read_table(path).slice(1))


def with_another_prompt(path):
    table = pq.read_table(path)
    rewrite(path, table.set_column(2, "context", pa.array(["changed"] * table.num_rows)))


def rewrite(path, table, old=b"", new=b""):
    metadata = pq.read_schema(path).metadata[b"cornerstone"].replace(old, new)
    pq.write_table(table.replace_schema_metadata({"cornerstone": metadata}), path)


@pytest.mark.parametrize("damage", [truncated, emptied, foreign, of_another_format, of_another_kind])
def test_a_file_that_is_none_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "mine.parquet"
    write_documents(a_set(), path)
    damage(path)
    with pytest.raises(
        CornerstoneError, match=r"mine\.parquet is not a document file of this version"
    ) as caught:
        read_documents(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [with_a_row_less, with_another_prompt])
def test_an_altered_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "mine.parquet"
    write_documents(a_set(), path)
    damage(path)
    with pytest.raises(CornerstoneError, match=r"mine\.parquet was altered"):
        read_documents(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CornerstoneError, match=r"nowhere\.parquet does not exist"):
        read_documents(tmp_path / "nowhere.parquet")


def test_nouns_are_there_without_pyarrow_or_lm_eval():
    unwanted = {"pyarrow", "lm_eval", "datasets", "torch"}
    code = f"import sys, cornerstone.documents; print({unwanted} & set(sys.modules))"
    library = Path(__file__).parents[2] / "workflow"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=library, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def same_items(**changes):
    """What two sets of documents, of which one is changed, are refused with."""
    return message_of(check_same_items, a_set(), dataclasses.replace(a_set(), task="given", **changes), False)


def test_tasks_of_the_same_rows_ask_the_same_items():
    check_same_items(a_set(), dataclasses.replace(a_set(), task="given", metrics=("exact_match",)), False)
    check_same_items(a_set(), dataclasses.replace(a_set(), split="test"), True)  # of one local file


def test_tasks_of_other_rows_do_not_ask_the_same_items():
    assert "its source is mine.jsonl, not other.jsonl" in same_items(source="other.jsonl")
    assert "its split is validation, not test" in same_items(split="test")
    assert "its available is 0, not 9" in same_items(available=9)
    assert "it has row 4 of their split alone, or lacks it" in same_items(documents=DOCUMENTS[:1])
