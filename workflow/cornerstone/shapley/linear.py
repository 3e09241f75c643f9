"""Linear estimators of the Shapley value: values = weights @ scores, document by document.

Resampling documents is then one more matrix product, paired over the same documents. A Gaussian process is linear too,
once its kernel is known from the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.shapley.coalitions import Removed


@dataclass(frozen=True)
class LinearEstimator:
    """A linear map from scores to values.

    coalitions: what it needs evaluated.
    weights:    float64, shape (players, coalitions).
    samples:    int, shape (players,): marginal contributions that are averaged.
    sd:         float64, shape (players,): how far the coalitions that were not evaluated may move each value, by the
                estimator's own account; None where it gives none.
    """

    coalitions: tuple[Removed, ...]
    weights: np.ndarray
    samples: np.ndarray
    sd: np.ndarray | None = None


def mean_of_drops(
    n_sublayers: int, coalitions: Sequence[Removed], drops: Sequence[tuple[int, Removed, Removed]]
) -> LinearEstimator:
    """Each sublayer's value as the mean drop v(before) − v(after) over these (sublayer, before, after).

    A sublayer without a drop has the value 0 and 0 samples.
    """
    column = {coalition: i for i, coalition in enumerate(coalitions)}
    weights, samples = np.zeros((n_sublayers, len(coalitions))), np.zeros(n_sublayers, dtype=int)
    for sublayer, before, after in drops:
        weights[sublayer, column[before]] += 1
        weights[sublayer, column[after]] -= 1
        samples[sublayer] += 1
    return LinearEstimator(tuple(coalitions), weights / np.maximum(samples, 1)[:, None], samples)
