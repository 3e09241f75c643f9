"""Values by a Gaussian process: it predicts the scores of all coalitions from the evaluated ones.

    estimator = process_estimator(coalitions, scores)        # scores: the mean over documents, one a coalition
    values = estimator.weights @ scores

The kernel's few numbers (`game_kernel`) are those under which the scores at hand are most likely, drawn towards what
most models have. The values are then the Shapley values of the game that is expected given the scores: what was
evaluated enters as it is, everything else as predicted. So they sum to v(all) − v(none), are exact where all
coalitions were evaluated, and nearly so on additive games. Given the kernel they are linear in the scores; its numbers
are for scores of mean square 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from cornerstone.shapley.coalitions import Removed, absence
from cornerstone.shapley.game_kernel import (
    GameKernel,
    coalition_weights,
    covariance,
    products,
    value_covariance,
    value_variances,
)
from cornerstone.shapley.linear import LinearEstimator
from cornerstone.system.errors import CornerstoneError

# The mean and the standard deviation that the kernel's numbers are drawn towards, on a log scale, those of variance
# relative to the scores' own. Found on the demo's models; their decays differ by far, so these are left free.
SCALES = {"offset": (0.5, 3.0), "slope": (0.01, 3.0), "scale": (0.5, 3.0), "noise": (0.02, 1.0)}
DECAY = (0.2, 3.0)
SPREAD = (-3.0, 1.0)
BOUNDS = {"decay": (-0.3, 6.0), "spread": (-8.0, 6.0), "scales": (-16.0, 6.0)}
IMPOSSIBLE = 1e12
"""The loss where a covariance cannot be factorised or is beyond what floats hold."""
JITTER = 1e-8
"""Of the scores' mean square, so that a covariance can be factorised."""
STEPS = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-6}
AT_A_BOUND = 1e-6
STEP = 1e-4
LEAST_CURVATURE = 0.05
"""Of the loss; the prior alone has 0.11 or more."""


@dataclass(frozen=True, eq=False)
class _Fit:
    """The kernel's hyperparameters of largest posterior density, for scores of mean square 1, and the data fitted.

    free: of the numbers, those that are not at a bound.
    """

    numbers: np.ndarray
    free: np.ndarray
    absent: np.ndarray
    scores: np.ndarray


def process_estimator(coalitions: Sequence[Removed], scores: np.ndarray, n_sublayers: int) -> LinearEstimator:
    """The estimator of the values from these coalitions' scores, shape (coalitions,).

    Its weights are the derivative of the values by the scores, the kernel's moving along included, so that intervals
    over documents know that the kernel is learnt from them, too; as the values grow in proportion to the scores, the
    weights times these scores are the values themselves. `samples` are the evaluated coalitions, for every sublayer
    alike; `sd` is how much the coalitions that were not evaluated leave open of each value. Raises CornerstoneError
    unless the full model and the one without any sublayer are among them.
    """
    absent = absence(coalitions, n_sublayers)
    removed = absent.sum(axis=1)
    if not (removed == 0).any() or not (removed == n_sublayers).any():
        raise CornerstoneError(
            "a Gaussian process needs the scores of the full model and of the one without any sublayer: "
            "evaluate the designs ablation and informative"
        )
    none = int(np.argmax(removed))
    centred = scores - scores[none]
    size = np.sqrt(_mean_square(centred))
    fit = _fit(absent, centred / size)
    weights, sd = _posterior(_kernel(fit.numbers, n_sublayers), absent)
    if centred.any():
        weights = weights + _by_way_of_the_kernel(fit, weights @ fit.scores)
    weights[:, none] -= weights.sum(
        axis=1
    )  # of the scores themselves, not of what they are above the last one
    return LinearEstimator(tuple(coalitions), weights, np.full(n_sublayers, len(coalitions)), size * sd)


def _fit(absent: np.ndarray, scores: np.ndarray) -> _Fit:
    """absent: 0 / 1, shape (coalitions, sublayers); scores: of mean square 1."""
    n = absent.shape[1]
    start = _prior(n)[0]
    ends = [BOUNDS["scales"]] * len(SCALES) + [BOUNDS["decay"]] * n + [BOUNDS["spread"]] * n
    found = minimize(
        _loss, start, args=(absent, scores), jac=True, method="L-BFGS-B", bounds=ends, options=STEPS
    )
    low, high = np.array(ends).T
    free = (found.x > low + AT_A_BOUND) & (found.x < high - AT_A_BOUND)
    return _Fit(found.x, np.flatnonzero(free), absent, scores)


