"""Orders in which sublayers are removed one after another, and the coalitions along them.

    coalitions, orders = order_coalitions(random_orders(n_sublayers=12, seed=0), 12, count=43)

An order of n sublayers takes n − 1 coalitions besides the full model and the one without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, permutations
from math import factorial

import numpy as np

from cornerstone.shapley.coalitions import Removed

Order = tuple[int, ...]
FEW_ORDERS = 5040
"""So many are drawn by shuffling all of them; of more, one that is drawn twice does not matter."""
ORDERS_TRIED = 10
"""For each coalition that is wanted."""


def random_orders(n_sublayers: int, seed: int, *, antithetic: bool = False) -> Iterator[Order]:
    """Orders of removal, none twice where there are few. antithetic: each is followed by its reverse
    (Mitchell et al. 2022, Sampling Permutations for Shapley Value Estimation)."""
    rng = np.random.default_rng(seed)
    if factorial(n_sublayers) <= FEW_ORDERS:
        all_orders = list(permutations(range(n_sublayers)))
        drawn: Iterator[Order] = (all_orders[i] for i in rng.permutation(len(all_orders)))
    else:
        drawn = (tuple(rng.permutation(n_sublayers).tolist()) for _ in iter(int, 1))
    if not antithetic:
        return drawn
    return (order for one in drawn for order in (one, one[::-1]))


def balanced_orders(n_sublayers: int, seed: int) -> Iterator[Order]:
    """Random orders with all their rotations, so that every sublayer stands at every place equally often."""
    for order in random_orders(n_sublayers, seed):
        for start in range(n_sublayers):
            yield order[start:] + order[:start]


def order_coalitions(
    orders: Iterator[Order], n_sublayers: int, count: int
) -> tuple[list[Removed], list[Order]]:
    """The first `count` distinct coalitions along the orders, full and empty model first, and the orders used."""
    seen: dict[Removed, None] = {(): None, tuple(range(n_sublayers)): None}
    begun: list[Order] = []
    for order in islice(
        orders, ORDERS_TRIED * count
    ):  # where nearly all coalitions are wanted, few orders are new
        if len(seen) >= count:
            break
        begun.append(order)
        for removed in passed(order)[1:-1]:
            if len(seen) < count:
                seen.setdefault(removed)
    return list(seen), begun


def passed(order: Order) -> list[Removed]:
    """The coalitions along one order of removal, from the full model to the empty one."""
    return [tuple(sorted(order[:size])) for size in range(len(order) + 1)]
