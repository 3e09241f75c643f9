"""Interactions: heat maps of one model's pairs on each task; their form depends on which pairs were evaluated.

    neighbours only         a row a task: the pair along x
    up to some distance     a band a task: the middle of the pair along x, their distance along y
    most of all pairs       a square a task: one of the pair along x, the other along y

Colours are orange below zero, where two sublayers stand in for each other, and purple above; the scale is linear near
zero and logarithmic beyond, and the same for all tasks. Dots mark the pairs that differ significantly from zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import LEFT, Panels, number_blocks, room_for_names, titled_panels
from cornerstone.figures import FIGURES, TOGETHER, Context, Figure, Scope
from cornerstone.scores import SCORES
from cornerstone.scores.unit import Unit
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import AsinhNorm
    from matplotlib.figure import Figure as MplFigure

COLOURS = "PuOr"  # orange and purple: unlike the kinds' red and blue, and told apart by colour-blind readers
NOT_REMOVED = "#E4E4E4"
TICKS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
MOST_OF_ALL = 0.5  # of all pairs: from here on a square shows them best
STRIP = 0.2  # inches, like every length here: the height of a task's row
ROOM_FOR_NAMES = 1.3
BAND_ROW = 0.09  # at most, the height of a distance in a band
BAND_HEIGHT = (0.3, 1.8)
BAR = (2.2, 0.09)  # width and height of the colour bar
BAR_BOTTOM = 0.25
TICK_APART = 0.08
DOT = {
    "linestyle": "",
    "marker": "o",
    "color": "black",
    "markeredgecolor": "white",  # seen on the darkest cells, too
    "markeredgewidth": 0.3,
    "zorder": 4,
}


def make_interactions(interactions: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw the interactions of one model's pairs.

    interactions: rows of interactions csv of one model, at least one.
    """
    unit, labels = SCORES[interactions["score"].iloc[0]].unit, labels_of(interactions)
    norm = _norm(unit.factor * interactions["interaction"], unit)
    n_pairs = len(interactions[["first", "second"]].drop_duplicates())
    if interactions["distance"].max() == 1:
        panels = _strips(interactions, titles, labels, unit, norm)
    elif n_pairs > MOST_OF_ALL * len(labels) * (len(labels) - 1) / 2:
        panels = _squares(interactions, titles, labels, unit, norm)
    else:
        panels = _bands(interactions, titles, labels, unit, norm)
    _colour_bar(panels.figure, norm, unit)
    return panels.figure


def labels_of(interactions: pd.DataFrame) -> list[str]:
    """The labels of the model's sublayers, all of which are in some pair."""
    ends = [
        interactions[[end, f"{end}_label"]].set_axis(["sublayer", "label"], axis=1)
        for end in ("first", "second")
    ]
    return pd.concat(ends).drop_duplicates("sublayer").sort_values("sublayer")["label"].tolist()


def _norm(numbers: pd.Series, unit: Unit) -> AsinhNorm:
    from matplotlib.colors import AsinhNorm

    linear = unit.small
    largest = max(numbers.abs().max(), 2 * linear)
    return AsinhNorm(linear_width=linear, vmin=-largest, vmax=largest)


def _strips(
    interactions: pd.DataFrame, titles: Titles, labels: list[str], unit: Unit, norm: AsinhNorm
) -> Panels:
    """A row a task, the pair of i and i + 1 at i + ½."""
    tasks = list(interactions["task"].unique())
    names = {task: style.wrapped(titles.task(task), ROOM_FOR_NAMES, style.FONT - 1) for task in tasks}
    lines = max(name.count("\n") + 1 for name in names.values())
    rows = interactions.assign(task="")  # one panel for all tasks
    height = len(tasks) * max(STRIP, 0.13 * lines)
    widest = max(
        style.text_width(line, style.FONT - 1) for name in names.values() for line in name.splitlines()
    )
    room = {"left": widest + 0.25, "below": room_for_names(labels)}
    panels = titled_panels(rows, titles, "", "block", [], 1, height=height, **room)
    (axes,) = panels.axes.values()
    for place, task in enumerate(tasks):
        of_task = interactions[interactions["task"] == task]
        _draw_row(axes, of_task, place, unit, norm)
    axes.set_yticks(range(len(tasks)), [names[task] for task in tasks])
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    _finish(axes, labels, panels, tick_length=0)
    _mark(panels, axes, interactions.assign(y=interactions["task"].map(tasks.index)), len(labels))
    return panels


def _bands(
    interactions: pd.DataFrame, titles: Titles, labels: list[str], unit: Unit, norm: AsinhNorm
) -> Panels:
    """A panel a task, a row a distance."""
    farthest = int(interactions["distance"].max())
    height = float(np.clip(BAND_ROW * 2 * farthest, *BAND_HEIGHT))
    names = room_for_names(labels)
    panels = titled_panels(
        interactions, titles, "distance of the two", "block", [], 1, height=height, below=names
    )
    for axes, rows in panels.each(interactions):
        for distance, of_distance in rows.groupby("distance"):
            _draw_row(axes, of_distance, distance, unit, norm)
        axes.set_ylim(0.5, farthest + 0.5)
        axes.set_yticks(_distances(farthest))
        _finish(axes, labels, panels)
        _mark(panels, axes, rows.assign(y=rows["distance"]), len(labels))
    return panels


