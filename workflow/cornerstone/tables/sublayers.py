"""The tables of every sublayer: its value, and its effect of removal.

The rows of tables/values.csv and tables/ablation.csv are those of values/*/*.csv and ablation/*/*.csv.
"""

from __future__ import annotations

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import percent
from cornerstone.statistics.collapse import ABOVE
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.values.titles import Titles

VALUES_NOTE = "Each sublayer's value, with its 95 % interval."
STABILITY_NOTE = (
    "In how many of the resampled sets of documents a sublayer is among the configuration's top_k largest positive "
    "values. This is stability, not confidence: how often these documents name it, not a probability that it truly is "
    "among the largest."
)
STATES_NOTE = (
    "Collapsed: within the configuration's collapse_margin of chance or of the best constant answer, by an equivalence "
    "test. Above: significantly more than this margin above both. Below: significantly more than this margin below "
    "both. Undecided: everything else, which with few documents is nearly everything near guessing. Paired tests of "
    "equivalence and of superiority, Holm over the sublayers of a model on a task, 2.5 % on each side. Sublayers "
    "without which all scores stay above are left out."
)


def values_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """Each model's values, and then which sublayers are how often among the largest."""
    return [
        *_numbers(table, "value", "values", VALUES_NOTE, view),
        *[_stability(rows, view.titles) for _, rows in table.groupby("model", sort=False)],
    ]


def ablation_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """Each model's effects, and of accuracies what is left without a sublayer.

    Another score near that of guessing does not show that a model guesses, so it has no states.
    """
    guessable = table[table["chance"].notna()]
    by_model = guessable.groupby("model", sort=False) if view.score.is_accuracy else ()
    return [
        *_numbers(table, "effect", "effects of removal", _effects_note(view.score), view),
        *[_states(rows, view.titles) for _, rows in by_model],
    ]


def _numbers(table: pd.DataFrame, column: str, what: str, note: str, view: View) -> list[Section]:
    """A section per model: a row per sublayer, a column per task."""
    unit, sections = view.score.unit, []
    for model, rows in table.groupby("model", sort=False):
        cells = [unit.with_interval(*numbers) for numbers in rows[[column, "low", "high"]].to_numpy()]
        title = f"{view.titles.model(model)}: {what} ({unit.of_values})"
        sections.append(Section(title, note, _by_sublayer(rows.assign(cell=cells), view.titles)))
    return sections


def _effects_note(score: Score) -> str:
    note = "Full score minus the score without this sublayer, with its paired 95 % interval"
    return (
        f"{note}; where no answer changed, the interval is ± 3 / documents."
        if score.is_accuracy
        else f"{note}."
    )


def _stability(rows: pd.DataFrame, titles: Titles) -> Section:
    """A model's sublayers that are among the top of at least one resample in a hundred on some task."""
    stability = rows["top_k_stability"]
    ever = rows["sublayer"].isin(rows["sublayer"][stability >= 0.01])
    text = _by_sublayer(rows.assign(cell=[percent(part, 0) for part in stability])[ever], titles)
    title = f"{titles.model(rows['model'].iloc[0])}: among the largest in % of resamples"
    return Section(title, STABILITY_NOTE, text)


def _states(rows: pd.DataFrame, titles: Titles) -> Section:
    """A model's sublayers without which some task's score is not significantly above guessing."""
    fallen = rows["sublayer"].isin(rows["sublayer"][rows["state"] != ABOVE])
    text = _by_sublayer(rows.assign(cell=rows["state"])[fallen], titles)
    none = pd.DataFrame(
        {"Sublayer": ["All scores stay significantly above guessing without any one of them."]}
    )
    title = f"{titles.model(rows['model'].iloc[0])}: what is left without a sublayer"
    return Section(title, STATES_NOTE, text if fallen.any() else none)


def _by_sublayer(rows: pd.DataFrame, titles: Titles) -> pd.DataFrame:
    """A row per sublayer, a column per task, with the text of the column cell."""
    wide = rows.pivot(index=["sublayer", "label"], columns="task", values="cell")
    wide = wide[list(rows["task"].unique())].rename(columns=titles.task).reset_index()
    return wide.drop(columns="sublayer").rename(columns={"label": "Sublayer"}).rename_axis(columns=None)


TABLES.register(
    Table(
        name="values",
        about="the value of each sublayer",
        make=lambda results: results.values,
        sections=values_sections,
        is_folded=True,
        order=140,
    )
)
TABLES.register(
    Table(
        name="ablation",
        about="the score without each sublayer, removed alone",
        make=lambda results: results.ablation,
        sections=ablation_sections,
        is_folded=True,
        order=150,
    )
)
