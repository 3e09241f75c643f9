"""Ablation: how much the score drops when one sublayer is removed.

evaluations/{model}/{task}/ablation.parquet + documents/{task}.parquet
    -> ablation/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.coalitions import ablation
from cornerstone.resampling import bootstrap, interval
from cornerstone.scores import Scores, read_scores, rows_of, write_table
from cornerstone.sublayer_table import sublayer_columns


def document_effects(scores: Scores, n_sublayers: int) -> tuple[np.ndarray, np.ndarray]:
    """The full model's score, shape (documents,), and full − score without each, (n_sublayers, documents).

    Raises CornerstoneError where a removal was not evaluated.
    """
    full, *removed = rows_of(scores, ablation(n_sublayers))
    return full, full - np.array(removed)


def effect_table(scores: Scores, labels: Sequence[str]) -> pd.DataFrame:
    """A row per sublayer: sublayer, label, kind, full, removed_score, effect, low, high, and the baselines.

    full: score of the full model, with full_low and full_high. effect = full − removed_score, with the
    paired interval low, high (95 %, bootstrap over documents). chance: a random choice's score.
    constant: the best score of always giving one choice. documents: how many.
    """
    full, effects = document_effects(scores, len(labels))
    (full_low,), (full_high,) = interval(bootstrap(full[None]))
    low, high = interval(bootstrap(effects))
    return sublayer_columns(labels).assign(
        full=full.mean(),
        removed_score=(full - effects).mean(axis=1),
        effect=np.round(effects.mean(axis=1), 12),
        low=low,
        high=high,
        chance=scores.chance.mean(),
        documents=len(scores.documents),
        full_low=full_low,
        full_high=full_high,
        constant=scores.constant,
    )


def ablation_effects(evaluation: Path, documents: Path, output: Path, *, score: str = "paper") -> None:
    """Write ablation/{model}/{task}.csv from the evaluation of the design ablation.

    `score` is the configuration's.
    Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores([evaluation], documents, score)
    write_table(effect_table(study.scores, study.labels), study, output)
