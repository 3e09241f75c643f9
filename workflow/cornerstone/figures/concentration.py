"""Concentration: how much of the positive values the largest sublayers hold together, a line a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.figures import BY_TASK, FIGURES, Context, Figure, Scope
from cornerstone.system.text import listed
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.lines import Line2D

WIDTH, HEIGHT = 5.2, 3.0  # inches of the panel with its numbers and names
LEFT, RIGHT, TOP, BOTTOM = 0.6, 0.15, 0.35, 0.45
LEGEND_LINE = 0.17
NOTE_LINE, NOTE_FONT = 0.13, 6.5  # inches and points: tasks without shares, under the legend
NONE = "No value is positive on any task:\nthere is nothing to share out."
MOST_NAMED = 10  # tasks: of more, the lines are alike and the mean is named
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
NULL = {"color": "#BDBDBD", "alpha": 0.6, "linewidth": 1}  # a line where there is a single task


def make_concentration(values: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw one model's cumulative shares: x how many of the largest sublayers, y what they hold together.

    values: rows of values csv of one model. A task without a positive value has nothing to share out, and no line: it
    is named below, and where there is no other the panel says so.
    """
    by_task = dict(list(values.groupby("task", sort=False)))
    there = {task: rows for task, rows in by_task.items() if (rows["share"] > 0).any()}
    held = {task: _cumulative(rows, "share") for task, rows in there.items()}
    null = np.array([_cumulative(rows, "null_share") for rows in there.values()])
    entries = _entries(held, titles)
    without = _without_shares([titles.task(task) for task in by_task if task not in there] if there else [])
    columns = 2 if len(entries) > 3 else 1
    below = NOTE_LINE * (without.count("\n") + 1) if without else 0.0
    legend = below + (LEGEND_LINE * -(-(len(entries) + 1) // columns) if there else 0.0)
    figure = style.new_figure(WIDTH, HEIGHT + legend)
    figure.text(0.5, 0.05 / (HEIGHT + legend), without, ha="center", va="bottom", fontsize=NOTE_FONT)
    place = (LEFT / WIDTH, (BOTTOM + legend) / (HEIGHT + legend))
    size = ((WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - BOTTOM - TOP) / (HEIGHT + legend))
    axes = figure.add_axes((*place, *size))
    n_sublayers = int(values["rank"].max())
    _finish(axes, titles, values["model"].iloc[0], n_sublayers)
    if not there:
        axes.text(0.5, 0.5, NONE, transform=axes.transAxes, ha="center", va="center", color=style.GREY)
        return figure
    ranks = np.arange(1, n_sublayers + 1)
    name = "null share" + (" (range over tasks)" if len(null) > 1 else "")
    band = axes.fill_between(ranks, *_range(null), label=name, **NULL)
    for _, shares, look in entries:
        axes.plot(ranks, 100 * shares, **look)
    handles = [band, *(_handle(name, look) for name, _, look in entries)]
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, below / (HEIGHT + legend)), "ncols": columns}
    figure.legend(handles=handles, frameon=False, **place)
    return figure


def _without_shares(tasks: list[str]) -> str:
    """What is said of these tasks, in lines; nothing where there are none."""
    if not tasks:
        return ""
    return style.wrapped(
        f"No value is positive, so there are no shares: {listed(tasks)}.", WIDTH - 0.3, NOTE_FONT
    )


def _cumulative(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Shares by rank added up, shape (sublayers,)."""
    return rows.sort_values("rank")[column].to_numpy().cumsum()


def _range(null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most over tasks in percent, from shape (tasks, sublayers)."""
    return 100 * null.min(axis=0), 100 * null.max(axis=0)


def _entries(held: dict[str, np.ndarray], titles: Titles) -> list[tuple[str, np.ndarray, dict]]:
    """The legend's words, the line and its look: of each task, or of all tasks alike and their mean."""
    import seaborn

    if len(held) > MOST_NAMED:
        thin = {"color": "#8C8C8C", "linewidth": 0.5, "alpha": 0.7}
        of_all = np.array([*held.values()]).T  # one call draws a line per column
        mean = of_all.mean(axis=1), {"color": "black", "linewidth": 1.5}
        return [(f"each of {len(held)} tasks", of_all, thin), ("mean over tasks", *mean)]
    colours = seaborn.color_palette("colorblind", max(1, len(held)))
    entries = []
    for n, (task, shares) in enumerate(held.items()):
        every = max(1, len(shares) // 12)
        look = {"color": colours[n], "linestyle": LINES[n % len(LINES)], "marker": MARKERS[n]}
        look |= {"markersize": 3, "linewidth": 1, "markevery": every}
        entries.append((titles.task(task), shares, look))
    return entries


def _handle(name: str, look: dict) -> Line2D:
    return style.legend_line(name, **{key: value for key, value in look.items() if key != "markevery"})


def _finish(axes: Axes, titles: Titles, model: str, n_sublayers: int) -> None:
    import seaborn
    from matplotlib.ticker import MaxNLocator

    axes.set_title(style.wrapped(titles.model(model), WIDTH - 0.4, style.FONT + 1, "bold"), fontweight="bold")
    axes.set_xlabel(titles.of_players("largest sublayers of the task, taken together"))
    axes.set_ylabel("share of the positive values (%)")
    axes.set_xlim(0.5, n_sublayers + 0.5)
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    seaborn.despine(axes.figure)


def _caption(context: Context) -> str:
    return (
        "What the largest sublayers of each task hold together of the sum of the positive values. A line that rises "
        "fast at the left is a model in which few sublayers matter. Grey: what the largest would hold if all values "
        f"were noise; lines near it tell nothing. {context.values_from}{context.measured}."
    )


FIGURES.register(
    Figure(
        name="concentration",
        about="how much the largest sublayers hold together, a line a task",
        scope=Scope.MODEL,
        reads="values/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_concentration,
        title="Concentration of {model}",
        caption=_caption,
        category=BY_TASK,
        order=45,
    )
)
