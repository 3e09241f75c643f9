"""Effects of single removals by two scores against each other: a point a sublayer, with rings and names for some.

Both axes are linear near zero and logarithmic beyond, as most effects are small and a few are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.captions import spread
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 4  # of the ringed points
NAME_FONT = 6.5
NAMES_TAKE = 0.22  # of the width of a panel
CROWDED = 24  # so many sublayers have whiskers that are well seen; those of more are paler
MOST_TICKS = 6
ZERO = {"color": style.GREY, "linewidth": 0.5, "zorder": 1}
RING = {
    "linestyle": "",
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
}


def scale(axes: Axes, of_x: Score, of_y: Score) -> None:
    """Axes for effects by two scores, with lines of no effect."""
    from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

    axes.set_xscale("symlog", linthresh=of_x.linear_up_to)
    axes.set_yscale("symlog", linthresh=of_y.linear_up_to)
    for axis, score in ((axes.xaxis, of_x), (axes.yaxis, of_y)):
        ticks = SymmetricalLogLocator(base=10, linthresh=score.linear_up_to, subs=[1.0])
        ticks.set_params(numticks=MOST_TICKS)
        axis.set_major_locator(ticks)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.axhline(0, **ZERO)
    axes.axvline(0, **ZERO)


def make_room_for_names(axes: Axes, rows: pd.DataFrame) -> None:
    """Move the left end of x so far out that none of these points stands where `name_points` writes."""
    if rows.empty:
        return
    scaled = axes.xaxis.get_transform()
    ends, first = scaled.transform(axes.get_xlim()), scaled.transform([rows["x"].min()])[0]
    left = (first - NAMES_TAKE * ends[1]) / (1 - NAMES_TAKE)
    axes.set_xlim(left=scaled.inverted().transform([min(ends[0], left)])[0])


def keep_to_scores(axes: Axes, of_x: Score, of_y: Score) -> None:
    """End the axes, once all is drawn, where differences of the scores end; without a number at the left end of x,
    which would meet the one at the right end of the panel beside."""
    for along, each in (("x", of_x), ("y", of_y)):
        style.keep_within(axes, -each.unit.factor * each.reach, each.unit.factor * each.reach, along)
    to_part = axes.transData + axes.transAxes.inverted()
    places = {tick: to_part.transform((tick, 0))[0] for tick in axes.get_xticks()}
    axes.set_xticks([tick for tick, place in places.items() if 0.05 < place <= 1])


def along(axis: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with effect, low and high as x, x_low, x_high (or y, …), as the units of their scores write them."""
    factor = rows["score"].map(lambda name: SCORES[name].unit.factor).astype(float)  # of no rows it is text
    names = {"effect": axis, "low": f"{axis}_low", "high": f"{axis}_high"}
    return rows.assign(**{new: factor * rows[old] for old, new in names.items()})


def draw_points(axes: Axes, rows: pd.DataFrame, size: float) -> None:
    """Markers with whiskers. rows: kind, x, x_low, x_high, y, y_low, y_high. size: of a marker in points."""
    alpha = 0.35 * min(1.0, (CROWDED / len(rows)) ** 0.5)
    for kind, points in rows.groupby("kind"):
        edge = KINDS[kind].edge
        whiskers = {"color": edge, "alpha": alpha, "linewidth": 0.2 * size, "zorder": 2}
        axes.hlines(points["y"], points["x_low"], points["x_high"], **whiskers)
        axes.vlines(points["x"], points["y_low"], points["y_high"], **whiskers)
        look = {"marker": KINDS[kind].marker, "markerfacecolor": KINDS[kind].colour, "markeredgecolor": edge}
        axes.plot(
            points["x"],
            points["y"],
            linestyle="",
            markersize=size,
            markeredgewidth=0.3,
            zorder=3,
            clip_on=False,
            **look,
        )


def marker_size(pitch: float) -> float:
    """Of a marker in points, where sublayers would stand so many points apart along x."""
    return max(1.8, min(4.0, 1.6 * pitch**0.5))


def ring(axes: Axes, rows: pd.DataFrame, size: float, **look: object) -> None:
    """Rings around these points."""
    axes.plot(rows["x"], rows["y"], markersize=2.2 * size, zorder=4, clip_on=False, **RING | look)


def name_points(axes: Axes, rows: pd.DataFrame) -> None:
    """The labels of these points in a column at the left, with lines to them."""
    if rows.empty:
        return
    named = rows.sort_values("y", ascending=False, kind="stable")
    to_part = axes.transData + axes.transAxes.inverted()
    ends = to_part.transform(np.column_stack([named["x"], named["y"]]))
    _, height = axes.get_window_extent().size
    gap = 1.3 * NAME_FONT / style.POINTS * axes.figure.dpi / height
    heights = spread(ends[:, 1], gap, gap / 2, 1 - gap / 2)
    for label, end, at in zip(named["label"], ends, heights, strict=True):
        axes.annotate(
            label,
            xy=end,
            xytext=(0.02, at),
            xycoords=axes.transAxes,
            textcoords=axes.transAxes,
            fontsize=NAME_FONT,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.4, "shrinkB": 3, "shrinkA": 0},
        )
