"""Document sets against lm-eval itself: the same prompts, answers and scores.

The reference is lm_eval.simple_evaluate on the stock definition, included from a YAML file of the test's own.
"""

import dataclasses
from pathlib import Path

import lm_eval
import pytest

from cornerstone.documents.document import Request
from cornerstone.documents.tasks import build_documents
from lm_eval_samples import assert_same_as_lm_eval, samples_of, stock_task
from task_rows import BLANKS, ENDINGS, GOALS, LESSONS, PASSAGES, QUESTIONS, refusal, write_rows

ROOT = Path(__file__).parents[2]
SHARED_DOCUMENTS = ROOT / ".." / "shared" / "data" / "documents"
SCORED_SPLITS = {"boolq": "validation", "piqa": "validation", "winogrande": "validation"}


def lm_evals_samples(tmp_path, task, data, split, limit=None, shots=None, **overrides):
    """What lm-eval logs of each document; `overrides` change the stock definition."""
    stock, manager = stock_task(tmp_path, task, data, split, **overrides)
    return samples_of(stock, task, manager, limit, shots)


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
