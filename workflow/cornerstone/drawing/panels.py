"""A figure of one model with a panel per task: sublayers along x, one scale of y for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.models.kinds import block_told_by
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOP = 0.3  # inches, like every length here: above the panels, for the model's title
BOTTOM = 0.75  # for the numbers and name of x, and a legend of up to two lines
LEGEND_LINE = 0.15
LEGEND_COLUMN = 1.1
LEGEND_KEY = 0.5  # line, marker and the space around a legend's entry
LEFT = 0.62
RIGHT = 0.1
GAP_X = 0.18
HEAD = 0.2  # a line of a panel's title
NOTE = 0.15  # a line between title and panel
PANEL_HEIGHT = 1.3
NAME_APART = 0.13
"""Of two names of players along an axis."""
NAME_LENGTH = 1.2
"""The end of a longer one is left out."""


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
        below=room_for_names(labels),
    )
    for axes in panels.axes.values():
        number_blocks(axes, labels, panels.width)
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
    height: float | None = PANEL_HEIGHT,
    left: float = LEFT,
    below: float = 0.0,
) -> Panels:
    """Empty panels for one model's rows (columns model, task), titled and with the axes named.

    handles: entries of the legend under the panels, which is in as many columns as the figure is wide. widest: inches
    of the panel of a single task. notes: by task, what stands under its title. height: of a panel; None for squares.
    left: room for the names along y. below: more room than numbers take along x, under each panel. x_name, y_name: of
    the axes, said of sublayers ("block of the sublayer", or "block" for short).
    """
    x_name, y_name = (_of_players(name, titles) for name in (x_name, y_name))

    tasks = list(rows["task"].unique())
    width = (style.WIDTH - left - RIGHT - (columns - 1) * GAP_X) / columns
    if len(tasks) == 1:
        width = min(width, widest)
    heads = {task: style.wrapped(titles.task(task), width, style.FONT, "bold") for task in tasks}
    title, size = titles.model(rows["model"].iloc[0]), (width, width if height is None else height)
    panels = _empty_panels(tasks, heads, columns, size, (left, below), title, handles, notes or {})
    for n, axes in enumerate(panels.axes.values()):
        in_last_row = n + columns >= len(tasks)
        axes.tick_params(labelleft=n % columns == 0)
        axes.set_xlabel(x_name if in_last_row else "")
    panels.figure.supylabel(y_name, fontsize=style.FONT, x=0.06 / panels.figure.get_figwidth(), ha="left")
    style.without_box(panels.figure)
    return panels


def _empty_panels(
    tasks: list[str],
    heads: dict[str, str],
    columns: int,
    size: tuple[float, float],
    rooms: tuple[float, float],
    title: str,
    handles: list,
    notes: Mapping[str, str],
) -> Panels:
    n_rows = ceil(len(tasks) / columns)
    (width, panel_height), (left_room, below) = size, rooms
    head = HEAD * max(text.count("\n") + 1 for text in heads.values()) + (NOTE if notes else 0)
    pitch = panel_height + head + 0.25 + below
    figure_width = left_room + RIGHT + columns * width + (columns - 1) * GAP_X
    title = style.wrapped(title, figure_width - 0.2, style.FONT + 1, "bold")
    top = TOP + 0.16 * title.count("\n")
    legend_columns = max(1, min(len(handles), int(figure_width / _legend_column(handles))))
    bottom = BOTTOM + below + LEGEND_LINE * max(0, ceil(len(handles) / legend_columns) - 2)
    height = top + head + panel_height + (n_rows - 1) * pitch + bottom
    figure = style.new_figure(figure_width, height)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "ncols": legend_columns}
    if handles:
        figure.legend(handles=handles, frameon=False, **place)
    figure.text(
        0.5, 1 - 0.08 / height, title, ha="center", va="top", fontsize=style.FONT + 1, fontweight="bold"
    )
    made: dict[str, Axes] = {}
    for n, task in enumerate(tasks):
        row, column = divmod(n, columns)
        left = left_room + column * (width + GAP_X)
        low = height - top - head - panel_height - row * pitch
        place = (left / figure_width, low / height, width / figure_width, panel_height / height)
        first = next(iter(made.values()), None)
        made[task] = figure.add_axes(place, sharex=first, sharey=first)
        made[task].set_title(heads[task], fontweight="bold", pad=4 + (NOTE * style.POINTS if notes else 0))
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
        made[task].annotate(notes.get(task, ""), (0.5, 1), xytext=(0, 4), fontsize=style.FONT - 1, **place)
    return Panels(figure, made, width)


def number_blocks(axes: Axes, labels: list[str], length: float, along: str = "x") -> None:
    """Number the blocks along x (or y): every one, every 2nd, 5th, … so that the numbers stand apart.

    Sublayers stand at 0, 1, 2, …; a block's number stands at the middle of its sublayers. length: of the axis.
    """
    if None in (found := [block_told_by(label) for label in labels]):
        name_players(axes, labels, length, along)
        return
    blocks, numbers = np.array(found), np.unique(found)
    size = style.text_width(str(numbers.max()), style.FONT - 1) if along == "x" else 0.11
    room = length / (size + 0.08)
    step = next(n for n in (1, 2, 4, 5, 8, 10, 20, 40, 50, 100, 200, 500) if len(numbers) / n <= room)
    places = [np.flatnonzero(blocks == number).mean() for number in numbers[::step]]
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_ticks(places, [str(number) for number in numbers[::step]])
    axes.set(**{f"{along}lim": (-1, len(labels))})


def name_players(axes: Axes, labels: list[str], length: float, along: str) -> None:
    """Name players that no number of a block tells, as many as stand apart; upright along x."""
    step = max(1, ceil(len(labels) * NAME_APART / length))
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_ticks(range(0, len(labels), step), [_shortened(label) for label in labels[::step]])
    if along == "x":
        axes.tick_params(axis="x", labelrotation=90)
    axes.set(**{f"{along}lim": (-1, len(labels))})


def room_for_names(labels: list[str]) -> float:
    """Inches that names of players along an axis take beyond numbers of blocks; none where these are told."""
    if None not in map(block_told_by, labels):
        return 0.0
    return max(0.0, max(style.text_width(_shortened(label), style.FONT - 1) for label in labels) - 0.08)


def _shortened(label: str) -> str:
    """As much of a label as there is room for."""
    kept = label
    while style.text_width(kept, style.FONT - 1) > NAME_LENGTH:
        kept = kept.removesuffix("…")[:-1].rstrip() + "…"
    return kept


def _of_players(name: str, titles: Titles) -> str:
    """The name of an axis of this study's players: where these are no sublayers, none is "of" a block."""
    if titles.are_sublayers:
        return name
    return titles.player if name == "block" else titles.of_players(name.replace("block of the ", ""))


def _legend_column(handles: list) -> float:
    """Inches that the longest entry of a legend takes."""
    longest = max((style.text_width(handle.get_label(), style.FONT - 1) for handle in handles), default=0)
    return max(LEGEND_COLUMN, longest + LEGEND_KEY)
