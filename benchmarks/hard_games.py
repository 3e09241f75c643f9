"""Games of documents whose values are known, with per-document pairs of coalitions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np

from cornerstone.shapley.game_kernel import coalition_weights


def everything(n: int) -> np.ndarray:
    """Which sublayers are removed in each of all 2^n coalitions, by place."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def exact_values(table: np.ndarray) -> np.ndarray:
    """The Shapley values of games, (2^n, games) to (games, n), by the formula over all coalitions."""
    n = len(table).bit_length() - 1
    return (coalition_weights(everything(n).astype(float)) @ table).T


def exact_indices(table: np.ndarray) -> np.ndarray:
    """The Shapley interaction indices of games, (2^n, games) to (games, n (n − 1) / 2), by definition."""
    n = len(table).bit_length() - 1
    places, found = np.arange(2**n), []
    for i, j in combinations(range(n), 2):
        without = places[(places >> i & 1 == 1) & (places >> j & 1 == 1)]  # the two are removed
        others = n - np.bitwise_count(without).astype(int)
        weights = np.array([1 / ((n - 1) * comb(n - 2, size)) for size in range(n - 1)])[others]
        joint = table[without - (1 << i) - (1 << j)] - table[without - (1 << i)] - table[without - (1 << j)]
        found.append(weights @ (joint + table[without]))
    return np.array(found).reshape(-1, table.shape[1]).T


def hard_games(n: int) -> dict[str, Callable[[np.random.Generator, int], np.ndarray]]:
    """Makers of games that models misfit, (rng, documents) to tables (2^n, documents) of 0 and 1 or of any number."""
    there = ~everything(n)

    def answers(probability: np.ndarray) -> Callable[[np.random.Generator, int], np.ndarray]:
        return lambda rng, count: (rng.random((len(there), count)) < probability[:, None]).astype(float)

    def random(rng: np.random.Generator, count: int) -> np.ndarray:
        return np.random.default_rng(5).random(len(there))[:, None] + 0.3 * rng.standard_normal(
            (len(there), count)
        )

    majority = (there.sum(axis=1) > n / 2).astype(float)
    parity = 0.5 + 0.4 * (-1.0) ** there.sum(axis=1)
    stand_in = 0.3 + 0.6 * (there[:, 0] | there[:, 1])
    hurting = 0.3 + 0.5 * there[:, 2] * (1 - 0.6 * there[:, 3]) + 0.02 * there[:, 4:].sum(axis=1) / n
    keeps = np.where(np.arange(n) < 3, [0.2, 0.5, 0.7] + [0.0] * (n - 3) if n > 3 else 0.5, 0.95)
    product = 0.25 + 0.7 * np.where(there, 1.0, keeps).prod(axis=1)
    return {
        "majority": answers(0.1 + 0.8 * majority),
        "parity": answers(parity),
        "random": random,
        "stand-in": answers(stand_in),
        "hurting": answers(hurting),
        "product": answers(product),
    }
