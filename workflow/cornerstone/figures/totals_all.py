"""Totals: sums of the sublayers' values by kind and by depth, a row of two panels a model, tasks along y."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.figures import FIGURES, WHAT_MATTERS, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES
from cornerstone.scores.unit import Unit
from cornerstone.tables.totals import DIFFERENCE
from cornerstone.values.pairs import THIRDS
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.patches import Patch

BAR = 0.11  # inches, like every length here
GAP = 0.1  # between tasks
NAMES = 1.2  # at most, beside the left panel
HEAD = 0.3  # a model's title
BETWEEN = 0.3  # two panels, and two models
FOOT = 0.75  # numbers, their name and the legend
WIDTH = 6.4
DEPTH_COLOURS = ("#787878", "#ABABAB", "#DCDCDC")


def make_totals(totals: pd.DataFrame, titles: Titles, score: str) -> MplFigure:
    """Draw the sums of values of every model and task, with 95 % intervals.

    totals: the table of totals. score: the study's.
    """
    unit = SCORES[score].unit
    drawn = totals[totals["part"] != DIFFERENCE]
    models, tasks = list(drawn["model"].unique()), list(drawn["task"].unique())
    names = {task: style.wrapped(titles.task(task), NAMES, style.FONT - 1) for task in tasks}
    room = 0.15 + max(
        style.text_width(line, style.FONT - 1) for name in names.values() for line in name.splitlines()
    )
    shown = [by for by in ("kind", "depth") if by in set(drawn["by"])]
    panel_height = len(tasks) * (3 * BAR + GAP)
    panel_width = (WIDTH - room - BETWEEN * (len(shown) - 1) - 0.1) / len(shown)
    heads = [style.wrapped(titles.model(model), WIDTH - 0.2, style.FONT + 1, "bold") for model in models]
    rooms = [HEAD + 0.16 * head.count("\n") for head in heads]
    height = sum(rooms) + len(models) * panel_height + (len(models) - 1) * BETWEEN + FOOT
    figure = style.new_figure(WIDTH, height)
    top, first = height, None
    for model, head, head_room in zip(models, heads, rooms, strict=True):
        of_model = {"fontsize": style.FONT + 1, "fontweight": "bold"}
        figure.text(0.5, (top - 0.07) / height, head, ha="center", va="top", **of_model)
        bottom = top - head_room - panel_height
        for column, by in enumerate(shown):
            left = room + column * (panel_width + BETWEEN)
            place = (left / WIDTH, bottom / height, panel_width / WIDTH, panel_height / height)
            axes = figure.add_axes(place, sharex=first)
            first = first or axes
            rows = drawn[(drawn["model"] == model) & (drawn["by"] == by)]
            _draw_panel(axes, rows, tasks, unit)
            axes.set_yticks(range(len(tasks)), [names[task] for task in tasks] if column == 0 else [])
            axes.set_xlabel(f"sum of values ({unit.of_values})" if model == models[-1] else "")
        top = bottom - BETWEEN
    style.without_box(figure)
    figure.legend(handles=_handles(drawn), loc="lower center", ncols=5, frameon=False, columnspacing=1.2)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, tasks: list[str], unit: Unit) -> None:
    axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=1)
    parts = list(rows["part"].unique())
    pitch = 1 / (3 + GAP / BAR)  # of bars, where tasks stand 1 apart
    for place, part in enumerate(parts):
        bars = rows[rows["part"] == part]
        y = bars["task"].map(tasks.index) + (place - (len(parts) - 1) / 2) * pitch
        axes.barh(y, unit.factor * bars["value"], height=pitch, linewidth=0.3, **_look(part))
        ends = unit.factor * bars["value_low"], unit.factor * bars["value_high"]
        axes.hlines(y, *ends, color="#1A1A1A", alpha=0.7, linewidth=0.7, zorder=3)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _look(part: str) -> dict[str, str]:
    if part in THIRDS:
        return {"facecolor": DEPTH_COLOURS[THIRDS.index(part)], "edgecolor": style.GREY}
    kind = next(kind for kind in KINDS.values() if kind.noun in part)
    return {"facecolor": kind.colour, "edgecolor": kind.edge}


def _handles(drawn: pd.DataFrame) -> list[Patch]:
    """Of the kinds that occur in any model, as one entry, and of the thirds."""
    from matplotlib.patches import Patch

    parts = set(drawn["part"][drawn["by"] == "kind"])
    named = [kind.name for kind in KINDS.values() if any(kind.noun in part for part in parts)]
    thirds = [third for third in THIRDS if third in set(drawn["part"])]
    return [
        *style.kind_handles(named, patches=True),
        *[Patch(**_look(third), linewidth=0.4, label=third) for third in thirds],
    ]


def _caption(context: Context) -> str:
    return (
        f"Sums of the sublayers' signed values in {context.score.unit.of_values}, with 95 % intervals: "
        f"{'left by kind, right ' if context.has_kinds else ''}by thirds of the model's blocks."
    )


FIGURES.register(
    Figure(
        name="totals_all",
        about="attention against FFN or MoE, and by depth",
        scope=Scope.STUDY,
        reads="tables/totals.csv",
        needs_pairs=False,
        settings=("score",),
        make=make_totals,
        title="Attention against FFN or MoE, and depth",
        caption=_caption,
        category=WHAT_MATTERS,
        order=30,
    )
)
