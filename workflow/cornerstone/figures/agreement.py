"""Agreement: one model's effects of single removals in two scores against each other, a panel a task.

Both axes are linear near zero and logarithmic beyond, as most effects are small and a few are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.captions import spread
from cornerstone.drawing.panels import Panels, titled_panels
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES, yardstick
from cornerstone.statistics.ranks import spearman
from cornerstone.values.agreement import compared_with
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

NAMED = 4  # of a panel's unseen sublayers, those of the largest fall
NAME_FONT = 6.5
MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel
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


def make_agreement(agreement: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw a panel a task: x the effect of a removal on the study's score, y that on the log-probability.

    agreement: rows of agreement csv of one model. Rings and names are of sublayers that the study's score shows
    no loss for while the log-probability surely fell.
    """
    pairs = pd.concat([_side_by_side(rows) for _, rows in agreement.groupby("task", sort=False)])
    score = SCORES[pairs["score"].iloc[0]]
    unit, name = score.unit, score.noun
    notes = {task: _note(rows) for task, rows in pairs.groupby("task", sort=False)}
    x_name, y_name = (
        each.unit.difference_heading(f"effect on the {each.noun}") for each in (score, yardstick())
    )
    columns = min(pairs["task"].nunique(), MOST_COLUMNS)
    handles = [
        *style.kind_handles(pairs["kind"]),
        style.legend_line(f"loss that the {name} does not see", **RING | {"markersize": 6}),
    ]
    panels = titled_panels(pairs, titles, y_name, x_name, handles, columns, WIDEST, notes)
    for axes, rows in panels.each(pairs):
        _scale(axes, rows["score"].iloc[0])
        _draw_points(axes, rows, unit.factor, panels)
    for axes, rows in panels.each(pairs):  # once all is drawn
        for along, each in (("x", score), ("y", yardstick())):
            style.keep_within(axes, -each.unit.factor * each.reach, each.unit.factor * each.reach, along)
        _clear_left_end(axes)
        _name_unseen(axes, rows, unit.factor, panels)
    return panels.figure


def _side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per sublayer: the compared score's columns, and the log-probability's as y, y_low, y_high."""
    compared = rows[rows["score"] == compared_with(rows)]
    beside = rows[rows["score"] == yardstick().name]
    names = {"effect": "y", "low": "y_low", "high": "y_high"}
    return compared.merge(beside[["sublayer", *names]].rename(columns=names), on="sublayer")


def _note(rows: pd.DataFrame) -> str:
    correlation = spearman(rows["effect"].to_numpy(), rows["y"].to_numpy())
    ending = "" if np.isnan(correlation) else f", rank correlation {correlation:.2f}".replace("-", "−")
    return f"{rows['score'].iloc[0]}{ending}"


def _scale(axes: Axes, score: str) -> None:
    from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

    linear_x, linear_y = SCORES[score].linear_up_to, yardstick().linear_up_to
    axes.set_xscale("symlog", linthresh=linear_x)
    axes.set_yscale("symlog", linthresh=linear_y)
    for axis, linear in ((axes.xaxis, linear_x), (axes.yaxis, linear_y)):
        ticks = SymmetricalLogLocator(base=10, linthresh=linear, subs=[1.0])
        ticks.set_params(numticks=MOST_TICKS)
        axis.set_major_locator(ticks)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.axhline(0, **ZERO)
    axes.axvline(0, **ZERO)


def _clear_left_end(axes: Axes) -> None:
    """Leave out a number at the left end of x: it would meet the one at the right end of the panel beside."""
    to_part = axes.transData + axes.transAxes.inverted()
    places = {tick: to_part.transform((tick, 0))[0] for tick in axes.get_xticks()}
    axes.set_xticks([tick for tick, place in places.items() if 0.05 < place <= 1])


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


def _caption(context: Context) -> str:
    return (
        "What removing one sublayer costs in the study's score (along x; an accuracy where the study's score is the "
        "log-probability), and in the log-probability of the gold choice (along y), with 95 % intervals. Markers tell "
        f"its kind{context.looks}. Both axes are linear near zero and logarithmic beyond. "
        "Ringed: the score's interval tells no loss, but the log-probability surely fell (Holm over sublayers)."
    )


FIGURES.register(
    Figure(
        name="agreement",
        about="effects by the score and by the log-probability, and what only the latter shows",
        scope=Scope.MODEL,
        reads="agreement/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_agreement,
        title="Two scores of {model}",
        caption=_caption,
        category=HOW_SURELY,
        asked_by="scored_tasks",
        order=70,
    )
)
