"""The cornerstones of each model: the paper's Table 2.

cornerstones_table(results)    # tables/cornerstones.csv
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cornerstone.scores.unit import percent
from cornerstone.statistics.resampling import RESAMPLES, interval
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import rows_or, without_empty_paper_columns
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results, shares_of, tasks_with_shares

NOTE = (
    "The paper's Table 2. Cornerstones are found by rank: the sublayers of the largest share averaged over tasks. A "
    "task without a positive value has no shares and is left out of the mean. A model without a positive value on any "
    "task has no cornerstones. Value: mean over all tasks, with its 95 % interval; shares have no valid one. Tasks: "
    f"how many the mean share is over. The last column says in how many of {RESAMPLES:,} resampled sets of documents "
    "a sublayer is among the top. This is stability, not confidence: how often these documents name it, not a "
    "probability that it truly is one."
)

COLUMNS = "model rank sublayer label share share_tasks value low high top_k_stability paper_names_it ours"


def cornerstones_table(results: Results) -> pd.DataFrame:
    """Table 2: a row per cornerstone, ours by rank and then those that only the paper names.

    rank: by share averaged over the tasks that have shares; share_tasks: how many. value, low, high: the value averaged
    over all tasks with its 95 % interval.
    top_k_stability: the part of the resampled sets of documents in which it is one of the top_k (stability, not
    confidence): which sublayers are cornerstones is an estimate, too. paper: where the paper names it.
    """
    rows = []
    for model, values in results.values.groupby("model", sort=False):
        paper = results.published.cornerstones(model)
        mean, (low, high) = _mean_values(results.of_model(model))
        for rank, ((sublayer, label), share) in enumerate(shares_of(values).items(), start=1):
            ours = label in results.cornerstones[model]
            if ours or label in paper:
                row = {"model": model, "rank": np.nan if np.isnan(share) else rank, "sublayer": sublayer}
                row |= {"label": label, "share": share, "share_tasks": tasks_with_shares(values)}
                worth = {"value": mean[sublayer], "low": low[sublayer], "high": high[sublayer]}
                named = {
                    "top_k_stability": results.found[model][sublayer],
                    "paper_names_it": paper.get(label),
                }
                rows.append(row | worth | named | {"ours": ours})
    return without_empty_paper_columns(pd.DataFrame(rows, columns=COLUMNS.split()))


def _mean_values(of_tasks: Sequence[DocumentNumbers]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """A model's values averaged over its tasks, shape (sublayers,), and their intervals."""
    draws = np.mean([task_draws(numbers.values, numbers.task, numbers.reach) for numbers in of_tasks], axis=0)
    return np.mean([numbers.values.mean(axis=1) for numbers in of_tasks], axis=0), interval(draws)


def cornerstones_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Rank": "" if pd.isna(row.rank) else int(row.rank),
            "Sublayer": row.label,
            **_where_the_paper_names_it(row),
            "Mean share %": percent(row.share),
            "Tasks": row.share_tasks,
            unit.difference_heading("Mean value"): unit.with_interval(row.value, row.low, row.high),
            "Cornerstone in % of resamples (stability)": percent(row.top_k_stability),
        }
        for row in table.itertuples()
    ]
    text = rows_or("No value of any model is positive on any task.", rows)
    return [Section("Table 2: cornerstones", NOTE, text)]


def _where_the_paper_names_it(row) -> dict[str, str]:
    if not hasattr(row, "paper_names_it"):
        return {}
    paper = "" if pd.isna(row.paper_names_it) else row.paper_names_it
    return {"Cornerstone": "yes" if row.ours else "no", "In the paper": paper}


TABLES.register(
    Table(
        name="cornerstones",
        about="Table 2 of the paper: the cornerstones by rank, with how often resampled documents name the same "
        "(stability, not confidence)",
        make=cornerstones_table,
        sections=cornerstones_sections,
        is_folded=False,
        order=70,
    )
)
