"""The Gaussian process over coalitions, its closed forms against brute force, and the design that it chooses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

import cornerstone.shapley.gaussian_process as module
from cornerstone.shapley.coalitions import ablation, absence, exact, paper_budget, windows
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.shapley.game_kernel import (
    GameKernel,
    coalition_weights,
    covariance,
    product_of_others,
    value_covariance,
    value_variances,
    variances,
)
from cornerstone.shapley.gaussian_process import process_estimator
from cornerstone.shapley.informative import informative
from cornerstone.system.errors import CornerstoneError


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


def test_the_posterior_equals_conditioning_on_all_coalitions(monkeypatch):
    monkeypatch.setattr(module, "_own_variance", lambda kernel, absent: np.full(len(absent), kernel.noise))
    n, kernel = 6, kernel_of(6)
    chosen = [*ablation(n), *informative(n, 12)]
    absent = absence(chosen, n)
    weights, sd = module._posterior(kernel, absent)
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


@pytest.mark.study
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


def noisy_gates(n, seed):
    """Scores of a game with two gates and interactions that no product has, of a design with 2 · n more coalitions."""
    rng = np.random.default_rng(seed)
    coalitions = [*ablation(n), *informative(n, 2 * n)]
    keep = np.append([0.2, 0.5], rng.uniform(0.8, 1.0, n - 2))
    scores = np.prod(np.where(absence(coalitions, n) == 1, keep, 1.0), axis=1)
    return coalitions, scores + rng.normal(0, 0.03, len(scores))


def test_weights_are_the_derivative_of_the_values_with_the_kernel_learnt_anew():
    coalitions, scores = noisy_gates(9, 0)
    weights = process_estimator(coalitions, scores, 9).weights
    step = 1e-4 * np.random.default_rng(1).normal(size=len(scores))
    ends = [scores + step, scores - step]
    above, below = (process_estimator(coalitions, end, 9).weights @ end for end in ends)
    assert np.allclose(weights @ (2 * step), above - below, atol=0.02 * np.abs(above - below).max())


def test_the_values_are_the_posteriors_own():
    coalitions, scores = noisy_gates(9, 2)
    found = process_estimator(coalitions, scores, 9)
    centred = scores - scores[coalitions.index(tuple(range(9)))]
    fit = module._fit(absence(coalitions, 9), centred / np.sqrt(np.mean(centred**2)))
    plain, _ = module._posterior(module._kernel(fit.numbers, 9), fit.absent)
    assert np.allclose(found.weights @ scores, plain @ centred, atol=1e-6)
    assert not np.allclose(found.weights[:, :-1], plain[:, :-1], atol=1e-3)


def test_intervals_are_as_wide_as_learning_the_kernel_anew_makes_them():
    """Documents drawn anew, with everything worked out again, move the values as much as the weights say."""
    coalitions, scores = noisy_gates(8, 3)
    rng = np.random.default_rng(0)
    documents = (rng.random((len(scores), 200)) < np.clip(scores, 0, 1)[:, None]).astype(float)
    drawn = [documents[:, rng.integers(0, 200, 200)].mean(axis=1) for _ in range(60)]
    anew = np.std([process_estimator(coalitions, each, 8).weights @ each for each in drawn], axis=0)
    weights = process_estimator(coalitions, documents.mean(axis=1), 8).weights
    told = (weights @ documents).std(axis=1) / np.sqrt(200)
    assert 0.75 < np.median(anew / told) < 1.3


@pytest.mark.parametrize("seed", range(4))
def test_additive_games_with_many_coalitions_can_be_factorised(seed):
    n, rng = 12, np.random.default_rng(seed)
    coalitions = [*ablation(n), *informative(n, 172 - n - 1)]
    worth = rng.uniform(0, 0.1, n) * (rng.random(n) < 0.5)
    scores = (
        1 - absence(coalitions, n) @ worth + rng.normal(0, 10.0 ** -(3 * seed), len(coalitions)) * (seed > 0)
    )
    found = process_estimator(coalitions, scores, n)
    assert np.allclose(found.weights @ scores, worth, atol=0.01)


def test_another_arithmetic_unit_and_more_threads_choose_the_same_coalitions():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from cornerstone.shapley.informative import informative;"
        "print([informative(n, 40) for n in (10, 12, 13, 40)])"
    )
    library = str(Path(module.__file__).parents[2])
    said = set()
    for unit, threads in (("Haswell", "1"), ("Nehalem", "1"), ("Prescott", "2")):
        environment = os.environ | {"OPENBLAS_CORETYPE": unit, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", program, library]
        said.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert said == {f"{[informative(n, 40) for n in (10, 12, 13, 40)]}\n"}


@pytest.mark.parametrize(("n", "count"), [(1, 3), (3, 4), (3, 50), (12, 30), (13, 35), (40, 5)])
def test_informative_coalitions_are_new_and_the_same_each_time(n, count):
    chosen = informative(n, count)
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
