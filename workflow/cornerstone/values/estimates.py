"""Values: estimates of each sublayer's Shapley value, with intervals and shares.

evaluations/{model}/{task}/{ablation,windows …}.parquet + documents/{task}.parquet
    -> values/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.shapley.estimators import ESTIMATORS, Settings
from cornerstone.shapley.games import rounded
from cornerstone.shapley.linear import LinearEstimator
from cornerstone.statistics.resampling import effect_interval, resampled_means
from cornerstone.statistics.shares import noise_shares, shares, signed_shares, top_k_stability
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.rows import sublayer_columns, write_table
from cornerstone.values.score_matrix import Scores, rows_of
from cornerstone.values.scored_task import read_scores


def fitted(
    name: str, scores: Scores, n_sublayers: int, max_removed: int, edges: str = "both"
) -> LinearEstimator:
    """The estimator of this name, fitted to scores of its design's coalitions.

    Raises CornerstoneError for a name that no configuration can have, and where a coalition was not evaluated.
    """
    estimator = ESTIMATORS[name]
    if estimator.fit is None:
        raise CornerstoneError(f"{estimator.title} is an estimator of the audit alone: choose another")
    settings = Settings(max_removed, edges)
    return estimator.fit(lambda coalitions: rows_of(scores, coalitions).mean(axis=1), n_sublayers, settings)


def document_values(scores: Scores, estimator: LinearEstimator) -> np.ndarray:
    """Values document by document, shape (players, documents); their mean over documents is the value."""
    return estimator.weights @ rows_of(scores, estimator.coalitions)


def value_table(
    scores: Scores, labels: Sequence[str], estimator: LinearEstimator, top_k: int = 3
) -> pd.DataFrame:
    """A row per sublayer: sublayer, label, kind, value, low, high, shares, samples, documents, rank.

    low, high: 95 % interval of the value over documents. share: of the positive values (the paper's). rank: 1
    is the largest value. noise_share: what noise alone would give that rank. Where no value is positive there is
    nothing to share out: share and noise_share are not numbers. top_k_stability: how often the sublayer is among
    the top_k positive values of resampled documents; stability, not confidence. For the signed shares see
    `signed_shares`. unseen_sd: how far the coalitions that were not evaluated may move the value, a standard
    deviation by the estimator's own account; empty where it gives none.
    """
    per_document = document_values(scores, estimator)
    values, draws = (  # sums of sevenths: 1e-17 is no positive value
        rounded(means, scores.matrix) for means in (per_document.mean(axis=1), resampled_means(per_document))
    )
    exists = (values > 0).any()
    low, high = effect_interval(per_document, scores.reach)
    rank = np.argsort(np.argsort(-values, kind="stable"))
    return sublayer_columns(labels).assign(
        value=values,
        low=low,
        high=high,
        share=shares(values),
        samples=estimator.samples,
        documents=len(scores.documents),
        rank=rank + 1,
        noise_share=noise_shares(draws, values)[rank] if exists else np.nan,
        top_k_stability=top_k_stability(draws, top_k),
        unseen_sd=np.nan if estimator.sd is None else estimator.sd,
        **signed_shares(per_document, values),
    )


def estimate_values(
    evaluations: Sequence[Path],
    documents: Path,
    output: Path,
    *,
    max_removed: int,
    edges: str = "both",
    estimator: str = "windows",
    score: str = "paper",
    top_k: int = 3,
) -> None:
    """Write values/{model}/{task}.csv from the evaluations of the designs ablation and the estimator's.

    `estimator` and `score` are the configuration's.
    Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores(evaluations, documents, score)
    chosen = fitted(estimator, study.scores, len(study.labels), max_removed, edges)
    write_table(value_table(study.scores, study.labels, chosen, top_k), study, output)
