"""Atlas: each model as its stack of blocks, a cell per sublayer and task, coloured by the value on one scale.

A row a block, the first one on top; the sublayers of a block side by side, and for each of them a column a task.
Striped cells may be zero; framed ones are among the largest of their task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.atlas_grid import (
    COLOURS,
    LEVELS,
    NEAR_ZERO,
    POSITIVE,
    Scale,
    Stack,
    heading_of,
    scale_of,
    stacks_of,
    step_of,
)
from cornerstone.figures import FIGURES, WHAT_MATTERS, Context, Figure, Scope
from cornerstone.models.kinds import Kind
from cornerstone.scores import SCORES
from cornerstone.scores.unit import Unit
from cornerstone.values.titles import SUBLAYER, Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

AXIS = 0.24  # inches, like every length here: left of a stack, for the numbers of its blocks
BETWEEN = 0.15  # two stacks
TITLE = 0.95  # the narrowest stack, which has a title to hold
GAP = 0.06  # two kinds of sublayers
EDGE = 0.08
CELL = (0.078, 0.3)  # the narrowest and the widest
ROW = (0.045, 0.2)  # the lowest and the highest
TALLEST = 4.2  # the stack of the deepest model, where rows need not be lower than the lowest
NARROWEST = 3.4  # a figure, which has its legend to hold
LINE = 0.13  # of small text
SMALL = 6.5  # points
NAME = 0.8  # a task's name, of the width of its cells
NUMBER = 0.12  # the height of a block's number
APART = 0.3  # of two numbers, where not every block has one
SWATCH = (0.26, 0.11)
HATCH = "/////"
FRAME = {"fill": False, "edgecolor": "#111111", "linewidth": 0.9, "zorder": 4}
FRAMES = {True: "-", False: (0, (1.6, 1.0))}
"""The line around a cell by whether it is steadily among the largest."""


@dataclass(frozen=True)
class Grid:
    """Sizes that all stacks share. head: room above the cells. names: of it, for the tasks' names; font: of these."""

    cell: float
    row: float
    head: float
    names: float
    font: float
    lines: list[list[Stack]]
    width: float


def make_atlas(values: pd.DataFrame, titles: Titles, top_k: int) -> MplFigure:
    """Draw the atlas of every model in `values`.

    values: rows of values csv; models and tasks are drawn in their order there. top_k: how many of a task's largest
    are framed, and how many of a model's are named.
    """
    scale, unit = scale_of(values), SCORES[values["score"].iloc[0]].unit
    grid = _grid_of(stacks_of(values, titles, top_k))
    heights = [grid.head + max(len(stack.rows) for stack in line) * grid.row + BETWEEN for line in grid.lines]
    legend = _legend_texts(top_k, grid.width)
    foot = 0.5 + LINE * sum(text.count("\n") + 1 for text in legend) + 0.04 * len(legend)
    height = EDGE + sum(heights) + foot
    figure = style.new_figure(grid.width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, grid.width), ylim=(height, 0))
    axes.set_axis_off()
    top = EDGE
    for line, of_line in zip(grid.lines, heights, strict=True):
        left = EDGE
        for stack in line:
            _draw_stack(axes, stack, scale, grid, left, top)
            left += _width_of(stack, grid.cell) + BETWEEN
        top += of_line
    _draw_legend(axes, scale.legend(values["value"], unit), unit, legend, top)
    return figure


def _width_of(stack: Stack, cell: float) -> float:
    return max(TITLE, _cells_wide(stack, cell))


def _axis_of(stack: Stack) -> float:
    """Room left of a stack for the names of its rows: numbers of blocks, or labels of players."""
    return max(AXIS, max(style.text_width(name, SMALL - 0.5) for name in stack.rows) + 0.08)


def _cells_wide(stack: Stack, cell: float) -> float:
    return _axis_of(stack) + stack.width * cell + (len(stack.columns) - 1) * GAP


def _grid_of(stacks: list[Stack]) -> Grid:
    """The stacks in lines as wide as a page, with cells as wide as the fullest line allows."""
    lines: list[list[Stack]] = [[]]
    for stack in stacks:
        if lines[-1] and _least_width([*lines[-1], stack]) > style.WIDTH:
            lines.append([])
        lines[-1].append(stack)
    cell = float(np.clip(min(map(_widest_cell, lines)), *CELL))
    font = min(SMALL, NAME * cell * style.POINTS)
    several = any(len(stack.tasks) > 1 for stack in stacks)
    longest = max(style.text_width(name, font) for stack in stacks for name in stack.tasks)
    names = 1.04 * longest + 0.1 if several else 0.0
    texts = [_head_texts(stack, _width_of(stack, cell)) for stack in stacks]
    head = 0.04 + LINE + names + max(1.15 * LINE * len(title) + LINE * len(named) for title, named in texts)
    row = float(np.clip(TALLEST / max(len(stack.rows) for stack in stacks), *ROW))
    widths = [sum(_width_of(s, cell) for s in line) + BETWEEN * (len(line) - 1) for line in lines]
    return Grid(cell, row, head, names, font, lines, max(NARROWEST, *widths) + 2 * EDGE)


