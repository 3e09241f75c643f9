"""Estimates held against corrected values, at any depth: values that are right on average are the yardstick.

judged_table(scored, ["windows", "leave_one_out"], max_removed=4)     # a row per estimator

Exact values are known of small models alone. Where each document has coalitions of its own, the values of
`mixed_effects` are unbiased and their errors known, on exactly the documents that the other estimates are of. So an
estimate's distance from the Shapley values is its distance from these, less what their own errors make of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cornerstone.shapley.estimators import ESTIMATORS, YARDSTICK, Settings
from cornerstone.statistics.ranks import spearman
from cornerstone.statistics.resampling import SEED, interval
from cornerstone.values.estimates import estimated
from cornerstone.values.rows import of_task
from cornerstone.values.scored_task import ScoredTask

DRAWS = 400
LEAST_RELIABLE = 0.1
"""Where the noise is beyond it, no correction makes up for it."""


def judged_table(
    scored: ScoredTask, estimators: Sequence[str], max_removed: int, edges: str = "both"
) -> pd.DataFrame:
    """A row per estimator: estimator, spearman and error, each with its …_low and …_high, bias, noise, documents.

    spearman: rank correlation with the Shapley values of these documents. error: root mean square of the distances
    from them; bias: mean distance, known for sure, as the sum of the Shapley values is; both in parts of the largest of
    them. The others are without the yardstick's own errors, whose
    root mean square is noise: the correlation by Spearman's correction for attenuation (1904, Am. J. Psychol. 15), the
    error by subtraction. Intervals are of 95 % and of these errors.
    """
    yardstick = estimated(YARDSTICK, scored, max_removed, edges)
    values, largest = yardstick.per_document.mean(axis=1), np.abs(yardstick.per_document.mean(axis=1)).max()
    largest = largest or np.nan  # a model that always answers alike has no values to come near
    noise = np.random.default_rng(SEED).standard_normal((DRAWS, len(values))) * yardstick.these_sd
    noise -= noise.mean(axis=1, keepdims=True)  # what there is to share out is known
    rows = []
    for name in estimators:
        estimate = estimated(name, scored, max_removed, edges).per_document.mean(axis=1)
        audited = ESTIMATORS[ESTIMATORS[name].audited_name(Settings(max_removed, edges))]
        row = {"estimator": audited.title}
        row |= _with_interval("spearman", *_rank_correlation(estimate, values, noise))
        row |= _with_interval("error", *_error(estimate, values, noise, yardstick.these_sd, largest))
        row["bias"] = (estimate - values).mean() / largest
        noise_of = np.sqrt(np.mean(yardstick.these_sd**2)) / largest
        rows.append(row | {"noise": noise_of, "documents": len(scored.scores.documents)})
    return of_task(pd.DataFrame(rows), scored)


def _with_interval(name: str, estimate: float, draws: np.ndarray) -> dict[str, float]:
    low, high = interval(draws)
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}


def _rank_correlation(
    estimate: np.ndarray, values: np.ndarray, noise: np.ndarray
) -> tuple[float, np.ndarray]:
    """With the values themselves, and draws for its interval."""
    if min(np.ptp(estimate), np.ptp(values)) == 0:
        return np.nan, np.full(len(noise), np.nan)
    reliability = _reliability(np.mean([spearman(values, values + one) for one in noise]))
    draws = np.array([spearman(estimate, values + one) for one in noise]) / reliability
    without = spearman(estimate, values) / reliability
    return float(np.clip(without, -1, 1)), np.clip(without + draws - draws.mean(), -1, 1)


def _reliability(again: float) -> float:
    """The correlation of noisy values with the true ones, by theirs with themselves once more as noisy.

    With k the noise's variance over the true values' the two are 1 / √(1 + k) and √((1 + k) / (1 + 2k)).
    """
    square = np.clip(again, 0.0, 1.0) ** 2
    noise = (1 - square) / max(2 * square - 1, LEAST_RELIABLE)
    return float(1 / np.sqrt(1 + noise))


def _error(
    estimate: np.ndarray, values: np.ndarray, noise: np.ndarray, sd: np.ndarray, largest: float
) -> tuple[float, np.ndarray]:
    """Root mean square of the distances from the values, without noise, and draws for its interval."""
    if np.isnan(largest):
        return np.nan, np.full(len(noise), np.nan)
    own = np.mean(sd**2)
    square = np.mean((estimate - values) ** 2) - own
    draws = np.mean((estimate - values - noise) ** 2, axis=1) - 2 * own
    return float(np.sqrt(max(square, 0.0)) / largest), np.sqrt(np.maximum(draws, 0.0)) / np.abs(
        values + noise
    ).max(axis=1)
