"""Models pruned by made-up rankings, for tests of curves, tables and figures."""

from __future__ import annotations

import numpy as np

import synthetic
from cornerstone.models.facts import SublayerWeights
from cornerstone.scores import SCORES
from cornerstone.shapley.removal_orders import RemovalOrders, random_removal_orders, split_in_halves
from cornerstone.values.pruning import Pruned
from cornerstone.values.rankings import ranking_title

N = 6


def weights_of(labels) -> SublayerWeights:
    """An FFN has twice the parameters of an attention; there is as much again beside the sublayers."""
    numbers = {label: 100 if label.startswith("Attn") else 200 for label in labels}
    return SublayerWeights(numbers, {label: float(n) for label, n in numbers.items()}, 2 * 900, 2 * 900.0)


def pruned_model(
    model: str = "small", task: str = "piqa", documents: int = 60, most_removed: int = 3, seed: int = 0
) -> Pruned:
    """Accuracies that fall with every removal, least by the ranking of the values and most by random orders."""
    rng = np.random.default_rng(seed)
    labels = synthetic.labels(N)
    halves = split_in_halves([(index,) for index in range(documents)], seed)
    first, second, *others = random_removal_orders(N, 4, seed)
    orders = {"windows": (first, first), "leave_one_out": (first, second)}
    orders |= {f"random-{number}": (order, order) for number, order in enumerate(others, 1)}
    falls = {"windows": 0.02, "leave_one_out": 0.1}
    scores = {}
    for name in orders:
        chance = 0.9 - falls.get(name, 0.25) * np.arange(most_removed + 1)
        scores[name] = (rng.random((most_removed + 1, documents)) < chance[:, None]).astype(float)
    half = np.repeat((0, 1), [len(each) for each in halves])
    made = RemovalOrders(labels, halves, most_removed, orders)
    titles = lambda ranking: ranking_title(ranking, 4)  # noqa: E731
    return Pruned(model, task, SCORES["acc"], made, half, scores, weights_of(labels), titles)
