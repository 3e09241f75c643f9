"""Cheap measures beside values and effects, and how far they agree: which may be trusted, on which model and task.

TABLES["cheap_measures_agreement"].make(measured_of(compared, titles, score))    # tables/cheap_measures_agreement.csv
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cornerstone.measures import BLOCK, GROUP, MEASURES, SUBLAYER
from cornerstone.scores import Score
from cornerstone.system.text import counted
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.tables.text import rows_or
from cornerstone.values.cheap_measures import EFFECT, VALUE, Compared, agreement_rows, part_rows
from cornerstone.values.titles import MEAN, Titles

NOTE = (
    "Rank correlations (Spearman) with 95 % intervals: bootstrap over documents, both sides resampled together. "
    "Measures are of one pass of the full model, means over the tokens of documents. Repeatability: the rank "
    "correlation of the values or effects with themselves on resampled documents; hardly any measure can agree better."
)
AGAINST = {
    (part, against): f"Cheap measures and the {what} {part}s"
    for part in (SUBLAYER, BLOCK, GROUP)
    for against, what in ((VALUE, "values of"), (EFFECT, "effects of removing"))
}
"""The titles of the sections."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What the tables are made of: rows of `part_rows` and of `agreement_rows`, of every model and task."""

    parts: pd.DataFrame
    agreement: pd.DataFrame
    titles: Titles
    score: Score


def measured_of(compared: Sequence[Compared], titles: Titles, score: Score) -> Measured:
    """Of every model and task, those of a model in the order of its tasks."""
    of_models: dict[str, list[Compared]] = {}
    for one in compared:
        of_models.setdefault(one.model, []).append(one)
    return Measured(
        pd.concat(map(part_rows, compared), ignore_index=True),
        pd.concat(map(agreement_rows, of_models.values()), ignore_index=True),
        titles,
        score,
    )


def agreement_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """For each part, with values and with effects: a row per model and task, a column per measure."""
    sections = []
    for (part, against), title in AGAINST.items():
        rows = table[(table["part"] == part) & (table["against"] == against)]
        if len(rows):
            text = [_line(of_task, view.titles) for _, of_task in rows.groupby(["model", "task"], sort=False)]
            sections.append(Section(title, NOTE, rows_or("none", text)))
    return sections


def _line(rows: pd.DataFrame, titles: Titles) -> dict[str, object]:
    first = rows.iloc[0]
    by_measure = {row.measure: row for row in rows.itertuples()}
    return {
        "Model": titles.model(first["model"]),
        "Task": titles.task(first["task"]),
        **{
            measure.title.capitalize(): _told(by_measure[measure.name])
            for measure in MEASURES
            if measure.name in by_measure
        },
        "Repeatability": _digits(first["repeatability"]),
        "Documents": first["documents"],
    }


def _told(row) -> str:
    if pd.isna(row.spearman):
        return ""
    return f"{_digits(row.spearman)} ({_digits(row.spearman_low)} – {_digits(row.spearman_high)})"


def _digits(number: float) -> str:
    return "" if pd.isna(number) else f"{number:.2f}".replace("-", "−")


def cheap_findings(table: pd.DataFrame, titles: Titles) -> list[str]:
    """A sentence per model: the measure whose order of the players is nearest to that of the values."""
    rows = table[(table["part"] == titles.player) & (table["against"] == VALUE)]
    return [
        text for model, own in rows.groupby("model", sort=False) if (text := _finding(model, own, titles))
    ]


def _finding(model: str, rows: pd.DataFrame, titles: Titles) -> str:
    over_all = rows[rows["task"] == MEAN] if (rows["task"] == MEAN).any() else rows
    known = over_all[over_all["spearman"].notna()]
    if known.empty:
        return ""
    best = known.loc[known["spearman"].idxmax()]
    low, high = _digits(best["spearman_low"]), _digits(best["spearman_high"])
    others = [
        f"{MEASURES[row.measure].title} {_digits(row.spearman)}"
        for row in known.itertuples()
        if row.measure != best["measure"]
    ]
    where = f", mean over {counted(int(best['tasks']), 'task')}" if best["task"] == MEAN else ""
    return (
        f"On {titles.model(model)} the cheap measure nearest to the values is {MEASURES[best['measure']].title} (rank "
        f"correlation {_digits(best['spearman'])}, {low} to {high}{where})"
        + (f"; {', '.join(others)}." if others else ".")
        + f" With themselves on resampled documents the values agree to {_digits(best['repeatability'])}."
    )


TABLES.register(
    Table(
        name="cheap_measures_agreement",
        about="rank correlations of cheap measures (block influence, …) with values and with effects of removal",
        make=lambda measured: measured.agreement,
        sections=agreement_sections,
        is_folded=False,
        part=Part.MEASURES,
        order=157,
    )
)
TABLES.register(
    Table(
        name="cheap_measures",
        about="cheap measures of each sublayer and block, beside its value and the effect of removing it",
        make=lambda measured: measured.parts,
        sections=None,
        is_folded=True,
        part=Part.MEASURES,
        order=158,
    )
)
