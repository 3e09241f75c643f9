"""Both ways: effects of single removals by likelihood and by generation against each other, on the same items.

A row of panels for each model and pair of tasks, a panel for each score of given answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.effect_points import (
    NAMED,
    RING,
    along,
    draw_points,
    keep_to_scores,
    make_room_for_names,
    marker_size,
    name_points,
    ring,
    scale,
)
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.scores import SCORES
from cornerstone.scores.unit import CORRELATION
from cornerstone.statistics.ranks import spearman
from cornerstone.values.both_ways import GENERATED, ONLY_GENERATION, ONLY_LIKELIHOOD
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure

# Inches.
LEFT, RIGHT, TOP, LEGEND = 0.62, 0.1, 0.06, 0.3
HEAD = 0.36  # a row's title in one line, and what stands above each of its panels
LINE = 0.14  # of a title
FOOT = 0.48  # the numbers and the name of x
PANEL_HEIGHT = 1.5
GAP_X = 0.18
WIDEST = 3.0  # of a panel
OF_LIKELIHOOD = {"marker": "s", "markeredgecolor": style.GREY, "linestyle": ""}
"""The look of rings around what likelihood alone shows."""


def make_both_ways(table: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw a row of panels for each model and pair of tasks: x the effect by a score of given answers, y by generation.

    table: rows of tables/both_ways_effects.csv. Rings and names are of sublayers that only one of the two shows.
    """
    import seaborn

    pairs = [rows for _, rows in table.groupby(["model", "given", "generating"], sort=False)]
    columns = max(rows["score"].nunique() - 1 for rows in pairs)
    width = min(WIDEST, (style.WIDTH - LEFT - RIGHT - (columns - 1) * GAP_X) / columns)
    figure_width = LEFT + RIGHT + columns * width + (columns - 1) * GAP_X
    heads = [_head(rows, titles, figure_width - 0.2) for rows in pairs]
    above = [HEAD + LINE * head.count("\n") for head in heads]
    height = TOP + LEGEND + sum(above) + len(pairs) * (PANEL_HEIGHT + FOOT)
    figure, top = style.new_figure(figure_width, height), height - TOP
    for rows, head, head_height in zip(pairs, heads, above, strict=True):
        figure.text(0.1 / figure_width, top / height, head, weight="bold", va="top")
        bottom = top - head_height - PANEL_HEIGHT
        _draw_row(figure, rows, (LEFT, width, figure_width), bottom / height, PANEL_HEIGHT / height)
        top = bottom - FOOT
    seaborn.despine(figure)
    figure.legend(handles=_handles(table), loc="lower center", ncols=4, frameon=False)
    return figure


def _head(rows: pd.DataFrame, titles: Titles, width: float) -> str:
    title = f"{titles.model(rows['model'].iloc[0])}: {titles.task(rows['given'].iloc[0])}"
    return style.wrapped(title, width, style.FONT, "bold")


def _draw_row(
    figure: MplFigure, rows: pd.DataFrame, across: tuple[float, float, float], bottom: float, height: float
) -> None:
    """The panels of a pair. across: where they begin, how wide each is, and how wide the figure is."""
    start, width, whole = across
    generated, first = along("y", rows[rows["score"] == GENERATED]), None
    drawn = []
    for column, score in enumerate(name for name in rows["score"].unique() if name != GENERATED):
        left = (start + column * (width + GAP_X)) / whole
        axes = figure.add_axes((left, bottom, width / whole, height), sharey=first)
        points = along("x", rows[rows["score"] == score]).merge(
            generated[["sublayer", "y", "y_low", "y_high"]], on="sublayer"
        )
        _draw_panel(axes, points, SCORES[score], width)
        axes.tick_params(labelleft=first is None)
        if first is None:
            axes.set_ylabel(SCORES[GENERATED].unit.difference_heading("generation"))
            first = axes
        drawn.append((axes, points, SCORES[score]))
    for axes, points, score in drawn:  # once all is drawn
        if points["only"].isin((ONLY_GENERATION, ONLY_LIKELIHOOD)).any():
            make_room_for_names(axes, points)
        keep_to_scores(axes, score, SCORES[GENERATED])
        alone = {which: points[points["only"] == which] for which in (ONLY_GENERATION, ONLY_LIKELIHOOD)}
        most = [alone[ONLY_GENERATION].nlargest(NAMED, "y"), alone[ONLY_LIKELIHOOD].nlargest(NAMED, "x")]
        name_points(axes, pd.concat(most))


def _draw_panel(axes: Axes, points: pd.DataFrame, score, width: float) -> None:
    scale(axes, score, SCORES[GENERATED])
    size = marker_size(width * style.POINTS / (len(points) + 1))
    draw_points(axes, points, size)
    ring(axes, points[points["only"] == ONLY_GENERATION], size)
    ring(axes, points[points["only"] == ONLY_LIKELIHOOD], size, **OF_LIKELIHOOD)
    axes.set_xlabel(score.unit.difference_heading(score.noun))
    correlation = spearman(points["x"].to_numpy(), points["y"].to_numpy())
    note = "" if np.isnan(correlation) else f"rank correlation {CORRELATION.text(correlation)}"
    axes.set_title(note, fontsize=style.FONT - 1, pad=4)


def _handles(table: pd.DataFrame) -> list:
    look = RING | {"markersize": 6}
    return [
        *style.kind_handles(table["kind"]),
        style.legend_line("loss that only generation shows", **look),
        style.legend_line("loss that only likelihood shows", **look | OF_LIKELIHOOD),
    ]


def _caption(context: Context) -> str:
    return (
        "What removing one sublayer costs on the same items by the likelihood of given answers (along x: an "
        "accuracy, the log-probability of the right choice, the log-likelihood of the right answer in bits per "
        "byte) and by generation (along y), with 95 % intervals over documents. Markers tell its "
        f"kind{context.looks}. Both axes are linear near zero and logarithmic beyond. Ringed: one of the two has "
        "surely fallen (Holm over sublayers), and the documents show no loss in the other. Above each panel, "
        "Spearman's rank correlation over the sublayers; noise lowers it."
    )


FIGURES.register(
    Figure(
        name="both_ways",
        about="effects by likelihood and by generation on the same items; only with tasks that have `same_items_as`",
        scope=Scope.STUDY,
        reads="tables/both_ways_effects.csv",
        needs_pairs=False,
        asked_by="both_ways",
        settings=(),
        make=make_both_ways,
        title="Likelihood and generation on the same items",
        caption=_caption,
        category=HOW_SURELY,
        order=97,
    )
)
