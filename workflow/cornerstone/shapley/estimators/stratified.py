"""stratified: marginal contributions averaged within each coalition size, then over sizes. For the audit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from cornerstone.shapley.coalitions import Removed, absence
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, apply
from cornerstone.shapley.games import Game
from cornerstone.shapley.linear import LinearEstimator
from cornerstone.shapley.orders import balanced_orders, order_coalitions


def stratified_estimator(n_sublayers: int, coalitions: Sequence[Removed]) -> LinearEstimator:
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
    return LinearEstimator(tuple(coalitions), weights, samples)


def stratified_values(game: Game, budget: int, seed: int) -> np.ndarray:
    """The estimate from at most `budget` coalitions along balanced orders of removal, shape (sublayers,)."""
    return apply(_drawn(game.n_sublayers, budget, seed), game)


@cache
def _drawn(n_sublayers: int, budget: int, seed: int) -> LinearEstimator:
    """The coalitions of a size, budget and seed are the same for every model, task and score."""
    coalitions = order_coalitions(balanced_orders(n_sublayers, seed), n_sublayers, budget)[0]
    return stratified_estimator(n_sublayers, coalitions)


ESTIMATORS.register(
    Estimator(
        name="stratified",
        title="stratified",
        audited=stratified_values,
        look=Look("#4D4D4D", "-", "D"),
        order=60,
    )
)