def _draw_row(axes: Axes, pairs: pd.DataFrame, y: float, unit: Unit, norm: AsinhNorm) -> None:
    """Cells of pairs of one distance, one beside the other, each at the middle of its pair."""
    distance = int(pairs["distance"].iloc[0])
    row = np.full(int(pairs["second"].max()) - distance + 1, np.nan)
    row[pairs["first"]] = unit.factor * pairs["interaction"]
    edges = np.arange(len(row) + 1) - 0.5 + distance / 2
    axes.pcolormesh(
        edges, [y - 0.5, y + 0.5], row[None], cmap=COLOURS, norm=norm, linewidth=0, rasterized=False
    )


def _distances(farthest: int) -> list[int]:
    """Up to four numbers to write beside the rows, the first and the last among them."""
    return sorted({round(1 + part * (farthest - 1) / 3) for part in range(4)})


def _squares(
    interactions: pd.DataFrame, titles: Titles, labels: list[str], unit: Unit, norm: AsinhNorm
) -> Panels:
    """A panel a task, each pair on both sides of the diagonal."""
    n = len(labels)
    columns = min(interactions["task"].nunique(), 3 if n <= 40 else 2)
    widest, names = 3.2, room_for_names(labels)
    room = {"left": LEFT + names, "below": names}
    panels = titled_panels(interactions, titles, "block", "block", [], columns, widest, height=None, **room)
    for axes, rows in panels.each(interactions):
        square = np.full((n, n), np.nan)
        square[rows["first"], rows["second"]] = square[rows["second"], rows["first"]] = (
            unit.factor * rows["interaction"]
        )
        axes.set_facecolor(NOT_REMOVED)
        edges = np.arange(n + 1) - 0.5
        axes.pcolormesh(edges, edges, square, cmap=COLOURS, norm=norm, linewidth=0)
        _finish(axes, labels, panels)
        number_blocks(axes, labels, panels.width, along="y")
        axes.set_xlim(-0.5, n - 0.5)
        axes.set_ylim(n - 0.5, -0.5)
        turned = rows.rename(columns={"first": "second", "second": "first"})
        both = pd.concat([rows, turned])
        _mark(panels, axes, both.assign(x=both["first"], y=both["second"]), n)
    return panels


def _finish(axes: Axes, labels: list[str], panels: Panels, tick_length: float | None = None) -> None:
    number_blocks(axes, labels, panels.width)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    if tick_length is not None:
        axes.tick_params(axis="y", length=tick_length)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _mark(panels: Panels, axes: Axes, pairs: pd.DataFrame, n_sublayers: int) -> None:
    """A dot in the middle of each cell that differs significantly from zero."""
    sure = pairs[pairs["sure"]]
    x = sure["x"] if "x" in sure else (sure["first"] + sure["second"]) / 2
    pitch = panels.width * style.POINTS / n_sublayers
    axes.plot(x, sure["y"], markersize=float(np.clip(0.3 * pitch, 0.7, 2.6)), **DOT)


def _colour_bar(figure: MplFigure, norm: AsinhNorm, unit: Unit) -> None:
    """Below the panels: what it measures, the bar, and what the dots mean."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    width, height = figure.get_size_inches()
    name = unit.difference_heading("interaction")
    left = (width - BAR[0]) / 2
    place = (left / width, BAR_BOTTOM / height, BAR[0] / width, BAR[1] / height)
    axes = figure.add_axes(place, label="colour bar")
    colours = ScalarMappable(norm, matplotlib.colormaps[COLOURS])
    figure.colorbar(colours, cax=axes, orientation="horizontal").outline.set_linewidth(0.4)
    axes.xaxis.set_major_locator(FixedLocator(_bar_ticks(norm, unit.small)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "−")))
    middle = (BAR_BOTTOM + BAR[1] / 2) / height
    beside = {"fontsize": style.FONT - 1, "va": "center"}
    figure.text((left - 0.12) / width, middle, name, ha="right", **beside)
    dot = Line2D(
        [(left + BAR[0] + 0.2) / width], [middle], markersize=2.6, transform=figure.transFigure, **DOT
    )
    figure.add_artist(dot)
    figure.text((left + BAR[0] + 0.27) / width, middle, "significant (5 %)", ha="left", **beside)


def _bar_ticks(norm: AsinhNorm, linear: float) -> list[float]:
    """0 and numbers on both sides of it whose texts stand apart, the smallest first."""
    chosen = [0.0]
    for tick in TICKS:
        apart = (norm(tick) - norm(chosen[-1])) * BAR[0]
        room = (
            (style.text_width(f"−{tick:g}", style.FONT - 1) + TICK_APART)
            if linear <= tick <= norm.vmax
            else np.inf
        )
        if apart > room:
            chosen.append(tick)
    return [-tick for tick in chosen[:0:-1]] + chosen


def _caption(context: Context) -> str:
    return (
        "Two sublayers removed together, against one by one: v(−∅) − v(−i) − v(−j) + v(−{i, j}). Orange, below zero: "
        "together they cost more than the sum, so each stood in for the other. Purple, above zero: they cost less, "
        "because one is of no use without the other, or because nothing is left to lose. Colours are linear near zero "
        "and logarithmic beyond. Dots: significantly different from zero (5 %, Benjamini and Hochberg over the pairs "
        "of a task)."
    )


FIGURES.register(
    Figure(
        name="interactions",
        about="which pairs cost more together than one by one",
        scope=Scope.MODEL,
        reads="interactions/{model}/{task}.csv",
        needs_pairs=True,
        settings=(),
        make=make_interactions,
        title="Interactions of {model}",
        caption=_caption,
        category=TOGETHER,
        order=80,
    )
)
