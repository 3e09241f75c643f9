"""Removal by mean: log-likelihoods are those of lm-eval on a model in which hooks put means in the place of outputs."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from cornerstone.engine.calibration import mean_contributions, texts_of
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents
from cornerstone.system.errors import CornerstoneError
from engine_cases import random_documents
from families import as_model
from family_structures import LIKE_THE_LONGEST, STRUCTURES, some_coalitions
from family_sweep import loglikelihoods
from lm_eval_harness import harness, harness_loglikelihoods, sublayer_modules
from plain_means import WITHOUT_MEANS, mean_kept, outlets_of, plain_means
from real_inputs import MODELS, fitting, real_documents, real_model
from seldom import only_some
from shared_prefix_documents import EVERYTHING as SHARED
from streamed_models import resident, save, streamed
from tiny_families import tiny_network
from token_documents import MAX_LENGTH, PAIRS, encoded

CALIBRATION = random_documents(8, seed=5)
ALONE = ("opt", *LIKE_THE_LONGEST)
"""OPT's FFN is given tokens, not rows: the hooks of this test find the first ones of a single row alone."""
EACH_TIME = ("llama", "gemma2", "olmo2", "gpt_neox", "bloom", "mixtral", "granite", "falcon_h1")


@functools.cache
def calibrated(name):
    network = tiny_network(name)
    model = as_model(network, name)
    return network, model, mean_contributions(model, CALIBRATION, {}, ())


@pytest.mark.parametrize("name", only_some(sorted(set(STRUCTURES) - {*WITHOUT_MEANS}), EACH_TIME))
def test_loglikelihoods_are_those_of_lm_eval_with_means_in_the_place_of_outputs(name):
    network, model, means = calibrated(name)
    outlets = outlets_of(network, name)
    coalitions = some_coalitions(len(outlets))
    result = evaluate(model, encoded(PAIRS), coalitions, means=means)
    assert result.counts["rows"] == STRUCTURES[name]
    assert result.counts["evaluations"] == result.counts["least_evaluations"]
    lm = harness(network, batch_size=1 if name in ALONE else 8, max_length=MAX_LENGTH)
    kept = mean_kept(outlets, plain_means(network, outlets, texts_of(CALIBRATION)))
    wanted = harness_loglikelihoods(lm, outlets, PAIRS, coalitions, kept)
    ours = np.concatenate(result.loglikelihoods, axis=1)
    theirs = np.array([np.concatenate(documents) for documents in wanted])
    assert np.abs(ours - theirs).max() < 1e-4
    # Else the claim would be empty: the means are felt.
    zeroed = np.concatenate(evaluate(model, encoded(PAIRS), coalitions).loglikelihoods, axis=1)
    single = [place for place, numbers in enumerate(coalitions) if len(numbers) == 1]
    assert np.abs(ours - zeroed)[single].max(axis=1).min() > 0.01


@pytest.mark.parametrize("name", only_some(MODELS, ("stories260K",)))
def test_real_models_on_real_documents_agree_with_lm_eval(name):
    model = real_model(name)
    asked = fitting(real_documents("piqa", 20).documents, name)[:10]
    calibration = encode_documents(model.encoder, fitting(real_documents("winogrande", 30).documents, name))
    modules = sublayer_modules(model.network, "model.layers", ("self_attn",), "mlp")
    outlets = [[(module, None)] for module in modules]
    coalitions = [(), (0,), (1,), (7,), (2, 3, 5, 8)]
    means = mean_contributions(model, calibration, {}, ())
    result = evaluate(model, encode_documents(model.encoder, asked), coalitions, means=means)
    lm = harness(model.network, model.encoder.tokenizer)
    pairs = [[lm._encode_pair(r.context, r.continuation) for r in document.requests] for document in asked]
    kept = mean_kept(outlets, plain_means(model.network, outlets, texts_of(calibration)))
    theirs = harness_loglikelihoods(lm, modules, pairs, coalitions, kept)
    for place, of_documents in enumerate(theirs):
        for ours, wanted in zip(result.loglikelihoods, of_documents, strict=True):
            assert np.abs(ours[place] - wanted).max() < 1e-4 + 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("name", sorted({*WITHOUT_MEANS} & {*STRUCTURES}))
def test_a_family_that_norms_what_is_added_is_refused_in_one_line(name):
    with pytest.raises(
        CornerstoneError, match=r"has no removal by mean: what \w+ 0 adds .*; choose removal: zero$"
    ):
        calibrated(name)


