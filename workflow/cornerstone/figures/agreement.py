"""Agreement: one model's effects of single removals in two scores against each other, a panel a task."""

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
    marker_size,
    name_points,
    ring,
    scale,
)
from cornerstone.drawing.panels import titled_panels
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.scores import SCORES, yardstick
from cornerstone.statistics.ranks import spearman
from cornerstone.values.agreement import compared_with
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel


def make_agreement(agreement: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw a panel a task: x the effect of a removal on the study's score, y that on the log-probability.

    agreement: rows of agreement csv of one model. Rings and names are of sublayers that the study's score shows
    no loss for while the log-probability surely fell.
    """
    pairs = pd.concat([_side_by_side(rows) for _, rows in agreement.groupby("task", sort=False)])
    score = SCORES[pairs["score"].iloc[0]]
    name = score.noun
    notes = {task: _note(rows) for task, rows in pairs.groupby("task", sort=False)}
    x_name, y_name = (
        each.unit.difference_heading(f"effect on the {each.noun}") for each in (score, yardstick())
    )
    columns = min(pairs["task"].nunique(), MOST_COLUMNS)
    handles = [
        *style.kind_handles(pairs["kind"]),
        style.legend_line(f"loss that the {name} does not see", **RING | {"markersize": 6}),
    ]
    panels = titled_panels(pairs, titles, y_name, x_name, handles, columns, WIDEST, notes)
    for axes, rows in panels.each(pairs):
        scale(axes, SCORES[rows["score"].iloc[0]], yardstick())
        size = marker_size(panels.pitch(rows))
        draw_points(axes, rows, size)
        ring(axes, rows[rows["unseen"]], size)
    for axes, rows in panels.each(pairs):  # once all is drawn
        keep_to_scores(axes, score, yardstick())
        name_points(axes, rows[rows["unseen"]].nlargest(NAMED, "y"))
    return panels.figure


def _side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per sublayer: the compared score's columns, with its effect along x and the log-probability's along y."""
    compared = rows[rows["score"] == compared_with(rows)]
    beside = rows[rows["score"] == yardstick().name]
    return along("x", compared).merge(along("y", beside)[["sublayer", "y", "y_low", "y_high"]], on="sublayer")


def _note(rows: pd.DataFrame) -> str:
    correlation = spearman(rows["x"].to_numpy(), rows["y"].to_numpy())
    ending = "" if np.isnan(correlation) else f", rank correlation {correlation:.2f}".replace("-", "−")
    return f"{rows['score'].iloc[0]}{ending}"


def _caption(context: Context) -> str:
    return (
        "What removing one sublayer costs in the study's score (along x; an accuracy where the study's score is the "
        "log-probability), and in the log-probability of the gold choice (along y), with 95 % intervals. Markers tell "
        f"its kind{context.looks}. Both axes are linear near zero and logarithmic beyond. "
        "Ringed: the score's interval tells no loss, but the log-probability surely fell (Holm over sublayers)."
    )


FIGURES.register(
    Figure(
        name="agreement",
        about="effects by the score and by the log-probability, and what only the latter shows",
        scope=Scope.MODEL,
        reads="agreement/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_agreement,
        title="Two scores of {model}",
        caption=_caption,
        category=HOW_SURELY,
        asked_by="scored_tasks",
        order=70,
    )
)
