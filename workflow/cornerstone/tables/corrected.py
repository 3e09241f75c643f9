"""The estimators in use held against corrected values, which are right on average at any depth.

TABLES["corrected"].make(Judged(rows, titles, score))      # tables/corrected.csv
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import POINTS, percent
from cornerstone.shapley.estimators import ESTIMATORS, YARDSTICK
from cornerstone.system.text import counted
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.tables.text import prose
from cornerstone.values.corrected import judged_table
from cornerstone.values.titles import Titles

NOTE = (
    "How near estimates come to the Shapley values of these documents. The yardstick are corrected values: each "
    "document has random coalitions of its own, and the values are right on average whatever the model is like. Rank: "
    "rank correlation with the Shapley values. Error: root mean square of the distances from them, in per cent of the "
    "largest. Both are without the errors of the yardstick, which the last column has, and with a 95 % interval for "
    "them. Bias: the mean distance, likewise in per cent; the sum of the Shapley values is known."
)


@dataclass(frozen=True, eq=False)
class Judged:
    """What the tables are made of. rows: of `corrected.corrected_rows`, of every model and task."""

    rows: pd.DataFrame
    titles: Titles
    score: Score


def corrected_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A row per model, task and estimator."""
    text = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            "Estimator": row.estimator,
            "Rank": ""
            if pd.isna(row.spearman)
            else f"{_digits(row.spearman)} ({_digits(row.spearman_low)} – {_digits(row.spearman_high)})",
            "Error (%)": ""
            if pd.isna(row.error)
            else f"{percent(row.error)} ({percent(row.error_low)} – {percent(row.error_high)})",
            "Bias (%)": "" if pd.isna(row.bias) else percent(row.bias),
            "Yardstick (%)": "" if pd.isna(row.noise) else percent(row.noise),
        }
        for row in table.itertuples()
    ]
    note = prose(NOTE, ESTIMATORS[YARDSTICK].on_few(table["documents"]))
    return [Section("Estimators held against corrected values", note, pd.DataFrame(text))]


def corrected_rank(table: pd.DataFrame, estimator: str) -> float | None:
    """The mean rank correlation of the estimator of this title with corrected values; None where there is none."""
    known = table["spearman"][table["estimator"] == estimator].dropna()
    return None if known.empty else float(known.mean())


def corrected_finding(table: pd.DataFrame, estimator: str, titles: Titles) -> str:
    """How near the estimator of this title comes on the study's own models, and what each kind of value is for."""
    parts = []
    known = table[(table["estimator"] == estimator) & table["error"].notna() & table["spearman"].notna()]
    for model, rows in known.groupby("model", sort=False):
        parts.append(
            f"{titles.model(model)}: rank correlation {_digits(rows['spearman'].mean())}, error "
            f"{percent(rows['error'].mean())} % of the largest value (means of {counted(len(rows), 'task')})"
        )
    if not parts:
        return ""
    return (
        f"Held against corrected values, which are unbiased at any depth, the values in use ({estimator}) come so "
        f"near: {'; '.join(parts)}. The values in use are for comparison with the paper; corrected ones "
        "(estimator: mixed_effects) are for what a Shapley value itself is."
    )


def _digits(number: float) -> str:
    return "" if pd.isna(number) else f"{number:.2f}".replace("-", "−")


TABLES.register(
    Table(
        name="corrected",
        about="the estimators in use held against values that are right on average, at any depth",
        make=lambda judged: judged_table(judged.rows).assign(unit=POINTS.in_files),
        sections=corrected_sections,
        is_folded=True,
        part=Part.CORRECTED,
        order=155,
    )
)
TABLES.register(
    Table(
        name="corrected_values",
        about="the corrected value of each sublayer with its standard error, beside those of the estimators in use",
        make=lambda judged: judged.rows,
        sections=None,
        is_folded=True,
        part=Part.CORRECTED,
        order=156,
    )
)
