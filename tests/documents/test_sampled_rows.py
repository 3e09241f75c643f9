"""A random sample of a task's rows: the same everywhere, and each document asked as without it."""

import pytest

from cornerstone.documents.tasks import build_documents, sampled_rows
from task_rows import LESSONS, PASSAGES, refusal, write_rows


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
    assert (
        "boolq: a sample of 9 was requested, but there are 4 documents: all are used"
        in capsys.readouterr().err
    )


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
