"""Rankings of sublayers, from the least to the most important, on each half of a task's documents.

    orders = removal_orders(read_choices(evaluations, documents), asked, settings)
    orders.orders["windows"]        # by the study's values: of the first half, of the second

By name: the estimators of the values, `leave_one_out` (the effects of single removals) among them, cheap measures,
`greedy`, and random orders, which say what any ranking is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cornerstone.documents.document import Document
from cornerstone.evaluations.measures import read_measures
from cornerstone.evaluations.removal_orders import halves_of
from cornerstone.measures import MEASURES
from cornerstone.shapley.estimators import ESTIMATORS, Settings
from cornerstone.shapley.removal_orders import (
    GREEDY,
    RANDOM,
    Order,
    RemovalOrders,
    deepest_removal,
    least_first,
    random_removal_orders,
)
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.estimates import estimated
from cornerstone.values.scored_task import EvaluatedTask, score_task


@dataclass(frozen=True)
class RankingSettings:
    """What the rankings of a study depend on.

    estimators:         by name in the configuration. max_removed, edges: of the windows.
    most_removed:       how many sublayers are removed together at most; None for half of them.
    random_orders:      how many.
    documents_per_draw: how many documents that begin alike have per-document coalitions together.
    seed:               of the halves and the random orders.
    """

    score: str
    estimators: Sequence[str]
    max_removed: int
    edges: str = "both"
    most_removed: int | None = None
    random_orders: int = 3
    documents_per_draw: int = 1
    seed: int = 0


def removal_orders(
    evaluated: EvaluatedTask,
    asked: Sequence[Document],
    settings: RankingSettings,
    measures: Path | None = None,
    greedy: RemovalOrders | None = None,
) -> RemovalOrders:
    """The orders of every ranking, found on each half of the documents.

    asked: the documents that the model was asked, those left out too.
    measures: the model's file of cheap measures, each of which is one more ranking.
    greedy: of the same halves, found by `greedy_orders`. Raises CornerstoneError where there are too few documents,
    where a coalition was not evaluated, and where greedy orders are of other documents.
    """
    n_sublayers = len(evaluated.labels)
    parts = halves_of(asked, evaluated.documents, settings.documents_per_draw, settings.seed)
    scored = [score_task(evaluated.some(half), settings.score) for half in parts]
    by_importance: dict[str, list[np.ndarray]] = {}
    for name in settings.estimators:
        by_importance[name] = [
            estimated(name, one, settings.max_removed, settings.edges).values for one in scored
        ]
    if measures is not None:
        found = read_measures(measures)
        rows = [found.rows_of(half) for half in parts]
        for name, per_document in found.of_players(evaluated.labels).items():
            by_importance[name] = [per_document[of_half].mean(axis=0) for of_half in rows]
    orders = {name: _both(map(least_first, found)) for name, found in by_importance.items()}
    if greedy is not None:
        if greedy.halves != parts:
            raise CornerstoneError("the greedy orders are of other documents: type the same command again")
        orders |= greedy.orders
    for number, order in enumerate(
        random_removal_orders(n_sublayers, settings.random_orders, settings.seed), 1
    ):
        orders[f"{RANDOM}-{number}"] = order, order
    return RemovalOrders(
        tuple(evaluated.labels), parts, deepest_removal(settings.most_removed, n_sublayers), orders
    )


def _both(orders: Iterable[Order]) -> tuple[Order, Order]:
    first, second = orders
    return first, second


def kind_of_ranking(name: str) -> str:
    """The ranking that an order is of: one of the random orders is RANDOM."""
    return name.partition("-")[0]


def ranking_title(name: str, max_removed: int, edges: str = "both") -> str:
    """What a ranking is called in tables and figures."""
    kind = kind_of_ranking(name)
    if kind == RANDOM:
        return "random order"
    if kind == GREEDY:
        return "greedy removal"
    if kind in ESTIMATORS:
        title = ESTIMATORS[ESTIMATORS[kind].audited_name(Settings(max_removed, edges))].title
        return f"{title} values" if kind != "leave_one_out" else "single removals"
    return MEASURES[kind].title
