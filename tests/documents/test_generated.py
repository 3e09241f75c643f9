"""Tasks whose answers are generated: prompts, settings and scores are lm-eval's, with its own filters and metrics."""

import json
import random
from dataclasses import replace

import pytest
import yaml

from cornerstone.documents.document import (
    GENERATED,
    Generation,
    digest_documents,
    read_documents,
    write_documents,
)
from cornerstone.documents.supported_tasks import unsupported_reason
from cornerstone.documents.tasks import build_documents, scorer_of
from cornerstone.system.errors import CornerstoneError
from lm_eval_samples import RandomModel, results_of, stock_task

WORDS = ("The answer is 18.", "#### 18", "18", "So it is $1,024 #### 1,024", "no number", "#### 7 and 18")
SUMS = [
    {"question": "Ada has 9 apples and buys 9 more. How many has she?", "answer": "9 + 9 = 18\n#### 18"},
    {"question": "A box holds 1,000 nails, and 24 lie beside it.", "answer": "It is 1,024.\n#### 1,024"},
    {"question": "Seven days a week: how many?", "answer": "<<7=7>>\n#### 7"},
    {"question": "How many are left of 18 when none goes?", "answer": "18 - 0\n#### 18"},
]


class Talker(RandomModel):
    """Says to each prompt what its text decides, and keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def generate_until(self, requests):
        self.asked += [request.args for request in requests]
        return [said(request.args[0]) for request in requests]


def said(prompt):
    return random.Random(prompt).choice(WORDS)


@pytest.fixture
def sums(tmp_path):
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in SUMS))
    return path


def of_lm_eval(folder, task, data):
    stock, manager = stock_task(folder, task, data, "test", num_fewshot=0, fewshot_config=None)
    talker = Talker()
    return talker, results_of(stock, manager, lm=talker)


def test_prompts_settings_and_scores_of_gsm8k_are_lm_evals(tmp_path, sums):
    documents = build_documents("gsm8k", data=sums, shots=0, generate=True)
    talker, results = of_lm_eval(tmp_path, "gsm8k", sums)
    assert documents.output_type == GENERATED
    assert documents.metrics == ("exact_match,strict-match", "exact_match,flexible-extract")
    assert [document.requests[0].context for document in documents.documents] == [p for p, _ in talker.asked]
    for document, (_, settings) in zip(documents.documents, talker.asked, strict=True):
        assert list(document.generation.until) == settings["until"]
        assert document.generation.most_tokens == 256
    path = tmp_path / "gsm8k.parquet"
    write_documents(documents, path)
    assert read_documents(path) == documents
    scorer = scorer_of("gsm8k", read_documents(path))
    answers = [(document, said(document.requests[0].context)) for document in documents.documents]
    for metric in documents.metrics:
        ours = scorer.score(answers, metric)
        assert sum(ours) / len(ours) == pytest.approx(results["results"]["gsm8k"][metric])
        of_filter = [s for s in results["samples"]["gsm8k"] if s["filter"] == metric.split(",")[1]]
        assert ours == [s["exact_match"] for s in sorted(of_filter, key=lambda s: s["doc_id"])]
        assert scorer.score([], metric) == []  # of a design without coalitions


def own_task(folder, **changes):
    """A task of one's own, scored by its own function."""
    (folder / "parts.py").write_text(
        "def shared(doc, results):\n"
        "    said, right = (set(text.lower().split()) for text in (results[0], doc['answer']))\n"
        "    return {'found': len(said & right) / len(right), 'exact': float(said == right)}\n"
        "\n\ndef shorter(rows):\n    return rows.filter(lambda row: len(row['question']) < 60)\n"
    )
    definition = {
        "task": "parts",
        "dataset_path": "json",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}} Answer:",
        "doc_to_target": "{{answer}}",
        "process_docs": "!function parts.shorter",
        "process_results": "!function parts.shared",
        "generation_kwargs": {"until": "\n", "max_new_tokens": 9, "repetition_penalty": 1.3, "top_p": 0.9},
        "metric_list": [
            {"metric": "found", "aggregation": "mean"},
            {"metric": "exact", "aggregation": "mean"},
        ],
        "metadata": {"version": 3.0},
        **changes,
    }
    text = yaml.safe_dump(definition).replace("'!function parts.shorter'", "!function parts.shorter")
    (folder / "parts.yaml").write_text(text.replace("'!function parts.shared'", "!function parts.shared"))
    return folder


def test_a_task_of_ones_own_is_scored_by_its_own_function_on_the_rows_that_it_kept(tmp_path, sums):
    documents = build_documents("parts", data=sums, include_path=own_task(tmp_path), generate=True)
    assert len(documents.documents) == sum(len(row["question"]) < 60 for row in SUMS)
    assert documents.metrics == ("found,none", "exact,none")
    assert {document.generation for document in documents.documents} == {
        Generation(("\n",), 9, '{"repetition_penalty": 1.3}')
    }
    sums.unlink()  # the document file is enough
    scorer = scorer_of("parts", documents, tmp_path)
    (first, *_) = documents.documents
    assert scorer.score([(first, "9 + 9"), (first, "18 = 9 + 9 #### 18")], "found,none") == [2 / 5, 1.0]
    with pytest.raises(CornerstoneError, match="reports found,none and exact,none, not acc,none"):
        scorer.score([], "acc,none")


