"""Overlap: what removing two sublayers together costs beside the sum of their single removals, and where.

overlap_table(results)    # tables/overlap.csv: by cornerstones, kinds, depth and distance, a row per model and group

The paper's second hypothesis is that the sublayers that are no cornerstones overlap in function: each can be removed
because others do its work. Then two together cost more than the sum of both. All but the first groups are of such
pairs, without a cornerstone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.statistics.resampling import interval
from cornerstone.values.pairs import pair_excess, pair_groups
from cornerstone.values.results import Results

COLUMNS = [
    "model",
    "by",
    "group",
    "pairs",
    "tasks",
    "joint",
    "single",
    "excess",
    "low",
    "high",
    "more",
    "less",
]


def overlap_table(results: Results) -> pd.DataFrame:
    """A row per model and group of pairs that has any; columns: COLUMNS.

    by, group: see `pair_groups`. joint: drop of the score without both, mean over pairs and tasks; single: sum of the
    drops without each; excess = joint − single, minus the mean interaction, with its 95 % interval (paired over
    documents, tasks independent). more, less: on how many pair × task the excess is surely above and below zero
    (`sure` of the interactions).
    """
    rows = []
    for model in results.models:
        of_tasks, told = results.of_model(model), results.interactions[results.interactions["model"] == model]
        names = pd.MultiIndex.from_frame(told[["first", "second"]])
        signs = pd.Series(np.where(told["sure"], np.sign(told["interaction"]), 0), names)
        for (by, group), pairs in pair_groups(results, model).items():
            joint, single, draws = pair_excess(of_tasks, pairs)
            low, high = interval(draws)
            of_group = signs[names.isin(pairs)]
            rows.append(
                {
                    "model": model,
                    "by": by,
                    "group": group,
                    "pairs": len(pairs),
                    "tasks": len(of_tasks),
                    "joint": joint,
                    "single": single,
                    "excess": joint - single,
                    "low": low,
                    "high": high,
                    "more": int((of_group < 0).sum()),
                    "less": int((of_group > 0).sum()),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
