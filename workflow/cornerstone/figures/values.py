"""Values (figure 6): bars of the signed values, a panel a task, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import Panels, task_panels
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

HATCH_FROM = 4.0  # points: narrower bars have no room for a hatch and rely on lightness


def make_values(values: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw one model's signed values as bars with whiskers (95 % intervals), a panel a task.

    values: rows of values csv of one model.
    """
    score = SCORES[values["score"].iloc[0]]
    unit = score.unit
    handles = style.kind_handles(values["kind"], patches=True)
    panels = task_panels(values, titles, f"value ({unit.of_values})", "block of the sublayer", handles)
    for axes, rows in panels.each(values):
        _draw_panel(axes, rows, panels)
    for axes in panels.axes.values():
        style.keep_within(axes, -unit.factor * score.reach, unit.factor * score.reach)
    return panels.figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, panels: Panels) -> None:
    axes.axhline(0, color=style.GREY, linewidth=0.5, zorder=1)
    pitch, factor = panels.pitch(rows), SCORES[rows["score"].iloc[0]].unit.factor
    for kind, bars in rows.groupby("kind"):
        hatch = KINDS[kind].hatch if pitch >= HATCH_FROM else None
        look = {"facecolor": KINDS[kind].colour, "edgecolor": KINDS[kind].edge}
        width = {"width": 0.8, "linewidth": 0.3 if pitch >= HATCH_FROM else 0}
        axes.bar(bars["sublayer"], factor * bars["value"], hatch=hatch, **look, **width)
    whiskers = {"color": "#1A1A1A", "alpha": 0.7, "linewidth": min(0.7, 0.25 * pitch)}
    axes.vlines(rows["sublayer"], factor * rows["low"], factor * rows["high"], zorder=3, **whiskers)


def _caption(context: Context) -> str:
    return (
        f"Signed values in {context.score.unit.of_values}, with 95 % intervals. Below zero: the model scored "
        f"better without the sublayer. {context.values_from}{context.measured}."
    )


FIGURES.register(
    Figure(
        name="values",
        about="figure 6 of the paper: signed values",
        scope=Scope.MODEL,
        reads="values/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_values,
        title="Values of {model}",
        caption=_caption,
        category=HOW_SURELY,
        order=60,
    )
)
