"""Documents that share a prefix compute it once, and their numbers are those of plain transformers."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_out_of_memory import after_the_check

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.prefix_cache import PrefixCache
from cornerstone.engine.shared_prefixes import bundles_of, shared_rows
from cornerstone.engine.token_tree import TREE, document_rows
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ForEach, ablation, windows
from engine_cases import least_states, least_tokens
from families import as_model, family_network
from hand_table import players_of
from seldom import only_some
from shared_prefix_documents import (
    EVERYTHING,
    alone,
    asked,
    few_shots,
    one_in_another,
    passages,
    plain_loglikelihoods,
)
from tiny_families import tiny_network

FAMILIES = (
    "llama",
    "mistral",  # its window is shorter than the prefixes
    "gemma2",
    "gemma3_text",
    "mixtral",
    "qwen2_moe",
    "gpt_neox",
    "gpt_oss",
    "deepseek_v3",
)
SHARING = dataclasses.replace(TREE, shares=True)
SHORTEST = 16


@pytest.fixture(autouse=True)
def _short_prefixes(monkeypatch):
    """Prefixes as short as small models and quick tests need them."""
    monkeypatch.setattr("cornerstone.engine.shared_prefixes.SHORTEST", SHORTEST)


def design(model):
    count = len(model.sublayers)
    return [*ablation(count), *windows(count, 3)]


def bundles(documents, designs=None):
    rows = [document_rows(position, document, SHARING) for position, document in enumerate(documents)]
    return bundles_of(rows, designs or [0] * len(rows), SHARING)


def shared_tokens(documents):
    """Distinct beginnings of what the documents ask: no sharing can compute fewer."""
    return len({r.tokens[:end] for d in documents for r in d.requests for end in range(1, len(r.tokens) + 1)})


def worst_difference(result, documents, network, players, every=1):
    differences = [0.0]
    for document, table in zip(documents, result.loglikelihoods, strict=True):
        for removed, numbers in list(zip(result.coalitions, table, strict=True))[::every]:
            wanted = plain_loglikelihoods(network, document, players, removed)
            differences.append(float(np.abs(numbers - wanted).max()))
    return max(differences)


def assert_same(result, expected, tolerance=2e-5):
    for ours, theirs in zip(result.loglikelihoods, expected.loglikelihoods, strict=True):
        assert np.abs(ours - theirs).max() < tolerance


@pytest.fixture(scope="module")
def llama():
    return as_model(family_network("llama"))


@pytest.fixture(scope="module")
def expected(llama):
    """Of each document by itself, which shares nothing."""
    coalitions = design(llama)
    alone = [evaluate(llama, [document], coalitions) for document in EVERYTHING]
    assert not any(one.counts["prefix_tokens"] for one in alone)
    return dataclasses.replace(alone[0], loglikelihoods=[one.loglikelihoods[0] for one in alone])


# Numbers


@pytest.mark.parametrize("name", only_some(FAMILIES, ("llama", "mistral", "gemma3_text", "mixtral")))
def test_numbers_are_those_of_plain_transformers_and_the_work_is_the_least(name):
    network = tiny_network(name)
    model = as_model(network, name)
    result = evaluate(model, EVERYTHING, design(model))
    assert result.counts["rows"] == "tree" and result.counts["prefix_tokens"] > 50
    assert worst_difference(result, EVERYTHING, network, players_of(network, name), every=4) < 1e-4
    assert result.counts["evaluations"] == result.counts["least_evaluations"]
    assert result.counts["evaluations"] < 0.6 * least_tokens(EVERYTHING) * least_evaluations(
        design(model), len(model.sublayers)
    )


@pytest.mark.parametrize(
    "documents",
    [
        asked(few_shots(2)),
        asked(few_shots(1)),
        asked(few_shots(4), few_shots(3, seed=9)),
        asked(passages()),
        asked(one_in_another()),
    ],
    ids=["two documents", "one document", "two groups", "nested", "one begins another"],
)
def test_every_way_to_share_gives_the_numbers_of_plain_transformers(llama, documents):
    players = players_of(llama.network, "llama")
    result = evaluate(llama, documents, design(llama))
    assert worst_difference(result, documents, llama.network, players) < 1e-4
    assert result.counts["evaluations"] == result.counts["least_evaluations"]
    assert result.counts["row_tokens"] + result.counts["shared_tokens"] == least_tokens(documents)
    # What is not shared is shorter than the shortest prefix that pays, or scored.
    assert result.counts["row_tokens"] <= shared_tokens(documents) + (SHORTEST + 3) * len(documents)


def test_shots_are_computed_once_for_all_documents(llama):
    documents = asked(few_shots(7, shots=50))
    counts = evaluate(llama, documents, design(llama)).counts
    assert counts["prefix_tokens"] == 50
    assert counts["shared_tokens"] == 6 * 50
    assert counts["evaluations"] == (least_tokens(documents) - 6 * 50) * least_states(design(llama))


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize(
    "settings",
    [
        {"memory_bytes": 60_000},
        {"memory_bytes": 300_000},
        {"memory_bytes": 1_000_000},
        {"batch_tokens": 1},
        {"batch_tokens": 100},
        {"seconds_between_blocks": 1e-9},
    ],
    ids=str,
)
def test_the_numbers_are_the_same_however_the_work_is_cut(llama, expected, settings):
    result = evaluate(llama, EVERYTHING, design(llama), **settings)
    assert_same(result, expected)
    assert result.counts["evaluations"] == result.counts["least_evaluations"]


@pytest.mark.usefixtures("checked_once")
def test_one_state_at_a_time_hands_work_over_as_it_is_done_and_computes_nothing_twice(llama, expected):
    blocks = []
    result = evaluate(llama, EVERYTHING, design(llama), seconds_between_blocks=1e-9, on_block=blocks.append)
    assert_same(result, expected)
    assert result.counts["evaluations"] == result.counts["least_evaluations"]
    assert max(len(own) for block in blocks for own in block.coalitions) <= 4


def test_documents_that_do_not_fit_together_are_cut_and_the_log_says_so(llama, expected, caplog):
    caplog.set_level(logging.INFO, logger="cornerstone")
    result = evaluate(llama, EVERYTHING, design(llama), memory_bytes=1_000_000)
    assert sum("do not fit in memory together" in message for message in caplog.messages) == 1
    whole = evaluate(llama, EVERYTHING, design(llama))
    assert 0 < result.counts["shared_tokens"] < whole.counts["shared_tokens"]
    assert result.counts["evaluations"] == result.counts["least_evaluations"]
    assert_same(result, expected)


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("most", [20, 60, 150])
def test_running_out_of_memory_goes_on_with_smaller_pieces(monkeypatch, llama, expected, most):
    failed = []

    def short(_, hidden):
        if hidden.shape[:2].numel() > max(most, hidden.shape[1]):
            failed.append(hidden.shape)
            return torch.OutOfMemoryError("out of memory")

    after_the_check(monkeypatch, short)
    handed = []
    result = evaluate(llama, EVERYTHING, design(llama), on_block=handed.append)
    assert failed
    assert_same(result, expected)
    pairs = [
        (position, coalition)
        for block in handed
        for position, coalitions in zip(block.documents, block.coalitions, strict=True)
        for coalition in coalitions
    ]
    assert len(pairs) == len(set(pairs)) == len(EVERYTHING) * len(design(llama))


def test_shorter_numbers_share_too_and_agree_within_their_tolerance():
    network = family_network("llama").to(torch.bfloat16)
    result = evaluate(as_model(network), EVERYTHING, ablation(6))
    assert result.counts["prefix_tokens"] > 50
    assert worst_difference(result, EVERYTHING, network, players_of(network, "llama"), every=3) < 1.0


def test_streamed_weights_share_too(tmp_path, llama, expected):
    from streamed_models import save, streamed

    folder = save(family_network("llama"), tmp_path)
    for memory_bytes in (1_000_000, 10_000_000):
        result = evaluate(streamed(folder), EVERYTHING, design(llama), memory_bytes=memory_bytes)
        assert_same(result, expected)
        assert result.counts["prefix_tokens"] > 50
        assert result.counts["evaluations"] == result.counts["least_evaluations"]
        assert result.counts["weight_passes"] == pytest.approx(result.counts["planned_weight_passes"])


def test_documents_with_coalitions_of_their_own_share_where_these_are_the_same(llama, expected):
    coalitions = design(llama)
    lists = [coalitions[:9], coalitions[5:], coalitions[:9]]
    own = [lists[position % 3] for position in range(len(EVERYTHING))]
    result = evaluate(llama, EVERYTHING, ForEach(own))
    for position, (numbers, some) in enumerate(zip(result.loglikelihoods, own, strict=True)):
        wanted = expected.loglikelihoods[position][[coalitions.index(one) for one in some]]
        assert np.abs(numbers - wanted).max() < 2e-5
    counts = result.counts
    assert 0 < counts["shared_tokens"] < evaluate(llama, EVERYTHING, coalitions).counts["shared_tokens"]
    assert counts["evaluations"] == counts["least_evaluations"]


def test_documents_with_other_coalitions_share_nothing(llama):
    own = [[(), (position % 6,)] for position in range(6)]
    counts = evaluate(llama, asked(few_shots(6)), ForEach(own)).counts
    assert counts["prefix_tokens"] == counts["shared_tokens"] == 0


# Falling back


def test_a_family_of_plain_rows_shares_nothing():
    network = tiny_network("gpt_neo")
    result = evaluate(as_model(network), asked(few_shots(3, shots=20)), [(), (1,)])
    assert result.counts["rows"] == "plain" and result.counts["prefix_tokens"] == 0


@pytest.mark.parametrize("how", ["ignored", "raises", "wrong"])
def test_a_model_without_such_a_cache_shares_nothing_and_the_log_says_why(monkeypatch, caplog, how):
    caplog.set_level(logging.INFO, logger="cornerstone")
    network = family_network("llama")
    update = PrefixCache.update

    def other(cache, keys, values, *rest):
        if how == "raises":
            raise TypeError("update() takes no such cache")
        keys, values = update(cache, keys, values, *rest)
        return (keys, values) if how == "ignored" else (keys, values * 1.01)

    monkeypatch.setattr(PrefixCache, "update", other)
    if how == "ignored":
        forward = type(network.model).forward

        def without(self, *args, past_key_values=None, **kwargs):
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(type(network.model), "forward", without)
    documents = asked(few_shots(3))
    result = evaluate(as_model(network), documents, ablation(6))
    assert result.counts["prefix_tokens"] == 0
    assert sum("computes shared prefixes once a document" in message for message in caplog.messages) == 1
    assert worst_difference(result, documents, network, players_of(network, "llama")) < 1e-4


def test_the_job_is_told_that_its_prefixes_were_compared(caplog, llama):
    caplog.set_level(logging.INFO, logger="cornerstone")
    evaluate(llama, asked(few_shots(3)), [()])
    assert any("shared prefixes of up to 50 tokens agree" in message for message in caplog.messages)


def test_rows_that_the_model_treats_otherwise_than_their_prefix_do_not_hang_on_it():
    """Phi-3's rotary embeddings are others beyond 20 tokens, for the tokens of a prefix too."""
    network = tiny_network("phi3")
    documents = asked(few_shots(6, shots=18), few_shots(4, shots=60, seed=4))
    result = evaluate(as_model(network), documents, ablation(4))
    assert worst_difference(result, documents, network, players_of(network, "phi3")) < 1e-4
    assert result.counts["prefix_tokens"] == 60


