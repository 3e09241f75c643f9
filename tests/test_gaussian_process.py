"""The Gaussian process over coalitions, its closed forms against brute force, and the design that it chooses."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

import cornerstone.gaussian_process as module
from cornerstone.coalitions import ablation, absence, exact, paper_budget, windows
from cornerstone.errors import CornerstoneError
from cornerstone.estimators import exact_estimator, window_estimator
from cornerstone.game_kernel import (
    GameKernel,
    coalition_weights,
    covariance,
    product_of_others,
    value_covariance,
    value_variances,
    variances,
)
from cornerstone.gaussian_process import process_estimator
from cornerstone.informative import informative


def kernel_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return GameKernel(*rng.uniform(0.2, 1.5, 4), decay=rng.uniform(-0.2, 1, n), spread=rng.uniform(-2, 1, n))


def posterior_by_brute_force(kernel, chosen, n):
    """Weights and variances from the covariance of all 2^n coalitions and the definition of the value."""
    everything, values = exact(n), exact_estimator(n).weights
    absent = absence(everything, n)
    total = covariance(kernel, absent, absent) + kernel.noise * np.eye(2**n)
    at = [everything.index(coalition) for coalition in chosen]
    weights = np.linalg.solve(total[np.ix_(at, at)], (values @ total)[:, at].T).T
    left = values @ total @ values.T - weights @ (values @ total)[:, at].T
    return weights, np.diag(left)


@pytest.mark.parametrize("n", (1, 2, 7))
def test_closed_forms_equal_sums_over_all_coalitions(n):
    kernel, everything = kernel_of(n), exact(n)
    absent, values = absence(everything, n), exact_estimator(n).weights
    smooth = covariance(kernel, absent, absent)
    assert np.allclose(value_covariance(kernel, absent), values @ smooth, atol=1e-12)
    assert np.allclose(variances(kernel, absent), np.diag(smooth))
    total = smooth + kernel.noise * np.eye(2**n)
    assert np.allclose(value_variances(kernel), np.diag(values @ total @ values.T), atol=1e-12)
    assert np.allclose(coalition_weights(absent), values)


def test_the_posterior_equals_conditioning_on_all_coalitions():
    n, kernel = 6, kernel_of(6)
    chosen = [*ablation(n), *informative(n, 12)]
    absent = absence(chosen, n)
    weights, sd = module._posterior(kernel, absent, np.full(len(chosen), kernel.noise))
    expected, left = posterior_by_brute_force(kernel, chosen, n)
    assert np.allclose(weights, expected, atol=1e-10)
    assert np.allclose(sd**2, left, atol=1e-10)


def test_the_likelihoods_gradient_is_its_slope():
    n, rng = 6, np.random.default_rng(1)
    absent = absence([*ablation(n), *informative(n, 12)], n)
    scores, numbers = rng.normal(size=len(absent)), rng.normal(0, 0.3, 4 + 2 * n)

    def likelihood(numbers, part=0):
        return module._likelihood(module._kernel(numbers, n), absent, scores)[part]

    assert np.allclose(likelihood(numbers, 1), approx_fprime(numbers, likelihood, 1e-6), rtol=1e-3, atol=1e-3)


def test_a_factor_of_zero_leaves_the_products_of_others_right():
    factors = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]])
    assert product_of_others(factors).tolist() == [[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]]


def test_all_coalitions_give_the_exact_values():
    n, rng = 6, np.random.default_rng(2)
    coalitions, scores = exact(n), rng.random(2**n)
    found = process_estimator(coalitions, scores, n)
    assert np.allclose(found.weights @ scores, exact_estimator(n).weights @ scores, atol=1e-7)
    assert found.sd.max() < 1e-3


def test_additive_games_give_what_each_sublayer_is_worth():
    n, worth = 10, np.array([0.3, 0.2, 0, 0, 0.05, -0.02, 0.01, 0, 0.1, 0.03])
    coalitions = [*ablation(n), *informative(n, 24)]
    scores = 1 - absence(coalitions, n) @ worth
    found = process_estimator(coalitions, scores, n)
    assert np.allclose(found.weights @ scores, worth, atol=2e-3)


def test_values_sum_to_what_there_is_and_constants_do_not_matter():
    n, rng = 8, np.random.default_rng(3)
    coalitions = [*ablation(n), *informative(n, 20)]
    scores = rng.random(len(coalitions))
    found = process_estimator(coalitions, scores, n)
    none = coalitions.index(tuple(range(n)))
    assert (found.weights @ scores).sum() == pytest.approx(scores[0] - scores[none])
    assert np.allclose(found.weights.sum(axis=1), 0, atol=1e-9)
    again = process_estimator(coalitions, scores + 7, n)
    assert np.allclose(again.weights, found.weights, atol=1e-6)


def test_it_finds_gates_of_a_deep_model_where_windows_do_too():
    """64 sublayers, of which two multiply what all others are worth: the values are known in closed form."""
    n, rng = 64, np.random.default_rng(4)
    keep = np.append([0.1, 0.3], rng.uniform(0.93, 1.0, n - 2))

    def score(coalitions):
        return np.prod(np.where(absence(coalitions, n) == 1, keep, 1.0), axis=1)

    nodes, weights = np.polynomial.legendre.leggauss(n // 2 + 1)
    mixed = (nodes[:, None] + 1) / 2 + (1 - nodes[:, None]) / 2 * keep
    truth = (1 - keep) * (weights / 2 @ product_of_others(mixed))
    chosen = [*ablation(n), *informative(n, paper_budget(n, 4) - n - 1)]
    assert len(set(chosen)) == paper_budget(n, 4) == 251
    process = process_estimator(chosen, score(chosen), n)
    of_windows = window_estimator(n, 4)
    errors = [
        np.abs(values - truth).max()
        for values in (process.weights @ score(chosen), of_windows.weights @ score(of_windows.coalitions))
    ]
    assert errors[0] < 0.01 < errors[1]


@pytest.mark.parametrize(("n", "count"), [(1, 3), (3, 4), (3, 50), (12, 30), (13, 35), (40, 5)])
def test_informative_coalitions_are_new_and_the_same_each_time(n, count):
    chosen = informative(n, count)
    assert chosen == informative(n, count)
    assert chosen[0] == tuple(range(n))
    assert len(set(chosen)) == len(chosen) == min(count, max(1, 2**n - n - 1))
    assert not set(chosen[1:]) & set(ablation(n))


def test_the_bare_model_and_the_full_one_are_needed():
    with pytest.raises(CornerstoneError, match="the one without any sublayer: evaluate the designs"):
        process_estimator([*ablation(5), *windows(5, 3)], np.ones(13), 5)


def test_a_model_that_never_changes_its_score_has_values_of_zero():
    coalitions = [*ablation(6), *informative(6, 10)]
    found = process_estimator(coalitions, np.full(17, 0.25), 6)
    assert np.allclose(found.weights @ np.full(17, 0.25), 0)
