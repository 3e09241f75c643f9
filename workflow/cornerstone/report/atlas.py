"""The atlas as the report's page shows it: tables of coloured cells, from the same grid as the figure of that name.

The words of a cell are in sections/atlas.html.j2. Colours are classes of the style sheet: a dark page has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cornerstone.drawing.atlas_grid import (
    COLOURS,
    DARK_COLOURS,
    LEVELS,
    Scale,
    Stack,
    heading_of,
    scale_of,
    stacks_of,
    step_of,
)
from cornerstone.report.contents import Contents
from cornerstone.scores.unit import Unit

TALLEST = 470  # pixels, as all lengths here: the deepest model, where rows need not be lower than the lowest
ROW = (4, 40)
SHORT, BROAD = (
    300,
    560,
)  # the legend stands under an atlas lower than this and as wide as this, else beside it
NUMBERED = 14  # rows as high as this are numbered each, and have room for a number in each cell
APART = 40  # between the numbers of blocks, where not every one has one
AXIS = 26  # the least beside a stack for the names of its rows
BESIDE, LETTER = 8, 6.2  # around a name, and of one of its letters
BETWEEN = 16
CELL = (7, 46)
HEADING = 42  # the narrowest name of a kind
ONE_TASK = 96  # the widest cell of a study of one task
DEEP = 4  # from this level on, ink is white on a light page and black on a dark one
WHITE, BLACK = "#ffffff", "#111111"
MOST_WRITTEN = 30  # more cells than this side by side have no room for numbers


@dataclass(frozen=True)
class ShownCell:
    """A sublayer on a task.

    look:   classes: its level's colour, whether it is striped, framed or dashed.
    number: its value in short, where it is written on it.
    Then what is told of it: label, task, value with interval, the part of resamples in which it is among the largest,
    the drop when it alone is removed with interval, and what is left then (nothing for scores that cannot tell).
    """

    look: str
    number: str
    label: str
    task: str
    value: str
    stability: float
    effect: str
    state: str
    is_stop: bool


Cells = tuple[ShownCell | None, ...]
"""Of one block and kind: a cell a task."""


@dataclass(frozen=True)
class ShownStack:
    """A model: rows of cells by kind, None where a block has no such sublayer; sizes in pixels.

    headings: over the cells of each kind.
    names: of the rows: numbers of blocks, or labels of players. numbers: the same, "" where none is written.
    stable: by cornerstone how often resampled documents name it.
    """

    title: str
    tasks: tuple[str, ...]
    headings: tuple[str, ...]
    numbers: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[Cells, ...], ...]
    stable: tuple[tuple[str, float], ...]
    sublayers: int
    axis: int
    wide: int
    narrow: int


@dataclass(frozen=True)
class Step:
    """A colour of the legend: its class, and the amount where it begins on its left side ("" for the first)."""

    look: str
    edge: str


@dataclass(frozen=True)
class Atlas:
    """All models. row: the height of a row in pixels. steps: the legend's colours, from the lowest that occurs."""

    stacks: tuple[ShownStack, ...]
    steps: tuple[Step, ...]
    row: float
    top_k: int
    has_stripes: bool
    has_dashes: bool

    @property
    def wide(self) -> int:
        """Pixels for all stacks side by side."""
        return sum(stack.wide for stack in self.stacks) + BETWEEN * (len(self.stacks) - 1)

    @property
    def is_short(self) -> bool:
        return self.row * max(len(stack.rows) for stack in self.stacks) < SHORT and self.wide >= BROAD


@dataclass(frozen=True)
class Paint:
    """A level's class with its colours on a light and on a dark page, and those of ink on them."""

    look: str
    light: str
    dark: str
    ink: str
    dark_ink: str


def paints() -> list[Paint]:
    """Every level's colours, for the style sheet."""
    levels = range(-LEVELS, LEVELS + 1)
    return [
        Paint(_look(level), light, dark, *((WHITE, BLACK) if abs(level) >= DEEP else (BLACK, WHITE)))
        for level, light, dark in zip(levels, COLOURS, DARK_COLOURS, strict=True)
    ]


