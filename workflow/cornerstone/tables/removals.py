"""Does a cornerstone stay one when its mean is kept? Values by zero and by mean side by side, and a verdict of each.

TABLES["removals"].make(Compared(rows, 3, titles, score))       # tables/removals.csv
TABLES["constancy"].make(Compared(rows, 3, titles, score))      # tables/constancy.csv

The rule, which was written down before any result was seen. What a sublayer adds to the residual stream has a mean,
which is the same whatever the input is, and a rest, which is computed from it. A cornerstone by zeros is

    constant     if keeping its mean surely saves at least half of its value:  value by mean < value by zero / 2
    computed     if it surely saves at most a quarter of it:                    value by mean > 3/4 · value by zero
    undecided    otherwise, and where its value by zero is not surely positive

"Surely": the 95 % interval of the difference, paired by document, lies on that side of zero. Differences and no ratio,
for a ratio has no valid interval where its denominator is near zero. Half and a quarter, so that no sublayer is near
both: between them, most of the value is neither. The bounds are those of `values.removals`.

Hypothesis 1 of the paper, that cornerstones process the input, is contradicted by a constant one: its value lies in
what it adds to any input. A computed one is in line with it, and no proof of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cornerstone.scores import Score
from cornerstone.statistics.shares import mean_shares, shares
from cornerstone.system.text import listed
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.tables.text import rows_or
from cornerstone.values.removals import REMOVALS
from cornerstone.values.titles import Titles

CONSTANT, COMPUTED, UNDECIDED = "constant", "computed", "undecided"
MEASURES = ("value_zero", "value_mean", "value_saved", "value_half", "value_most")
NOTE = (
    "Removal by zero takes all that a sublayer adds to the residual stream; removal by mean leaves its mean over the "
    "calibration documents, the first position of a text apart. Values are means over tasks, with 95 % intervals. "
    "Saved: by zero less by mean, paired by document. A cornerstone by zero is constant if its value by mean is surely "
    "less than half of that by zero, computed if it is surely more than three quarters of it, and else undecided. "
    "A constant one speaks against the paper's hypothesis that cornerstones process the input; a computed one is in "
    "line with it."
)
NOTE_BY_TASK = (
    "The cornerstones of the two removals task by task, with paired 95 % intervals. Effect: what the removal of the "
    "sublayer alone costs. Value: as configured. Saved: by zero less by mean."
)


@dataclass(frozen=True, eq=False)
class Compared:
    """What the tables are made of. rows: of removals/{model}/{task}.csv, of every model and task."""

    rows: pd.DataFrame
    top_k: int
    titles: Titles
    score: Score


def cornerstones_by(rows: pd.DataFrame, removal: str, top_k: int) -> list[str]:
    """The cornerstones of one model by the values of a removal: of the largest share, mean over tasks, above zero."""
    values = rows.pivot_table(index="sublayer", columns="task", values=f"value_{removal}", sort=False)
    labels = rows.drop_duplicates("sublayer").set_index("sublayer")["label"]
    mean = pd.Series(mean_shares(shares(values.to_numpy()).T), index=values.index)
    return [labels[n] for n in mean[mean > 0].sort_values(ascending=False, kind="stable").index[:top_k]]


def removals_table(compared: Compared) -> pd.DataFrame:
    """The rows with cornerstone_zero and cornerstone_mean: whether it is one of its model by each removal."""
    found = []
    for _, rows in compared.rows.groupby("model", sort=False):
        named = {name: rows["label"].isin(cornerstones_by(rows, name, compared.top_k)) for name in REMOVALS}
        found.append(rows.assign(**{f"cornerstone_{name}": named[name] for name in REMOVALS}))
    return pd.concat(found, ignore_index=True)


def constancy_table(compared: Compared) -> pd.DataFrame:
    """A row per model and cornerstone of either removal: means over tasks, with their intervals, and the verdict.

    Intervals add the tasks' half widths in quadrature: tasks share no documents. verdict: of the cornerstones by zeros.
    """
    table = removals_table(compared)
    rows = table[table["cornerstone_zero"] | table["cornerstone_mean"]]
    found = []
    for (model, sublayer, label), of_tasks in rows.groupby(["model", "sublayer", "label"], sort=False):
        row = {"model": model, "sublayer": sublayer, "label": label, "tasks": len(of_tasks)}
        for name in MEASURES:
            row |= _mean_over_tasks(of_tasks, name)
        row |= {f"cornerstone_{name}": bool(of_tasks[f"cornerstone_{name}"].iloc[0]) for name in REMOVALS}
        found.append(row | {"verdict": verdict(row) if row["cornerstone_zero"] else ""})
    columns = ["model", "sublayer", "label", "tasks", *_columns(), "verdict"]
    return pd.DataFrame(found, columns=columns)


def _columns() -> list[str]:
    measures = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    return [*measures, *(f"cornerstone_{name}" for name in REMOVALS)]


def _mean_over_tasks(rows: pd.DataFrame, name: str) -> dict[str, float]:
    middle, low, high = (rows[f"{name}{end}"].to_numpy() for end in ("", "_low", "_high"))
    mean = float(middle.mean())
    below, above = (float(np.sqrt(np.sum(half**2)) / len(rows)) for half in (middle - low, high - middle))
    return {name: mean, f"{name}_low": mean - below, f"{name}_high": mean + above}


def verdict(row: dict[str, float]) -> str:
    """By the rule at the head of this file; row: value_zero_low, value_half_high and value_most_low."""
    if not row["value_zero_low"] > 0:
        return UNDECIDED
    if row["value_half_high"] < 0:
        return CONSTANT
    return COMPUTED if row["value_most_low"] > 0 else UNDECIDED


def removals_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    named = table[table["cornerstone_zero"] | table["cornerstone_mean"]]
    rows = [
        {
            "Model": view.titles.model(row["model"]),
            "Task": view.titles.task(row["task"]),
            "Sublayer": row["label"],
        }
        | {
            unit.difference_heading(f"{noun} {title}"): _cell(row, f"{noun.lower()}_{end}", unit)
            for noun in ("Effect", "Value")
            for end, title in (("zero", "by zero"), ("mean", "by mean"), ("saved", "saved"))
        }
        for row in named.to_dict("records")
    ]
    text = rows_or("No value of any model is positive on any task.", rows)
    return [Section("Removal by zero and by mean, task by task", NOTE_BY_TASK, text)]


def constancy_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row["model"]),
            "Sublayer": row["label"],
            **{
                unit.difference_heading(title): _cell(row, name, unit)
                for name, title in (
                    ("value_zero", "Value by zero"),
                    ("value_mean", "Value by mean"),
                    ("value_saved", "Saved"),
                )
            },
            "Cornerstone by": listed([name for name in REMOVALS if row[f"cornerstone_{name}"]]),
            "Contribution": "" if pd.isna(row["verdict"]) else row["verdict"],
        }
        for row in table.to_dict("records")
    ]
    text = rows_or("No value of any model is positive on any task.", rows)
    return [Section("Constant or computed: cornerstones whose mean is kept", NOTE, text)]


def _cell(row: dict, name: str, unit) -> str:
    return unit.with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


def constancy_finding(table: pd.DataFrame, titles: Titles) -> str:
    """How many cornerstones are constant and how many computed, and which, in a sentence a model."""
    sentences = []
    for model, rows in table[table["cornerstone_zero"].astype(bool)].groupby("model", sort=False):
        parts = [
            f"{listed(list(rows['label'][rows['verdict'] == kind]))} {kind}"
            for kind in (CONSTANT, COMPUTED, UNDECIDED)
            if (rows["verdict"] == kind).any()
        ]
        sentences.append(f"{titles.model(model)}: {', '.join(parts)}.")
    return " ".join(sentences)


TABLES.register(
    Table(
        name="constancy",
        about="whether what a cornerstone contributes is constant or computed: its value when its mean is kept",
        make=constancy_table,
        sections=constancy_sections,
        is_folded=False,
        part=Part.REMOVALS,
        order=75,
    )
)
TABLES.register(
    Table(
        name="removals",
        about="effect and value of each sublayer by zero and by mean, with what keeping the mean saves",
        make=removals_table,
        sections=removals_sections,
        is_folded=True,
        part=Part.REMOVALS,
        order=76,
    )
)
