"""Intervals of rates of right answers: Wilson's, within 0 to 1, and paired as the draws that they are made from."""

from math import comb, sqrt

import numpy as np
import pytest

from cornerstone.scores import SCORES
from cornerstone.statistics.resampling import bootstrap, interval, wilson_draws
from cornerstone.values.ablation import effect_interval

NORMAL = 1.959964


def answers(right, n_documents):
    return (np.arange(n_documents) < right).astype(float)[None]


def wilson(right, n, z=NORMAL):
    middle, spread = right + z**2 / 2, z * sqrt(right * (n - right) / n + z**2 / 4)
    return (middle - spread) / (n + z**2), (middle + spread) / (n + z**2)


def ends(right, n, level=0.95):
    row = answers(right, n)
    (low,), (high,) = interval(wilson_draws(bootstrap(row), row), level)
    return low, high


@pytest.mark.parametrize("n", [1, 4, 30, 300])
def test_an_accuracy_has_wilsons_interval(n):
    for right in {0, 1, n // 3, n}:
        assert ends(right, n) == pytest.approx(wilson(right, n), abs=0.002)
        assert ends(right, n, 0.99) == pytest.approx(wilson(right, n, 2.575829), abs=0.006)


def test_published_intervals_are_found_again():
    # Newcombe (1998, Statistics in Medicine 17), table I: method 3, the score method without continuity correction.
    for right, n, published in [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ]:
        assert ends(right, n) == pytest.approx(published, abs=0.0015)


@pytest.mark.parametrize("n", [4, 10, 30, 60, 200])
def test_accuracies_are_held_95_times_of_100(n):
    rates = np.linspace(0.01, 0.99, 99)
    held = [
        [low <= rate <= high for rate in rates] for low, high in (ends(right, n) for right in range(n + 1))
    ]
    chance = [[comb(n, k) * rate**k * (1 - rate) ** (n - k) for rate in rates] for k in range(n + 1)]
    coverage = (np.array(held) * np.array(chance)).sum(axis=0)
    assert 0.94 < coverage.mean() < 0.965
    seen = n * np.minimum(rates, 1 - rates) >= 5
    assert coverage[seen].min(initial=1) > 0.92


@pytest.mark.parametrize("n", [4, 10, 40])
def test_differences_of_few_answers_stay_within_their_ends_and_are_held_no_less(n):
    rng = np.random.default_rng(0)
    lost, won = 0.5, 0.1
    rows = rng.choice([1.0, -1.0, 0.0], (600, n), p=[lost, won, 1 - lost - won])
    low, high = effect_interval(rows, SCORES["acc"].reach)
    assert low.min() >= -1 and high.max() <= 1
    assert (low <= rows.mean(axis=1)).all() and (rows.mean(axis=1) <= high).all()
    assert ((low <= lost - won) & (lost - won <= high)).mean() > 0.93


def test_paired_scores_stay_paired():
    rng = np.random.default_rng(0)
    ease = rng.random(200)
    rows = np.array([ease < 0.6, ease < 0.55, rng.random(200) < 0.6], dtype=float)
    draws = wilson_draws(bootstrap(rows), rows)
    alike, apart = np.corrcoef(draws)[0, 1:]
    assert alike > 0.8 and abs(apart) < 0.2


def test_other_scores_are_cut_at_their_ends_and_margins_nowhere():
    sure = np.full((1, 4), -1e-3)
    draws = bootstrap(sure)
    assert draws.max() > 0
    assert SCORES["logprob"].within(draws, sure).max() == 0
    np.testing.assert_array_equal(SCORES["margin"].within(draws, sure), draws)
    assert SCORES["brier"].within(bootstrap(1 + sure), 1 + sure).max() == 1
