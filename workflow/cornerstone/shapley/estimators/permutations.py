"""permutations: a sublayer's value is the mean drop at its turn, as sublayers are removed in random orders."""

from __future__ import annotations

from functools import cache, partial
from itertools import takewhile

import numpy as np

from cornerstone.shapley.coalitions import budget_window, paper_budget
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, Words, apply
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.games import Game
from cornerstone.shapley.linear import LinearEstimator, mean_of_drops
from cornerstone.shapley.orders import order_coalitions, passed, random_orders


def permutation_estimator(
    n_sublayers: int, count: int, seed: int = 0, *, antithetic: bool = False
) -> LinearEstimator:
    """The mean of the drops that a sublayer causes in the orders, from at most `count` coalitions.

    The last order is left where the coalitions are used up. A sublayer that no order reached has the value 0 and 0
    samples. With room for all coalitions these are all orders: the exact values.
    Source: Castro, Gómez, Tejada 2009, Polynomial calculation of the Shapley value based on sampling.
    """
    if count >= 2**n_sublayers:
        return exact_estimator(n_sublayers)
    orders = random_orders(n_sublayers, seed, antithetic=antithetic)
    coalitions, begun = order_coalitions(orders, n_sublayers, count)
    known = set(coalitions)
    drops = [
        drop
        for order in begun
        for drop in takewhile(
            lambda drop: drop[2] in known, zip(order, passed(order), passed(order)[1:], strict=False)
        )
    ]
    return mean_of_drops(n_sublayers, coalitions, drops)


def permutation_values(game: Game, budget: int, seed: int, *, antithetic: bool = False) -> np.ndarray:
    """The estimate from at most `budget` coalitions of a game, shape (sublayers,)."""
    return apply(_drawn(game.n_sublayers, budget, seed, antithetic), game)


@cache
def _drawn(n_sublayers: int, budget: int, seed: int, antithetic: bool) -> LinearEstimator:
    """The coalitions of a size, budget and seed are the same for every model, task and score."""
    return permutation_estimator(n_sublayers, budget, seed, antithetic=antithetic)


ESTIMATORS.register(
    Estimator(
        name="permutations",
        title="permutations",
        designs=("permutations",),
        fit=lambda _, n_sublayers, settings: permutation_estimator(
            n_sublayers, paper_budget(n_sublayers, budget_window(n_sublayers, settings.max_removed))
        ),
        words=Words(
            choice="from random orders of removal",
            method="estimates its Shapley value: the mean of how much the score falls when it is its turn, as "
            "sublayers are removed one after another in random orders",
            source="Values from random orders of removal",
            caution="The values average over few orders of removal. They estimate Shapley values. As the last order is "
            "truncated, they need not sum to v(all) − v(none).",
        ),
        audited=permutation_values,
        order=30,
    )
)
ESTIMATORS.register(
    Estimator(
        name="antithetic_permutations",
        title="antithetic permutations",
        audited=partial(permutation_values, antithetic=True),
        look=Look("#7A5195", "-", "^"),
        order=40,
    )
)
