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
from cornerstone.tables.text import without_empty_paper_columns
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results, mean_shares

NOTE = (
    "The paper's Table 2. Cornerstones are found by rank: the largest by share averaged over tasks. Value: mean over "
    "tasks, with its 95 % interval; the share has no honest one. The last column says in how many of "
    f"{RESAMPLES:,} resampled sets of documents a sublayer is among the top. This is stability, not confidence: how "
    "steadily these documents name it, no probability that it truly is one."
)


def cornerstones_table(results: Results) -> pd.DataFrame:
    """Table 2: a row per cornerstone, ours by rank and then those that only the paper names.

    rank: by share averaged over tasks. value, low, high: the value averaged over tasks with its 95 % interval.
    top_k_stability: the part of the resampled sets of documents in which it is one of the top_k (stability, not
    confidence): which sublayers are cornerstones is an estimate, too. paper: where the paper names it.
    """
    rows = []
    for model, values in results.values.groupby("model", sort=False):
        paper = results.published.cornerstones(model)
        mean, (low, high) = _mean_values(results.of_model(model))
        for rank, ((sublayer, label), share) in enumerate(mean_shares(values).items(), start=1):
            if rank <= results.top_k or label in paper:
                row = {"model": model, "rank": rank, "sublayer": sublayer, "label": label, "share": share}
                worth = {"value": mean[sublayer], "low": low[sublayer], "high": high[sublayer]}
                named = {"top_k_stability": results.found[model][sublayer], "paper": paper.get(label)}
                rows.append(row | worth | named)
    table = pd.DataFrame(rows).rename(columns={"paper": "paper_names_it"})
    return without_empty_paper_columns(table.assign(ours=table["rank"] <= results.top_k))


def _mean_values(of_tasks: Sequence[DocumentNumbers]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """A model's values averaged over its tasks, shape (sublayers,), and their intervals."""
    draws = np.mean([task_draws(numbers.values, numbers.task) for numbers in of_tasks], axis=0)
    return np.mean([numbers.values.mean(axis=1) for numbers in of_tasks], axis=0), interval(draws)


def cornerstones_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit, top_k = view.score.unit, int(table["ours"].sum() / table["model"].nunique())
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Rank": row.rank,
            "Sublayer": row.label,
            **_where_the_paper_names_it(row),
            "Mean share %": percent(row.share),
            unit.difference_heading("Mean value"): unit.with_interval(row.value, row.low, row.high),
            f"Among the top {top_k} in % of resamples (stability)": percent(row.top_k_stability),
        }
        for row in table.itertuples()
    ]
    return [Section("Table 2: cornerstones", NOTE, pd.DataFrame(rows))]


def _where_the_paper_names_it(row) -> dict[str, str]:
    if not hasattr(row, "paper_names_it"):
        return {}
    paper = "" if pd.isna(row.paper_names_it) else row.paper_names_it
    return {"Cornerstone": "yes" if row.ours else "no", "In the paper": paper}


TABLES.register(
    Table(
        name="cornerstones",
        about="Table 2 of the paper: found by rank, with how often resampled documents name the same "
        "(stability, not confidence)",
        make=cornerstones_table,
        sections=cornerstones_sections,
        is_folded=False,
        order=70,
    )
)
