"""Cross-fitted shares: the sublayers are chosen on some documents, and their share is measured on others."""

from __future__ import annotations

import numpy as np

from cornerstone.values.document_numbers import DocumentNumbers, task_draws


def chosen_share(numbers: DocumentNumbers, candidates: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Share of the k largest candidates in the signed sum of the values.

    Every other document chooses for the rest: chosen and measured on the same, the largest would look larger than they
    are. candidates: indices of sublayers. Returns the share and its draws, shape (resamples,), NaN where the sum is
    not above zero in every resample.
    """
    values = numbers.values
    half = np.arange(values.shape[1]) % 2
    held = np.empty(values.shape[1])
    for which in (0, 1):
        worth = values[candidates][:, half != which].mean(axis=1)
        chosen = candidates[np.argsort(-worth, kind="stable")[:k]]
        held[half == which] = values[chosen][:, half == which].sum(axis=0)
    rows = np.array([held, values.sum(axis=0)])
    draws = task_draws(rows, numbers.task)
    if (draws[1] <= 0).any():
        return np.nan, np.full(draws.shape[1], np.nan)
    return rows[0].mean() / rows[1].mean(), draws[0] / draws[1]
