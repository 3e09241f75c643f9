"""Perplexities: lm-eval's metrics of targets and whole texts, of the full models and without single sublayers.

TABLES["perplexities"].make(results)      # tables/perplexities.csv
"""

from __future__ import annotations

import pandas as pd

from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.values.perplexities import FULL

MOST_NAMED = 5
"""Of the sublayers without which a metric is worst."""
NOTE = (
    "lm-eval's metrics; less is better. In brackets the 95 % interval of a bootstrap over documents, in which the "
    "words or bytes that divide are resampled too. A perplexity is no mean over documents, so it has effects of single "
    "removals and no Shapley values; tables/perplexities.csv has the effect of each."
)


def perplexities_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """One section; none where no task reports a perplexity."""
    if table.empty:
        return []
    rows = []
    for (model, task, metric), of_one in table.groupby(["model", "task", "metric"], sort=False):
        full = of_one[of_one["label"] == FULL].iloc[0]
        worst = of_one[of_one["label"] != FULL].nlargest(MOST_NAMED, "value")
        rows.append(
            {
                "Model": view.titles.model(model),
                "Task": view.titles.task(task),
                "Metric": metric,
                "Full model": _with_interval(full),
                "Largest without": "; ".join(
                    f"{row.label}: {_with_interval(row)}" for row in worst.itertuples()
                ),
            }
        )
    return [Section("Perplexities", NOTE, pd.DataFrame(rows))]


def _with_interval(row) -> str:
    return f"{_number(row.value)} ({_number(row.low)} – {_number(row.high)})"


def _number(value: float) -> str:
    """Three digits or more: 1.23, 45.6, 7,890; 1.2e+07 beyond a million."""
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


TABLES.register(
    Table(
        name="perplexities",
        about="lm-eval's perplexities of targets and whole texts: of the full models and without each sublayer",
        make=lambda results: results.perplexities,
        sections=perplexities_sections,
        is_folded=False,
        order=45,
    )
)
