"""Cheap measures: how far their order of the sublayers agrees with that of values and of effects, a row a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.measures import MEASURES
from cornerstone.values.titles import MEAN, Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.lines import Line2D

# Inches.
LEFT, RIGHT, TOP, BOTTOM = 1.35, 0.1, 0.05, 0.75
ROW = 0.24  # a task
HEAD = 0.32  # a model's title in one line, above its panels
LINE = 0.14  # of a title or a task's name
BETWEEN = 0.12
GAP_X = 0.2
MARKERS = "osD^v<>"
SHADES = ("#1A1A1A", "#B0B0B0", "#FFFFFF", "#707070")
"""Of the markers' insides, all with a dark edge: measures are no kinds of sublayers, and have none of their colours."""
AGAINST = {"value": "values", "effect": "effects of removal"}


def make_cheap_measures(table: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw the rank correlations of each model, task and measure over the players, with their intervals: left with the
    values, right with the effects of single removals.

    table: rows of tables/cheap_measures_agreement.csv.
    """
    import seaborn

    rows = table[table["part"] == titles.player]
    models, tasks = list(rows["model"].unique()), list(rows["task"].unique())
    names = _names(tasks, titles)
    panel = len(tasks) * max(ROW, LINE * max(name.count("\n") + 1 for name in names))
    heads = {
        model: style.wrapped(titles.model(model), style.WIDTH - LEFT - RIGHT, style.FONT, "bold")
        for model in models
    }
    head_of = {model: HEAD + LINE * title.count("\n") for model, title in heads.items()}
    height = TOP + BOTTOM + sum(head_of.values()) + len(models) * panel + (len(models) - 1) * BETWEEN
    figure = style.new_figure(style.WIDTH, height)
    width = (style.WIDTH - LEFT - RIGHT - GAP_X) / 2
    top, lowest = height - TOP, min(-0.25, rows["spearman_low"].min() - 0.05)
    for model in models:
        bottom = top - head_of[model] - panel
        figure.text(LEFT / style.WIDTH, (top - 0.1) / height, heads[model], weight="bold", va="top")
        for column, against in enumerate(AGAINST):
            left = LEFT + column * (width + GAP_X)
            place = (left / style.WIDTH, bottom / height, width / style.WIDTH, panel / height)
            axes = figure.add_axes(place)
            _draw_panel(axes, rows[(rows["model"] == model) & (rows["against"] == against)], tasks)
            axes.set_xlim(lowest, 1.04)
            axes.set_yticks(range(len(tasks)), names if column == 0 else [])
            if model == models[-1]:
                axes.set_xlabel(f"rank correlation with the {AGAINST[against]}")
            else:
                axes.set_xticklabels([])
        top = bottom - BETWEEN
    seaborn.despine(figure)
    figure.legend(handles=_handles(), loc="lower center", ncols=4, frameon=False)
    return figure


def _names(tasks: list[str], titles: Titles) -> list[str]:
    return [style.wrapped(titles.task(task), LEFT - 0.15, style.FONT - 1) for task in tasks]


def _draw_panel(axes: Axes, rows: pd.DataFrame, tasks: list[str]) -> None:
    axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=1)
    if MEAN in tasks and len(tasks) > 1:
        axes.axhline(tasks.index(MEAN) - 0.5, color=style.GREY, linewidth=0.5, zorder=1)
    pitch = 0.8 / len(MEASURES)
    for number, measure in enumerate(MEASURES):
        own = rows[rows["measure"] == measure.name]
        y = own["task"].map(tasks.index) + (number - (len(MEASURES) - 1) / 2) * pitch
        axes.hlines(y, own["spearman_low"], own["spearman_high"], color=style.GREY, linewidth=0.7, zorder=2)
        axes.plot(own["spearman"], y, linestyle="", zorder=3, **_look(number))
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _look(number: int) -> dict[str, object]:
    shade = SHADES[number % len(SHADES)]
    edge = {"markeredgecolor": "#1A1A1A", "markeredgewidth": 0.6}
    return {"marker": MARKERS[number % len(MARKERS)], "color": shade, "markersize": 3.6, **edge}


def _handles() -> list[Line2D]:
    return [
        style.legend_line(measure.title, linestyle="", **_look(number))
        for number, measure in enumerate(MEASURES)
    ]


def _caption(context: Context) -> str:
    named = "; ".join(f"{measure.title}: {measure.about}" for measure in MEASURES)
    return (
        "How far the order of the sublayers by a cheap measure is that by what they are worth: Spearman's rank "
        "correlation with the values (left) and with the effects of removing single sublayers (right), with 95 % "
        f"intervals over documents. Measures come from one pass of the full model. {named[:1].upper()}{named[1:]}."
    )


FIGURES.register(
    Figure(
        name="cheap_measures",
        about="how far cheap measures agree with values and effects; only with `cheap_measures: true`",
        scope=Scope.STUDY,
        reads="tables/cheap_measures_agreement.csv",
        needs_pairs=False,
        asked_by="cheap_measures",
        settings=(),
        make=make_cheap_measures,
        title="Cheap measures and what sublayers are worth",
        caption=_caption,
        category=HOW_SURELY,
        order=95,
    )
)
