"""Interactions: whether removing two sublayers together costs more or less than removing each alone.

evaluations/{model}/{task}/{design}.parquet + documents/{task}.parquet
    -> interactions/{model}/{task}.csv, a row per pair that was removed alone together

    interaction of i and j = v(−∅) − v(−i) − v(−j) + v(−{i,j})

It is 0 where effects add up. Below zero, removing both costs more than the sum of the single removals: each stood in
for the other (they overlap). Above zero it costs less: without one the other is of no use any more (they work
together), or there is nothing left to lose, as an accuracy hardly falls below guessing.

That is of the two next to all others. Their Shapley interaction index (`interaction_indices`) is the mean of the same
difference over whatever else may be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.games import rounded
from cornerstone.statistics.resampling import LEVEL, effect_interval
from cornerstone.statistics.significance import benjamini_hochberg, p_values
from cornerstone.values.ablation import document_effects
from cornerstone.values.rows import sublayer_columns, write_table
from cornerstone.values.score_matrix import Scores, rows_of
from cornerstone.values.scored_task import read_scores

ROWS_AT_ONCE = 2000
"""Pairs whose draws are in memory: 2,000 of 2,000 resamples are 32 MB. A model of 160 sublayers has 12,720 pairs."""


def evaluated_pairs(scores: Scores) -> tuple[Removed, ...]:
    """The pairs whose removal was evaluated, by any design, in order."""
    return tuple(sorted(removed for removed in scores.coalitions if len(removed) == 2))


def document_interactions(scores: Scores, n_sublayers: int) -> tuple[tuple[Removed, ...], np.ndarray]:
    """The pairs and their interactions document by document, shape (pairs, documents).

    Raises CornerstoneError where a single removal was not evaluated.
    """
    pairs = evaluated_pairs(scores)
    full, effects = document_effects(scores, n_sublayers)
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    together = rows_of(scores, pairs) if pairs else np.zeros((0, len(full)))
    return pairs, effects[first] + effects[second] - (full - together)


def interaction_table(scores: Scores, labels: Sequence[str]) -> pd.DataFrame:
    """`pair_table` of the pairs that were removed alone together; the mean is interaction."""
    pairs, interactions = document_interactions(scores, len(labels))
    return pair_table(pairs, "interaction", interactions, labels, scores)


def pair_table(
    pairs: Sequence[Removed], name: str, per_document: np.ndarray, labels: Sequence[str], scores: Scores
) -> pd.DataFrame:
    """A row per pair: first, second, first_label, …, first_kind, …, distance, {name}, low, high, sure, documents.

    per_document: (pairs, documents); its mean over documents is {name}.
    distance: of the two in execution order, 1 for neighbours. low, high: paired 95 % interval (bootstrap over
    documents). sure: not zero, by Benjamini and Hochberg over the pairs: of those so called, one in twenty is chance.
    """
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    of, per_document = sublayer_columns(labels), rounded(per_document, scores.matrix)
    low, high = _intervals(per_document, 2 * scores.reach)
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "first_label": of["label"].to_numpy()[first],
            "second_label": of["label"].to_numpy()[second],
            "first_kind": of["kind"].to_numpy()[first],
            "second_kind": of["kind"].to_numpy()[second],
            "distance": second - first,
            name: np.round(per_document.mean(axis=1), 12),
            "low": low,
            "high": high,
            "sure": benjamini_hochberg(p_values(per_document)) < 1 - LEVEL,
            "documents": len(scores.documents),
        }
    )


def _intervals(per_document: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """`effect_interval` of each row, some rows at a time."""
    ends = [
        effect_interval(per_document[start : start + ROWS_AT_ONCE], reach)
        for start in range(0, len(per_document), ROWS_AT_ONCE)
    ]
    low, high = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0))
    return low, high


def pair_interactions(
    evaluations: Sequence[Path], documents: Path, output: Path, *, score: str = "paper"
) -> None:
    """Write interactions/{model}/{task}.csv from the evaluations of all the model's designs, ablation among them.

    `score` is the configuration's. Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores(evaluations, documents, score)
    write_table(interaction_table(study.scores, study.labels), study, output)