@pytest.mark.parametrize(
    ("number", "said_so"),
    [
        ("100.0", "it gives 100.0 as exact; a number from 0 to 1 is needed"),
        ("'all'", "it gives 'all' as exact; a number from 0 to 1 is needed"),
        ("1 / len(said)", r"its process_results fails .*division by zero"),
    ],
)
def test_what_a_metric_cannot_be_is_refused_before_any_answer_is_generated(tmp_path, sums, number, said_so):
    own_task(tmp_path)
    text = (tmp_path / "parts.py").read_text()
    (tmp_path / "parts.py").write_text(text.replace("float(said == right)", number))
    with pytest.raises(CornerstoneError, match=rf"document 0: of the answer '' {said_so}"):
        build_documents("parts", data=sums, include_path=tmp_path, generate=True)


def test_a_metric_beyond_one_for_right_answers_alone_is_refused_before_any_is_generated(tmp_path, sums):
    own_task(tmp_path)
    text = (tmp_path / "parts.py").read_text()
    (tmp_path / "parts.py").write_text(text.replace("float(said == right)", "100.0 * (said == right)"))
    with pytest.raises(CornerstoneError, match=r"it gives 100.0 as exact; a number from 0 to 1 is needed"):
        build_documents("parts", data=sums, include_path=tmp_path, generate=True)


CODE = [
    {"code": "5+7", "answer": "12", "steps": [1, "a"]},
    {"code": "6+9", "answer": "15", "steps": [2]},
    {"code": "sorted([2, 1])", "answer": "[1, 2]", "steps": []},
    {"code": "8+8", "answer": "16", "steps": None},
]


def code_task(folder, metrics):
    definition = {
        "task": "out",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "What does {{code}} give?",
        "doc_to_target": "{{answer}}",
    }
    (folder / "out.yaml").write_text(yaml.safe_dump(definition) + metrics)
    (folder / "own.py").write_text(
        "def near(references, predictions):\n    return float(predictions[0].startswith(str(references[0])[0]))\n"
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CODE))
    return folder


@pytest.mark.parametrize("seed", range(8))
def test_answers_that_read_like_lists_are_scored_alike_whichever_row_a_sample_begins_with(tmp_path, seed):
    folder = code_task(tmp_path, "metric_list: [{metric: exact_match, aggregation: mean}]")
    documents = build_documents("out", include_path=folder, generate=True, sample=4, seed=seed)
    path = tmp_path / "out.parquet"
    write_documents(documents, path)
    scorer = scorer_of("out", read_documents(path), folder)
    given = [(document, CODE[document.index]["answer"]) for document in documents.documents]
    assert scorer.score(given, "exact_match,none") == [1.0] * 4  # as lm-eval has it of the whole split


def test_a_metric_that_is_a_function_has_its_own_name_beside_one_of_lm_evals(tmp_path):
    folder = code_task(
        tmp_path,
        "metric_list:\n"
        "  - {metric: exact_match, aggregation: mean}\n"
        "  - {metric: !function own.near, aggregation: mean}\n"
        "  - {metric: wer, aggregation: mean}\n",
    )
    documents = build_documents("out", include_path=folder, generate=True)
    assert documents.metrics == ("exact_match,none", "near,none")
    scorer = scorer_of("out", documents, folder)
    asked = [(document, "1") for document in documents.documents]
    assert scorer.score(asked, "near,none") == [1.0, 1.0, 0.0, 1.0]
    assert scorer.score(asked, "exact_match,none") == [0.0] * 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"generation_kwargs": {"do_sample": True, "temperature": 0.7}}, "draws its answers at random"),
        ({"generation_kwargs": {"temperature": 0.7}}, "draws its answers at random"),
        ({"generation_kwargs": {"num_beams": 4, "do_sample": False}}, "searches with 4 beams"),
        ({"repeats": 3}, "asks for 3 answers"),
        (
            {"metric_list": [{"metric": "bleu", "aggregation": "bleu"}]},
            "its only metrics are bleu",
        ),
        ({"metric_list": [{"metric": "wer", "aggregation": "mean"}]}, "its only metrics are wer"),
        (
            {"metric_list": [{"metric": "exact_match", "aggregation": "median"}]},
            "averages exact_match in a way of its",
        ),
        ({"filter_list": []}, "its filter_list is empty"),
        ({"unsafe_code": True}, "its metric runs the code that a model writes"),
        ({"generation_kwargs": ["until"]}, "its generation_kwargs are no mapping"),
    ],
)
def test_what_is_no_greedy_answer_scored_by_a_mean_is_refused(changes, reason):
    plain = {"output_type": "generate_until", "task": "it", "metric_list": [{"metric": "exact_match"}]}
    assert unsupported_reason(plain) is None
    assert reason in unsupported_reason({**plain, **changes})


@pytest.mark.parametrize(("task", "said_so"), [("gsm8k", False), ("boolq", True)])
def test_the_configuration_has_to_say_that_answers_are_generated(sums, task, said_so):
    line = "leave generate: true out of its entry" if said_so else "say generate: true in its entry"
    with pytest.raises(CornerstoneError, match=line):
        build_documents(task, data=sums, generate=said_so)


def test_another_row_or_setting_is_another_document(sums):
    (first, *_) = build_documents("gsm8k", data=sums, shots=0, generate=True).documents
    others = [replace(first, row="{}"), replace(first, generation=replace(first.generation, most_tokens=8))]
    assert len({digest_documents([one]) for one in (first, *others)}) == 3
