"""Interaction indices: how much more two sublayers are worth together than one by one, and which the noise hides.

TABLES["interaction_indices"].make(Indices(rows, titles, score))      # tables/interaction_indices.csv
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import Unit
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import prose
from cornerstone.values.titles import Titles

NOTE = (
    "The Shapley interaction index of every two sublayers: how much more they are worth together than one by one, a "
    "mean over what else may be there. Below zero they can stand in for each other. Above zero one is of no use "
    "without the other, or little is left to lose without one. The indices come from coalitions of each document's "
    "own and are right on average whatever the model is like. Their 95 % intervals hold the errors of drawing "
    "coalitions and of drawing documents. Surely: not zero, by Benjamini and Hochberg over a task's pairs, 5 %. Half "
    "an interval: the median over pairs; the noise hides indices that are smaller."
)
NAMED = 3
"""Indices that are surely not zero and that people read, the largest first; the CSV file has all pairs."""


@dataclass(frozen=True, eq=False)
class Indices:
    """What the table is made of. rows: of `index_table`, of every model and task."""

    rows: pd.DataFrame
    titles: Titles
    score: Score


def index_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A row per model and task."""
    unit, text, hidden = view.score.unit, [], []
    for (model, task), rows in table.groupby(["model", "task"], sort=False):
        sure = rows[rows["sure"]].sort_values("index", key=abs, ascending=False, kind="stable")
        where = f"{view.titles.model(model)} on {view.titles.task(task)}"
        hidden += [where] if sure.empty else []
        text.append(
            {
                "Model": view.titles.model(model),
                "Task": view.titles.task(task),
                "Documents": rows["documents"].iloc[0],
                "Pairs": len(rows),
                "Surely": len(sure),
                unit.difference_heading("Half an interval"): unit.text(_half_interval(rows)),
                unit.difference_heading("Largest that are sure"): "; ".join(
                    _named(row, unit) for row in sure.head(NAMED).to_dict("records")
                ),
            }
        )
    note = prose(NOTE, f"The noise hides all indices of {'; '.join(hidden)}." if hidden else "")
    return [Section("Interaction indices", note, pd.DataFrame(text))]


def _half_interval(rows: pd.DataFrame) -> float:
    return float((rows["high"] - rows["low"]).median() / 2)


def _named(row: dict, unit: Unit) -> str:
    """ "Attn 0 and FFN 3 −12.1 (−14.0 – −10.2)"."""
    return (
        f"{row['first_label']} and {row['second_label']} "
        f"{unit.with_interval(row['index'], row['low'], row['high'])}"
    )


TABLES.register(
    Table(
        name="interaction_indices",
        about="the Shapley interaction index of every two sublayers, with intervals, and what the noise hides",
        make=lambda indices: indices.rows,
        sections=index_sections,
        is_folded=True,
        of_own=True,
        order=115,
    )
)
