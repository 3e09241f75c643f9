"""The table of Shapley interaction indices: every two sublayers, with intervals.

TABLES["interaction_indices"].make(Indices(rows, titles, score))      # tables/interaction_indices.csv
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import Unit
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.tables.text import prose
from cornerstone.values.titles import Titles

NOTE = (
    "The Shapley interaction index of every two sublayers: how much more they are worth together than separately, "
    "averaged over which others are present. Below zero they are redundant. Above zero one is of no use without the "
    "other, or little is left to lose without one. The indices come from per-document coalitions and are unbiased. "
    "Their 95 % intervals cover the errors of drawing coalitions and of drawing documents. Significant: not zero, by "
    "Benjamini and Hochberg over a task's pairs, 5 %. Half-width: of the intervals, the median over pairs; smaller "
    "indices are lost in the noise."
)
NAMED = 3
"""How many significant indices the text names, the largest first; the CSV file has all pairs."""


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
                "Significant": len(sure),
                unit.difference_heading("Half-width"): unit.text(_half_interval(rows)),
                unit.difference_heading("Largest significant"): "; ".join(
                    _named(row, unit) for row in sure.head(NAMED).to_dict("records")
                ),
            }
        )
    note = prose(NOTE, f"All indices of {'; '.join(hidden)} are lost in the noise." if hidden else "")
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
        about="the Shapley interaction index of every two sublayers, with intervals",
        make=lambda indices: indices.rows,
        sections=index_sections,
        is_folded=True,
        part=Part.OWN,
        order=115,
    )
)
