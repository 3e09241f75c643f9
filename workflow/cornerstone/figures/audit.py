"""Audit: how the rank correlation with exact values grows with the budget, a panel for each task and score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import Panels, titled_panels
from cornerstone.figures import FIGURES, HOW_SURELY, Context, Figure, Scope
from cornerstone.scores import yardstick
from cornerstone.shapley.estimators import Estimator, audited
from cornerstone.values.audit_summary import usual
from cornerstone.values.titles import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.lines import Line2D

MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel
RANKS = "rank correlation with exact values"


def make_audit(audits: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw one model's audit: Spearman's correlation against the budget, mean and band over seeds, of each estimator
    as studies have it.

    audits: rows of audit csv of one model.
    """
    rows = usual(audits).assign(game=audits["task"], task=audits["task"] + "\n" + audits["score"])
    named = Titles(
        titles.models,
        {
            f"{task}\n{score}": titles.task(task)
            for task, score in audits[["task", "score"]].itertuples(index=False)
        },
    )
    notes = {task: of_task["score"].iloc[0] for task, of_task in rows.groupby("task", sort=False)}
    order = rows.sort_values("score", kind="stable", key=lambda scores: scores == yardstick().name)
    columns = min(order["task"].nunique(), MOST_COLUMNS)
    handles = [_handle(estimator) for estimator in _drawn()]
    panels = titled_panels(order, named, RANKS, "coalitions evaluated", handles, columns, WIDEST, notes)
    for axes, of_panel in panels.each(order):
        _draw_lines(axes, of_panel)
    _finish(panels, order)
    return panels.figure


def _drawn() -> list[Estimator]:
    """Those with a look; the others are in the table."""
    return [estimator for estimator in audited() if estimator.look is not None]


def _draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    for estimator in _drawn():
        look = estimator.look
        of_one = rows[rows["estimator"] == estimator.title].drop_duplicates("evaluations")
        lines = {"color": look.colour, "marker": look.marker, "markersize": 3, "linewidth": 1}
        axes.plot(of_one["evaluations"], of_one["spearman"], look.line, **lines)
        if look.band:  # of all estimators, bands would cover each other
            low, high = of_one["spearman_low"], of_one["spearman_high"]
            axes.fill_between(of_one["evaluations"], low, high, color=look.colour, alpha=0.12, linewidth=0)


def _finish(panels: Panels, rows: pd.DataFrame) -> None:
    budgets = sorted(rows["budget"].unique())
    drawn = [estimator.title for estimator in _drawn()]
    lowest = rows["spearman"][rows["estimator"].isin(drawn)].min()
    for axes in panels.axes.values():
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [str(budget) for budget in budgets])
        axes.minorticks_off()
        axes.set_ylim(min(0.0, lowest - 0.05), 1.02)
        axes.axhline(1, color=style.GREY, linewidth=0.5, zorder=0)


def _handle(estimator: Estimator) -> Line2D:
    look = estimator.look
    label = f"{estimator.title} ({estimator.library})" if estimator.library else estimator.title
    lines = {"color": look.colour, "linestyle": look.line, "marker": look.marker}
    return style.legend_line(label, markersize=3, linewidth=1, **lines)


def _caption(context: Context) -> str:
    return (
        "Rank correlation of each estimator's values with the exact Shapley values, which all coalitions give, against "
        "the number of coalitions that it evaluates: the paper's number and multiples of it; where each document has "
        "its own, as many as take the same work. Means over seeds; bands: 5th to 95th percentile."
    )


FIGURES.register(
    Figure(
        name="audit",
        about="how near each estimator comes to exact values, of models named in `exact`",
        scope=Scope.EXACT,
        reads="audit/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_audit,
        title="Estimators on {model}",
        caption=_caption,
        category=HOW_SURELY,
        order=90,
    )
)
