"""Shapley interaction indices from per-document coalitions, against the definition over all coalitions."""

import numpy as np
import pytest

from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.interaction_indices import interaction_indices
from cornerstone.statistics.resampling import effect_interval
from hard_games import everything, exact_indices, hard_games
from seldom import only_some


def test_the_definition_is_that_of_shapiq():
    from shapiq import ExactComputer

    n, table = 6, np.random.default_rng(0).standard_normal(2**6)
    there = 1 << np.arange(n)

    def game(coalitions):  # shapiq's are those that are there
        return table[2**n - 1 - np.atleast_2d(coalitions).astype(int) @ there]

    theirs = ExactComputer(n_players=n, game=game)("SII", order=2)
    ours = exact_indices(table[:, None])[0]
    every_two = zip(*np.triu_indices(n, 1), strict=True)
    np.testing.assert_allclose(ours, [theirs[tuple(map(int, two))] for two in every_two], atol=1e-10)


@pytest.mark.parametrize("documents", [1, 2, 45])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_all_pairs_give_every_documents_exact_indices(n, documents):
    table = np.random.default_rng(n).standard_normal((2**n, documents))
    found = interaction_indices(with_own_pairs(table, 1000, seed=0))
    np.testing.assert_allclose(found, exact_indices(table), atol=1e-9)


def test_where_only_two_interact_at_a_time_the_indices_are_known():
    rng = np.random.default_rng(1)
    there, of_two = (~everything(8)).astype(float), rng.standard_normal((8, 8))
    table = np.repeat(((there @ of_two) * there).sum(axis=1)[:, None], 60, axis=1)
    found = interaction_indices(with_own_pairs(table, 20, seed=1))
    expected = (of_two + of_two.T)[np.triu_indices(8, 1)]
    np.testing.assert_allclose(found, np.tile(expected, (60, 1)), atol=1e-5)


@pytest.mark.parametrize("pairs", [5, 18])
@pytest.mark.parametrize("name", ["random", "parity", "majority"])
def test_indices_are_right_on_average_where_no_polynomial_fits(name, pairs):
    n, repetitions = 8, 60
    table = hard_games(n)[name](np.random.default_rng(2), 60)
    truth = exact_indices(table).mean(axis=0)
    errors = np.array(
        [
            interaction_indices(with_own_pairs(table, pairs, seed)).mean(axis=0) - truth
            for seed in range(repetitions)
        ]
    )
    standard_errors = errors.std(axis=0, ddof=1) / np.sqrt(repetitions)
    assert np.abs(errors.mean(axis=0) / standard_errors).max() < 3.5  # of 28
    assert abs(errors.mean()) < 3 * errors.mean(axis=1).std(ddof=1) / np.sqrt(repetitions)


@pytest.mark.parametrize("name", only_some(("parity", "stand-in", "product"), ("product",)))
def test_intervals_hold_the_index_of_all_documents_as_often_as_they_say(name):
    n, documents, repetitions = 6, 80, 200
    make = hard_games(n)[name]
    many = np.mean(
        [make(np.random.default_rng(10**6 + part), 1000).mean(axis=1) for part in range(60)], axis=0
    )
    truth = exact_indices(many[:, None])[0]
    held, found, told = [], [], []
    for seed in range(repetitions):
        games = with_own_pairs(make(np.random.default_rng(seed), documents), 12, seed)
        indices = interaction_indices(games)
        low, high = effect_interval(indices.T, 2.0)
        held.append((low <= truth) & (truth <= high))
        found.append(indices.mean(axis=0))
        told.append(indices.var(axis=0, ddof=1) / documents)
    assert 0.93 <= np.mean(held) <= 0.97
    assert 0.95 <= np.sqrt(np.mean(told) / np.var(found, axis=0, ddof=1).mean()) <= 1.1


def test_what_documents_share_and_tell_makes_the_errors_smaller():
    rng = np.random.default_rng(3)
    n, count = 8, 200
    keeps = np.hstack([rng.beta(1, 2, (count, 2)), rng.beta(9, 1, (count, n - 2))])
    table = rng.beta(4, 1, count) * np.exp(
        everything(n) @ np.log(keeps).T
    )  # documents have products of their own
    truth = exact_indices(table).mean(axis=0)
    errors = [interaction_indices(with_own_pairs(table, 14, seed)).mean(axis=0) - truth for seed in range(4)]
    plain = [plain_indices(with_own_pairs(table, 14, seed)) - truth for seed in range(4)]
    assert np.square(errors).mean() < 0.25 * np.square(plain).mean()


def plain_indices(games):
    """The means over each size's pairs alone, by definition of the weights: (n (n − 1) / 2,)."""
    n = games.n_sublayers
    found = []
    for i, j in zip(*np.triu_indices(n, 1), strict=True):
        inside = games.sides[..., i].astype(int) + games.sides[..., j]
        s = games.sizes
        with np.errstate(divide="ignore"):
            weights = np.choose(
                inside, [n / ((n - s) * (n - s - 1)), -n / (s * (n - s)), n / (s * (s - 1.0))]
            )
        weights = weights * np.where(2 * s == n, 1, 2) * games.averages
        total = (games.full + games.bare).mean() / (n - 1)
        for size in range(1, n // 2 + 1):
            total += weights[s == size].mean()
        found.append(total)
    return np.array(found)


def test_documents_that_all_score_the_same_have_indices_of_zero():
    found = interaction_indices(with_own_pairs(np.full((2**6, 50), 0.5), 9, seed=0))
    np.testing.assert_allclose(found, 0, atol=1e-9)


@pytest.mark.parametrize("score", [0.0, 1.0])
@pytest.mark.parametrize("pairs", [2, 6, 34])
@pytest.mark.parametrize("n", [4, 5, 8])
def test_scores_that_never_change_have_indices_that_the_table_rounds_to_none(n, pairs, score):
    found = interaction_indices(with_own_pairs(np.full((2**n, 50), score), pairs, seed=0))
    np.testing.assert_allclose(found, 0, atol=5e-8)


@pytest.mark.parametrize("documents", [3, 50])
@pytest.mark.parametrize("pairs", [1, 2])
@pytest.mark.parametrize("n", [4, 5, 12])
def test_indices_are_numbers_however_few_pairs_a_document_has(n, pairs, documents):
    table = (np.random.default_rng(n).random((2**n, documents)) < 0.5).astype(float)
    assert np.isfinite(interaction_indices(with_own_pairs(table, pairs, seed=1))).all()
