"""Tests of many means against zero: p-values over documents, adjusted for multiple comparisons.

    benjamini_hochberg(p_values(interactions)) < 0.05     # of those named so, one in twenty is chance
    holm(p_values(effects)) < 0.05                        # in one study of twenty, one or more of them is chance

A bootstrap of 2,000 resamples tells nothing as rare as 0.05 / 160; so the tails are those of Student's t.
"""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np

MOST_EXPONENT = 600.0
"""Beyond it a deviate is as good as infinite."""


def p_values(per_document: np.ndarray) -> np.ndarray:
    """Two-sided p-values of each row's mean being zero, shape (rows,), from (rows, documents).

    Student's t, but never below what turning signs could tell: where m documents are not zero, 2 / 2^m. A number
    that is seen on few documents is then not sure, however alike they are. 1 for a row of zeros, and for one that
    holds what is not a number.
    """
    n = per_document.shape[1]
    mean = per_document.mean(axis=1)
    error = per_document.std(axis=1, ddof=1) / sqrt(n) if n > 1 else np.full(len(mean), np.inf)
    t = np.divide(np.abs(mean), error, out=np.where(np.abs(mean) > 0, np.inf, 0.0), where=error > 0)
    seen = (per_document != 0).sum(axis=1)
    return np.clip(_two_tails(t, n - 1), np.minimum(1.0, 2.0 * 0.5**seen), 1.0)


def _two_tails(t: np.ndarray, freedom: int) -> np.ndarray:
    """Both tails of Student's t beyond t >= 0, by the normal deviate of Wallace (1959, Ann. Math. Stat. 30)."""
    if freedom < 1:
        return np.ones_like(t)
    deviate = (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t**2 / freedom))
    return np.array([erfc(z / sqrt(2)) for z in deviate])


def student_deviate(normal: float, freedom: np.ndarray | float) -> np.ndarray | float:
    """The deviates of Student's t with the tails of this normal one: the inverse of the approximation above."""
    scaled = normal * (8 * freedom + 3) / (8 * freedom + 1)
    return np.sqrt(freedom * np.expm1(np.minimum(scaled**2 / freedom, MOST_EXPONENT)))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted by Holm (1979): the family-wise error rate is at most α."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """P-values adjusted by Benjamini and Hochberg (1995): the false discovery rate is at most α."""
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted
