"""Rank correlations. Ties share their mean rank; NaN where all numbers of one side are equal."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from cornerstone.statistics.resampling import resampled_means
from cornerstone.statistics.significance import student_deviate

FEW_DOCUMENTS = 60
"""With fewer, the largest difference of resamples is too small: the bound is then at least Bonferroni's."""


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rho of two arrays of shape (n,)."""
    ranks = [mean_ranks(numbers) for numbers in (one, other)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return np.nan
    return float(np.corrcoef(ranks)[0, 1])


def mean_ranks(numbers: np.ndarray) -> np.ndarray:
    """Ranks from 1, shape (n,); ties share their mean rank."""
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def ranks_of_draws(draws: np.ndarray) -> np.ndarray:
    """`mean_ranks` of each draw: of an array (n, draws) one of the same shape."""
    return np.array([(draws < row).sum(axis=0) + ((draws == row).sum(axis=0) + 1) / 2 for row in draws])


def spearman_of_ranks(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rho of each draw, (draws,), of two arrays of ranks (n, draws), of which one may have one draw."""
    one, other = (ranks - ranks.mean(axis=0) for ranks in (one, other))
    norm = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return np.divide((one * other).sum(axis=0), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of two arrays of shape (n,): concordant less discordant pairs, adjusted for ties."""
    signs = [np.sign(numbers[:, None] - numbers) for numbers in (one, other)]
    norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float((signs[0] * signs[1]).sum() / norm) if norm else np.nan


def rank_intervals(per_document: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous intervals of the ranks of the rows' means, 1 the largest: two int arrays (rows,), low and high.

    per_document: (rows, documents). All differences of two rows are compared with one bound, the quantile of the
    largest studentised one over resampled documents, so that all intervals hold together at `level` (Klein, Wright,
    Wieczorek 2020, J. R. Statist. Soc. A 183, on ranks by joint confidence regions).
    """
    n_rows, n_documents = per_document.shape
    means = per_document.mean(axis=1)
    if n_documents < 2 or n_rows < 2:
        return np.ones(n_rows, dtype=int), np.full(n_rows, n_rows)
    bound = student_deviate(difference_bound(per_document, level), n_documents - 1)
    bound *= _spread_of_differences(per_document)
    differences = np.where(_is_seen(per_document, level), means[:, None] - means, 0.0)
    above, below = differences < -bound, differences > bound  # other rows are larger, smaller
    return 1 + above.sum(axis=1), n_rows - below.sum(axis=1)


def _is_seen(per_document: np.ndarray, level: float) -> np.ndarray:
    """Whether two rows differ on so many documents that turning signs could tell: bool (rows, rows).

    Where m documents differ, 2 / 2^m is the least p-value of such a test. The standard error of differences that are
    all alike is 0, however few there are.
    """
    n_rows = len(per_document)
    least = np.log2(2 * _pairs(n_rows) / (1 - level))
    return np.array([(row != per_document).sum(axis=1) >= least for row in per_document])


def _pairs(n_rows: int) -> int:
    return n_rows * (n_rows - 1) // 2


def difference_bound(per_document: np.ndarray, level: float = 0.95) -> float:
    """How many standard errors two rows' means must differ by to differ significantly, over all pairs together.

    As if standard errors were known; where they are estimated, `student_deviate` of it. per_document: (rows,
    documents), two or more of each.
    """
    n_rows, n_documents = per_document.shape
    spread = _spread_of_differences(per_document)
    away = resampled_means(per_document) - per_document.mean(axis=1)[:, None]
    largest = np.zeros(away.shape[1])
    for row in range(n_rows - 1):
        differences = np.abs(away[row] - away[row + 1 :])
        known = spread[row, row + 1 :] > 0
        if known.any():
            studentised = differences[known] / spread[row, row + 1 :][known][:, None]
            largest = np.maximum(largest, studentised.max(axis=0))
    bound = float(np.quantile(largest, level))
    if n_documents < FEW_DOCUMENTS:
        bound = max(bound, NormalDist().inv_cdf(1 - (1 - level) / (2 * _pairs(n_rows))))
    return bound


def _spread_of_differences(per_document: np.ndarray) -> np.ndarray:
    """Standard errors of the differences of two rows' means, (rows, rows)."""
    covariance = np.cov(per_document) / per_document.shape[1]
    variances = np.diag(covariance)
    return np.sqrt(np.maximum(variances[:, None] + variances - 2 * covariance, 0.0))
