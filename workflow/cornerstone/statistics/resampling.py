"""Intervals: the bootstrap over documents, paired, as one matrix product.

    draws = bootstrap(per_document)      # (rows, documents) -> (rows, resamples)
    low, high = interval(draws)

An interval speaks of all documents like these, of which these are a random sample: in 95 of 100 such samples
it holds the number that all of them would give. The removals are fixed, so the interval of a value is about
what the estimator gives with all documents; how far that is from the Shapley value it does not say.

Plain resampling is wrong where few documents show a number. A sublayer whose removal changes one answer of
200 gets [0, 1.5] points, one whose removal changes none [0, 0], as if it were sure that none of all documents
is affected: simulated, such intervals hold the truth 70 and 30 times of 100. So every resample also draws from
two made-up documents, one on which the number is a typical change larger and one on which it is as much
smaller (`typical_change`; for right and wrong answers one answer). For a paired difference of right and wrong
this is the interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37); what no document shows gets ± 3 / n,
the rule of three. Where many documents show a number it makes next to no difference. `benchmarks/interval_coverage.py`
measures how often the intervals hold the truth.

No interval goes beyond what its number can be. Of rates of right answers they are Wilson's (`wilson_draws`). Of all
else, such as differences of them, what lies beyond is truncated, as is usual with intervals of Bonett and Price: few
documents leave more open than there is, and no truth is lost by the cut.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
Z_95 = NormalDist().inv_cdf((1 + LEVEL) / 2)
SEED = 20240922


def task_seed(task: str) -> tuple[int, int]:
    """A seed for draws that are independent between tasks and the same for every model."""
    return SEED, zlib.crc32(task.encode())


def bootstrap(
    per_document: np.ndarray, resamples: int = RESAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """Draws for an interval of each row's mean, shape (rows, resamples), from (rows, documents).

    `resampled_means` with the made-up documents of each row, which are drawn for each row by itself: ratios and
    means over tasks of these draws have intervals, but of a sum or difference of rows make one more row, then
    it gets no more than two made-up documents.
    """
    return resampled_means(per_document, resamples, seed) + made_up(per_document, resamples, seed)


def resampled_means(
    per_document: np.ndarray, resamples: int = RESAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """Means over resampled documents alone, shape (rows, resamples), for ranks and shares.

    Every row sees the same resampled documents (paired), so differences and sums of rows may be taken. So
    does every other call with this seed and number of documents.
    """
    n_documents = per_document.shape[1]
    counts = _resample(n_documents, resamples, seed)
    means = np.empty((len(per_document), resamples))
    for start in range(0, resamples, 250):  # as floats, 250 resamples of 10,000 documents are 20 MB
        chunk = counts[start : start + 250].T.astype(np.float64)
        means[:, start : start + 250] = per_document @ chunk / n_documents
    return means


def made_up(
    per_document: np.ndarray, resamples: int = RESAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """What the two artificial documents add to each mean, shape (rows, resamples).

    A resample draws a document about as often as a Poisson number of mean 1 says; so does it each made-up one.
    """
    n_rows, n_documents = per_document.shape
    rng = np.random.default_rng((*np.atleast_1d(seed), 1))
    # A row's draws do not depend on how many rows follow.
    drawn = rng.poisson(1.0, (n_rows, 2, resamples)).astype(np.int8)
    more, less = drawn[:, 0], drawn[:, 1]
    return typical_change(per_document)[:, None] * (more - less) / n_documents


def effect_interval(per_document: np.ndarray, reach: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of rows of differences of scores, shape (rows, documents), within −reach to reach of each row."""
    low, high = interval(bootstrap(per_document))
    return np.clip(low, -reach, reach), np.clip(high, -reach, reach)


def wilson_draws(draws: np.ndarray, per_document: np.ndarray) -> np.ndarray:
    """Draws of rates of right answers whose intervals are Wilson's (1927), shape (rows, resamples), within 0 to 1.

    draws: of the rows of per_document, (rows, documents), by `bootstrap`. The n-th smallest draw of a row becomes the
    rate p with p + z √(p (1 − p) / documents) equal to the row's mean, z being the n-th quantile of the normal
    distribution. So intervals of any level are Wilson's, and rows are paired as before: means over them may be taken.
    """
    n_documents, rate = per_document.shape[-1], per_document.mean(axis=-1, keepdims=True)
    z = _normal_quantiles(draws.shape[-1])
    rate = rate.clip(0, 1)  # a mean of ones can exceed 1 by rounding
    spread = np.sqrt(rate * (1 - rate) / n_documents + (z / (2 * n_documents)) ** 2)
    ascending = (rate + z**2 / (2 * n_documents) + z * spread) / (1 + z**2 / n_documents)
    ranks = draws.argsort(axis=-1, kind="stable").argsort(axis=-1, kind="stable")
    return np.take_along_axis(ascending.clip(0, 1), ranks, axis=-1)


@cache
def _normal_quantiles(n: int) -> np.ndarray:
    """Quantiles of the standard normal distribution at the middle of n parts of equal probability."""
    return np.array([NormalDist().inv_cdf((place + 0.5) / n) for place in range(n)])


def typical_change(per_document: np.ndarray) -> np.ndarray:
    """The typical size of a change on a document that shows one, shape (rows,): Σ x² / Σ |x|; 1 for answers.

    Each row counts one such change of the median row with its own: of a row that one or two documents show, or
    none, the other rows tell better what it would be on others. 1 where no document shows anything.
    """
    total = np.abs(per_document).sum(axis=1)
    squares = np.einsum("ij,ij->i", per_document, per_document)
    shown = total > 1e-9 * per_document.shape[1]  # sums of sevenths: 1e-17 is no change
    usual = np.median(squares[shown] / total[shown]) if shown.any() else 1.0
    return (squares + usual**2) / (total + usual)


@lru_cache(maxsize=16)
def _resample(n_documents: int, resamples: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """How often each document is drawn, shape (resamples, documents): 2 bytes each, 12 MB for 3,000 documents."""
    rng = np.random.default_rng(seed)
    probabilities = np.full(n_documents, 1 / n_documents)
    sizes = [min(250, resamples - start) for start in range(0, resamples, 250)]
    return np.concatenate([rng.multinomial(n_documents, probabilities, n).astype(np.uint16) for n in sizes])


def interval(draws: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval along the last axis: (low, high)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high