def _widest_cell(line: list[Stack]) -> float:
    """With which the line fills the page's width."""
    around = sum(_cells_wide(stack, 0) for stack in line) + BETWEEN * (len(line) - 1) + 2 * EDGE
    return (style.WIDTH - around) / sum(stack.width for stack in line)


def _least_width(line: list[Stack], cell: float = CELL[0]) -> float:
    return sum(_width_of(stack, cell) for stack in line) + BETWEEN * (len(line) - 1) + 2 * EDGE


def _head_texts(stack: Stack, width: float) -> tuple[list[str], list[str]]:
    """Title and cornerstones in lines; one task's name stands with the title."""
    title = stack.title if len(stack.tasks) > 1 else f"{stack.title}, {stack.tasks[0]}"
    named = ", ".join(name.replace(" ", "\N{NO-BREAK SPACE}") for name in stack.named) or "no cornerstones"
    return (
        style.wrapped(title, width, style.FONT, "bold").splitlines(),
        style.wrapped(named, width, SMALL).splitlines(),
    )


def _draw_stack(axes: Axes, stack: Stack, scale: Scale, grid: Grid, left: float, top: float) -> None:
    title, named = _head_texts(stack, _width_of(stack, grid.cell))
    axes.text(left, top, "\n".join(title), fontsize=style.FONT, fontweight="bold", va="top", linespacing=1.15)
    below = top + 1.15 * LINE * len(title)
    axes.text(left, below, "\n".join(named), fontsize=SMALL, va="top", linespacing=1.15, color=style.GREY)
    first = top + grid.head
    wide, axis = len(stack.tasks) * grid.cell, _axis_of(stack)
    for place, column in enumerate(stack.columns):
        x = left + axis + place * (wide + GAP)
        _draw_heads(axes, column, stack.tasks, grid, x, first)
        _draw_cells(axes, stack.cells[stack.cells["column"] == place], stack, scale, grid, x, first)
    step = 1 if grid.row >= NUMBER else step_of(len(stack.rows), int(len(stack.rows) * grid.row / APART))
    for row in range(0, len(stack.rows), step):
        where = {"ha": "right", "va": "center", "fontsize": SMALL - 0.5, "color": style.GREY}
        axes.text(left + axis - 0.04, first + (row + 0.5) * grid.row, stack.rows[row], **where)


def _draw_heads(
    axes: Axes, column: Sequence[Kind], tasks: Sequence[str], grid: Grid, x: float, bottom: float
) -> None:
    """The name of a kind, with a line, and those of the tasks below it where there are several."""
    wide, line = len(tasks) * grid.cell, bottom - grid.names - 0.025
    text = {"ha": "center", "va": "bottom"}
    axes.text(x + wide / 2, line - 0.015, heading_of(column), fontweight="bold", fontsize=SMALL, **text)
    grey = {"color": style.GREY, "linewidth": 0.5, "solid_capstyle": "butt"}
    axes.plot([x + 0.01, x + wide - 0.01], [line, line], **grey)
    if grid.names:
        for task, name in enumerate(tasks):
            axes.text(
                x + (task + 0.5) * grid.cell, bottom - 0.03, name, rotation=90, fontsize=grid.font, **text
            )


