"""Pruning curves: the score against how much of the model is removed, a panel a task, a line a ranking."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import titled_panels
from cornerstone.figures import FIGURES, TOGETHER, Context, Figure, Scope
from cornerstone.scores import SCORES
from cornerstone.shapley.removal_orders import RANDOM
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
RANDOM_LOOK = {"color": "#8C8C8C", "linestyle": "--", "marker": "", "zorder": 1}
OF_PARAMETERS, OF_OPERATIONS = "parameters", "operations"


def make_pruning(curves: pd.DataFrame, titles: Titles, *, along: str) -> MplFigure:
    """Draw one model's pruning curves with their 95 % intervals.

    curves: rows of pruning csv of one model. along: the column of the horizontal axis.
    """
    unit = SCORES[curves["score"].iloc[0]].unit
    looks = _looks(curves)
    handles = [style.legend_line(title, markersize=3, linewidth=1, **look) for title, look in looks.items()]
    columns = min(curves["task"].nunique(), MOST_COLUMNS)
    names = unit.score_heading("score"), f"{along} removed (%)"
    panels = titled_panels(curves, titles, *names, handles, columns, WIDEST)
    for axes, rows in panels.each(curves):
        for title, of_one in rows.groupby("title", sort=False):
            _draw_line(axes, of_one, along, unit.factor, looks[title])
    return panels.figure


def _looks(curves: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By the rankings' titles; the random order is grey and comes last."""
    titles = curves[["ranking", "title"]].drop_duplicates()
    titles = titles.sort_values("ranking", key=lambda names: names == RANDOM, kind="stable")
    return {
        row.title: RANDOM_LOOK
        if row.ranking == RANDOM
        else {
            "color": style.PALETTE[n % len(style.PALETTE)],
            "linestyle": "-",
            "marker": MARKERS[n % len(MARKERS)],
            "zorder": 3,
        }
        for n, row in enumerate(titles.itertuples())
    }


def _draw_line(axes: Axes, rows: pd.DataFrame, along: str, factor: int, look: dict[str, Any]) -> None:
    x, every = 100 * rows[along], max(1, len(rows) // 12)
    axes.plot(x, factor * rows["value"], markersize=3, linewidth=1, markevery=every, **look)
    axes.fill_between(
        x, factor * rows["low"], factor * rows["high"], color=look["color"], alpha=0.1, linewidth=0
    )


def _caption(context: Context, along: str) -> str:
    of_operations = " The operations are those of one token." if along == OF_OPERATIONS else ""
    return (
        f"The score of the model when sublayers are removed together, the least important first, against the {along} "
        "that are gone. Each line is a ranking; the higher it stays, the better the ranking prunes. Each ranking was "
        "found on one half of the documents and scored on the other, crossed. Bands: 95 % intervals over documents. "
        f"Grey: the mean of random orders.{of_operations}"
    )


for _place, _along, _name in ((82, OF_PARAMETERS, "pruning"), (84, OF_OPERATIONS, "pruningoperations")):
    FIGURES.register(
        Figure(
            name=_name,
            about=f"the score when the least important sublayers are removed, against the {_along} that are gone",
            scope=Scope.MODEL,
            reads="pruning/{model}/{task}.csv",
            needs_pairs=False,
            asked_by="pruning",
            settings=(),
            make=partial(make_pruning, along=_along),
            title=f"Pruning of {{model}}, by {_along}",
            caption=partial(_caption, along=_along),
            category=TOGETHER,
            order=_place,
        )
    )
