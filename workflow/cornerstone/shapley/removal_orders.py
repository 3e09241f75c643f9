"""Orders in which a model is pruned: found on one half of the documents, scored on the other.

    orders = RemovalOrders(labels, halves=((0, 3), (1, 2)), most_removed=2, orders={"windows": ((4, 0, …), (4, 1, …))})
    orders.chain("windows", half=0)      # [(), (4,), (1, 4)]: what is removed of documents 0 and 3

A ranking that is scored on the documents which it was found on looks better than it is, because it has removed what
happens not to matter there. So the order of each half comes from the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import CornerstoneError

Order = tuple[int, ...]
"""Sublayers by index, the first removed first."""
HALVES = (0, 1)
GREEDY, RANDOM = "greedy", "random"
"""Rankings that are no importance: greedy removal, and random orders, which are numbered."""


@dataclass(frozen=True)
class RemovalOrders:
    """The orders of a model on a task.

    labels:       of the sublayers, in execution order; of other players, whose numbers the orders then have.
    halves:       indices of the documents of each half.
    most_removed: how many sublayers are removed together at most.
    orders:       by ranking: that found on the first half, and that found on the second.
    """

    labels: tuple[str, ...]
    halves: tuple[tuple[int, ...], tuple[int, ...]]
    most_removed: int
    orders: Mapping[str, tuple[Order, Order]]

    def used_on(self, ranking: str, half: int) -> Order:
        """The order of this ranking for the documents of a half: it was found on the other half."""
        return self.orders[ranking][1 - half]

    def chain(self, ranking: str, half: int) -> list[Removed]:
        """What is removed of the documents of a half, step by step: nothing first."""
        return chain(self.used_on(ranking, half), self.most_removed)

    def coalitions(self, half: int) -> list[Removed]:
        """All different coalitions that the documents of a half need."""
        return list(
            dict.fromkeys(removed for ranking in self.orders for removed in self.chain(ranking, half))
        )

    def of_documents(self) -> dict[int, list[Removed]]:
        """The coalitions of each document, by its index."""
        of_halves = [self.coalitions(half) for half in HALVES]
        return {document: of_halves[half] for half in HALVES for document in self.halves[half]}


def chain(order: Sequence[int], most_removed: int) -> list[Removed]:
    """The coalitions along an order of removal: nothing removed, then 1, 2, …, most_removed sublayers."""
    return [tuple(sorted(order[:count])) for count in range(most_removed + 1)]


def least_first(importance: np.ndarray) -> Order:
    """Sublayers by importance, float64 (sublayers,), the least important first; of equal ones the earlier."""
    return tuple(np.argsort(importance, kind="stable").tolist())


def split_in_halves(units: Sequence[Sequence[int]], seed: int) -> tuple[Order, Order]:
    """Halves of the documents, drawn at random. units: documents that stay together, by index.

    The halves differ by at most one unit, and are ascending.
    """
    drawn = np.random.default_rng(seed).permutation(len(units))
    first, second = (
        tuple(sorted(document for unit in drawn[half::2] for document in units[unit])) for half in HALVES
    )
    return first, second


def random_removal_orders(n_sublayers: int, count: int, seed: int) -> list[Order]:
    """So many random orders; a larger count begins with the smaller one's."""
    return [
        tuple(np.random.default_rng((seed, number)).permutation(n_sublayers).tolist())
        for number in range(count)
    ]


def deepest_removal(most_removed: int | None, n_sublayers: int, noun: str = "sublayer") -> int:
    """How many sublayers are removed together at most: as many as are asked for, or half of them.

    noun: of a player, where it is another one. Raises CornerstoneError where these are all, or more.
    """
    if most_removed is not None and most_removed >= n_sublayers:
        raise CornerstoneError(
            f"pruning.most_removed is {most_removed}, but this model has {n_sublayers} {noun}s: give a number from "
            f"1 to {n_sublayers - 1}"
        )
    return n_sublayers // 2 if most_removed is None else most_removed


def greedy_coalitions(n_sublayers: int, most_removed: int) -> list[Removed]:
    """The coalitions that greedy removal evaluates where it happens to remove the sublayers in order."""
    found: dict[Removed, None] = {(): None}
    for count in range(most_removed):
        gone = tuple(range(count))
        found |= dict.fromkeys((*gone, sublayer) for sublayer in range(count, n_sublayers))
    return list(found)
