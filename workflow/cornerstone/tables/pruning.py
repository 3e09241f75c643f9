"""Pruning curves: what is left of the score when the least important sublayers are removed together, by each ranking.

TABLES["pruning_areas"].make(Curves(curves, areas, titles, score))      # tables/pruning_areas.csv
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import percent
from cornerstone.shapley.removal_orders import RANDOM
from cornerstone.system.text import listed
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.values.titles import MEAN, Titles

NOTE = (
    "Sublayers are removed together, the least important first, by each ranking: the more of the score is left, the "
    "better the ranking prunes. The area is the mean score while parameters are removed, up to the share of them that "
    "every ranking removes. Each ranking was found on one half of the documents and scored on the other, crossed. In "
    "brackets the 95 % interval over documents, for the rankings as they were found. Rank: the interval of the rank by "
    "area, which holds for all rankings together."
)


@dataclass(frozen=True, eq=False)
class Curves:
    """What the tables are made of: rows of `pruning.curve_table` and of `pruning.area_table`, of every model."""

    curves: pd.DataFrame
    areas: pd.DataFrame
    titles: Titles
    score: Score


def areas_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """A section per model: a row per task and ranking, the best ranking first."""
    unit, sections = view.score.unit, []
    for model, of_model in table.groupby("model", sort=False):
        rows = [
            {
                "Task": view.titles.task(row.task),
                "Ranking": row.title,
                unit.score_heading("Area"): unit.with_interval(row.area, row.low, row.high),
                unit.difference_heading("Above random"): ""
                if row.ranking == RANDOM
                else unit.with_interval(row.above_random, row.above_random_low, row.above_random_high),
                "Rank": f"{row.rank_low} – {row.rank_high}",
            }
            for _, of_task in of_model.groupby("task", sort=False)
            for row in of_task.sort_values("area", ascending=False, kind="stable").itertuples()
        ]
        up_to = of_model["parameters"].dropna()
        ends = dict.fromkeys((percent(up_to.min()), percent(up_to.max())))
        removed = f"Up to {' to '.join(ends)} % of the parameters are removed."
        note = f"{NOTE} {removed} {pruning_finding(of_model)}"
        sections.append(Section(f"Pruning of {view.titles.model(model)}", note, pd.DataFrame(rows)))
    return sections


def pruning_finding(areas: pd.DataFrame) -> str:
    """Which ranking prunes one model best, over its tasks, in a sentence. areas: the model's rows."""
    task = MEAN if (areas["task"] == MEAN).any() else areas["task"].iloc[0]
    rows = areas[areas["task"] == task].sort_values("area", ascending=False, kind="stable")
    best = rows["title"][rows["rank_low"] == 1].tolist()
    if len(best) == 1:
        return f"Pruning by {best[0]} keeps the most of the score: its area is significantly the largest."
    return f"Which ranking prunes best is not decided: {listed(best)} are not told apart by their areas."


TABLES.register(
    Table(
        name="pruning",
        about="the score of each model without its least important sublayers, by ranking and number removed",
        make=lambda pruned: pruned.curves,
        sections=None,
        is_folded=True,
        part=Part.PRUNING,
        order=152,
    )
)
TABLES.register(
    Table(
        name="pruning_areas",
        about="which ranking prunes best: the area under each curve of the table `pruning`",
        make=lambda pruned: pruned.areas,
        sections=areas_sections,
        is_folded=False,
        part=Part.PRUNING,
        order=153,
    )
)
