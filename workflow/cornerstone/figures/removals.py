"""Removals: one model's values by zero and by mean against each other, a panel a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.captions import spread
from cornerstone.drawing.panels import titled_panels
from cornerstone.figures import FIGURES, WHAT_MATTERS, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

MOST_COLUMNS = 3
WIDEST = 3.0  # inches, of a single panel
NAMED = 3  # of a panel's sublayers of a positive value by zero, those of the largest
NAME_FONT = 6.5
ZERO = {"color": style.GREY, "linewidth": 0.5, "zorder": 1}
KEPT = {"color": "black", "linewidth": 0.7, "zorder": 1}
BESIDE = 0.03
"""Between a point and its name, of a panel's width."""
HALF = KEPT | {"linestyle": ":"}


def make_removals(rows: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw a panel a task: x the value by zero, y the value by mean. rows: of removals csv of one model."""
    unit = SCORES[rows["score"].iloc[0]].unit
    x_name, y_name = (unit.difference_heading(f"value by {name}") for name in ("zero", "mean"))
    handles = [
        *style.kind_handles(rows["kind"]),
        style.legend_line("the mean saves nothing", **KEPT),
        style.legend_line("the mean saves half", **HALF),
    ]
    columns = min(rows["task"].nunique(), MOST_COLUMNS)
    panels = titled_panels(rows, titles, y_name, x_name, handles, columns, WIDEST, height=None)
    for axes, of_task in panels.each(rows):
        _draw_points(axes, of_task, unit.factor)
    for axes in panels.axes.values():  # once all is drawn
        low, high = axes.get_xlim()
        axes.plot([low, high], [low, high], **KEPT)
        axes.plot([low, high], [low / 2, high / 2], **HALF)
        axes.set_xlim(low, high)
    for axes, of_task in panels.each(rows):
        axes.set_ylim(axes.get_ylim())  # fixed, for names stand where points are
        _name_largest(axes, of_task, unit.factor)
    return panels.figure


def _draw_points(axes: Axes, rows: pd.DataFrame, factor: int) -> None:
    axes.axhline(0, **ZERO)
    axes.axvline(0, **ZERO)
    for kind, points in rows.groupby("kind"):
        x, y = factor * points["value_zero"], factor * points["value_mean"]
        whiskers = {"color": KINDS[kind].edge, "alpha": 0.35, "linewidth": 0.6, "zorder": 2}
        axes.hlines(y, factor * points["value_zero_low"], factor * points["value_zero_high"], **whiskers)
        axes.vlines(x, factor * points["value_mean_low"], factor * points["value_mean_high"], **whiskers)
        look = {"markerfacecolor": KINDS[kind].colour, "markeredgecolor": KINDS[kind].edge}
        axes.plot(
            x, y, linestyle="", marker=KINDS[kind].marker, markersize=3, markeredgewidth=0.3, zorder=3, **look
        )


def _name_largest(axes: Axes, rows: pd.DataFrame, factor: int) -> None:
    """The labels of the largest by zero, apart from each other: left of their points, or right for want of room."""
    named = rows[rows["value_zero_low"] > 0].nlargest(NAMED, "value_zero")
    named = named.sort_values("value_mean", ascending=False)
    if named.empty:
        return
    points = factor * named[["value_zero", "value_mean"]].to_numpy()
    places = (axes.transData + axes.transAxes.inverted()).transform(points)
    width, height = axes.get_window_extent().size
    gap = 1.3 * NAME_FONT / style.POINTS * axes.figure.dpi / height
    heights = spread(places[:, 1] + gap, gap, gap / 2, 1 - gap / 2)
    line = {"arrowstyle": "-", "color": style.GREY, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
    for label, point, (across, _), at in zip(named["label"], points, places, heights, strict=True):
        is_left = style.text_width(label, NAME_FONT) * axes.figure.dpi / width < across - BESIDE
        x, side = (across - BESIDE, "right") if is_left else (across + BESIDE, "left")
        beside = {"transform": axes.transAxes, "fontsize": NAME_FONT, "ha": side, "va": "center"}
        axes.text(x, at, label, zorder=4, **beside)
        start = {"xytext": (x, at), "textcoords": axes.transAxes}
        axes.annotate("", xy=tuple(point), arrowprops=line, **start)


def _caption(context: Context) -> str:
    return (
        "Each sublayer's value where removing it takes all that it adds (by zero, along x) and where its mean over the "
        "calibration documents stays (by mean, along y), with 95 % intervals. Markers tell its "
        f"kind{context.looks}. On the line its mean saves nothing: what it contributes is computed from the input. "
        "Near zero along y its mean saves all: what it contributes is constant. "
        f"{context.values_from}{context.measured}."
    )


FIGURES.register(
    Figure(
        name="removals",
        about="values by zero and by mean: which sublayers contribute a constant",
        scope=Scope.MODEL,
        reads="removals/{model}/{task}.csv",
        needs_pairs=False,
        asked_by="compare_removals",
        settings=(),
        make=make_removals,
        title="Two removals of {model}",
        caption=_caption,
        category=WHAT_MATTERS,
        order=65,
    )
)
