"""Values (figure 6): bars of the signed values, a panel a task, with intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cornerstone.figures import style
from cornerstone.figures.panels import Panels, task_panels
from cornerstone.models.kinds import KINDS
from cornerstone.tables.results import Titles
from cornerstone.values.units import unit_of

HATCH_FROM = 4.0  # points: narrower bars have no room for a hatch and rely on lightness


def draw_values(values: pd.DataFrame, output: Path, titles: Titles) -> None:
    """Draw one model's signed values as bars with whiskers (95 % intervals), a panel a task.

    values: rows of values csv of one model. Raises CornerstoneError for an unknown ending.
    """
    style.save(lambda: make_values(values, titles), output)


def make_values(values: pd.DataFrame, titles: Titles) -> Figure:
    """The figure that `draw_values` saves."""
    unit = unit_of(values["score"].iloc[0])
    handles = style.kind_handles(values["kind"], patches=True)
    panels = task_panels(values, titles, f"value ({unit.of_values})", "block of the sublayer", handles)
    for axes, rows in panels.each(values):
        _draw_panel(axes, rows, panels)
    return panels.figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, panels: Panels) -> None:
    axes.axhline(0, color=style.GREY, linewidth=0.5, zorder=1)
    pitch, factor = panels.pitch(rows), unit_of(rows["score"].iloc[0]).factor
    for kind, bars in rows.groupby("kind"):
        hatch = KINDS[kind].hatch if pitch >= HATCH_FROM else None
        look = {"facecolor": KINDS[kind].colour, "edgecolor": KINDS[kind].edge}
        width = {"width": 0.8, "linewidth": 0.3 if pitch >= HATCH_FROM else 0}
        axes.bar(bars["sublayer"], factor * bars["value"], hatch=hatch, **look, **width)
    whiskers = {"color": "#1A1A1A", "alpha": 0.7, "linewidth": min(0.7, 0.25 * pitch)}
    axes.vlines(rows["sublayer"], factor * rows["low"], factor * rows["high"], zorder=3, **whiskers)