@pytest.mark.parametrize("name", ["gemma2", "olmo2"])
def test_a_norm_after_a_sublayer_is_where_its_mean_is_taken(name):
    sites = calibrated(name)[2].sites
    assert set(sites) == {("post_attention_layernorm",), ("post_feedforward_layernorm",)}


@pytest.mark.parametrize("name", ["phi", "phi3"])
def test_a_dropout_that_several_sublayers_go_through_is_no_place_of_a_mean(name):
    assert set(calibrated(name)[2].sites) == {("self_attn",), ("mlp",)}


def test_means_are_of_the_first_position_and_of_all_others():
    network, _, means = calibrated("gemma2")
    outlets = outlets_of(network, "gemma2")
    wanted = plain_means(network, outlets, texts_of(CALIBRATION))
    for number in range(len(outlets)):
        assert np.allclose(means.vectors[number][0], wanted[number, 0].numpy(), atol=1e-5)
    assert means.tokens == sum(map(len, texts_of(CALIBRATION)))


def test_a_text_of_a_document_is_its_context_with_the_right_choice():
    document = replace(CALIBRATION[0], gold=(1,))
    assert texts_of([document]) == [document.requests[1].tokens]
    assert texts_of([replace(document, is_text=True)]) == [request.tokens for request in document.requests]


def test_small_memory_makes_the_same_means():
    """One text after another."""
    _, model, means = calibrated("llama")
    again = mean_contributions(model, CALIBRATION, {}, (), memory_bytes=1)
    for one, other in zip(means.vectors, again.vectors, strict=True):
        assert np.allclose(one[0], other[0], atol=1e-6)


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_streamed_weights_have_the_same_means_and_log_likelihoods(tmp_path, name):
    folder = save(tiny_network(name), tmp_path)
    coalitions = some_coalitions(8)
    found = []
    for model in (streamed(folder), resident(folder)):
        means = mean_contributions(model, CALIBRATION, {}, ())
        result = evaluate(model, encoded(PAIRS), coalitions, means=means)
        found.append((means, np.concatenate(result.loglikelihoods, axis=1)))
    (means, ours), (others, theirs) = found
    assert means.sites == others.sites
    assert all(np.allclose(a[0], b[0], atol=1e-5) for a, b in zip(means.vectors, others.vectors, strict=True))
    assert np.abs(ours - theirs).max() < 1e-4


def test_documents_that_share_prefixes_have_their_first_position_in_the_prefix(monkeypatch):
    monkeypatch.setattr("cornerstone.engine.shared_prefixes.SHORTEST", 16)
    network, model, means = calibrated("llama")
    outlets = outlets_of(network, "llama")
    coalitions = [(), (0,), (1, 2), tuple(range(8))]
    result = evaluate(model, SHARED, coalitions, means=means)
    assert result.counts["shared_tokens"] > 0
    kept = mean_kept(outlets, plain_means(network, outlets, texts_of(CALIBRATION)))
    for place, numbers in enumerate(coalitions):
        for ours, document in zip(result.loglikelihoods, SHARED, strict=True):
            with kept(None, numbers):
                assert np.abs(ours[place] - loglikelihoods(network, document)).max() < 1e-4


def test_bfloat16_keeps_the_means_too():
    network = tiny_network("llama")
    means = calibrated("llama")[2]
    model = as_model(network.to(torch.bfloat16), "llama")
    coalitions = [(), (0,), (3,), (0, 1)]
    ours = evaluate(model, encoded(PAIRS), coalitions, means=means)
    exact = evaluate(calibrated("llama")[1], encoded(PAIRS), coalitions, means=means)
    zeroed = evaluate(calibrated("llama")[1], encoded(PAIRS), coalitions)

    def all_of(result):
        return np.concatenate(result.loglikelihoods, axis=1)[1:]

    assert np.abs(all_of(ours) - all_of(exact)).mean() < 0.2 * np.abs(all_of(zeroed) - all_of(exact)).mean()


def test_means_of_another_model_are_refused():
    _, model, _ = calibrated("llama")
    with pytest.raises(CornerstoneError, match="the means know no sublayer FFN 0"):
        evaluate(model, encoded(PAIRS), [(0,)], means=calibrated("mixtral")[2])


def test_texts_of_one_token_have_no_means():
    document = CALIBRATION[0]
    short = replace(document, requests=(replace(document.requests[0], tokens=(5,), targets=(6,)),))
    with pytest.raises(CornerstoneError, match="no text of two tokens or more"):
        mean_contributions(calibrated("llama")[1], [short], {}, ())
