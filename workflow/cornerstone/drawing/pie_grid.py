"""Where pies, their captions, headings and notes stand: a row for each model, or one model's tasks in rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.shapley.players import NAMED_SET
from cornerstone.values.titles import Titles

RADIUS = 0.44  # inches, like every length here
LEADER = 0.1  # between a pie's rim and its captions
CAPTION = 0.245  # from one caption, of two lines, to the next
CAPTION_FONT = 7  # points
HEADING_FONT = 8
NOTE_FONT = 6.5
PAD = 0.06
OVERHANG = 0.18  # captions may stand so far above and below a pie
LEGEND = 0.36  # under the last pie
ROOM = 0.5  # at least so much beside a pie
NARROWEST = 2.4  # a figure of a single pie has its legend to hold
MOST_COLUMNS = 6  # of one model's tasks; more go on in the next row
NOTE = "Slices in {order} order, anticlockwise from the top; negative values count as 0."


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


def captions_of(rows: pd.DataFrame, captioned: int) -> tuple[Caption, ...]:
    """Captions of the largest positive shares, with the angles at which their slices lie."""
    share = rows["share"].to_numpy()
    middle = 90 + 360 * (share.cumsum() - share / 2)
    largest = sorted(np.argsort(-share, kind="stable")[:captioned])
    label = rows["label"].to_numpy()
    return tuple(Caption(f"{label[i]}\n{100 * share[i]:.1f} %", middle[i]) for i in largest if share[i] > 0)


def top_and_null_share(rows: pd.DataFrame, top_k: int) -> str:
    """ "top 3 hold 66 %; null share 12 %" of one pie; nothing of one without slices."""
    if not rows["share"].sum() > 0:
        return ""
    top = rows[rows["rank"] <= top_k]
    hold = "hold" if top_k > 1 else "holds"
    told = f"top {top_k} {hold} {100 * top['share'].sum():.0f} %"
    null = top["null_share"].sum(skipna=False)  # not known of a single document
    return told if np.isnan(null) else f"{told}; null share {100 * null:.0f} %"


def cells_of(values: pd.DataFrame, titles: Titles, top_k: int, captioned: int) -> list[Cell]:
    models, tasks = list(values["model"].unique()), list(values["task"].unique())
    cells = []
    for (model, task), rows in values.groupby(["model", "task"], sort=False):
        if len(models) == 1:
            row, column = divmod(tasks.index(task), MOST_COLUMNS)
        else:
            row, column = models.index(model), tasks.index(task)
        heading = titles.task(task) if row == 0 or len(models) == 1 else ""
        captions = captions_of(rows, captioned)
        cells.append(Cell(row, column, heading, rows, captions, top_and_null_share(rows, top_k)))
    return cells


def grid_of(cells: list[Cell], values: pd.DataFrame, titles: Titles) -> Grid:
    n_rows = 1 + max(cell.row for cell in cells)
    n_columns = 1 + max(cell.column for cell in cells)
    models = [titles.model(model) for model in values["model"].unique()]
    several = len(models) > 1
    left = np.array([_caption_width(cells, column, True) for column in range(n_columns)])
    right = np.array([_caption_width(cells, column, False) for column in range(n_columns)])
    widths = left + right + 2 * RADIUS + 2 * PAD
    pie = 2 * (RADIUS + OVERHANG)
    heads = [style.wrapped(model, pie, HEADING_FONT, "bold") for model in models] if several else []
    margin = max(map(height_of, heads), default=0.0) + (PAD if several else 0.0)
    spare = np.clip(2 * RADIUS + ROOM - widths, 0, None)  # a pie without captions has its heading to hold
    widths = widths + spare
    width = max(margin + widths.sum(), NARROWEST)
    starts = margin + (width - margin - widths.sum()) / 2 + widths.cumsum() - widths
    x = starts + spare / 2 + PAD + left + RADIUS
    rooms = 2 * np.minimum(x - starts, starts + widths - x) - PAD
    heading = max(height_of(heading_of(cell, rooms[cell.column])) for cell in cells)
    title = "" if several else style.wrapped(models[0], width - 2 * PAD, HEADING_FONT + 1, "bold")
    under = max(height_of(under_of(cell, rooms[cell.column])) for cell in cells)
    pitch = pie + PAD + under + (0 if several else heading)
    top = PAD + height_of(title) + heading + OVERHANG + RADIUS
    note = style.wrapped(NOTE.format(order=_order(titles)), width - 2 * PAD, NOTE_FONT)
    height = top + (n_rows - 1) * pitch + RADIUS + OVERHANG + under + LEGEND + height_of(note)
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


def _order(titles: Titles) -> str:
    return "the configuration's" if titles.player == NAMED_SET else "model"


def _caption_width(cells: list[Cell], column: int, left: bool) -> float:
    """Inches that the captions on one side of a column's pies need, with their leader lines."""
    captions = [c for cell in cells if cell.column == column for c in cell.captions if c.left == left]
    lines = [line for caption in captions for line in caption.text.splitlines()]
    return max((LEADER + style.text_width(line, CAPTION_FONT) + 0.04 for line in lines), default=0.0)


def heading_of(cell: Cell, room: float) -> str:
    return style.wrapped(cell.heading, room, HEADING_FONT, "bold")


def under_of(cell: Cell, room: float) -> str:
    return style.wrapped(cell.under, room, NOTE_FONT) if cell.under else ""


def height_of(text: str) -> float:
    """Inches that a heading or note of these lines takes, with the gap under it."""
    return 0.15 * (text.count("\n") + 1) + 0.06 if text else 0.0
