"""Perplexities of targets and whole texts, as lm-eval reports them: of the full model and without each sublayer.

    perplexity_rows(evaluated)      # of the design ablation: a row per metric and removal; none of a task of choices

A perplexity is a ratio of sums, raised to a power, and no mean over documents: no game can be made of it, so it has
effects and no Shapley values. The scores logprob and bits_per_byte are its logarithms with a fixed divisor.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.models.kinds import kinds_of
from cornerstone.scores.choices import ChoiceTable
from cornerstone.shapley.coalitions import ablation
from cornerstone.statistics.resampling import interval, made_up, resampled_means
from cornerstone.values.rows import named
from cornerstone.values.scored_task import EvaluatedTask

DIVISORS = {"perplexity": None, "word_perplexity": 0, "byte_perplexity": 1, "bits_per_byte": 1}
"""By metric the column of `ChoiceTable.sizes` whose sum divides the sum of the log-likelihoods; None: the documents."""
FULL = "full model"
COLUMNS = (
    *("model", "task", "metric", "label", "kind", "value", "low", "high"),
    *("increase", "increase_low", "increase_high", "documents", "unit"),
)


def perplexity_rows(evaluated: EvaluatedTask) -> pd.DataFrame:
    """The COLUMNS, a row per metric that the task reports, of the full model and without each sublayer.

    value: lm-eval's metric, with the 95 % interval low, high of a bootstrap over documents. increase: over the full
    model's, with its paired interval. The divisors are resampled with their documents.
    """
    metrics = [metric for metric in evaluated.metrics if metric in DIVISORS]
    tables = [_of_metric(evaluated.designs[0], evaluated.labels, metric) for metric in metrics]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    return named(table, model=evaluated.model, task=evaluated.task)[list(COLUMNS)]


def _of_metric(choices: ChoiceTable, labels: tuple[str, ...], metric: str) -> pd.DataFrame:
    rows = {removed: row for row, removed in enumerate(choices.coalitions)}
    asked = choices.loglikelihoods[[rows[removed] for removed in ablation(len(labels))], :, 0]
    column = DIVISORS[metric]
    divisors = np.ones(len(choices.documents)) if column is None else choices.sizes[:, column].astype(float)
    values = _power(metric, asked.sum(axis=1) / divisors.sum())
    # No log-likelihood is above 0, and so no perplexity below 1.
    low, high = interval(_power(metric, np.minimum(_ratio_draws(asked, divisors), 0)))
    of_full = np.minimum(_ratio_draws(asked[:1], divisors), 0)
    without = np.minimum(of_full + _ratio_draws(asked[1:] - asked[:1], divisors), 0)
    more_low, more_high = interval(_power(metric, without) - _power(metric, of_full))
    return pd.DataFrame(
        {
            "metric": metric,
            "label": [FULL, *labels],
            "kind": ["", *(kind.name for kind in kinds_of(labels))],
            "value": values,
            "low": low,
            "high": high,
            "increase": [np.nan, *(values[1:] - values[0])],
            "increase_low": [np.nan, *more_low],
            "increase_high": [np.nan, *more_high],
            "documents": len(choices.documents),
            "unit": "bits per byte" if metric == "bits_per_byte" else "perplexity",
        }
    )


def _power(metric: str, loglikelihood: np.ndarray) -> np.ndarray:
    """The metric from log-likelihoods (nats) per target, word or byte."""
    return -loglikelihood / np.log(2) if metric == "bits_per_byte" else np.exp(-loglikelihood)


def _ratio_draws(numbers: np.ndarray, divisors: np.ndarray) -> np.ndarray:
    """Draws of each row's sum by the sum of the divisors, shape (rows, resamples), over documents with their divisors.

    numbers: (rows, documents). As of other means, two made-up documents are added (see `resampling`); of a ratio, what
    a document shows is how far it is from the ratio of all.
    """
    ratios = numbers.sum(axis=1, keepdims=True) / divisors.sum()
    drawn = resampled_means(numbers) / resampled_means(divisors[None])
    return drawn + made_up(numbers - ratios * divisors) / divisors.mean()
