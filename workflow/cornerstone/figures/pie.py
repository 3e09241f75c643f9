"""Pies (figure 2): each sublayer's share of the positive values, of one model or models × tasks.

Slices in model order, anticlockwise from the top; the largest are captioned beside the pie with a leader
line, spread so that no two captions meet. Under each pie stands what its largest slices hold together, and what
they would if all the values were noise.
"""

from __future__ import annotations

from math import cos, pi, radians, sin
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.captions import spread
from cornerstone.drawing.pie_grid import (
    CAPTION,
    CAPTION_FONT,
    HEADING_FONT,
    LEADER,
    NOTE_FONT,
    OVERHANG,
    PAD,
    RADIUS,
    Caption,
    Cell,
    Grid,
    cells_of,
    grid_of,
    heading_of,
    height_of,
    under_of,
)
from cornerstone.figures import BY_TASK, FIGURES, WHAT_MATTERS, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

WIDE = 6.0  # points of rim: slices that get a white edge


def make_pies(values: pd.DataFrame, titles: Titles, top_k: int = 3, captioned: int = 4) -> MplFigure:
    """Draw the pies of every model (a row each) and task (a column each) in `values`.

    values: rows of values csv; models and tasks are drawn in their order there. top_k: how many of a pie's
    largest slices are summed under it. captioned: how many of them get label and percent.
    """
    cells = cells_of(values, titles, top_k, captioned)
    grid = grid_of(cells, values, titles)
    figure = style.new_figure(grid.width, grid.height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, grid.width), ylim=(0, grid.height))
    axes.set_axis_off()
    for cell in cells:
        _draw_cell(axes, cell, grid)
    _draw_heads_and_legend(axes, values["kind"], grid)
    return figure


def _draw_cell(axes: Axes, cell: Cell, grid: Grid) -> None:
    from matplotlib.patches import Circle

    x, y = grid.x[cell.column], grid.y[cell.row]
    if cell.rows["share"].sum() > 0:
        _draw_slices(axes, cell.rows, x, y)
    else:
        axes.add_patch(
            Circle((x, y), RADIUS, fill=False, linestyle="--", linewidth=0.6, edgecolor=style.GREY)
        )
        axes.text(
            x, y, "no positive\nvalue", ha="center", va="center", fontsize=CAPTION_FONT, color=style.GREY
        )
    for left in (True, False):
        _draw_captions(axes, [caption for caption in cell.captions if caption.left == left], x, y)
    heading = heading_of(cell, grid.rooms[cell.column])
    under = {"ha": "center", "va": "top", "fontsize": NOTE_FONT, "color": style.GREY, "linespacing": 1.1}
    axes.text(x, y - RADIUS - OVERHANG - 0.02, under_of(cell, grid.rooms[cell.column]), **under)
    above = y + RADIUS + OVERHANG + 0.06
    axes.text(x, above, heading, ha="center", va="bottom", fontsize=HEADING_FONT, fontweight="bold")


def _draw_slices(axes: Axes, rows: pd.DataFrame, x: float, y: float) -> None:
    from matplotlib.patches import Wedge

    drawn = rows[rows["share"] > 0]
    ends = 90 + 360 * drawn["share"].cumsum().to_numpy()
    starts = np.concatenate([[90], ends[:-1]])
    # Shades alternate within mixers and within FFN or MoE.
    nth = drawn.groupby(drawn["kind"].map(lambda kind: KINDS[kind].group)).cumcount()
    for start, end, kind, n in zip(starts, ends, drawn["kind"], nth, strict=True):
        arc = (end - start) / 360 * 2 * pi * RADIUS * style.POINTS
        # White edges would hide narrow slices, and whiten the middle: those keep to their own colour, and lie
        # over the edges of the wide ones.
        shade = KINDS[kind].shades[n % 2]
        edge = (
            {"edgecolor": "white", "linewidth": 0.5} if arc > WIDE else {"edgecolor": shade, "linewidth": 0.1}
        )
        look = {"facecolor": shade, "zorder": 2 - arc / 1000, **edge}
        axes.add_patch(Wedge((x, y), RADIUS, start, end, **look))


def _draw_captions(axes: Axes, captions: list[Caption], x: float, y: float) -> None:
    """The captions on one side of a pie, from the top down, each with a line to the rim of its slice."""
    if not captions:
        return
    captions = sorted(captions, key=lambda caption: -sin(radians(caption.angle)))
    side = -1 if captions[0].left else 1
    targets = np.array([1.1 * RADIUS * sin(radians(caption.angle)) for caption in captions])
    limit = RADIUS + OVERHANG - CAPTION / 2
    for caption, height in zip(captions, spread(targets, CAPTION, -limit, limit), strict=True):
        angle = radians(caption.angle)
        rim, elbow = [(r * cos(angle), r * sin(angle)) for r in (0.97 * RADIUS, 1.1 * RADIUS)]
        end = (side * (RADIUS + LEADER), height)
        line = x + np.array([rim[0], elbow[0], end[0]]), y + np.array([rim[1], elbow[1], end[1]])
        axes.plot(*line, color=style.GREY, linewidth=0.5, zorder=3, solid_joinstyle="round")
        where = {"ha": "right" if side < 0 else "left", "va": "center", "linespacing": 1.1}
        axes.text(x + end[0] + side * 0.03, y + height, caption.text, fontsize=CAPTION_FONT, **where)


def _draw_heads_and_legend(axes: Axes, kinds: pd.Series, grid: Grid) -> None:
    upright = {"ha": "left", "va": "center", "rotation": 90, "multialignment": "center"}
    for y, head in zip(grid.y, grid.row_heads, strict=False):
        axes.text(PAD, y, head, fontsize=HEADING_FONT, fontweight="bold", **upright)
    title = {"ha": "center", "va": "top", "fontsize": HEADING_FONT + 1, "fontweight": "bold"}
    axes.text(grid.width / 2, grid.height - PAD, grid.title, **title)
    middle = grid.width / 2, 0.08 + height_of(grid.note)
    handles = style.kind_handles(kinds, patches=True)
    place = {"loc": "lower center", "bbox_to_anchor": middle, "bbox_transform": axes.transData}
    axes.legend(handles=handles, ncols=2, frameon=False, borderpad=0, borderaxespad=0, **place)
    axes.text(middle[0], 0.08, grid.note, ha="center", va="bottom", fontsize=NOTE_FONT, color=style.GREY)


def _caption(context: Context, ending: str) -> str:
    return (
        "Each slice is a sublayer's value over the sum of the positive values (negative ones count "
        "as 0), in model order, anticlockwise from the top; the largest are named. "
        f"{context.values_from}. Under each pie: what the largest hold together, and what "
        f"they would on average were all values noise{ending}"
    )


SHARES = {
    "reads": "values/{model}/{task}.csv",
    "needs_pairs": False,
    "settings": ("top_k",),
    "make": make_pies,
}
FIGURES.register(
    Figure(
        name="pie_all",
        about="figure 2 of the paper: the sublayers' shares, models × tasks",
        scope=Scope.STUDY,
        title="Shares of all models",
        caption=lambda context: _caption(context, ". Rows are models, columns tasks."),
        category=WHAT_MATTERS,
        order=20,
        **SHARES,
    )
)
FIGURES.register(
    Figure(
        name="pie",
        about="the sublayers' shares of one model, a pie a task",
        scope=Scope.MODEL,
        title="Shares of {model}",
        caption=lambda context: _caption(context, f"{context.measured}."),
        category=BY_TASK,
        order=40,
        **SHARES,
    )
)
