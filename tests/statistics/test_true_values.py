"""Draws of true values behind noisy ones: simulated values, of which the truth is known."""

import numpy as np
import pytest

from cornerstone.statistics.ranks import spearman
from cornerstone.statistics.true_values import true_value_draws

REPETITIONS, DRAWS = 60, 200


def simulated(n, noise, residual, rng):
    """A few large values and many small ones, and an estimate of them that is off by normal residuals."""
    true = rng.permutation(np.exp(-np.arange(n) * 6 / n))
    sd = noise * rng.uniform(0.6, 1.4, n)
    return true, true + residual * rng.standard_normal(n), true + sd * rng.standard_normal(n), sd


def correlations(estimate, draws):
    return np.array([spearman(estimate, draw) for draw in draws])


@pytest.mark.parametrize(
    ("n", "noise", "residual", "least"),
    [(12, 0.05, 0.03, 0.9), (12, 0.03, 0.06, 0.8), (64, 0.05, 0.03, 0.55)],
)
def test_rank_correlations_are_nearer_than_those_with_noisy_values(n, noise, residual, least):
    """Most of 64 values are smaller than the noise: how residuals grow is then hard to tell, and intervals short."""
    rng = np.random.default_rng(n)
    off, raw, held = [], [], 0
    for seed in range(REPETITIONS):
        true, estimate, noisy, sd = simulated(n, noise, residual, rng)
        wanted = spearman(estimate, true)
        drawn = correlations(estimate, true_value_draws(estimate, noisy, sd, DRAWS, seed))
        low, high = np.quantile(drawn, [0.025, 0.975])
        held += low <= wanted <= high
        off.append(drawn.mean() - wanted)
        raw.append(spearman(estimate, noisy) - wanted)
    assert held / REPETITIONS >= least
    assert np.sqrt(np.mean(np.square(off))) < 0.85 * np.sqrt(np.mean(np.square(raw)))
    assert abs(np.mean(off)) < 0.7 * abs(np.mean(raw))


def test_values_without_noise_are_the_true_ones():
    rng = np.random.default_rng(0)
    noisy, estimate = rng.standard_normal((2, 12))
    sd = np.array([0.0] * 6 + [0.1] * 6)
    drawn = true_value_draws(estimate, noisy, sd, 50, 0)
    assert (drawn[:, :6] == noisy[:6]).all()
    assert (drawn[:, 6:].std(axis=0) > 0.01).all()


def test_units_and_places_of_the_numbers_do_not_matter():
    rng = np.random.default_rng(1)
    true = rng.standard_normal(12)
    estimate, noisy, sd = true + 0.2, true + 0.3 * rng.standard_normal(12), np.full(12, 0.3)
    drawn = true_value_draws(estimate, noisy, sd, 30, 7)
    np.testing.assert_allclose(
        true_value_draws(1e6 * estimate, 1e6 * noisy, 1e6 * sd, 30, 7), 1e6 * drawn, rtol=1e-6
    )


def test_an_estimate_that_is_right_is_trusted_as_far_as_the_noise_allows():
    """Where the estimate goes with the noisy values as nearly as their noise lets it, most of the noise is gone."""
    rng = np.random.default_rng(2)
    true = rng.standard_normal(64)
    sd = np.full(64, 0.3)
    noisy = true + sd * rng.standard_normal(64)
    drawn = true_value_draws(true, noisy, sd, DRAWS, 0)
    assert np.sqrt(np.mean((drawn.mean(axis=0) - true) ** 2)) < 0.12


def test_an_estimate_that_has_nothing_to_do_with_the_values_leaves_them_as_they_are():
    rng = np.random.default_rng(3)
    noisy, estimate = rng.standard_normal((2, 64))
    drawn = true_value_draws(estimate, noisy, np.full(64, 0.1), DRAWS, 0)
    assert np.abs(drawn.mean(axis=0) - noisy).max() < 0.1
    assert drawn.std(axis=0).mean() == pytest.approx(0.1, rel=0.1)
