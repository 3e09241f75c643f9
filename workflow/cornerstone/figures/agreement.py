"""Agreement: one model's effects of single removals in two scores against each other, a panel a task.

Both axes are linear near zero and logarithmic beyond, as most effects are small and a few are not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

from cornerstone.figures import style
from cornerstone.figures.panels import Panels, titled_panels
from cornerstone.figures.pie import spread
from cornerstone.models.kinds import KINDS
from cornerstone.statistics.ranks import spearman
from cornerstone.tables.results import Titles
from cornerstone.values.agreement import YARDSTICK, compared_with
from cornerstone.values.units import unit_of

NAMED = 4  # of a panel's unseen sublayers, those of the largest fall
NAME_FONT = 6.5
MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel
CROWDED = 24  # so many sublayers have whiskers that are well seen; those of more are paler
LINEAR = {"acc": 1.0, "acc_norm": 1.0, "logprob": 0.01, "margin": 0.1}
"""Up to here the axis of a score is linear, in its unit."""
MOST_TICKS = 6
MARGIN = "margin"
ZERO = {"color": style.GREY, "linewidth": 0.5, "zorder": 1}


def draw_agreement(agreement: pd.DataFrame, output: Path, titles: Titles) -> None:
    """Draw a panel a task: x the effect of a removal on the study's score, y that on the log-probability.

    agreement: rows of agreement csv of one model. Rings and names are of sublayers that the study's score shows
    no loss for while the log-probability surely fell. Raises CornerstoneError for an unknown ending.
    """
    style.save(lambda: make_agreement(agreement, titles), output)


def make_agreement(agreement: pd.DataFrame, titles: Titles) -> Figure:
    """The figure that `draw_agreement` saves."""
    pairs = pd.concat([_side_by_side(rows) for _, rows in agreement.groupby("task", sort=False)])
    unit = unit_of(pairs["score"].iloc[0])
    notes = {task: _note(rows) for task, rows in pairs.groupby("task", sort=False)}
    name = MARGIN if pairs["score"].iloc[0] == MARGIN else "accuracy"
    x_name, y_name = f"effect on the {name} ({unit.of_differences})", "effect on the log-probability (nats)"
    columns = min(pairs["task"].nunique(), MOST_COLUMNS)
    handles = [*style.kind_handles(pairs["kind"]), _ring_handle(name)]
    panels = titled_panels(pairs, titles, y_name, x_name, handles, columns, WIDEST, notes)
    for axes, rows in panels.each(pairs):
        _scale(axes, rows["score"].iloc[0])
        _draw_points(axes, rows, unit.factor, panels)
    for axes, rows in panels.each(pairs):  # once the scales are known
        _name_unseen(axes, rows, unit.factor, panels)
    return panels.figure


def _side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per sublayer: the compared score's columns, and the log-probability's as y, y_low, y_high."""
    compared = rows[rows["score"] == compared_with(rows)]
    yardstick = rows[rows["score"] == YARDSTICK]
    names = {"effect": "y", "low": "y_low", "high": "y_high"}
    return compared.merge(yardstick[["sublayer", *names]].rename(columns=names), on="sublayer")


def _note(rows: pd.DataFrame) -> str:
    correlation = spearman(rows["effect"].to_numpy(), rows["y"].to_numpy())
    told = "" if np.isnan(correlation) else f", rank correlation {correlation:.2f}".replace("-", "−")
    return f"{rows['score'].iloc[0]}{told}"


def _scale(axes: Axes, score: str) -> None:
    axes.set_xscale("symlog", linthresh=LINEAR[score])
    axes.set_yscale("symlog", linthresh=LINEAR[YARDSTICK])
    for axis, linear in ((axes.xaxis, LINEAR[score]), (axes.yaxis, LINEAR[YARDSTICK])):
        ticks = SymmetricalLogLocator(base=10, linthresh=linear, subs=[1.0])
        ticks.set_params(numticks=MOST_TICKS)
        axis.set_major_locator(ticks)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.axhline(0, **ZERO)
    axes.axvline(0, **ZERO)


def _draw_points(axes: Axes, rows: pd.DataFrame, factor: int, panels: Panels) -> None:
    size = max(1.8, min(4.0, 1.6 * panels.pitch(rows) ** 0.5))
    alpha = 0.35 * min(1.0, (CROWDED / len(rows)) ** 0.5)
    for kind, points in rows.groupby("kind"):
        x, y = factor * points["effect"], points["y"]
        edge = KINDS[kind].edge
        whiskers = {"color": edge, "alpha": alpha, "linewidth": 0.2 * size, "zorder": 2}
        axes.hlines(y, factor * points["low"], factor * points["high"], **whiskers)
        axes.vlines(x, points["y_low"], points["y_high"], **whiskers)
        look = {"marker": KINDS[kind].marker, "markerfacecolor": KINDS[kind].colour, "markeredgecolor": edge}
        axes.plot(x, y, linestyle="", markersize=size, markeredgewidth=0.3, zorder=3, **look)
    unseen = rows[rows["unseen"]]
    axes.plot(factor * unseen["effect"], unseen["y"], markersize=2.2 * size, zorder=4, **RING)


def _name_unseen(axes: Axes, rows: pd.DataFrame, factor: int, panels: Panels) -> None:
    """The labels of the unseen sublayers of the largest fall, in a column at the left with lines to their rings."""
    named = rows[rows["unseen"]].nlargest(NAMED, "y")
    if named.empty:
        return
    to_part = axes.transData + axes.transAxes.inverted()
    ends = to_part.transform(np.column_stack([factor * named["effect"], named["y"]]))
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
            arrowprops={"arrowstyle": "-", "color": style.GREY, "linewidth": 0.4, "shrinkB": 3, "shrinkA": 0},
        )


RING = {
    "linestyle": "",
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
}


def _ring_handle(name: str) -> Line2D:
    return Line2D([], [], label=f"loss that the {name} does not see", markersize=6, **RING)
