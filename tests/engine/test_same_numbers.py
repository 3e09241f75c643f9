"""The same numbers however the work is cut, in every dtype, and in every version of the engine that says so."""

import json
import random

import numpy as np
import pytest
import torch

from cornerstone.engine.comparison import TOLERANCES
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.reference import reference_loglikelihoods
from cornerstone.engine.walk import Walk
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest
from cornerstone.system.errors import CornerstoneError
from engine_cases import DOCUMENTS, N_SUBLAYERS, WINDOWS, assert_same
from families import as_model, family_network
from golden_engine import GOLDEN, golden_tables, largest_difference
from token_documents import MAX_LENGTH, PAIRS, encoded, some_coalitions


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 300_000])
def test_subtrees_give_the_same_results_at_the_same_count(llama, expected, memory_bytes):
    blocks = []
    result = evaluate(llama, DOCUMENTS, WINDOWS, memory_bytes=memory_bytes, on_block=blocks.append)
    assert_same(result, expected)
    assert result.counts["evaluations"] == expected.counts["evaluations"]
    # Else nothing was cut: with so little room no document has all its coalitions at once.
    assert max(len(block.coalitions) for block in blocks) < len(WINDOWS)


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("batch_tokens", [1, 100, 100_000])
def test_the_size_of_a_batch_does_not_move_results(llama, expected, batch_tokens):
    assert_same(evaluate(llama, DOCUMENTS, WINDOWS, batch_tokens=batch_tokens), expected)


@pytest.mark.usefixtures("checked_once")
def test_plain_rows_give_the_results_of_tree_rows(llama, expected):
    assert_same(evaluate(llama, DOCUMENTS, WINDOWS, rows="plain"), expected)


def test_a_document_gets_the_same_numbers_alone_as_among_others(llama, expected):
    for position in (0, 11, 29):
        alone = evaluate(llama, [DOCUMENTS[position]], WINDOWS)
        assert np.abs(alone.loglikelihoods[0] - expected.loglikelihoods[position]).max() < 2e-5


@pytest.mark.usefixtures("checked_once")
def test_results_come_in_the_order_given_with_repeats_dropped(llama, expected):
    shuffled = random.Random(1).sample(WINDOWS, len(WINDOWS))
    result = evaluate(llama, DOCUMENTS, [*shuffled, shuffled[3], ()])
    assert result.coalitions == shuffled
    order = [expected.coalitions.index(removed) for removed in shuffled]
    for ours, theirs in zip(result.loglikelihoods, expected.loglikelihoods, strict=True):
        assert np.abs(ours - theirs[order]).max() < 2e-5


def test_two_runs_give_the_same_numbers(llama):
    first, again = (evaluate(llama, DOCUMENTS[:8], WINDOWS, batch_tokens=200) for _ in range(2))
    assert_same(again, first, tolerance=1e-5)


def test_documents_come_from_the_models_own_maximum_length_too(llama):
    tokens = tuple(range(3, 3 + MAX_LENGTH))
    whole = EncodedDocument(0, (EncodedRequest(tokens, (*tokens[1:], 9)),), (0,), (1,), "")
    result = evaluate(llama, [whole], [(), (0, 1)])
    for place, removed in enumerate(result.coalitions):
        wanted = reference_loglikelihoods(llama, whole, removed)
        assert np.abs(result.loglikelihoods[0][place] - wanted).max() < 1e-4 + 2e-6 * abs(wanted[0])


def test_nothing_to_do_is_done_at_once(llama):
    assert evaluate(llama, [], WINDOWS).loglikelihoods == []
    assert evaluate(llama, DOCUMENTS, []).loglikelihoods[0].shape == (0, DOCUMENTS[0].n_choices)


def test_the_model_is_left_as_it_was(monkeypatch, llama):
    inputs = torch.arange(3, 23)[None]
    before = llama.network(inputs).logits
    evaluate(llama, DOCUMENTS[:3], WINDOWS)
    monkeypatch.setattr(Walk, "run", lambda walk: 1 / 0)
    with pytest.raises(CornerstoneError, match="division by zero"):
        evaluate(llama, DOCUMENTS[:3], WINDOWS)
    assert torch.equal(llama.network(inputs).logits, before)
    assert not any("forward" in vars(module) for module in llama.network.modules())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_shorter_numbers_agree_with_the_model_within_their_tolerance(dtype):
    model = as_model(family_network("llama").to(getattr(torch, dtype)))
    assert model.dtype == dtype
    documents = encoded(PAIRS)
    result = evaluate(model, documents, some_coalitions(N_SUBLAYERS))
    assert result.counts["rows"] == "tree"
    absolute, relative = TOLERANCES[dtype]
    for document, table in zip(documents, result.loglikelihoods, strict=True):
        for removed, numbers in zip(result.coalitions, table, strict=True):
            wanted = np.array(reference_loglikelihoods(model, document, removed))
            assert (np.abs(numbers - wanted) <= absolute + relative * np.abs(wanted)).all()


def test_log_probabilities_are_float32_whatever_the_dtype():
    model = as_model(family_network("llama").to(torch.bfloat16))
    result = evaluate(model, encoded(PAIRS), [()])
    numbers = np.concatenate(result.loglikelihoods, axis=1)
    # bfloat16's steps at these sizes are an eighth and more: hardly a number falls on one.
    assert (numbers * 8 % 1 != 0).mean() > 0.9


def explanation(stored, tables):
    """What has to be done about a golden table; empty where it holds."""
    if stored["engine_version"] != ENGINE_VERSION:
        return "ENGINE_VERSION was raised: write the golden table anew (python tests/golden_engine.py)"
    difference = largest_difference(stored["tables"], tables)
    if difference >= 1e-4:
        return (
            f"log-likelihoods moved by {difference:.2g} nats: evaluations kept by users no longer hold. If this is "
            "meant, raise ENGINE_VERSION in workflow/cornerstone/evaluations/identity.py and run "
            "python tests/golden_engine.py"
        )
    return ""


def test_results_are_those_of_this_engine_version():
    stored = json.loads(GOLDEN.read_text())
    problem = explanation(stored, golden_tables())
    assert not problem, problem


def test_a_moved_result_demands_a_new_engine_version():
    stored = json.loads(GOLDEN.read_text())
    moved = json.loads(GOLDEN.read_text())["tables"]
    moved["llama"]["1,2"][3][1] += 0.001
    assert "raise ENGINE_VERSION" in explanation(stored, moved)
    assert "write the golden table anew" in explanation(stored | {"engine_version": -1}, stored["tables"])