def _prior(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Prior mean and standard deviation of the kernel's hyperparameters."""
    scales = np.array(list(SCALES.values())).T
    mean = np.concatenate([np.log(scales[0]), np.full(n, DECAY[0]), np.full(n, SPREAD[0])])
    return mean, np.concatenate([scales[1], np.full(n, DECAY[1]), np.full(n, SPREAD[1])])


def _loss(numbers: np.ndarray, absent: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the logarithm of the posterior density, and its gradient."""
    mean, sd = _prior(absent.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            likelihood, gradient = _likelihood(_kernel(numbers, absent.shape[1]), absent, scores)
        except (np.linalg.LinAlgError, ValueError):  # ValueError: infinite numbers
            return IMPOSSIBLE, np.zeros_like(numbers)
    away = (numbers - mean) / sd
    return -likelihood + 0.5 * away @ away, -gradient + away / sd


def _by_way_of_the_kernel(fit: _Fit, values: np.ndarray) -> np.ndarray:
    """The change of the values that comes from a score's change of the kernel, shape (sublayers, coalitions).

    At the fit the loss's gradient by the kernel's numbers is 0; so they move by −H⁻¹ · d gradient / d score (the
    implicit function theorem), where H is the Hessian. Derivatives by the numbers are differences over STEP.
    """
    differences = [
        [
            (above - below) / (2 * STEP)
            for above, below in zip(_at(fit, k, STEP), _at(fit, k, -STEP), strict=True)
        ]
        for k in fit.free
    ]
    gradients, solved, moved = (np.array(part) for part in zip(*differences, strict=True))
    curvature, axes = np.linalg.eigh(gradients[:, fit.free] + gradients[:, fit.free].T)
    inverse = axes / np.maximum(curvature / 2, LEAST_CURVATURE) @ axes.T
    by_kernel = -moved.T @ inverse @ solved
    # The kernel's scales go with the size of the scores: that alone moves no value but in proportion.
    return by_kernel - np.outer(by_kernel @ fit.scores, fit.scores) / len(fit.scores)


def _at(fit: _Fit, number: int, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One of the kernel's numbers a step away: the loss's gradient, K⁻¹ scores, and the values."""
    numbers = fit.numbers.copy()
    numbers[number] += step
    kernel = _kernel(numbers, fit.absent.shape[1])
    factor, to_values = _factor_and_values(kernel, fit.absent)
    solved = cho_solve(factor, fit.scores)
    return _loss(numbers, fit.absent, fit.scores)[1], solved, to_values @ solved


def _kernel(numbers: np.ndarray, n: int) -> GameKernel:
    return GameKernel(*np.exp(numbers[:4]), decay=numbers[4 : 4 + n], spread=numbers[4 + n :])


def _likelihood(kernel: GameKernel, absent: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """log N(scores; 0, K), and its gradient by the numbers of `_kernel`."""
    of_products = products(kernel, absent, absent)
    of_line = kernel.slope * (absent @ absent.T)
    own = _own_variance(kernel, absent)
    total = kernel.offset + of_line + of_products + np.diag(own)
    factor = cho_factor(total, lower=True)
    inverse = cho_solve(factor, np.eye(len(scores)))
    solved = inverse @ scores
    likelihood = -0.5 * scores @ solved - np.log(np.diag(factor[0])).sum()
    by_entry = 0.5 * (np.outer(solved, solved) - inverse)  # d likelihood / d K
    by_product = by_entry * of_products
    in_both = ((by_product @ absent) * absent).sum(axis=0)
    in_one = 2 * ((by_product @ absent) * (1 - absent)).sum(axis=0)
    scales = [
        kernel.offset * by_entry.sum(),
        (by_entry * of_line).sum(),
        by_product.sum(),
        kernel.noise * np.trace(by_entry),
    ]
    of_spread = in_both / (1 + np.exp(-kernel.spread))
    return likelihood, np.concatenate([scales, -(in_one + 2 * in_both), of_spread])


def _posterior(kernel: GameKernel, absent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the scores in the values, (sublayers, coalitions), and the values' standard deviations."""
    factor, to_values = _factor_and_values(kernel, absent)
    weights = cho_solve(factor, to_values.T).T
    # The model without any sublayer has more of its own than `noise`; observed, it leaves nothing open.
    more = _own_variance(kernel, absent) - kernel.noise
    before = value_variances(kernel) + (coalition_weights(absent) ** 2 * more).sum(axis=1)
    left = before - (weights * to_values).sum(axis=1)
    return weights, np.sqrt(np.maximum(left, 0.0))


def _factor_and_values(kernel: GameKernel, absent: np.ndarray) -> tuple[tuple, np.ndarray]:
    """The Cholesky factor of the scores' covariance, and the values' covariance with the scores.

    What a score has of its own counts with the weight that its coalition has in the value.
    """
    own = _own_variance(kernel, absent)
    factor = cho_factor(covariance(kernel, absent, absent) + np.diag(own), lower=True)
    return factor, value_covariance(kernel, absent) + coalition_weights(absent) * own


def _own_variance(kernel: GameKernel, absent: np.ndarray) -> np.ndarray:
    """The variance of each coalition's e(R), shape (coalitions,).

    The bare embedding and head are like no other model (the log-probability jumps): what they score is their own.
    """
    return kernel.noise + JITTER + absent.all(axis=1)


def _mean_square(scores: np.ndarray) -> float:
    return float(np.mean(scores**2)) or 1.0
