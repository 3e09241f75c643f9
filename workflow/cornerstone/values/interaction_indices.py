"""Shapley interaction indices: how much more two sublayers are worth together than separately, on average.

index_table(read_scores([ablation, kernel_pairs], documents, "paper"))      # a row per pair

The interaction of `interactions` is of two sublayers next to all others. Their Shapley interaction index is the mean of
the same difference over all sets of others, from per-document coalitions.
"""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from cornerstone.shapley.games import rounded
from cornerstone.shapley.interaction_indices import interaction_indices
from cornerstone.values.interactions import pair_table
from cornerstone.values.rows import of_task
from cornerstone.values.scored_task import ScoredTask

LEFT_BY_FIT = 1e-7
"""In parts of the largest score: what the fit leaves of an index that is 0."""


def index_table(scored: ScoredTask) -> pd.DataFrame:
    """A row per two sublayers: model, task and score, then the columns of `pair_table`, the mean as index.

    scored: with games. low, high: of the index of all documents like these, the errors of drawing coalitions among what
    they hold.
    """
    pairs = tuple(combinations(range(len(scored.labels)), 2))
    indices = rounded(interaction_indices(scored.games).T, scored.scores.matrix, LEFT_BY_FIT)
    return of_task(pair_table(pairs, "index", indices, scored.labels, scored.scores), scored)
