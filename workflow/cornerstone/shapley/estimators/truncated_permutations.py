"""truncated permutations: an order ends where the score is nearly that of the empty model. For the audit."""

from __future__ import annotations

import numpy as np

from cornerstone.shapley.estimators import ESTIMATORS, NEARLY, Estimator
from cornerstone.shapley.games import Game
from cornerstone.shapley.orders import random_orders

TOLERANCE = 0.05
"""Of v(all) − v(none): a truncated order ends where so little is left."""


def truncated_permutation_values(game: Game, budget: int, seed: int) -> np.ndarray:
    """The estimate from orders that end near the empty model's score; later sublayers count as causing no drop.

    Source: Ghorbani and Zou 2019, Data Shapley, algorithm 1 (there from the empty coalition upwards).
    """
    n = game.n_sublayers
    full, bare = game.score([(), tuple(range(n))])
    close = TOLERANCE * abs(full - bare)
    total, samples = np.zeros(n), np.zeros(n)
    for order, _ in zip(random_orders(n, seed), range(10 * budget), strict=False):
        score = full
        for size, sublayer in enumerate(order, start=1):
            after = score
            if abs(score - bare) > close:
                removed = tuple(sorted(order[:size]))
                if len(game.asked) >= budget and not game.knows(removed):
                    return total / np.maximum(samples, 1)
                after = game.score([removed])[0]
            total[sublayer] += score - after
            samples[sublayer] += 1
            score = after
    return total / np.maximum(samples, 1)


ESTIMATORS.register(
    Estimator(
        name="truncated_permutations",
        title="truncated permutations",
        audited=truncated_permutation_values,
        never_exact="the score that is left when an order ends is assigned to no sublayer",
        additive=NEARLY,
        order=50,
    )
)
