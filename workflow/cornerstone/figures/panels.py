"""A figure of one model with a panel per task: sublayers along x, one scale of y for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cornerstone.figures import style
from cornerstone.tables import Titles

TOP = 0.3  # inches, like every length here: above the panels, for the model's title
BOTTOM = 0.75  # for the numbers and name of x, and a legend of up to two lines
LEGEND_LINE = 0.15
LEGEND_COLUMN = 1.1
LEFT = 0.62
RIGHT = 0.1
GAP_X = 0.18
HEAD = 0.2  # a line of a panel's title
NOTE = 0.15  # a line between title and panel
PANEL_HEIGHT = 1.3


@dataclass(frozen=True)
class Panels:
    """The figure, a panel for each task by its name, and the width of a panel in inches."""

    figure: Figure
    axes: dict[str, Axes]
    width: float

    def each(self, rows: pd.DataFrame) -> Iterator[tuple[Axes, pd.DataFrame]]:
        """Every panel with its task's rows."""
        for task, of_task in rows.groupby("task", sort=False):
            yield self.axes[task], of_task

    def pitch(self, rows: pd.DataFrame) -> float:
        """Points from one sublayer to the next along x."""
        return self.width * style.POINTS / (len(rows) + 1)


def task_panels(rows: pd.DataFrame, titles: Titles, y_name: str, x_name: str, handles: list) -> Panels:
    """Empty panels for one model's rows (columns model, task, label) with the sublayers along x, in blocks."""
    labels = list(rows["label"].unique())
    narrow = max(2.6, 0.1 * len(labels))  # of a single task
    panels = titled_panels(
        rows,
        titles,
        y_name,
        x_name,
        handles,
        style.panel_columns(rows["task"].nunique(), len(labels)),
        narrow,
    )
    for axes in panels.axes.values():
        _number_blocks(axes, labels, panels.width)
    return panels


def titled_panels(
    rows: pd.DataFrame,
    titles: Titles,
    y_name: str,
    x_name: str,
    handles: list,
    columns: int,
    widest: float = inf,
    notes: Mapping[str, str] | None = None,
) -> Panels:
    """Empty panels for one model's rows (columns model, task), titled and with the axes named.

    handles: entries of the legend under the panels, which is in as many columns as the figure is wide. widest: inches
    of the panel of a single task. notes: by task, what stands under its title.
    """
    tasks = list(rows["task"].unique())
    width = (style.WIDTH - LEFT - RIGHT - (columns - 1) * GAP_X) / columns
    if len(tasks) == 1:
        width = min(width, widest)
    heads = {task: style.wrapped(titles.task(task), width, style.FONT, "bold") for task in tasks}
    panels = _empty_panels(
        tasks, heads, columns, width, titles.model(rows["model"].iloc[0]), handles, notes or {}
    )
    for n, axes in enumerate(panels.axes.values()):
        in_last_row = n + columns >= len(tasks)
        axes.tick_params(labelleft=n % columns == 0)
        axes.set_xlabel(x_name if in_last_row else "")
    panels.figure.supylabel(y_name, fontsize=style.FONT, x=0.06 / panels.figure.get_figwidth(), ha="left")
    seaborn.despine(panels.figure)
    return panels


def _empty_panels(
    tasks: list[str],
    heads: dict[str, str],
    columns: int,
    width: float,
    title: str,
    handles: list,
    notes: Mapping[str, str],
) -> Panels:
    n_rows = ceil(len(tasks) / columns)
    head = HEAD * max(text.count("\n") + 1 for text in heads.values()) + (NOTE if notes else 0)
    pitch = PANEL_HEIGHT + head + 0.25
    figure_width = LEFT + RIGHT + columns * width + (columns - 1) * GAP_X
    title = style.wrapped(title, figure_width - 0.2, style.FONT + 1, "bold")
    top = TOP + 0.16 * title.count("\n")
    legend_columns = min(len(handles), max(1, int(figure_width / LEGEND_COLUMN)))
    bottom = BOTTOM + LEGEND_LINE * max(0, ceil(len(handles) / legend_columns) - 2)
    height = top + head + PANEL_HEIGHT + (n_rows - 1) * pitch + bottom
    figure = style.new_figure(figure_width, height)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "ncols": legend_columns}
    figure.legend(handles=handles, frameon=False, **place)
    figure.text(
        0.5, 1 - 0.08 / height, title, ha="center", va="top", fontsize=style.FONT + 1, fontweight="bold"
    )
    made: dict[str, Axes] = {}
    for n, task in enumerate(tasks):
        row, column = divmod(n, columns)
        left, low = LEFT + column * (width + GAP_X), height - top - head - PANEL_HEIGHT - row * pitch
        place = (left / figure_width, low / height, width / figure_width, PANEL_HEIGHT / height)
        first = next(iter(made.values()), None)
        made[task] = figure.add_axes(place, sharex=first, sharey=first)
        made[task].set_title(heads[task], fontweight="bold", pad=4 + (NOTE * style.POINTS if notes else 0))
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
        made[task].annotate(notes.get(task, ""), (0.5, 1), xytext=(0, 4), fontsize=style.FONT - 1, **place)
    return Panels(figure, made, width)


def _number_blocks(axes: Axes, labels: list[str], width: float) -> None:
    """Number the blocks along x: every one, every 2nd, 5th, … so that the numbers stand apart.

    Sublayers stand at 0, 1, 2, …; a block's number stands under the middle of its sublayers.
    """
    blocks = np.array([int(label.split()[1]) for label in labels])
    numbers = np.unique(blocks)
    room = width / (style.text_width(str(numbers.max()), style.FONT - 1) + 0.08)
    step = next(n for n in (1, 2, 4, 5, 8, 10, 20, 40, 50, 100, 200, 500) if len(numbers) / n <= room)
    places = [np.flatnonzero(blocks == number).mean() for number in numbers[::step]]
    axes.set_xticks(places, [str(number) for number in numbers[::step]])
    axes.set_xlim(-1, len(labels))
