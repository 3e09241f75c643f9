"""Joint removals: the effect of removing a run of sublayers together, and the sum of their single removals.

evaluations/{model}/{task}/{ablation,windows}.parquet + documents/{task}.parquet
    -> joint/{model}/{task}.csv, a row per window

A run costs more together than its sublayers do one by one where they can stand in for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.shapley import coalitions as designs
from cornerstone.shapley.coalitions import Removed
from cornerstone.statistics.resampling import effect_interval
from cornerstone.values.ablation import document_effects
from cornerstone.values.rows import write_table
from cornerstone.values.score_matrix import Scores, rows_of
from cornerstone.values.scored_task import read_scores


def document_joint(
    scores: Scores, n_sublayers: int, max_removed: int
) -> tuple[tuple[Removed, ...], np.ndarray, np.ndarray]:
    """The windows of 2..max_removed sublayers, their joint effects and the sums of the single ones.

    Both of shape (windows, documents). Raises CornerstoneError where a coalition was not evaluated.
    """
    windows = tuple(designs.windows(n_sublayers, max_removed))
    full, effects = document_effects(scores, n_sublayers)
    before = np.vstack([np.zeros_like(full), effects.cumsum(axis=0)])  # sums of the first 0, 1, 2 … effects
    first = [window[0] for window in windows]
    after = [window[-1] + 1 for window in windows]
    return windows, full - rows_of(scores, windows), before[after] - before[first]


def joint_table(scores: Scores, labels: Sequence[str], max_removed: int) -> pd.DataFrame:
    """A row per window: removed, labels, size, joint, single, excess, low, high, documents.

    joint: full score − score without the window. single: the sum of its sublayers' effects. excess = joint
    − single. Each with its paired interval (95 %, bootstrap over documents), that of the excess in low, high.
    """
    windows, joint, single = document_joint(scores, len(labels), max_removed)
    summed = scores.reach * np.array([len(window) for window in windows])
    reaches = ((joint, scores.reach), (single, summed), (joint - single, summed))
    (joint_low, joint_high), (single_low, single_high), (low, high) = (
        effect_interval(rows, reach) for rows, reach in reaches
    )
    return pd.DataFrame(
        {
            "removed": [designs.removed_text(window) for window in windows],
            "labels": [", ".join(labels[sublayer] for sublayer in window) for window in windows],
            "size": [len(window) for window in windows],
            "joint": np.round(joint.mean(axis=1), 12),
            "single": np.round(single.mean(axis=1), 12),
            "excess": np.round((joint - single).mean(axis=1), 12),
            "low": low,
            "high": high,
            "joint_low": joint_low,
            "joint_high": joint_high,
            "single_low": single_low,
            "single_high": single_high,
            "documents": len(scores.documents),
        }
    )


def joint_effects(
    evaluations: Sequence[Path], documents: Path, output: Path, *, max_removed: int, score: str = "paper"
) -> None:
    """Write joint/{model}/{task}.csv from the evaluations of the designs ablation and windows.

    `score` is the configuration's.
    Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores(evaluations, documents, score)
    write_table(joint_table(study.scores, study.labels, max_removed), study, output)