def atlas_of(contents: Contents) -> Atlas:
    values, unit = _with_effects(contents), contents.unit
    top_k = int(contents.config["top_k"])
    stacks, scale = stacks_of(values, contents.titles, top_k), scale_of(values)
    row = min(ROW[1], max(ROW[0], TALLEST / max(len(stack.rows) for stack in stacks)))
    is_written = row >= NUMBERED and sum(stack.width for stack in stacks) <= MOST_WRITTEN
    shown = tuple(_shown(contents, stack, scale, unit, row, is_written) for stack in stacks)
    cells = pd.concat([stack.cells for stack in stacks])
    return Atlas(
        stacks=shown,
        steps=tuple(Step(_look(level), edge) for level, edge in scale.legend(values["value"], unit)),
        row=row,
        top_k=top_k,
        has_stripes=bool((cells["may_be_zero"] & (scale.levels(cells["value"]) != 0)).any()),
        has_dashes=bool((cells["is_among"] & ~cells["is_steady"]).any()),
    )


def _with_effects(contents: Contents) -> pd.DataFrame:
    """The rows of values with effect, effect_low, effect_high and state of the same sublayer."""
    keys = ["model", "task", "sublayer"]
    effects = contents.tables["ablation"][[*keys, "effect", "low", "high", "state"]]
    named = effects.rename(columns={"low": "effect_low", "high": "effect_high"})
    return contents.tables["values"].merge(named, on=keys, how="left", validate="one_to_one")


def _shown(
    contents: Contents, stack: Stack, scale: Scale, unit: Unit, row: float, is_written: bool
) -> ShownStack:
    named = contents.rows("cornerstones", stack.model).set_index("label")["top_k_stability"]
    step = 1 if row >= NUMBERED else step_of(len(stack.rows), int(len(stack.rows) * row / APART))
    axis = max(AXIS, BESIDE + round(LETTER * max(map(len, stack.rows))))
    widest = ONE_TASK if len(stack.tasks) == 1 else CELL[1]
    return ShownStack(
        title=stack.title,
        tasks=stack.tasks,
        headings=tuple(map(heading_of, stack.columns)),
        numbers=tuple("" if place % step else name for place, name in enumerate(stack.rows)),
        names=stack.rows,
        rows=_rows(contents, stack, scale, unit, is_written),
        stable=tuple((label, float(named[label])) for label in stack.named),
        sublayers=stack.cells["label"].nunique(),
        axis=axis,
        wide=axis + widest * stack.width,
        narrow=axis + max(CELL[0] * stack.width, HEADING * len(stack.columns)),
    )


def _rows(
    contents: Contents, stack: Stack, scale: Scale, unit: Unit, is_written: bool
) -> tuple[tuple[Cells, ...], ...]:
    n_tasks = len(stack.tasks)
    grid: list[list[list[ShownCell | None]]] = [[[None] * n_tasks for _ in stack.columns] for _ in stack.rows]
    for row, level in zip(stack.cells.itertuples(), scale.levels(stack.cells["value"]), strict=True):
        is_clear = is_written and level != 0 and not row.may_be_zero
        grid[row.row][row.column][row.place] = ShownCell(
            look=" ".join((_look(int(level)), *_marks(row))),
            number=unit.text(row.value, unit.digits - 1) if is_clear else "",
            label=row.label,
            task=stack.tasks[row.place],
            value=unit.with_interval(row.value, row.low, row.high),
            stability=row.top_k_stability,
            effect=unit.with_interval(row.effect, row.effect_low, row.effect_high),
            state=row.state if contents.score.is_accuracy and isinstance(row.state, str) else "",
            is_stop=row.is_among,
        )
    return tuple(tuple(map(tuple, block)) for block in grid)


def _marks(row) -> Sequence[str]:
    striped = ["striped"] if row.may_be_zero else []
    framed = ["framed"] if row.is_among else []
    return [*striped, *framed, *(["dashed"] if row.is_among and not row.is_steady else [])]


def _look(level: int) -> str:
    """ "p3" for the third level above zero, "n1" for the first below it, "zero"."""
    return f"{'p' if level > 0 else 'n'}{abs(level)}" if level else "zero"
