"""Pies (figure 2): each sublayer's share of the positive values, models × tasks.

Slices in model order, anticlockwise from the top; the largest are captioned beside the pie with a leader
line, spread so that no two captions meet. Under each pie stands what its largest slices hold together, and what
they would if all the values were noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge

from cornerstone.figures import style
from cornerstone.models.kinds import KINDS
from cornerstone.tables.results import Titles

RADIUS = 0.44  # inches, like every length here
LEADER = 0.1  # between a pie's rim and its captions
CAPTION = 0.245  # from one caption, of two lines, to the next
WIDE = 6.0  # points of rim: slices that get a white edge
CAPTION_FONT = 7  # points
HEADING_FONT = 8
NOTE_FONT = 6.5
PAD = 0.06
OVERHANG = 0.18  # captions may stand so far above and below a pie
LEGEND = 0.36  # under the last pie
ROOM = 0.5  # at least so much beside a pie
NARROWEST = 2.4  # a figure of a single pie has its legend to hold
MOST_COLUMNS = 6  # of one model's tasks; more go on in the next row
NOTE = "Slices in model order, anticlockwise from the top; negative values count as 0."


@dataclass(frozen=True)
class Caption:
    """One captioned slice: its text, and the angle in degrees of the middle of its rim."""

    text: str
    angle: float

    @property
    def left(self) -> bool:
        return cos(radians(self.angle)) < 0


@dataclass(frozen=True)
class Cell:
    """One pie of the grid; `heading` may be empty, and `under` is where there are no slices."""

    row: int
    column: int
    heading: str
    rows: pd.DataFrame
    captions: tuple[Caption, ...]
    under: str


@dataclass(frozen=True)
class Grid:
    """Where things stand: room for the headings, the pies' centres (x by column, y by row), and texts."""

    row_heads: tuple[str, ...]
    title: str
    note: str
    rooms: np.ndarray
    x: np.ndarray
    y: np.ndarray
    width: float
    height: float


def draw_pies(values: pd.DataFrame, output: Path, titles: Titles, top_k: int = 3, captioned: int = 4) -> None:
    """Draw the pies of every model (a row each) and task (a column each) in `values`.

    values: rows of values csv; models and tasks are drawn in their order there. top_k: how many of a pie's
    largest slices are summed under it. captioned: how many of them get label and percent. Raises
    CornerstoneError for an unknown ending.
    """
    style.save(lambda: make_pies(values, titles, top_k, captioned), output)


def make_pies(values: pd.DataFrame, titles: Titles, top_k: int = 3, captioned: int = 4) -> Figure:
    """The figure that `draw_pies` saves."""
    cells = _cells(values, titles, top_k, captioned)
    grid = _grid(cells, values, titles)
    figure = style.new_figure(grid.width, grid.height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, grid.width), ylim=(0, grid.height))
    axes.set_axis_off()
    for cell in cells:
        _draw_cell(axes, cell, grid)
    _draw_heads_and_legend(axes, values["kind"], grid)
    return figure


def captions_of(rows: pd.DataFrame, captioned: int) -> tuple[Caption, ...]:
    """Captions of the largest positive shares, with the angles at which their slices lie."""
    share = rows["share"].to_numpy()
    middle = 90 + 360 * (share.cumsum() - share / 2)
    largest = sorted(np.argsort(-share, kind="stable")[:captioned])
    label = rows["label"].to_numpy()
    return tuple(Caption(f"{label[i]}\n{100 * share[i]:.1f} %", middle[i]) for i in largest if share[i] > 0)


def top_and_noise(rows: pd.DataFrame, top_k: int) -> str:
    """ "top 3 hold 66 %; noise alone 12 %" of one pie; nothing of one without slices."""
    if not rows["share"].sum() > 0:
        return ""
    top = rows[rows["rank"] <= top_k]
    hold = "hold" if top_k > 1 else "holds"
    return f"top {top_k} {hold} {100 * top['share'].sum():.0f} %; noise alone {100 * top['noise_share'].sum():.0f} %"


