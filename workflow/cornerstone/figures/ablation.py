"""Ablation (figures 3 to 5): one model's score on each task after removing each single sublayer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import Panels, task_panels
from cornerstone.figures import BY_TASK, FIGURES, Context, Figure, Scope
from cornerstone.models.kinds import KINDS
from cornerstone.scores import SCORES, score_of_all
from cornerstone.statistics.collapse import ABOVE, BELOW, COLLAPSED, UNDECIDED
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.lines import Line2D

FULL = {"color": "#1A1A1A", "linestyle": (0, (5, 2)), "linewidth": 0.9}
FULL_BAND = {"color": "#1A1A1A", "alpha": 0.1, "linewidth": 0}
CHANCE = {"color": "#8C8C8C", "linestyle": (0, (1.5, 1.5)), "linewidth": 1.1}
STATE_FACES = {ABOVE: None, UNDECIDED: "white", COLLAPSED: "#1A1A1A", BELOW: "#1A1A1A"}
"""The colour inside of a marker by what is left; None: the kind's."""


def make_ablation(effects: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw a panel a task: x the removed sublayer, y the score after removal, with the two baselines.

    effects: rows of ablation csv of one model. The light bars are the 95 % interval of the drop, hung on the full
    model's score, as far as there are such scores: one that reaches the dashed line is a drop that may be none. The
    grey band is the interval of the full model's score. A marker is black where the sublayer's removal collapsed the
    model (or left it below guessing), hollow where that is undecided.
    """
    score = score_of_all(effects["score"])
    guessable = effects["chance"].notna()
    # A mean near that of guessing does not say that a model guesses, and there may be no guessing at all.
    effects = effects.assign(state=effects["state"].where(guessable & score.is_accuracy, ABOVE))
    handles = [
        *style.kind_handles(effects["kind"]),
        *_states(effects["state"]),
        *_baselines(with_chance=guessable.any()),
    ]
    y_name = (
        f"score after removal ({score.unit.of_scores})" if score.unit.of_scores else "score after removal"
    )
    panels = task_panels(effects, titles, y_name, "block of the removed sublayer", handles)
    for axes, rows in panels.each(effects):
        _draw_panel(axes, rows, panels)
    for axes in panels.axes.values():
        style.keep_within(axes, *(score.unit.factor * end for end in score.range))
    return panels.figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, panels: Panels) -> None:
    of = SCORES[rows["score"].iloc[0]]
    factor = of.unit.factor
    axes.axhspan(*(factor * rows[f"full_{end}"].iloc[0] for end in ("low", "high")), zorder=0, **FULL_BAND)
    axes.axhline(factor * rows["full"].iloc[0], zorder=1, **FULL)
    axes.axhline(factor * rows["chance"].iloc[0], zorder=1, **CHANCE)
    size = max(1.8, min(4.5, 0.6 * panels.pitch(rows)))
    for kind, points in rows.groupby("kind"):
        score = factor * points["removed_score"]
        low, high = (factor * (points["full"] - points[end]).clip(*of.range) for end in ("high", "low"))
        colour, edge = KINDS[kind].colour, KINDS[kind].edge
        axes.vlines(points["sublayer"], low, high, color=edge, alpha=0.35, linewidth=0.35 * size, zorder=2)
        axes.plot(points["sublayer"], score, color=edge, alpha=0.3, linewidth=0.5, zorder=2)
        for state, face in STATE_FACES.items():
            of_state = points["state"] == state
            if not of_state.any():
                continue
            look = {"marker": KINDS[kind].marker, "markerfacecolor": face or colour, "markeredgecolor": edge}
            width = {"markersize": size, "markeredgewidth": 0.3 if state == ABOVE else 0.15 * size}
            axes.plot(points["sublayer"][of_state], score[of_state], linestyle="", zorder=3, **look, **width)


def _states(states: pd.Series) -> list[Line2D]:
    """Legend entries of the states that occur, but for the usual one."""
    occurring = set(states)
    black = " / ".join(state for state in (COLLAPSED, BELOW) if state in occurring)
    faces = {UNDECIDED: STATE_FACES[UNDECIDED]} if UNDECIDED in occurring else {}
    faces |= {black: STATE_FACES[COLLAPSED]} if black else {}
    look = {"linestyle": "", "marker": "o", "markersize": 4, "markeredgecolor": style.GREY}
    return [
        style.legend_line(name, markerfacecolor=face, markeredgewidth=0.6, **look)
        for name, face in faces.items()
    ]


def _baselines(with_chance: bool) -> list[Line2D]:
    full = style.legend_line("full model", **FULL)
    return [full, style.legend_line("chance", **CHANCE)] if with_chance else [full]


def _caption(context: Context) -> str:
    # A mean near that of guessing says that a model guesses where the score is an accuracy alone.
    markers = (
        ". Black: what is left is surely guessing (collapsed, or below guessing); hollow: that is undecided"
    )
    chance = "; dotted: chance" if context.is_guessable else ""
    return (
        f"Score after removing one sublayer: markers tell its kind{context.looks}. "
        f"Dashed: the full model, its 95 % interval in grey{chance}. The light bars are the 95 % interval of the drop: "
        "one that crosses the dashed line is a drop that cannot be told from none"
        f"{markers if context.score.is_accuracy and context.is_guessable else ''}{context.measured}."
    )


FIGURES.register(
    Figure(
        name="ablation",
        about="figures 3, 4 and 5 of the paper: the score after removing each sublayer",
        scope=Scope.MODEL,
        reads="ablation/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_ablation,
        title="Ablation of {model}",
        caption=_caption,
        category=BY_TASK,
        order=50,
    )
)