# Rows

TEXTS = st.lists(st.integers(0, 1), min_size=1, max_size=60).map(tuple)


def whole(row):
    """A row's tokens with those of its prefixes before them."""
    return tuple(token for part in (*row.prefixes, row) for token in part.tokens)


@given(st.lists(st.tuples(TEXTS, st.integers(0, 59)), min_size=1, max_size=8))
def test_rows_with_prefixes_hold_the_same_texts_and_nothing_is_read_off_a_prefix(drawn):
    common = tuple(n % 3 for n in range(20))
    documents = asked([[(list(common + text[:cut] + text), [5])] for text, cut in drawn])
    rows = [row for n, document in enumerate(documents) for row in document_rows(n, document, SHARING)]
    found = shared_rows(rows, SHARING)
    hanging = {row.document: row for row in found if row.scored}
    assert {n: whole(row) for n, row in hanging.items()} == {row.document: row.tokens for row in rows}
    for row in hanging.values():
        assert row.depths == tuple(range(len(whole(row)) - len(row.tokens), len(whole(row))))
        assert [one.node for one in row.scored] == [len(row.tokens) - 1]
    prefixes = [row for row in found if not row.scored]
    assert all(len(prefix.tokens) >= SHORTEST for prefix in prefixes)
    for prefix in prefixes:
        assert sum(any(one is prefix for one in row.prefixes) for row in hanging.values()) >= 2
    assert sum(len(row.tokens) for row in found) <= sum(len(row.tokens) for row in rows)


def test_bundles_are_the_documents_that_share_and_each_is_in_one():
    found = sorted(sorted(bundle.positions) for bundle in bundles(asked(few_shots(3), alone(), passages())))
    assert found == [[0, 1, 2], [3], [4], [5, 6, 7, 8, 9, 10]]


def test_a_description_before_passages_is_a_prefix_of_their_prefixes():
    (bundle,) = bundles(asked(passages()))
    assert [len(prefix.tokens) for prefix in bundle.prefixes] == [20, 24, 24]
    assert [len(prefix.prefixes) for prefix in bundle.prefixes] == [0, 1, 1]
    assert sorted(len(row.prefixes) for row in bundle.rows if row.scored) == [1, 2, 2, 2, 2, 2]