def _draw_cells(
    axes: Axes, cells: pd.DataFrame, stack: Stack, scale: Scale, grid: Grid, x: float, y: float
) -> None:
    """The cells of one kind: a coloured mesh, stripes over what may be zero, frames around the largest."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    levels = pd.Series(scale.levels(cells["value"]), cells.index)
    mesh = np.full((len(stack.rows), len(stack.tasks)), np.nan)
    mesh[cells["row"], cells["place"]] = levels
    edges = x + np.arange(len(stack.tasks) + 1) * grid.cell, y + np.arange(len(stack.rows) + 1) * grid.row
    look = {"vmin": -LEVELS - 0.5, "vmax": LEVELS + 0.5, "edgecolors": "white", "linewidth": 0.3}
    axes.pcolormesh(*edges, np.ma.masked_invalid(mesh), cmap=ListedColormap(COLOURS), zorder=2, **look)
    corners = pd.DataFrame({"x": x + cells["place"] * grid.cell, "y": y + cells["row"] * grid.row})
    for level, of_level in corners[cells["may_be_zero"]].groupby(levels):
        _stripe(axes, [*of_level.itertuples(index=False)], grid.cell, grid.row, COLOURS[level + LEVELS])
    among = cells[cells["is_among"]]
    for corner, steady in zip(
        corners.loc[among.index].itertuples(index=False), among["is_steady"], strict=True
    ):
        axes.add_patch(Rectangle(corner, grid.cell, grid.row, linestyle=FRAMES[bool(steady)], **FRAME))


def _stripe(axes: Axes, corners: list[tuple[float, float]], width: float, height: float, colour: str) -> None:
    """One hatched shape of many cells: a hatch for each would take seconds."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    shapes = [[(x, y), (x + width, y), (x + width, y + height), (x, y + height)] for x, y in corners]
    look = {"facecolor": "white", "edgecolor": colour, "linewidth": 0, "hatch": HATCH, "zorder": 3}
    axes.add_patch(PathPatch(Path.make_compound_path_from_polys(np.array(shapes)), **look))


def _legend_texts(top_k: int, width: float) -> list[str]:
    """What stripes and frames mean, each in as many lines as it needs beside its mark."""
    largest = "the largest" if top_k == 1 else f"among the {top_k} largest"
    texts = (
        "its 95 % interval includes zero",
        f"{largest} of its task, in at least 95 % of bootstrap resamples of the documents",
        f"{largest} of its task, in fewer",
    )
    return [style.wrapped(text, 0.96 * (width - 2 * EDGE - SWATCH[0] - 0.08), SMALL) for text in texts]


def _draw_legend(axes: Axes, levels: list[tuple[int, str]], unit: Unit, texts: list[str], top: float) -> None:
    """levels: with the amounts where they begin. texts: what the marks below them mean."""
    from matplotlib.patches import Rectangle

    wide, high = SWATCH
    small = {"fontsize": SMALL, "va": "center"}
    axes.text(EDGE, top, f"value ({unit.of_values})", **small)
    y = top + 0.1
    for place, (level, edge) in enumerate(levels):
        colour = {"facecolor": COLOURS[level + LEVELS], "edgecolor": "white", "linewidth": 0.5}
        axes.add_patch(Rectangle((EDGE + place * wide, y), wide, high, **colour))
        if edge:
            axes.text(EDGE + place * wide, y + high + 0.07, edge, ha="center", **small)
    y += high + 0.2
    marks = (
        {"facecolor": "white", "edgecolor": POSITIVE[3], "hatch": HATCH, "linewidth": 0},
        *(
            {"facecolor": NEAR_ZERO, **FRAME, "fill": True, "linestyle": FRAMES[steady]}
            for steady in (True, False)
        ),
    )
    for mark, text in zip(marks, texts, strict=True):
        lines = text.count("\n") + 1
        axes.add_patch(Rectangle((EDGE, y), wide, high, **mark))
        axes.text(
            EDGE + wide + 0.08, y + high / 2, text, linespacing=1.15, fontsize=SMALL, va="center_baseline"
        )
        y += LINE * lines + 0.04


def _caption(context: Context) -> str:
    unit = context.score.unit.of_values
    rows = "A row a block, the first on top; its sublayers side by side, a column a task"
    if context.player != SUBLAYER:
        rows = f"A row a {context.player}, the first on top; a column a task"
    return (
        f"{rows}. Colour is the value in {unit}: "
        "purple where the score is lower without the sublayer, orange where it is higher, on one scale for all models "
        "and tasks whose steps double. Striped: the 95 % interval includes zero. Framed: among a task's largest, "
        f"dashed where fewer than 95 % of the bootstrap resamples say so. {context.values_from}"
        f"{context.measured}."
    )


_SHARED = {
    "needs_pairs": False,
    "settings": ("top_k",),
    "make": make_atlas,
    "caption": _caption,
    "category": WHAT_MATTERS,
    "on_page": True,
}
FIGURES.register(
    Figure(
        name="atlas_all",
        about="all models as stacks of blocks: every sublayer's value on every task",
        scope=Scope.STUDY,
        reads="tables/values.csv",
        title="Atlas of all models",
        order=12,
        **_SHARED,
    )
)
FIGURES.register(
    Figure(
        name="atlas",
        about="one model as its stack of blocks: every sublayer's value on every task",
        scope=Scope.MODEL,
        reads="values/{model}/{task}.csv",
        title="Atlas of {model}",
        order=14,
        **_SHARED,
    )
)