def spread(targets: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Heights at least `gap` apart and within low..high, as near as can be to `targets` (falling).

    Least squares: y_i + i·gap must fall with i, which is isotonic regression (pool adjacent violators).
    """
    steps = np.arange(len(targets)) * gap
    pools: list[list[float]] = []
    for wanted in targets + steps:
        pools.append([wanted])
        while len(pools) > 1 and np.mean(pools[-1]) > np.mean(pools[-2]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools])
    return level.clip(low + steps[-1], high) - steps


def _cells(values: pd.DataFrame, titles: Titles, top_k: int, captioned: int) -> list[Cell]:
    models, tasks = list(values["model"].unique()), list(values["task"].unique())
    cells = []
    for (model, task), rows in values.groupby(["model", "task"], sort=False):
        if len(models) == 1:
            row, column = divmod(tasks.index(task), MOST_COLUMNS)
        else:
            row, column = models.index(model), tasks.index(task)
        heading = titles.task(task) if row == 0 or len(models) == 1 else ""
        captions = captions_of(rows, captioned)
        cells.append(Cell(row, column, heading, rows, captions, top_and_noise(rows, top_k)))
    return cells


def _grid(cells: list[Cell], values: pd.DataFrame, titles: Titles) -> Grid:
    n_rows = 1 + max(cell.row for cell in cells)
    n_columns = 1 + max(cell.column for cell in cells)
    models = [titles.model(model) for model in values["model"].unique()]
    several = len(models) > 1
    left = np.array([_caption_width(cells, column, True) for column in range(n_columns)])
    right = np.array([_caption_width(cells, column, False) for column in range(n_columns)])
    widths = left + right + 2 * RADIUS + 2 * PAD
    pie = 2 * (RADIUS + OVERHANG)
    heads = [style.wrapped(model, pie, HEADING_FONT, "bold") for model in models] if several else []
    margin = max(map(_height, heads), default=0.0) + (PAD if several else 0.0)
    spare = np.clip(2 * RADIUS + ROOM - widths, 0, None)  # a pie without captions has its heading to hold
    widths = widths + spare
    width = max(margin + widths.sum(), NARROWEST)
    starts = margin + (width - margin - widths.sum()) / 2 + widths.cumsum() - widths
    x = starts + spare / 2 + PAD + left + RADIUS
    rooms = 2 * np.minimum(x - starts, starts + widths - x) - PAD
    heading = max(_height(_heading(cell, rooms[cell.column])) for cell in cells)
    title = "" if several else style.wrapped(models[0], width - 2 * PAD, HEADING_FONT + 1, "bold")
    under = max(_height(_under(cell, rooms[cell.column])) for cell in cells)
    pitch = pie + PAD + under + (0 if several else heading)
    top = PAD + _height(title) + heading + OVERHANG + RADIUS
    note = style.wrapped(NOTE, width - 2 * PAD, NOTE_FONT)
    height = top + (n_rows - 1) * pitch + RADIUS + OVERHANG + under + LEGEND + _height(note)
    return Grid(
        row_heads=tuple(heads),
        title=title,
        note=note,
        rooms=rooms,
        x=x,
        y=height - top - pitch * np.arange(n_rows),
        width=width,
        height=height,
    )


def _caption_width(cells: list[Cell], column: int, left: bool) -> float:
    """Inches that the captions on one side of a column's pies need, with their leader lines."""
    captions = [c for cell in cells if cell.column == column for c in cell.captions if c.left == left]
    lines = [line for caption in captions for line in caption.text.splitlines()]
    return max((LEADER + style.text_width(line, CAPTION_FONT) + 0.04 for line in lines), default=0.0)


def _heading(cell: Cell, room: float) -> str:
    return style.wrapped(cell.heading, room, HEADING_FONT, "bold")


def _under(cell: Cell, room: float) -> str:
    return style.wrapped(cell.under, room, NOTE_FONT) if cell.under else ""


def _height(text: str) -> float:
    """Inches that a heading or note of these lines takes, with the gap under it."""
    return 0.15 * (text.count("\n") + 1) + 0.06 if text else 0.0


def _draw_cell(axes: Axes, cell: Cell, grid: Grid) -> None:
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
    heading = _heading(cell, grid.rooms[cell.column])
    under = {"ha": "center", "va": "top", "fontsize": NOTE_FONT, "color": style.GREY, "linespacing": 1.1}
    axes.text(x, y - RADIUS - OVERHANG - 0.02, _under(cell, grid.rooms[cell.column]), **under)
    above = y + RADIUS + OVERHANG + 0.06
    axes.text(x, above, heading, ha="center", va="bottom", fontsize=HEADING_FONT, fontweight="bold")


def _draw_slices(axes: Axes, rows: pd.DataFrame, x: float, y: float) -> None:
    drawn = rows[rows["share"] > 0]
    ends = 90 + 360 * drawn["share"].cumsum().to_numpy()
    starts = np.concatenate([[90], ends[:-1]])
    # Shades alternate within attention and within FFN.
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
    middle = grid.width / 2, 0.08 + _height(grid.note)
    handles = style.kind_handles(kinds, patches=True)
    place = {"loc": "lower center", "bbox_to_anchor": middle, "bbox_transform": axes.transData}
    axes.legend(handles=handles, ncols=2, frameon=False, borderpad=0, borderaxespad=0, **place)
    axes.text(middle[0], 0.08, grid.note, ha="center", va="bottom", fontsize=NOTE_FONT, color=style.GREY)
