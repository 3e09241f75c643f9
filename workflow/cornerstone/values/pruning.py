"""Pruning curves: the score of a model that loses its least important sublayers, one after another, by each ranking.

    pruned = read_pruned(evaluation, documents, orders, weights, "paper", titles)
    curve_table(pruned)                     # a row per ranking and number of removed sublayers
    area_table([pruned, …])                 # a row per task and ranking: the area under its curve, and which is best

Each document is scored with the order that was found on the other half of the documents (`removal_orders`). So what a
ranking gains by fitting its own documents is not counted. Intervals are over documents, for the orders as they were
found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.documents.document import read_documents
from cornerstone.evaluations.rejected import read_or_set_aside
from cornerstone.models.facts import SublayerWeights
from cornerstone.scores import SCORES, Score
from cornerstone.shapley.removal_orders import HALVES, RANDOM, RemovalOrders
from cornerstone.statistics.ranks import rank_intervals
from cornerstone.statistics.resampling import bootstrap, interval
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.rankings import kind_of_ranking
from cornerstone.values.rows import named, write_csv
from cornerstone.values.score_matrix import rows_of, scores_of
from cornerstone.values.scored_task import choice_table
from cornerstone.values.titles import MEAN


@dataclass(frozen=True, eq=False)
class Pruned:
    """A model on a task, pruned by every ranking.

    orders:  by which it was pruned. half: int (documents,), of each.
    scores:  by the order's name, float64 (steps, documents): the score with 0, 1, … sublayers removed.
    weights: of the sublayers. titles: of the rankings.
    """

    model: str
    task: str
    score: Score
    orders: RemovalOrders
    half: np.ndarray
    scores: Mapping[str, np.ndarray]
    weights: SublayerWeights
    titles: Callable[[str], str]

    @cached_property
    def rankings(self) -> dict[str, list[str]]:
        """The names of the orders of each ranking: several of random ones, else one."""
        found: dict[str, list[str]] = {}
        for name in self.scores:
            found.setdefault(kind_of_ranking(name), []).append(name)
        return found

    def curve(self, ranking: str) -> np.ndarray:
        """(steps, documents): of random orders the mean."""
        return np.mean([self.scores[name] for name in self.rankings[ranking]], axis=0)

    def removed_part(self, name: str, of: str) -> np.ndarray:
        """Which part of the model's parameters ("numbers") or operations ("active") is gone after each step of an
        order: float64 (halves, steps)."""
        sizes = np.array([getattr(self.weights, of)[label] for label in self.orders.labels])
        steps = [[sizes[list(removed)].sum() for removed in self.orders.chain(name, half)] for half in HALVES]
        return np.array(steps) / getattr(self.weights, f"all_{of}")

    def mean_part(self, ranking: str, of: str) -> np.ndarray:
        """`removed_part`, mean over documents and the ranking's orders: (steps,)."""
        shares = np.array([np.mean(self.half == half) for half in HALVES])
        return np.mean([shares @ self.removed_part(name, of) for name in self.rankings[ranking]], axis=0)

    @cached_property
    def common_part(self) -> float:
        """The part of the parameters that every order removes in the end at least: curves are compared up to it."""
        return min(self.removed_part(name, "numbers")[:, -1].min() for name in self.scores)

    def areas(self, ranking: str) -> np.ndarray:
        """The mean score of each document while parameters are removed, up to `common_part`: (documents,)."""
        found = []
        for name in self.rankings[ranking]:
            parts = self.removed_part(name, "numbers")
            weights = np.array([area_weights(parts[half], self.common_part) for half in HALVES])
            found.append((weights[self.half].T * self.scores[name]).sum(axis=0))
        return np.mean(found, axis=0)


def read_pruned(
    evaluation: Path,
    documents: Path,
    orders: RemovalOrders,
    weights: SublayerWeights,
    score: str,
    titles: Callable[[str], str],
) -> Pruned:
    """The scores of an evaluation of the design `pruning`; score: the configuration's.

    Raises CornerstoneError where the evaluation is of other documents or orders.
    """
    read, asked = read_or_set_aside(evaluation), read_documents(documents)
    metric = SCORES[score].metric(asked.metrics, asked.output_type, read.task)
    scores: dict[str, list[np.ndarray]] = {name: [] for name in orders.orders}
    for half in HALVES:
        rows = read.table[read.table["document"].isin(orders.halves[half])]
        table = choice_table(rows, asked.documents, asked.output_type, read.players)
        if len(table.documents) != len(orders.halves[half]):
            raise CornerstoneError(f"{evaluation} is of other documents than its rankings: evaluate again")
        of_half = scores_of(table, metric)
        for name, found in scores.items():
            found.append(rows_of(of_half, orders.chain(name, half)))
    half_of = np.repeat(HALVES, [len(half) for half in orders.halves])
    joined = {name: np.concatenate(found, axis=1) for name, found in scores.items()}
    return Pruned(read.model, read.task, SCORES[metric], orders, half_of, joined, weights, titles)


