"""Estimates compared with corrected values, at any depth: unbiased values are the yardstick.

rows = corrected_rows(scored, ["windows", "leave_one_out"], max_removed=4)     # a row per estimator and sublayer
judged_table(rows)                                                             # a row per estimator

Exact values are known of small models alone. Where each document has coalitions of its own, the values of
`mixed_effects` are unbiased and their errors known, on exactly the documents that the other estimates are of. So an
estimate's distance from the Shapley values is its distance from these, less what their own errors make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cornerstone.shapley.estimators import ESTIMATORS, YARDSTICK, Settings
from cornerstone.statistics.ranks import spearman
from cornerstone.statistics.resampling import interval, task_seed
from cornerstone.statistics.true_values import true_value_draws
from cornerstone.values.estimates import estimated
from cornerstone.values.rows import of_task, sublayer_columns
from cornerstone.values.scored_task import ScoredTask

DRAWS = 400


def corrected_rows(
    scored: ScoredTask, estimators: Sequence[str], max_removed: int, edges: str = "both"
) -> pd.DataFrame:
    """A row per estimator and sublayer of a model on a task.

    name, estimator: in the configuration and in tables. value: by this estimator. corrected: the yardstick's value;
    corrected_sd: its standard error as the value of exactly these documents. documents: how many.
    """
    yardstick = estimated(YARDSTICK, scored, max_removed, edges)
    corrected = sublayer_columns(scored.labels).assign(
        corrected=yardstick.values,
        corrected_sd=yardstick.these_sd,
        documents=len(scored.scores.documents),
    )
    tables = []
    for name in estimators:
        title = ESTIMATORS[ESTIMATORS[name].audited_name(Settings(max_removed, edges))].title
        values = estimated(name, scored, max_removed, edges).values
        tables.append(corrected.assign(name=name, estimator=title, value=values))
    return of_task(pd.concat(tables, ignore_index=True), scored)


@dataclass(frozen=True, eq=False)
class Held:
    """The values of one estimator and the corrected ones, of a model on a task; arrays of shape (sublayers,).

    noise: draws of the corrected values' errors, (DRAWS, sublayers). seed: of the task; draws of two tasks are
    independent.
    """

    labels: tuple[str, ...]
    estimate: np.ndarray
    corrected: np.ndarray
    sd: np.ndarray
    noise: np.ndarray
    seed: tuple[int, ...]

    @cached_property
    def drawn(self) -> np.ndarray:
        """Draws of the Shapley values, (DRAWS, sublayers): see `true_value_draws`."""
        return true_value_draws(self.estimate, self.corrected, self.sd, DRAWS, self.seed)

    @property
    def largest(self) -> float:
        """The largest corrected value; no number for a model that always answers alike: it has no values to come
        near."""
        return float(np.abs(self.corrected).max()) or np.nan


def held(rows: pd.DataFrame) -> Held:
    """What `corrected_rows` says of one estimator on one model and task."""
    seed, sd = task_seed(rows["task"].iloc[0]), rows["corrected_sd"].to_numpy()
    noise = np.random.default_rng(seed).standard_normal((DRAWS, len(rows))) * sd
    noise -= noise.mean(axis=1, keepdims=True)  # v(all) − v(none) is known, and sd says what is left
    noise *= np.sqrt(len(rows) / max(len(rows) - 1, 1))
    values, corrected = rows["value"].to_numpy(), rows["corrected"].to_numpy()
    return Held(tuple(rows["label"]), values, corrected, sd, noise, seed)


def judged_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per model, task and estimator: spearman and error, each with its …_low and …_high, bias, noise, documents.

    rows: of `corrected_rows`. spearman: rank correlation with the Shapley values of these documents. error: root mean
    square of the distances from them; bias: mean distance, known for sure, as the sum of the Shapley values is; both in
    parts of the largest of them. Spearman and error are without the yardstick's own errors, whose root mean square is
    noise: the former is the mean over draws of the Shapley values (`true_value_draws`), the latter by subtraction.
    Intervals are of 95 % and of these errors. `benchmarks/corrected_values.py` measures how good both are.
    """
    judged = []
    for _, of_one in rows.groupby(["model", "task", "estimator"], sort=False):
        one = held(of_one)
        row = of_one.iloc[0][["model", "task", "score", "estimator"]].to_dict()
        row |= _with_interval("spearman", *rank_correlation(one))
        row |= _with_interval("error", *_error(one))
        row["bias"] = (one.estimate - one.corrected).mean() / one.largest
        row["noise"] = np.sqrt(np.mean(one.sd**2)) / one.largest
        judged.append(row | {"documents": of_one["documents"].iloc[0]})
    return pd.DataFrame(judged)


def _with_interval(name: str, estimate: float, draws: np.ndarray) -> dict[str, float]:
    low, high = interval(draws)
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}


def rank_correlation(one: Held) -> tuple[float, np.ndarray]:
    """With the Shapley values themselves, and draws for its interval; NaN where all values of one side are equal, or
    where nothing tells how large the errors are, as of a single document."""
    if min(np.ptp(one.estimate), np.ptp(one.corrected)) == 0 or np.isnan(one.sd).any():
        return np.nan, np.full(DRAWS, np.nan)
    draws = np.array([spearman(one.estimate, values) for values in one.drawn])
    return float(draws.mean()), draws


def _error(one: Held) -> tuple[float, np.ndarray]:
    """Root mean square of the distances from the values, without noise, and draws for its interval."""
    if np.isnan(one.largest):
        return np.nan, np.full(len(one.noise), np.nan)
    own, distances = np.mean(one.sd**2), one.estimate - one.corrected
    square = np.mean(distances**2) - own
    draws = np.mean((distances - one.noise) ** 2, axis=1) - 2 * own
    largest = np.abs(one.corrected + one.noise).max(axis=1)
    return float(np.sqrt(max(square, 0.0)) / one.largest), np.sqrt(np.maximum(draws, 0.0)) / largest
