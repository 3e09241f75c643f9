"""Games of documents whose values are known, with per-document pairs of coalitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


ProbabilityOf = Callable[[np.ndarray], np.ndarray]
"""The probability of a right answer by what is there: bool (…, sublayers) to float64 (…)."""


def probabilities(n: int) -> dict[str, ProbabilityOf]:
    """Games of right and wrong answers that models misfit, of 5 sublayers and more; `known_games` has their values."""
    log_keeps = np.log(np.concatenate([[0.2, 0.5, 0.7], np.full(n - 3, 0.95)]))

    def hurting(there: np.ndarray) -> np.ndarray:
        of_others = 0.02 * there[..., 4:].sum(axis=-1) / n
        return 0.3 + 0.5 * there[..., 2] * (1 - 0.6 * there[..., 3]) + of_others

    return {
        "majority": lambda there: 0.1 + 0.8 * (there.sum(axis=-1) > n / 2),
        "parity": lambda there: 0.9 - 0.8 * (there.sum(axis=-1) % 2),
        "stand-in": lambda there: 0.3 + 0.6 * (there[..., 0] | there[..., 1]),
        "hurting": hurting,
        "product": lambda there: 0.25 + 0.7 * np.exp(~there @ log_keeps),
    }


def mean_game(n: int, name: str) -> np.ndarray:
    """The scores of a hard game over all documents, (2^n,)."""
    if name == "random":
        return np.random.default_rng(5).random(2**n)
    return probabilities(n)[name](~everything(n))


def hard_games(n: int) -> dict[str, Callable[[np.random.Generator, int], np.ndarray]]:
    """Makers of games that models misfit, (rng, documents) to tables (2^n, documents) of 0 and 1 or of any number."""

    def answers(mean: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
        return (rng.random((2**n, count)) < mean[:, None]).astype(float)

    def around(mean: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
        return mean[:, None] + 0.3 * rng.standard_normal((2**n, count))

    right = {name: partial(answers, mean_game(n, name)) for name in probabilities(n)}
    return right | {"random": partial(around, mean_game(n, "random"))}