def area_weights(parts: np.ndarray, end: float) -> np.ndarray:
    """What each step counts in the mean height of the line through (part, score), from 0 to `end`: (steps,), sum 1.

    parts: ascending, from 0 to `end` or further.
    """
    heights = np.eye(len(parts))
    inside = np.append(parts[parts < end], end)
    lines = np.array([np.interp(inside, parts, height) for height in heights])
    return np.trapezoid(lines, inside, axis=1) / end


def curve_table(pruned: Pruned) -> pd.DataFrame:
    """A row per ranking and number of removed sublayers.

    title: of the ranking. value: the score, with its 95 % interval low, high. parameters, operations: the part of the
    model's that is gone.
    first, second: labels of what is removed in that step from the documents of each half; empty for random orders.
    """
    tables = []
    for ranking, names in pruned.rankings.items():
        curve = pruned.curve(ranking)
        low, high = np.clip(interval(bootstrap(curve)), *pruned.score.range)
        steps = {
            side: [""]
            + [
                pruned.orders.labels[sublayer] if len(names) == 1 and ranking != RANDOM else ""
                for sublayer in pruned.orders.used_on(names[0], half)[: len(curve) - 1]
            ]
            for side, half in zip(("first", "second"), HALVES, strict=True)
        }
        table = pd.DataFrame(
            {
                "ranking": ranking,
                "title": pruned.titles(ranking),
                "removed": range(len(curve)),
                "value": curve.mean(axis=1),
                "low": low,
                "high": high,
                "parameters": pruned.mean_part(ranking, "numbers"),
                "operations": pruned.mean_part(ranking, "active"),
                **steps,
                "documents": curve.shape[1],
            }
        )
        tables.append(table)
    return _of(pruned, pruned.task, pd.concat(tables, ignore_index=True))


def area_table(of_model: Sequence[Pruned]) -> pd.DataFrame:
    """A row per task and ranking of one model; of several tasks also a row per ranking for their mean (task MEAN).

    area: the mean score while parameters are removed, with its 95 % interval low, high; up to which part of them:
    parameters. above_random, …_low, …_high: the difference from random orders. rank_low, rank_high: the interval of the
    ranking's rank by area, 1 the largest, simultaneous over the rankings.
    """
    tables = [_areas_of(one, one.task, _areas(one)) for one in of_model]
    if len(of_model) > 1:
        tables.append(_areas_of(of_model[0], MEAN, _over_tasks([_areas(one) for one in of_model])))
    return pd.concat(tables, ignore_index=True)


def _areas(pruned: Pruned) -> np.ndarray:
    """(rankings, documents)."""
    return np.stack([pruned.areas(ranking) for ranking in pruned.rankings])


def _over_tasks(of_tasks: Iterable[np.ndarray]) -> np.ndarray:
    """One column a document of any task, whose mean is the mean over tasks, and whose spread its standard error."""
    of_tasks = list(of_tasks)
    total = sum(areas.shape[1] for areas in of_tasks)
    mean = np.mean([areas.mean(axis=1) for areas in of_tasks], axis=0)
    away = [
        (areas - areas.mean(axis=1, keepdims=True)) * total / (len(of_tasks) * areas.shape[1])
        for areas in of_tasks
    ]
    return mean[:, None] + np.concatenate(away, axis=1)


def _areas_of(pruned: Pruned, task: str, areas: np.ndarray) -> pd.DataFrame:
    rankings = list(pruned.rankings)
    low, high = np.clip(interval(bootstrap(areas)), *pruned.score.range)
    rank_low, rank_high = rank_intervals(areas)
    table = pd.DataFrame(
        {
            "ranking": rankings,
            "title": list(map(pruned.titles, rankings)),
            "area": areas.mean(axis=1),
            "low": low,
            "high": high,
            "rank_low": rank_low,
            "rank_high": rank_high,
            "parameters": pruned.common_part if task != MEAN else np.nan,
            "documents": areas.shape[1],
        }
    )
    if RANDOM in rankings:
        above = areas - areas[rankings.index(RANDOM)]
        low, high = interval(bootstrap(above))
        table = table.assign(above_random=above.mean(axis=1), above_random_low=low, above_random_high=high)
    return _of(pruned, task, table)


def _of(pruned: Pruned, task: str, table: pd.DataFrame) -> pd.DataFrame:
    return named(table, model=pruned.model, task=task, score=pruned.score.name)


def write_pruning(of_model: Sequence[Pruned], curves: Sequence[Path], areas: Path) -> None:
    """Write the curves of each task of a model, and the areas under them."""
    for pruned, path in zip(of_model, curves, strict=True):
        write_csv(curve_table(pruned), path)
    write_csv(area_table(of_model), areas)
