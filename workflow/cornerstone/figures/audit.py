"""Audit: how the rank correlation with exact values grows with the budget, a panel for each task and score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.drawing import style
from cornerstone.drawing.panels import Panels, titled_panels
from cornerstone.figures import FIGURES, Context, Figure, Scope
from cornerstone.scores import yardstick
from cornerstone.values.results import Titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MplFigure
    from matplotlib.lines import Line2D

DRAWN = {
    "windows": ("#A81529", "-", "o"),
    "Gaussian process": ("#1B6CA8", "-", "s"),
    "antithetic permutations": ("#7A5195", "-", "^"),
    "stratified": ("#4D4D4D", "-", "D"),
    "k-additive SHAP": ("#E69F00", "--", "v"),
    "KernelSHAP (paired)": ("#56A36C", "--", "<"),
    "SVARM": ("#C77CA5", "--", ">"),
    "permutation sampling": ("#8C8C8C", "--", "x"),
}
"""Colour, line and marker; the others are in the table. Dashed: shapiq's."""
BANDED = ("windows", "Gaussian process", "k-additive SHAP")
"""Of all others bands would cover each other."""
MOST_COLUMNS = 3
WIDEST = 3.6  # inches, of a single panel
RANKS = "rank correlation with exact values"


def make_audit(audits: pd.DataFrame, titles: Titles) -> MplFigure:
    """Draw one model's audit: Spearman's correlation against the budget, mean and band over seeds.

    audits: rows of audit csv of one model.
    """
    rows = audits.assign(game=audits["task"], task=audits["task"] + "\n" + audits["score"])
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
    handles = [_handle(name, *look, rows) for name, look in DRAWN.items()]
    panels = titled_panels(order, named, RANKS, "coalitions evaluated", handles, columns, WIDEST, notes)
    for axes, of_panel in panels.each(order):
        _draw_lines(axes, of_panel)
    _finish(panels, order)
    return panels.figure


def _draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    for name, (colour, line, marker) in DRAWN.items():
        of_one = rows[rows["estimator"] == name].drop_duplicates("evaluations")
        axes.plot(
            of_one["evaluations"],
            of_one["spearman"],
            line,
            color=colour,
            marker=marker,
            markersize=3,
            linewidth=1,
        )
        if name in BANDED:
            low, high = of_one["spearman_low"], of_one["spearman_high"]
            axes.fill_between(of_one["evaluations"], low, high, color=colour, alpha=0.12, linewidth=0)


def _finish(panels: Panels, rows: pd.DataFrame) -> None:
    budgets = sorted(rows["budget"].unique())
    lowest = rows["spearman"][rows["estimator"].isin(DRAWN)].min()
    for axes in panels.axes.values():
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [str(budget) for budget in budgets])
        axes.minorticks_off()
        axes.set_ylim(min(0.0, lowest - 0.05), 1.02)
        axes.axhline(1, color=style.GREY, linewidth=0.5, zorder=0)


def _handle(name: str, colour: str, line: str, marker: str, rows: pd.DataFrame) -> Line2D:
    look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 3, "linewidth": 1}
    return style.legend_line(_label(name, rows), **look)


def _label(name: str, rows: pd.DataFrame) -> str:
    return name if rows["ours"][rows["estimator"] == name].all() else f"{name} (shapiq)"


def _caption(context: Context) -> str:
    return (
        "Rank correlation of each estimator's values with the exact Shapley values, which all coalitions give, against "
        "the number of coalitions that it may evaluate: the paper's number and multiples of it. Means over seeds; "
        "bands: 5th to 95th percentile."
    )


FIGURES.register(
    Figure(
        name="audit",
        scope=Scope.EXACT,
        reads="audit/{model}/{task}.csv",
        needs_pairs=False,
        settings=(),
        make=make_audit,
        title="Estimators on {model}",
        caption=_caption,
        category="Audit",
        order=90,
    )
)
