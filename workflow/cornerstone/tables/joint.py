"""Removing runs of consecutive sublayers together, compared with the sum of their single removals.

joint_table(results)    # tables/joint.csv
"""

from __future__ import annotations

import pandas as pd

from cornerstone.scores import Score
from cornerstone.shapley.coalitions import removed_text
from cornerstone.statistics.resampling import interval
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import on_lower_end, prose, rows_or
from cornerstone.values.document_numbers import DocumentNumbers
from cornerstone.values.results import Results, joint_and_single

COLUMNS = "model size windows tasks joint single excess low high joint_low joint_high single_low single_high more less"


def joint_table(results: Results) -> pd.DataFrame:
    """Removing runs of sublayers that hold no cornerstone: a row per model and size of the runs; columns: COLUMNS.

    joint: drop of the score, mean over runs and tasks; single: sum of the drops when their sublayers are
    removed one by one; excess = joint − single; each with its 95 % interval, that of the excess in low, high.
    windows: how many runs; more, less: of how many on single tasks the excess has an interval above and below zero.
    """
    rows = []
    for model in results.models:
        of_tasks, is_cornerstone = results.of_model(model), results.is_cornerstone(model)
        free = [window for window in of_tasks[0].windows if not is_cornerstone[list(window)].any()]
        intervals = results.joint[results.joint["model"] == model].set_index("removed")
        for size in sorted({len(window) for window in free}):
            chosen = [window for window in free if len(window) == size]
            rows.append(
                {"model": model, "size": size, "windows": len(chosen), "tasks": len(of_tasks)}
                | _means(of_tasks, chosen)
                | _significant(intervals, chosen)
            )
    return pd.DataFrame(rows, columns=COLUMNS.split())


def _means(of_tasks: list[DocumentNumbers], chosen: list[tuple[int, ...]]) -> dict[str, float]:
    columns = {}
    for name, drawn in zip(("joint", "single", "excess"), joint_and_single(of_tasks, chosen), strict=True):
        before = "" if name == "excess" else f"{name}_"
        low, high = interval(drawn.draws)
        columns |= {name: drawn.estimate, f"{before}low": low, f"{before}high": high}
    return columns


def _significant(intervals: pd.DataFrame, chosen: list[tuple[int, ...]]) -> dict[str, int]:
    of_runs = intervals.loc[intervals.index.isin([removed_text(window) for window in chosen])]
    return {"more": int((of_runs["low"] > 0).sum()), "less": int((of_runs["high"] < 0).sum())}


def joint_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Sublayers removed": row.size,
            "Runs": row.windows,
            unit.difference_heading("Together"): unit.with_interval(row.joint, row.joint_low, row.joint_high),
            unit.difference_heading("Sum of separate"): unit.with_interval(
                row.single, row.single_low, row.single_high
            ),
            unit.difference_heading("Difference"): unit.text(row.excess),
            "95 % interval": unit.interval(row.low, row.high),
            "Significantly more": row.more,
            "Significantly less": row.less,
        }
        for row in table.itertuples()
    ]
    text = rows_or("No such runs were removed.", rows)
    return [Section("Removing other sublayers together", _note(view.score), text)]


def _note(score: Score) -> str:
    return prose(
        "Runs of consecutive sublayers without a cornerstone, removed together and separately: drops of the score, "
        "means over runs and tasks. A difference above zero means that they are redundant. Significantly more, less: "
        "how many runs × tasks have an interval of the difference above or below zero.",
        _on_the_floor(score),
        on_lower_end(score),
    )


def _on_the_floor(score: Score) -> str:
    if score.is_accuracy:
        return "Scores hardly fall below guessing: joint removals that reach it cost less than the sum."
    return (
        "The score has a lower end: joint removals that come near it cost less than the sum."
        if score.is_bounded
        else ""
    )


TABLES.register(
    Table(
        name="joint",
        about="removing runs of consecutive sublayers without a cornerstone together",
        make=joint_table,
        sections=joint_sections,
        is_folded=False,
        order=100,
    )
)
