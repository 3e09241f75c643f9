"""Overlap: removing two sublayers together compared with the sum of their single removals, by group of pairs.

overlap_table(results)    # tables/overlap.csv: by cornerstones, kinds, depth and distance, a row per model and group
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.statistics.resampling import interval
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import rows_or
from cornerstone.values.pairs import pair_excess, pair_groups
from cornerstone.values.results import Results

NOTE = (
    "Pairs of sublayers removed together and separately: drops of the score, means over pairs and tasks. All rows but "
    "the first are of pairs without a cornerstone. A difference above zero means that the two are redundant; below "
    "zero, that one is of no use without the other, or that nothing was left to lose. Depth is the third of the model "
    "that holds the pair's middle. Significantly more, less: on how many pairs × tasks the difference is above or "
    "below zero (Benjamini and Hochberg over a task's pairs, 5 %)."
)
COLUMNS = "model by group pairs tasks joint single excess low high more less"


def overlap_table(results: Results) -> pd.DataFrame:
    """A row per model and group of pairs that has any; columns: COLUMNS.

    by, group: see `pair_groups`. joint: drop of the score without both, mean over pairs and tasks; single: sum of the
    drops without each; excess = joint − single, minus the mean interaction, with its 95 % interval (paired over
    documents, tasks independent). more, less: on how many pairs × tasks the excess is significantly above and below
    zero (`sure` of the interactions).
    """
    rows = []
    for model in results.models:
        of_tasks = results.of_model(model)
        signs = _signs(results.interactions[results.interactions["model"] == model])
        for (by, group), pairs in pair_groups(results, model).items():
            joint, single, draws = pair_excess(of_tasks, pairs)
            low, high = interval(draws)
            of_group = signs[signs.index.isin(pairs)]
            about = {"model": model, "by": by, "group": group, "pairs": len(pairs), "tasks": len(of_tasks)}
            costs = {"joint": joint, "single": single, "excess": joint - single, "low": low, "high": high}
            significant = {"more": int((of_group < 0).sum()), "less": int((of_group > 0).sum())}
            rows.append(about | costs | significant)
    return pd.DataFrame(rows, columns=COLUMNS.split())


def _signs(interactions: pd.DataFrame) -> pd.Series:
    """The sign of each significant interaction, 0 of the others, by pair: one for each task."""
    pairs = pd.MultiIndex.from_frame(interactions[["first", "second"]])
    return pd.Series(np.where(interactions["sure"], np.sign(interactions["interaction"]), 0), pairs)


def overlap_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "By": row.by,
            "Pairs": row.group,
            "Number": row.pairs,
            unit.difference_heading("Together"): unit.text(row.joint),
            unit.difference_heading("Sum of separate"): unit.text(row.single),
            unit.difference_heading("Difference"): unit.text(row.excess),
            "95 % interval": unit.interval(row.low, row.high),
            "Significantly more": row.more,
            "Significantly less": row.less,
        }
        for row in table.itertuples()
    ]
    return [Section("Where pairs overlap", NOTE, rows_or("No two sublayers were removed together.", rows))]


TABLES.register(
    Table(
        name="overlap",
        about="pairs removed together compared with separately: with and without a cornerstone, by kind, depth "
        "and distance",
        make=overlap_table,
        sections=overlap_sections,
        is_folded=False,
        order=110,
    )
)
