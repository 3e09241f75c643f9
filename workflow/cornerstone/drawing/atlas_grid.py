"""The atlas's cells: a model as its stack of blocks, a cell per sublayer and task. Figure and report draw from these.

    stacks = stacks_of(values, Titles(), top_k=3)     # one per model
    scale = scale_of(values)                          # one for all of them
    scale.levels(stacks[0].cells["value"])            # 0 near zero, up to ±6: the place in COLOURS

Colours go by a value's amount in the study's unit (points of score), which models and tasks share; shares of models of
other depth would not compare. Each level begins at twice the amount of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cornerstone.models.kinds import KINDS, Kind, block_told_by
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import Unit
from cornerstone.statistics.resampling import LEVEL
from cornerstone.values.results import cornerstones
from cornerstone.values.titles import Titles

LEVELS = 6
POSITIVE = ("#DDD4F0", "#C5B3E8", "#A98ED9", "#835BBE", "#63339E", "#3D136A")
NEGATIVE = ("#F1D3BD", "#E8B187", "#D68A4D", "#A95F19", "#7C4204", "#4B2500")
NEAR_ZERO = "#F0EFF2"
COLOURS = (*reversed(NEGATIVE), NEAR_ZERO, *POSITIVE)
"""From the lowest level to the highest: orange below zero and purple above, as the figure of interactions has them."""
DARK_COLOURS = (
    *("#FFD2AA", "#F5A15E", "#CC7C37", "#9B5E29", "#75451D", "#4E341F"),
    "#272628",
    *("#3F3355", "#5C4285", "#7C58B3", "#A07CDB", "#C2A7F4", "#E3D6FE"),
)
"""The same on a dark page, where what is near zero is dark."""
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Every so many blocks are numbered."""


@dataclass(frozen=True)
class Scale:
    """edges: the amounts at which the levels 1 to LEVELS begin, ascending; as values are, not as they are written."""

    edges: tuple[float, ...]

    def levels(self, values: pd.Series | np.ndarray) -> np.ndarray:
        """The level of each value, −LEVELS to LEVELS; int, of the same shape."""
        values = np.asarray(values, dtype=float)
        return (np.sign(values) * np.digitize(np.abs(values), self.edges)).astype(int)

    def legend(self, values: pd.Series, unit: Unit) -> list[tuple[int, str]]:
        """The levels from the lowest that occurs, or from that near zero, and the amount where each begins, in words:
        seen from below, so of those up to zero where the next lower one begins. "" for the first."""
        shown = range(min(self.levels(values).min(), 0), LEVELS + 1)
        edges = (self.edges[level - 1] if level > 0 else -self.edges[-level] for level in shown[1:])
        return list(zip(shown, ["", *(unit.exact(edge).replace("-", "−") for edge in edges)], strict=True))


@dataclass(frozen=True)
class Stack:
    """One model.

    title:   of the model. tasks: titles, in order. rows: the numbers of the blocks, from the input on; the labels of
             the players where these tell no block, as those of groups.
    columns: the kinds in the order of a block; those that look alike and are never in one block share a column.
             One where rows are players.
    cells:   the rows of the model's values, with row (0 is the first block), column and place (of the task),
             may_be_zero (the interval holds zero), is_among (one of the task's top_k positive values) and is_steady (it
             is that in at least 95 % of the resampled sets of documents).
    named:   the labels of the cornerstones, largest first.
    """

    model: str
    title: str
    tasks: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[tuple[Kind, ...], ...]
    cells: pd.DataFrame
    named: tuple[str, ...]

    @property
    def width(self) -> int:
        """Cells side by side."""
        return len(self.columns) * len(self.tasks)


def stacks_of(values: pd.DataFrame, titles: Titles, top_k: int) -> list[Stack]:
    """The stacks of all models in rows of values csv, in the order there."""
    named, tasks = cornerstones(values, top_k), list(values["task"].unique())
    return [
        _stack(rows, titles, [task for task in tasks if task in set(rows["task"])], named[model], top_k)
        for model, rows in values.groupby("model", sort=False)
    ]


def scale_of(values: pd.DataFrame) -> Scale:
    """The scale of a study's score: absolute for a bounded score, so that it is the same in every study.

    Amounts of other scores have no end: there the first edge doubles until the largest value is at the last level.
    """
    score: Score = SCORES[values["score"].iloc[0]]
    first = score.unit.small / score.unit.factor
    if not score.is_bounded:
        while values["value"].abs().max() >= first * 2**LEVELS:
            first *= 2
    return Scale(tuple(first * 2.0**level for level in range(LEVELS)))


def step_of(numbers: int, most: int) -> int:
    """Of so many blocks every how many have a number, if at most `most` can; one always has."""
    return next(step for step in STEPS if numbers <= step * max(most, 1))


def heading_of(column: Sequence[Kind]) -> str:
    """ "FFN / MoE"."""
    return " / ".join(kind.label for kind in column)


def _stack(rows: pd.DataFrame, titles: Titles, tasks: list[str], named: list[str], top_k: int) -> Stack:
    names = rows["label"].map(block_told_by)
    if is_by_block := _are_apart(rows.assign(block=names)):
        columns = _columns(rows["kind"], names)
        order = sorted(names.unique())
    else:
        names, columns = rows["label"], ((KINDS[titles.player],),)
        order = list(rows.sort_values("sublayer")["label"].unique())
    column_of = {kind.name: place for place, column in enumerate(columns) for kind in column}
    cells = rows.assign(
        row=names.map(order.index),
        column=rows["kind"].map(column_of) if is_by_block else 0,
        place=rows["task"].map(tasks.index),
        may_be_zero=(rows["low"] <= 0) & (rows["high"] >= 0),
        is_among=(rows["rank"] <= top_k) & (rows["share"] > 0),
        is_steady=rows["top_k_stability"] >= LEVEL,
    )
    return Stack(
        model=rows["model"].iloc[0],
        title=titles.model(rows["model"].iloc[0]),
        tasks=tuple(map(titles.task, tasks)),
        rows=tuple(f"{name:.0f}" if is_by_block else name for name in order),
        columns=columns,
        cells=cells,
        named=tuple(named),
    )


def _are_apart(rows: pd.DataFrame) -> bool:
    """Whether each player has a block, and is the only one of its kind there: sets may have any names."""
    return bool(rows["block"].notna().all() and not rows.duplicated(["task", "block", "kind"]).any())


def _columns(kinds: pd.Series, blocks: pd.Series) -> tuple[tuple[Kind, ...], ...]:
    occurring = [KINDS[name] for name in KINDS if name in set(kinds)]
    looks: dict[tuple[str, str], list[Kind]] = {}
    for kind in occurring:
        looks.setdefault((kind.colour, kind.marker), []).append(kind)
    return tuple(
        part
        for alike in looks.values()
        for part in ([tuple(alike)] if _stand_apart(alike, kinds, blocks) else [(kind,) for kind in alike])
    )


def _stand_apart(alike: Iterable[Kind], kinds: pd.Series, blocks: pd.Series) -> bool:
    """Whether no block has two of these kinds."""
    of_kinds = [set(blocks[kinds == kind.name]) for kind in alike]
    return sum(map(len, of_kinds)) == len(set().union(*of_kinds))
