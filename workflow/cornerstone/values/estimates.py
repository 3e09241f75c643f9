"""Values: estimates of each sublayer's Shapley value, with intervals and shares.

evaluations/{model}/{task}/{ablation,windows …}.parquet + documents/{task}.parquet
    -> values/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.estimators import ESTIMATORS, Settings
from cornerstone.shapley.games import rounded
from cornerstone.shapley.kernel_regression import Corrected
from cornerstone.shapley.linear import LinearEstimator
from cornerstone.statistics.ranks import rank_intervals
from cornerstone.statistics.resampling import Z_95, effect_interval, resampled_means
from cornerstone.statistics.shares import null_shares, shares, signed_shares, top_k_stability
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.rows import sublayer_columns, write_table
from cornerstone.values.score_matrix import Scores, rows_of
from cornerstone.values.scored_task import ScoredTask, read_scores

ROUNDED_SUM = 4e-12
"""In parts of the largest score and for each value: what a sum of rounded values may miss."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Values of a model on a task.

    per_document: float64, (sublayers, documents): their mean over documents is the value.
    values:       float64, (sublayers,): these means. Both are rounded, so that equal ones compare as equal.
    samples:      int, (sublayers,): what is averaged behind each.
    unseen_sd:    (sublayers,): how far coalitions that were not evaluated may move each value, by the estimator's own
                  account; None where it gives none.
    these_sd:     (sublayers,): standard error of the value of exactly these documents; None where only the sampling of
                  documents is known.
    gap:          of the efficiency, before it was closed: see `Corrected`; None where it is what the values leave.
    corrected:    what the estimator found where each document has coalitions of its own; else None.
    """

    per_document: np.ndarray
    values: np.ndarray
    samples: np.ndarray
    unseen_sd: np.ndarray | None = None
    these_sd: np.ndarray | None = None
    gap: float | None = None
    corrected: Corrected | None = None


def estimated(name: str, study: ScoredTask, max_removed: int, edges: str = "both") -> Estimate:
    """The estimate of this name, from scores of its designs' coalitions.

    Raises CornerstoneError for a name that no configuration can have, and where a coalition was not evaluated.
    """
    estimator, n_sublayers = ESTIMATORS[name], len(study.labels)
    if not estimator.is_choosable:
        raise CornerstoneError(f"{estimator.title} is an estimator of the audit only: choose another")
    if estimator.of_documents is None:
        settings, scores = Settings(max_removed, edges), study.scores
        means = partial(_mean_scores, scores)
        return linear_estimate(scores, estimator.fit(means, n_sublayers, settings))
    if study.games is None:
        raise CornerstoneError(f"{name} needs per-document coalitions: evaluate {estimator.designs[0]}")
    found = estimator.of_documents(study.games)
    pairs = np.full(n_sublayers, study.games.sides.shape[0] * study.games.sides.shape[1])
    these_sd = np.sqrt((found.by_pair**2).sum(axis=(0, 1)))
    own = _rounded(study.scores, found.per_document.T)
    return Estimate(*own, pairs, these_sd=these_sd, gap=found.gap, corrected=found)


def linear_estimate(scores: Scores, estimator: LinearEstimator) -> Estimate:
    """The estimate of a linear estimator, on coalitions that all documents share."""
    return Estimate(*_rounded(scores, document_values(scores, estimator)), estimator.samples, estimator.sd)


def _rounded(scores: Scores, per_document: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of documents and their means: sums of sevenths leave 1e-17 where a sublayer does nothing."""
    per_document = rounded(per_document, scores.matrix)
    return per_document, rounded(per_document.mean(axis=1), scores.matrix)


def document_values(scores: Scores, estimator: LinearEstimator) -> np.ndarray:
    """Values document by document, shape (players, documents); their mean over documents is the value."""
    return estimator.weights @ rows_of(scores, estimator.coalitions)


def _mean_scores(scores: Scores, coalitions: Sequence[Removed]) -> np.ndarray:
    return rows_of(scores, coalitions).mean(axis=1)


def value_table(scores: Scores, labels: Sequence[str], estimate: Estimate, top_k: int = 3) -> pd.DataFrame:
    """A row per sublayer: sublayer, label, kind, value, low, high, shares, samples, documents, rank.

    low, high: 95 % interval of the value over documents; where each document has coalitions of its own, of the Shapley
    value of all documents like these. these_low, these_high: of the Shapley value of exactly these documents, empty
    where that is not known. share: of the positive values (the paper's). rank: 1 is the largest value; rank_low,
    rank_high: the interval of its rank, simultaneous over the sublayers. null_share: the null share of that
    rank. Where no value is positive there are no shares: share and null_share are not numbers.
    top_k_stability: how often the sublayer is among the top_k positive values of resampled documents; stability, not
    confidence. For the signed shares see
    `signed_shares`. unseen_sd: how far the coalitions that were not evaluated may move the value, a standard
    deviation by the estimator's own account; empty where it gives none. efficiency_gap: by how much the values' sum
    missed v(all) − v(none), before it was closed where the estimator closes it.
    """
    per_document, values = estimate.per_document, estimate.values
    draws = rounded(resampled_means(per_document), scores.matrix)
    exists = (values > 0).any()
    low, high = effect_interval(per_document, scores.reach)
    these = Z_95 * (np.full(len(values), np.nan) if estimate.these_sd is None else estimate.these_sd)
    rank_low, rank_high = rank_intervals(per_document)
    rank = np.argsort(np.argsort(-values, kind="stable"))
    return sublayer_columns(labels).assign(
        value=values,
        low=low,
        high=high,
        share=shares(values),
        samples=estimate.samples,
        documents=len(scores.documents),
        rank=rank + 1,
        null_share=null_shares(draws, values)[rank] if exists else np.nan,
        top_k_stability=top_k_stability(draws, top_k),
        unseen_sd=np.nan if estimate.unseen_sd is None else estimate.unseen_sd,
        these_low=np.maximum(values - these, -scores.reach),
        these_high=np.minimum(values + these, scores.reach),
        rank_low=rank_low,
        rank_high=rank_high,
        efficiency_gap=_efficiency_gap(scores, estimate),
        **signed_shares(per_document, values),
    )


def _efficiency_gap(scores: Scores, estimate: Estimate) -> float:
    """The efficiency gap; NaN where the model without any sublayer was not evaluated."""
    if estimate.gap is not None:
        return estimate.gap
    none = tuple(range(len(estimate.per_document)))
    if none not in scores.coalitions:
        return np.nan
    full, bare = rows_of(scores, [(), none]).mean(axis=1)
    gap = estimate.values.sum() - (full - bare)
    return float(rounded(gap, scores.matrix, ROUNDED_SUM * len(none)))


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
    estimate = estimated(estimator, study, max_removed, edges)
    write_table(value_table(study.scores, study.labels, estimate, top_k), study, output)
