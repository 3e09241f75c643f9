"""Rank correlations, with equal numbers sharing their ranks; not a number where one side is the same throughout."""

from __future__ import annotations

import numpy as np
import pandas as pd


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rho of two arrays of shape (n,)."""
    ranks = [pd.Series(numbers).rank().to_numpy() for numbers in (one, other)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return np.nan
    return float(np.corrcoef(ranks)[0, 1])


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of two arrays of shape (n,): of all pairs, those ordered alike less those ordered otherwise."""
    signs = [np.sign(numbers[:, None] - numbers) for numbers in (one, other)]
    norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float((signs[0] * signs[1]).sum() / norm) if norm else np.nan
