"""Stock tasks of each way in which lm-eval scores what is accepted: the means of its metrics are ours.

The log-likelihoods are made up. lm-eval averages them by its own process_results and aggregations.
"""

import math
import re

import numpy as np
import pytest
from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY, get_aggregation, get_metric_aggregation

from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT
from cornerstone.documents.supported_tasks import METRICS, unsupported_reason
from cornerstone.documents.tasks import build_documents
from lm_eval_samples import loglikelihood, results_of, stock_task
from synthetic import score_table, table
from task_rows import write_rows

TEXTS = [
    "One . Two @-@ three .",
    "A page\n\nof four words.",
    "ünïcode – and 日本",
    " begins and ends with a space ",
]
PAIRS = [
    {
        "sentence1": f"It is {n}.",
        "sentence2": "It is odd.",
        "Sentence": f"Són {n}.",
        "label": n % 2,
        "Label": n % 2,
    }
    for n in range(6)
]
WAYS = {
    "acc without aggregation": ("wnli_eu", "validation", PAIRS),
    "acc beside mcc": ("catcola", "validation", PAIRS),
    "acc beside f1": ("mrpc", "validation", PAIRS),
    "acc beside an f1 of its own": (
        "cb",
        "validation",
        [{"premise": f"It is {n}.", "hypothesis": "It is odd.", "label": n % 3} for n in range(6)],
    ),
    "acc beside an f1 that is downloaded": (
        "kobest_copa",
        "test",
        [
            {"premise": f"{n}이다", "question": "원인", "alternative_1": "하나", "alternative_2": "둘", "label": n % 2}
            for n in range(6)
        ],
    ),
    "acc_norm alone": (
        "leaderboard_bbh_boolean_expressions",
        "test",
        [{"input": f"not {n > 2} is", "target": str(n <= 2)} for n in range(6)],
    ),
    "acc_norm beside acc_bytes": (
        "global_piqa_nonparallel_cloze_acm_arab",
        "test",
        [{"prompt": f"شاي {n}", "solution0": "ماء", "solution1": "a long answer", "label": n % 2} for n in range(6)],
    ),
    "by lm-eval's defaults": (
        "sciknoweval_mcqa_var5shots_Biology",
        "test",
        [{"question": f"What is {n}?", "choices": ["a", "a long answer", "no"], "answer": n % 3} for n in range(6)],
    ),
    "the first choice is right": (
        "blimp_adjunct_island",
        "train",
        [{"sentence_good": f"It is {n}.", "sentence_bad": f"{n} it is."} for n in range(6)],
    ),
    "acc of a target": (
        "arithmetic_1dc",
        "validation",
        [{"context": f"Q: What is {n} + 1?\n\nA:", "completion": f" {n + 1}"} for n in range(8)],
    ),
    "acc and perplexity of a target": (
        "lambada_openai",
        "test",
        [{"text": f"She counted to {n} and then to {n + 1}"} for n in range(8)],
    ),
    "perplexities with sizes of its own": ("c4", "validation", [{"text": text} for text in TEXTS]),
    "perplexities beside perplexity": (
        "mediqa_qa2019_perplexity",
        "test",
        [{"QUESTION": {"AnswerList": [{"Answer": {"AnswerText": text}}]}} for text in TEXTS],
    ),
    "perplexities of a field": ("pile_10k", "train", [{"text": text} for text in TEXTS]),
    "perplexities of a template": ("french_bench_opus_perplexity", "test", [{"text": text} for text in TEXTS]),
    "perplexities of a function": ("paloma_4chan_meta_sep", "test", [{"text": text} for text in TEXTS]),
}  # fmt: skip


@pytest.fixture
def asked_hub(monkeypatch):
    """The metrics for which code would have been downloaded from the hub; lm-eval goes on without them."""
    asked = []

    def load(name, *_, **__):
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("evaluate.load", load)
    return asked


def our_means(documents):
    """Each metric of lm-eval's, from the mean of the score that stands for it."""
    numbers = [np.array([loglikelihood(request) for request in one.requests]) for one in documents.documents]
    answers = table({(): numbers}, [one.index for one in documents.documents])

    def mean(score):
        return score_table(answers, documents.documents, score, documents.output_type).matrix.mean()

    of = {
        "acc": lambda: mean("acc"),
        "acc_norm": lambda: mean("acc_norm"),
        "perplexity": lambda: math.exp(-mean("logprob")),
        "word_perplexity": lambda: math.exp(-mean("logprob")),
        "byte_perplexity": lambda: 2 ** -mean("bits_per_byte"),
        "bits_per_byte": lambda: -mean("bits_per_byte"),
    }
    return {metric: of[metric]() for metric in documents.metrics}


@pytest.mark.parametrize(("task", "split", "rows"), WAYS.values(), ids=WAYS)
def test_the_means_of_a_tasks_metrics_are_those_of_lm_eval(tmp_path, asked_hub, task, split, rows):
    data = write_rows(tmp_path / "rows.jsonl", rows)
    documents = build_documents(task, data=data, shots=0)
    assert asked_hub == []
    results = results_of(*stock_task(tmp_path, task, data, split), shots=0)["results"][task]
    theirs = {key.removesuffix(",none"): value for key, value in results.items() if key.endswith(",none")}
    ours = our_means(documents)
    assert len(documents.documents) == len(rows)
    assert ours == {metric: pytest.approx(theirs[metric], rel=1e-9) for metric in ours}
    assert set(ours) == set(theirs) & set(DEFAULT_METRIC_REGISTRY[documents.output_type])


# By lm-eval's own averaging alone


def test_metrics_and_their_averaging_are_those_of_lm_evals_registry():
    assert {each: set(metrics) for each, metrics in METRICS.items()} == {
        each: set(DEFAULT_METRIC_REGISTRY[each]) for each in (CHOICES, TARGET, TEXT, GENERATED)
    }
    for metrics in METRICS.values():
        for metric, averaging in metrics.items():
            assert get_aggregation(averaging) is get_metric_aggregation(metric)


TASK = {"task": "mine", "output_type": "multiple_choice", "doc_to_choice": ["a", "b"]}
NO_LIST = "its metric_list is no list of entries that name a metric each"
REFUSED = [
    ({"metric_list": ["acc"]}, NO_LIST),
    ({"metric_list": "acc"}, NO_LIST),
    ({"metric_list": {"metric": "acc"}}, NO_LIST),
    ({"metric_list": [{"aggregation": "mean"}]}, NO_LIST),
    ({"metric_list": [{"metric": ["acc"]}]}, NO_LIST),
    ({"metric_list": [None]}, NO_LIST),
    ({"metric_list": []}, "it names no metric"),
    ({"metric_list": [{"metric": "/tasks/mine/code.acc"}]}, "its only metrics are code.acc"),
    (
        {"metric_list": [{"metric": "f1"}, {"metric": "acc", "aggregation": "/tasks/mine/code.mean"}]},
        "it averages acc in a way of its own",
    ),
    ({"metric_list": [{"metric": "acc", "aggregation": None}]}, "it averages acc in a way of its own"),
    ({"output_type": ["multiple_choice"]}, "its output type is ['multiple_choice']"),
    ({"output_type": None}, "its output type is None"),
    ({"filter_list": [{"name": "best", "filter": [{"function": "code.best"}]}]}, "it filters the model's answers"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "reason"), REFUSED, ids=[str(keys) for keys, _ in REFUSED])
def test_a_definition_that_lm_eval_would_score_otherwise_or_not_at_all_is_refused(keys, reason):
    assert unsupported_reason(TASK) is None
    assert re.match(re.escape(reason), unsupported_reason({**TASK, **keys}))
