"""Rank correlations. Ties share their mean rank; NaN where all numbers of one side are equal."""

from __future__ import annotations

import numpy as np


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


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of two arrays of shape (n,): concordant less discordant pairs, adjusted for ties."""
    signs = [np.sign(numbers[:, None] - numbers) for numbers in (one, other)]
    norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float((signs[0] * signs[1]).sum() / norm) if norm else np.nan
