"""Real models on real documents: log-likelihoods, acc and acc_norm are those of lm-eval's own evaluation.

lm-eval runs whole: its task, its prompts, its HFLM, its scores. Only the place of the data and the zeroed
sublayers are ours.
"""

import functools
import random

import numpy as np
import pandas as pd
import pytest

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents
from cornerstone.shapley.coalitions import ablation, removed_text, windows
from lm_eval_harness import harness, sublayer_modules, zeroed
from lm_eval_samples import results_of, stock_task
from real_inputs import MODELS, SHARED, TASKS, fitting, real_documents, real_model
from seldom import only_some
from synthetic import score_table

COUNT = 200
QUICK = 16
# Two right computations of one sum lie this far apart at most: absolutely, or, for sums of a thousand nats
# and more, where a float32 itself steps by 1e-4, relative to it.
ABSOLUTE, RELATIVE = 1e-4, 1e-6
# Closer than this, the two best choices of a document may change places.
TIE = 2e-4
N_SUBLAYERS = 10
ARBITRARY = [(0, 1, 4), (2, 3, 5, 8), (1, 2, 3, 4, 5, 6, 7, 8)]


@functools.cache
def documents_of(name, task):
    return tuple(fitting(real_documents(task, COUNT).documents, name))


@functools.cache
def lm_of(name):
    model = real_model(name)
    return harness(model.network, model.encoder.tokenizer, batch_size=16)


def lm_evals_samples(folder, name, task, documents, removed):
    """What lm-eval logs of each document, under a coalition."""
    data = (SHARED / "documents" / f"{task}.jsonl").resolve()
    stock, manager = stock_task(folder, task, data, "validation")
    modules = sublayer_modules(real_model(name).network, "model.layers", ("self_attn",), "mlp")
    with zeroed(modules, removed):
        asked = {task: [document.index for document in documents]}
        results = results_of(stock, manager, lm=lm_of(name), samples=asked)
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    assert [sample["doc_id"] for sample in samples] == [document.index for document in documents]
    return samples


def evaluated(name, documents, coalitions):
    model = real_model(name)
    return evaluate(model, encode_documents(model.encoder, documents), coalitions)


def table_of(documents, result):
    """The evaluation's table, a row per coalition, document and choice."""
    rows = [
        (removed_text(removed), document.index, choice, float(number), bool(greedy[place, choice]))
        for place, removed in enumerate(result.coalitions)
        for document, numbers, greedy in zip(documents, result.loglikelihoods, result.greedy, strict=True)
        for choice, number in enumerate(numbers[place])
    ]
    return pd.DataFrame(rows, columns=["removed", "document", "choice", "loglikelihood", "greedy"])


def assert_agree(folder, name, task, documents, coalitions):
    """Hold log-likelihoods and scores to lm-eval's, and say how far they lie apart."""
    result = evaluated(name, documents, coalitions)
    assert result.counts["rows"] == "tree"
    table = table_of(documents, result)
    scores = {metric: score_table(table, documents, metric) for metric in real_documents(task, COUNT).metrics}
    worst = largest = lowest = 0.0
    ties = 0
    for place, removed in enumerate(result.coalitions):
        samples = lm_evals_samples(folder, name, task, documents, removed)
        theirs = [np.array([response[0] for response in sample["filtered_resps"]]) for sample in samples]
        ours = [numbers[place] for numbers in result.loglikelihoods]
        difference = np.abs(np.concatenate(ours) - np.concatenate(theirs))
        tolerated = np.maximum(ABSOLUTE, RELATIVE * np.abs(np.concatenate(theirs)))
        worst = max(worst, float((difference / tolerated).max()))
        largest, lowest = max(largest, float(difference.max())), min(lowest, *map(np.min, theirs))
        ties += differing_scores(documents, scores, removed, samples, theirs)
    print(
        f"{name}, {task}: worst {largest:.1e} nats, {worst:.2f} of what is tolerated; sums down to {lowest:.0f}"
    )
    print(f"{ties} scores of near ties differ among {len(documents)} documents, {len(coalitions)} coalitions")
    assert worst < 1


def differing_scores(documents, scores, removed, samples, theirs):
    """How many scores differ from lm-eval's; each must be a near tie of the two best choices."""
    count = 0
    for metric, ours in scores.items():
        row = ours.matrix[ours.coalitions.index(removed)]
        for document, right, sample, numbers in zip(documents, row, samples, theirs, strict=True):
            if right != sample[metric]:
                lengths = np.array(document.choice_lengths) if metric == "acc_norm" else 1
                first, second = np.sort(numbers / lengths)[::-1][:2]
                assert first - second < TIE, (metric, removed, document.index)
                count += 1
    return count


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", only_some(TASKS, ("piqa", "winogrande")))
def test_a_few_real_documents_agree_with_lm_eval(tmp_path, name, task):
    assert_agree(tmp_path, name, task, documents_of(name, task)[:QUICK], [(), ARBITRARY[0]])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_the_first_200_real_documents_agree_with_lm_eval(tmp_path, name, task):
    drawn = random.Random(0).sample(windows(N_SUBLAYERS, 4), 3)
    assert_agree(tmp_path, name, task, documents_of(name, task), [(), (0,), (7,), *drawn, *ARBITRARY])


@pytest.mark.parametrize("name", MODELS)
def test_some_passages_of_boolq_are_cut_from_the_left(name):
    """The claims above cover truncation."""
    model = real_model(name)
    documents = encode_documents(model.encoder, documents_of(name, "boolq")[:QUICK])
    assert sum(len(d.requests[0].tokens) == model.encoder.max_length for d in documents) > 3


def assert_little_padding(name, task, coalitions):
    counts = evaluated(name, documents_of(name, task), coalitions).counts
    assert counts["evaluations"] == counts["least_evaluations"]
    share = counts["padded_evaluations"] / counts["evaluations"] - 1
    print(f"{name}, {task}, {len(coalitions)} coalitions: padding adds {share:.1%}")
    assert share < 0.1


@pytest.mark.study
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", ["piqa", "winogrande"])
def test_padding_adds_less_than_a_tenth_to_the_full_model(name, task):
    """The worst case: the fewer the states, the more documents share a batch."""
    assert_little_padding(name, task, [()])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("coalitions", [[()], ablation(N_SUBLAYERS)], ids=["full", "ablation"])
def test_padding_adds_less_than_a_tenth_to_any_task(name, task, coalitions):
    assert_little_padding(name, task, coalitions)
