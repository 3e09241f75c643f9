"""Estimators on per-document coalitions, against the formula over all coalitions."""

import numpy as np
import pytest

from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS, kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects, products_of_three, values_of_three
from cornerstone.statistics.resampling import Z_95
from hard_games import everything, exact_values, hard_games
from seldom import only_some


def mixed_effects_of_pairs_alone(games):
    return mixed_effects(games.pairs_alone())


EACH = pytest.mark.parametrize(
    "estimate", [kernel_regression, mixed_effects, mixed_effects_of_pairs_alone], ids=lambda f: f.__name__
)


@EACH
@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_all_pairs_give_every_documents_exact_values(estimate, n):
    table = np.random.default_rng(n).standard_normal((2**n, FEWEST_DOCUMENTS + 5))
    found = estimate(with_own_pairs(table, 1000, seed=0))
    np.testing.assert_allclose(found.per_document, exact_values(table), atol=1e-8)
    assert np.abs(found.by_pair).max() < 1e-8  # nothing is left unseen


@EACH
def test_additive_games_have_their_values_and_no_interval(estimate):
    worth = np.array([0.5, 0.2, 0.1, -0.1, 0.0, 0.05, 0.02, 0.01])
    table = np.repeat((~everything(8) @ worth)[:, None], 60, axis=1)
    found = estimate(with_own_pairs(table, 14, seed=1))
    np.testing.assert_allclose(found.per_document.mean(axis=0), worth, atol=1e-7)
    np.testing.assert_allclose(found.per_document.std(axis=0), 0, atol=1e-6)
    assert found.gap == pytest.approx(0, abs=1e-9)


@EACH
def test_values_sum_to_what_there_is_to_share_out(estimate):
    table = hard_games(8)["product"](np.random.default_rng(0), 50)
    found = estimate(with_own_pairs(table, 12, seed=2))
    np.testing.assert_allclose(
        found.per_document.mean(axis=0).sum(), (table[0] - table[-1]).mean(), atol=1e-9
    )


@pytest.mark.parametrize("estimate", [mixed_effects, mixed_effects_of_pairs_alone], ids=lambda f: f.__name__)
@pytest.mark.parametrize("pairs", [4, 20])
@pytest.mark.parametrize("name", only_some(("majority", "parity"), ("parity",)))
def test_the_correction_takes_the_bias_out_where_the_model_is_wrong(name, pairs, estimate):
    n, repetitions = 8, 40
    table = hard_games(n)[name](np.random.default_rng(1), 80)
    truth = exact_values(table).mean(axis=0)
    errors = np.array(
        [
            estimate(with_own_pairs(table, pairs, seed)).per_document.mean(axis=0) - truth
            for seed in range(repetitions)
        ]
    )
    standard_errors = errors.std(axis=0, ddof=1) / np.sqrt(repetitions)
    assert (np.abs(errors.mean(axis=0)) < 4 * standard_errors).all()


def test_the_interval_of_these_documents_is_as_wide_as_the_errors_are():
    table = hard_games(8)["product"](np.random.default_rng(3), 120)
    truth = exact_values(table).mean(axis=0)
    found = [mixed_effects(with_own_pairs(table, 12, seed)) for seed in range(30)]
    errors = np.array([one.per_document.mean(axis=0) - truth for one in found])
    told = np.array([np.sqrt((one.by_pair**2).sum(axis=(0, 1))) for one in found])
    assert 0.8 < np.sqrt((errors**2).mean() / (told**2).mean()) < 1.2


@EACH
def test_the_interval_of_these_documents_tells_what_sublayers_alone_may_score(estimate):
    """All that is unseen is of single sublayers alone: half of them have no pair."""
    n, documents, repetitions = 8, 60, 60
    alone = everything(n).sum(axis=1) == n - 1  # removed are all but one
    table = np.where(alone[:, None], np.random.default_rng(2).standard_normal((2**n, documents)), 0.0)
    truth = exact_values(table).mean(axis=0)
    held = []
    for seed in range(repetitions):
        found = estimate(with_own_pairs(table, 12, seed))
        width = Z_95 * np.sqrt((found.by_pair**2).sum(axis=(0, 1)))
        held.append(np.abs(found.per_document.mean(axis=0) - truth) <= width)
    assert 0.9 < np.mean(held) < 0.99


def test_the_model_of_documents_makes_the_errors_smaller_where_documents_differ():
    rng = np.random.default_rng(4)
    n, count = 8, 150
    there = ~everything(n)
    # What a document's answer rests on is its own: one of the sublayers, which other removals leave alone.
    worth = 0.2 + rng.dirichlet(np.full(n, 0.3), count)
    table = there @ worth.T
    games = with_own_pairs(table + 0.05 * rng.standard_normal(table.shape), 14, seed=0)
    truth = exact_values(table).mean(axis=0)
    modelled, plain = (
        np.abs(f(games).per_document.mean(axis=0) - truth).mean() for f in (mixed_effects, kernel_regression)
    )
    assert modelled < 0.6 * plain


def test_patterns_of_three_sublayers_have_their_exact_shapley_values():
    n, rng = 6, np.random.default_rng(0)
    weights, anchors = rng.random(n), rng.choice([-1.0, 1.0], (4, n))
    games = products_of_three(weights, np.where(everything(n), -1.0, 1.0), anchors)
    np.testing.assert_allclose(values_of_three(weights, anchors), exact_values(games), atol=1e-12)


def test_what_three_sublayers_do_together_in_every_document_is_learnt_from_them_all():
    n, rng = 8, np.random.default_rng(2)
    signs = np.where(everything(n), -1.0, 1.0)
    together = signs[:, :3].prod(axis=1) + 0.5 * signs[:, [0, 1, 4]].prod(axis=1)
    own = rng.standard_normal((n, 100)) * np.array([3.0, 2.0, 1.5, 1.0, 1.0, 0.3, 0.3, 0.3])[:, None]
    table = together[:, None] + signs @ own
    truth = exact_values(table).mean(axis=0)
    for seed in range(3):
        games = with_own_pairs(table, 16, seed)
        plain, modelled = (
            np.sqrt(np.mean((estimate(games).per_document.mean(axis=0) - truth) ** 2))
            for estimate in (kernel_regression, mixed_effects)
        )
        assert modelled < plain / 2


def test_where_the_model_tells_nothing_the_errors_are_those_of_the_regression():
    table = hard_games(8)["random"](np.random.default_rng(5), 100)
    truth = exact_values(table).mean(axis=0)
    squares = {
        f: np.mean(
            [(f(with_own_pairs(table, 12, s)).per_document.mean(axis=0) - truth) ** 2 for s in range(25)]
        )
        for f in (kernel_regression, mixed_effects)
    }
    assert squares[mixed_effects] < 1.21 * squares[kernel_regression]


def test_few_documents_are_left_to_the_regression():
    table = hard_games(6)["product"](np.random.default_rng(6), FEWEST_DOCUMENTS - 1)
    games = with_own_pairs(table, 9, seed=0)
    np.testing.assert_array_equal(mixed_effects(games).per_document, kernel_regression(games).per_document)


def test_documents_that_all_score_the_same_have_values_of_zero():
    found = mixed_effects(with_own_pairs(np.full((2**6, 50), 0.5), 9, seed=0))
    assert not found.per_document.any() and not found.by_pair.any()
