"""Values by a Gaussian process: the evaluated coalitions tell what the others would score.

    estimator = process_estimator(coalitions, scores)        # scores: the mean over documents, one a coalition
    values = estimator.weights @ scores

The kernel's few numbers (`game_kernel`) are those under which the scores at hand are most likely, drawn towards what
most models have. The values are then the Shapley values of the game that is expected given the scores: what was
evaluated enters as it is, everything else as predicted. So they sum to v(all) − v(none), are exact where all
coalitions were evaluated, and nearly so on additive games. Given the kernel they are linear in the scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from cornerstone.coalitions import Removed, absence
from cornerstone.errors import CornerstoneError
from cornerstone.estimators import Estimator
from cornerstone.game_kernel import (
    GameKernel,
    coalition_weights,
    covariance,
    products,
    value_covariance,
    value_variances,
)

# The mean and the standard deviation that the kernel's numbers are drawn towards, on a log scale, those of variance
# relative to the scores' own. Found on the demo's models; their decays differ by far, so these are left free.
SCALES = {"offset": (0.5, 3.0), "slope": (0.01, 3.0), "scale": (0.5, 3.0), "noise": (0.02, 1.0)}
DECAY = (0.2, 3.0)
SPREAD = (-3.0, 1.0)
BOUNDS = {"decay": (-0.3, 6.0), "spread": (-8.0, 6.0), "scales": (-30.0, 10.0)}
JITTER = 1e-10
"""Of the scores' variance, so that a covariance can always be factorised."""
MOST_STEPS = 300


def process_estimator(coalitions: Sequence[Removed], scores: np.ndarray, n_sublayers: int) -> Estimator:
    """The estimator of the values from these coalitions' scores, shape (coalitions,).

    `samples` are the evaluated coalitions, for every sublayer alike; `sd` is how much the coalitions that were not
    evaluated leave open of each value. Raises CornerstoneError unless the full model and the one without any
    sublayer are among them.
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
    kernel = fit_kernel(absent, centred)
    weights, sd = _posterior(kernel, absent, _own_variance(kernel, absent, centred))
    weights[:, none] -= weights.sum(
        axis=1
    )  # of the scores themselves, not of what they are above the last one
    samples = np.full(n_sublayers, len(coalitions))
    return Estimator(tuple(coalitions), weights, samples, sd)


def fit_kernel(absent: np.ndarray, scores: np.ndarray) -> GameKernel:
    """The kernel of the largest posterior density; absent: 0 / 1, shape (coalitions, sublayers)."""
    n = absent.shape[1]
    variance = _mean_square(scores)
    mean, sd = (
        np.concatenate(
            [[numbers[i] for numbers in SCALES.values()], np.full(n, DECAY[i]), np.full(n, SPREAD[i])]
        )
        for i in (0, 1)
    )
    mean[: len(SCALES)] = np.log(mean[: len(SCALES)])
    bounds = [BOUNDS["scales"]] * len(SCALES) + [BOUNDS["decay"]] * n + [BOUNDS["spread"]] * n
    standard = scores / np.sqrt(variance)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        likelihood, gradient = _likelihood(_kernel(numbers, n), absent, standard)
        away = (numbers - mean) / sd
        return -likelihood + 0.5 * away @ away, -gradient + away / sd

    found = minimize(loss, mean, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MOST_STEPS})
    return _kernel(found.x, n, variance)


def _kernel(numbers: np.ndarray, n: int, variance: float = 1.0) -> GameKernel:
    return GameKernel(*(variance * np.exp(numbers[:4])), decay=numbers[4 : 4 + n], spread=numbers[4 + n :])


def _likelihood(kernel: GameKernel, absent: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """log N(scores; 0, K), and its gradient by the numbers of `_kernel`."""
    of_products = products(kernel, absent, absent)
    of_line = kernel.slope * (absent @ absent.T)
    own = _own_variance(kernel, absent, scores)
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


def _posterior(kernel: GameKernel, absent: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the scores in the values, (sublayers, coalitions), and the values' standard deviations."""
    smooth = covariance(kernel, absent, absent)
    factor = cho_factor(smooth + np.diag(own), lower=True)
    # What the scores have of their own counts with the weight that their coalition has in the value.
    to_values = value_covariance(kernel, absent) + coalition_weights(absent) * own
    weights = cho_solve(factor, to_values.T).T
    # The model without any sublayer has more of its own than `noise`; observed, it leaves nothing open.
    before = value_variances(kernel) + (coalition_weights(absent) ** 2 * (own - kernel.noise)).sum(axis=1)
    left = before - (weights * to_values).sum(axis=1)
    return weights, np.sqrt(np.maximum(left, 0.0))


def _own_variance(kernel: GameKernel, absent: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Of each coalition's e(R), shape (coalitions,).

    The bare embedding and head are like no other model (the log-probability jumps): what they score is their own.
    """
    variance = _mean_square(scores)
    bare = absent.all(axis=1)
    return kernel.noise + JITTER * variance + bare * variance


def _mean_square(scores: np.ndarray) -> float:
    return float(np.mean(scores**2)) or 1.0
