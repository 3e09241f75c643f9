"""Estimators from random orders: sublayers are removed one after another, each pays the drop that it causes.

estimator = permutation_estimator(n_sublayers=12, count=43, seed=0)
values = estimator.weights @ scores          # scores of estimator.coalitions
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from cornerstone.shapley.coalitions import Removed, absence
from cornerstone.shapley.estimators import Estimator, exact_estimator
from cornerstone.shapley.orders import order_coalitions, passed, random_orders


def permutation_estimator(
    n_sublayers: int, count: int, seed: int = 0, *, antithetic: bool = False
) -> Estimator:
    """The mean of the drops that a sublayer causes in the orders, from at most `count` coalitions.

    The last order is left where the coalitions are used up. A sublayer that no order reached has the value 0 and 0
    samples. With room for all coalitions these are all orders: the exact values.
    Source: Castro, Gómez, Tejada 2009, Polynomial calculation of the Shapley value based on sampling.
    """
    if count >= 2**n_sublayers:
        return exact_estimator(n_sublayers)
    orders = random_orders(n_sublayers, seed, antithetic=antithetic)
    coalitions, begun = order_coalitions(orders, n_sublayers, count)
    column = {coalition: i for i, coalition in enumerate(coalitions)}
    drops = [
        (sublayer, column[before], column[after])
        for order in begun
        for sublayer, before, after in takewhile(
            lambda drop: drop[2] in column, zip(order, passed(order), passed(order)[1:], strict=False)
        )
    ]
    weights, samples = np.zeros((n_sublayers, len(coalitions))), np.zeros(n_sublayers, dtype=int)
    for sublayer, before, after in drops:
        weights[sublayer, before] += 1
        weights[sublayer, after] -= 1
        samples[sublayer] += 1
    return Estimator(tuple(coalitions), weights / np.maximum(samples, 1)[:, None], samples)


def stratified_estimator(n_sublayers: int, coalitions: Sequence[Removed]) -> Estimator:
    """For each sublayer and each number of others present the mean drop, then the mean over these numbers.

    Of every two coalitions that differ in one sublayer. Sizes at which a sublayer has none are left out; a sublayer
    without any has the value 0. Source: Maleki et al. 2013, Bounding the estimation error of sampling-based Shapley
    value approximation.
    """
    column = {coalition: i for i, coalition in enumerate(coalitions)}
    absent = absence(coalitions, n_sublayers)
    weights, samples = np.zeros((n_sublayers, len(coalitions))), np.zeros(n_sublayers, dtype=int)
    for sublayer in range(n_sublayers):
        strata: dict[int, list[tuple[int, int]]] = {}
        for after in np.flatnonzero(absent[:, sublayer]):
            removed = coalitions[after]
            before = column.get(tuple(other for other in removed if other != sublayer))
            if before is not None:
                strata.setdefault(len(removed), []).append((before, int(after)))
        for drops in strata.values():
            for before, after in drops:
                weights[sublayer, before] += 1 / len(drops) / len(strata)
                weights[sublayer, after] -= 1 / len(drops) / len(strata)
            samples[sublayer] += len(drops)
    return Estimator(tuple(coalitions), weights, samples)
