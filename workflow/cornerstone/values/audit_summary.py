"""The audit over all models, tasks and scores together."""

from __future__ import annotations

import pandas as pd

from cornerstone.shapley.estimators import OWN

SEEDS = 20
"""Of each estimator that draws at random, on each game and budget."""
OWN_SEEDS = 3
"""Of those that look at each document's own scores: each seed is a mean over all documents."""
NUMBER, WORK = "number", "work"
"""What an estimator has as much of as the windows: the number of coalitions, or the work."""
MEASURES = [
    "evaluations",
    "work",
    "spearman",
    "kendall",
    "top_overlap",
    "share_error",
    "efficiency_bias",
    "error",
]


def audit_summary(audits: pd.DataFrame) -> pd.DataFrame:
    """A row per estimator, design and multiple of the budget: means over the audited models, tasks and scores of the
    columns of `audit_table` (of the biases their size), games, and spearman_worst, that of the game where it is lowest;
    the best first. A measure that a game has not is left out of its mean. games_with_shares: of how many games
    top_overlap and share_error are means; games_with_total: of how many efficiency_bias is one."""
    rows = []
    names = ["multiple", "same", "coalitions", "estimator", "ours"]
    for keys, of_one in audits.groupby(names, sort=False):
        means = of_one.assign(efficiency_bias=of_one["efficiency_bias"].abs())[MEASURES].mean()
        row = dict(zip(names, keys, strict=True)) | {"games": len(of_one)}
        there = of_one.notna().sum()
        row |= {"games_with_shares": there["share_error"], "games_with_total": there["efficiency_bias"]}
        rows.append(row | means.to_dict() | {"spearman_worst": of_one["spearman"].min()})
    table = pd.DataFrame(rows)
    return table.sort_values(
        ["same", "multiple", "spearman"], ascending=[False, True, False], ignore_index=True
    )


def usual(audits: pd.DataFrame) -> pd.DataFrame:
    """The rows of each estimator as studies use it: as many coalitions as the windows, which all documents share, or,
    where it is made for per-document coalitions, these."""
    by_number = audits["same"] == NUMBER
    has_number = by_number.groupby(audits["estimator"]).transform("any")
    return audits[by_number | ~has_number & (audits["coalitions"] == OWN)]
