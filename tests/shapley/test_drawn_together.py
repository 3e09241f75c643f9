"""Documents that have their coalitions together: the unit is what estimators and intervals see."""

import numpy as np
import pytest

from cornerstone.shapley.document_games import DocumentGames
from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS, kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.resampling import interval, resampled_means
from hard_games import exact_values, hard_games

ARRAYS = ("full", "bare", "without", "sides", "without_side", "only_side", "covariates")


def games_of(table, units, pairs, seed):
    """Games whose documents have the pairs of their unit."""
    count = table.shape[1]
    drawn = [with_own_pairs(table[:, unit], pairs, (seed, n), shared=True) for n, unit in enumerate(units)]
    order = np.argsort(np.concatenate(units))
    assert count == len(order)
    return DocumentGames(*(np.concatenate([getattr(one, name) for one in drawn])[order] for name in ARRAYS))


def in_units(count, size):
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


@pytest.mark.parametrize("estimate", [kernel_regression, mixed_effects], ids=lambda f: f.__name__)
def test_the_mean_over_units_is_that_over_documents_however_many_each_has(estimate):
    units = [list(range(3 * n, 3 * n + 3)) for n in range(FEWEST_DOCUMENTS)]
    units.append([3 * FEWEST_DOCUMENTS])  # the last one has a single document
    table = np.random.default_rng(0).standard_normal((2**5, 3 * FEWEST_DOCUMENTS + 1))
    found = estimate(games_of(table, units, 1000, 0).of_units(units))
    assert found.per_document.shape == (len(units), 5)
    np.testing.assert_allclose(found.per_document.mean(axis=0), exact_values(table).mean(axis=0), atol=1e-8)


def covered(repetitions, of_units):
    """The part of intervals that hold the exact values, over games, sublayers and repetitions.

    All documents are alike: the coalitions that are drawn are the only error.
    """
    held = []
    for repetition in range(repetitions):
        table = np.repeat(hard_games(7)["random"](np.random.default_rng(repetition), 1), 160, axis=1)
        units = in_units(160, 4)
        games = games_of(table, units, 3, repetition)
        found = kernel_regression(games.of_units(units) if of_units else games)
        low, high = interval(resampled_means(found.per_document.T, resamples=500))
        truth = exact_values(table).mean(axis=0)
        held.append((low <= truth) & (truth <= high))
    return np.mean(held)


def test_intervals_of_units_hold_the_values_and_those_of_documents_would_not():
    of_units, of_documents = covered(60, of_units=True), covered(60, of_units=False)
    assert of_units > 0.9
    assert of_documents < 0.75
