"""The audit over all models, tasks and scores together."""

from __future__ import annotations

import pandas as pd

SEEDS = 20
"""Of each estimator that draws at random, on each game and budget."""
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
    """A row per estimator and multiple of the budget, means over the audited models, tasks and scores: the columns of
    `audit_table` (of the biases their size), games, and spearman_worst, that of the game where it is lowest; the best
    first. A measure that a game has not is left out of its mean. games_with_shares: of how many games top_overlap and
    share_error are means; games_with_total: of how many efficiency_bias is one."""
    rows = []
    for (multiple, name, ours), of_one in audits.groupby(["multiple", "estimator", "ours"], sort=False):
        means = of_one.assign(efficiency_bias=of_one["efficiency_bias"].abs())[MEASURES].mean()
        row = {"multiple": multiple, "estimator": name, "ours": ours, "games": len(of_one)}
        there = of_one.notna().sum()
        row |= {"games_with_shares": there["share_error"], "games_with_total": there["efficiency_bias"]}
        rows.append(row | means.to_dict() | {"spearman_worst": of_one["spearman"].min()})
    table = pd.DataFrame(rows)
    return table.sort_values(["multiple", "spearman"], ascending=[True, False], ignore_index=True)
