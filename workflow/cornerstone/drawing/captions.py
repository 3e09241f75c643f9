"""Captions beside what they name, spread so that no two of them meet."""

from __future__ import annotations

import numpy as np


def spread(targets: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Heights at least `gap` apart and within low..high, as near as can be to `targets` (falling).

    Least squares: y_i + i·gap must fall with i, which is isotonic regression (pool adjacent violators).
    """
    steps = np.arange(len(targets)) * gap
    pools: list[list[float]] = []
    for wanted in targets + steps:
        pools.append([wanted])
        while len(pools) > 1 and np.mean(pools[-1]) > np.mean(pools[-2]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools])
    return level.clip(low + steps[-1], high) - steps
