"""Real models on real documents: log-likelihoods, acc and acc_norm are those of lm-eval's own HFLM."""

import functools
import random

import numpy as np
import pytest
import torch
from families import harness, sublayer_modules, zeroed
from lm_eval.api.instance import Instance
from real_inputs import MODELS, TASKS, fitting, real_documents, real_model

from cornerstone.coalitions import ablation, windows
from cornerstone.encoding import encode_documents
from cornerstone.engine import evaluate

torch.set_num_threads(1)

COUNT = 200
QUICK = 30
# Two right computations of one sum lie this far apart at most: absolutely, or, for sums of a thousand nats
# and more, where a float32 itself steps by 1e-4, relative to it.
ABSOLUTE, RELATIVE = 1e-4, 1e-6
# Closer than this, the two best choices of a document may change places.
TIE = 2e-4
ARBITRARY = [(0, 1, 4), (2, 3, 5, 8), (1, 2, 3, 4, 5, 6, 7, 8)]
N_SUBLAYERS = 10


@functools.cache
def documents_of(name, task):
    return tuple(fitting(real_documents(task, COUNT).documents, name))


@functools.cache
def lm_of(name):
    model = real_model(name)
    return harness(model.network, model.encoder.tokenizer, batch_size=16)


def lm_evals(name, documents, removed):
    """lm-eval's log-likelihoods [document][choice], from the prompts' texts on."""
    modules = sublayer_modules(real_model(name).network, "model.layers", ("self_attn",), "mlp")
    instances = [
        Instance("loglikelihood", {}, (r.context, r.continuation), 0) for d in documents for r in d.requests
    ]
    with zeroed(modules, removed):
        answers = lm_of(name).loglikelihood(instances, disable_tqdm=True)
    ends = np.cumsum([len(document.requests) for document in documents])[:-1]
    return np.split(np.array([loglikelihood for loglikelihood, _ in answers]), ends)


def evaluated(name, documents, coalitions, **settings):
    model = real_model(name)
    return evaluate(model, encode_documents(model.encoder, documents), coalitions, **settings)


def assert_agree(name, task, documents, coalitions):
    result = evaluated(name, documents, coalitions)
    assert result.counts["rows"] == "tree"
    worst, absolute = 0.0, 0.0
    for place, removed in enumerate(result.coalitions):
        ours = [table[place] for table in result.loglikelihoods]
        theirs = lm_evals(name, documents, removed)
        difference = np.abs(np.concatenate(ours) - np.concatenate(theirs))
        tolerated = np.maximum(ABSOLUTE, RELATIVE * np.abs(np.concatenate(theirs)))
        worst = max(worst, float((difference / tolerated).max()))
        absolute = max(absolute, float(difference.max()))
        assert_same_scores(documents, ours, theirs)
    lowest = min(float(table.min()) for table in result.loglikelihoods)
    print(
        f"{name}, {task}: worst {absolute:.1e} nats ({worst:.2f} of the tolerance), sums down to {lowest:.0f}"
    )
    assert worst < 1


def assert_same_scores(documents, ours, theirs):
    """Every document's acc and acc_norm are lm-eval's, but where its two best choices nearly tie."""
    ties = 0
    for document, mine, its in zip(documents, ours, theirs, strict=True):
        for lengths in (np.ones(len(mine)), np.array(document.choice_lengths)):
            first, second = np.sort(its / lengths)[::-1][:2]
            if first - second < TIE / lengths.min():
                ties += 1
                continue
            right = [int(np.argmax(numbers / lengths)) in document.gold for numbers in (mine, its)]
            assert right[0] == right[1], document.index
    print(f"{ties} near ties in {2 * len(documents)} scores", end="; ")
    assert ties < 0.1 * len(documents)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_a_few_real_documents_agree_with_lm_eval(name, task):
    documents = documents_of(name, task)[:QUICK]
    assert_agree(name, task, documents, [(), (3,), *ARBITRARY[:1]])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_the_first_200_real_documents_agree_with_lm_eval(name, task):
    drawn = random.Random(0).sample(windows(N_SUBLAYERS, 4), 3)
    assert_agree(name, task, documents_of(name, task), [(), (0,), (7,), *drawn, *ARBITRARY])


def test_some_passages_of_boolq_are_cut_from_the_left():
    """The claims above cover truncation."""
    for name in MODELS:
        model = real_model(name)
        documents = encode_documents(model.encoder, documents_of(name, "boolq")[:QUICK])
        cut = [d for d in documents if len(d.requests[0].tokens) == model.encoder.max_length]
        assert len(cut) > 3, name


def assert_little_padding(name, task, coalitions):
    counts = evaluated(name, documents_of(name, task), coalitions).counts
    assert counts["evaluations"] == counts["least_evaluations"]
    share = counts["padded_evaluations"] / counts["evaluations"] - 1
    print(f"{name}, {task}, {len(coalitions)} coalitions: padding adds {share:.1%}")
    assert share < 0.1


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", ["piqa", "winogrande"])
def test_padding_adds_less_than_a_tenth_to_the_full_model(name, task):
    """The worst case: the fewer the states, the more documents share a batch."""
    assert_little_padding(name, task, [()])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_padding_adds_less_than_a_tenth_to_the_ablation(name, task):
    assert_little_padding(name, task, ablation(N_SUBLAYERS))
