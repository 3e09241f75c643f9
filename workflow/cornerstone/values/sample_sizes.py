"""How wide the intervals of means over documents are, and how many documents narrower ones need.

A half-width is that of the 95 % interval of a sublayer's effect or value, 1.96 · √(s² + 2 c² / n) / √n, where s is
the standard deviation over documents and c the change on a made-up document (see `resampling`).
"""

from __future__ import annotations

import numpy as np

from cornerstone.scores import Score
from cornerstone.statistics.resampling import Z_95, typical_change

RULE_OF_THREE = 3.0
"""What was seen on none of n documents may, at 95 %, still happen on 3/n of them (Hanley & Lippman-Hand 1983)."""


def half_widths(per_document: np.ndarray, variances: np.ndarray | None = None) -> np.ndarray:
    """Half-widths of the 95 % intervals of row means of (rows, documents); infinite for a single document.

    variances: over documents, (…, rows), where they are others than these; changes are in proportion.
    """
    n, now = per_document.shape[1], per_document.var(axis=1)
    if n < 2:
        return np.full(len(per_document), np.inf)
    variances = now if variances is None else variances
    larger = np.divide(variances, now, out=np.ones_like(variances), where=now > 0)
    return Z_95 * np.sqrt(variances + 2 * larger * typical_change(per_document) ** 2 / n) / np.sqrt(n)


def documents_needed(width_now: np.ndarray, documents: int, width: float, score: Score) -> np.ndarray:
    """How many documents like these a half-width takes that is `width_now` with `documents` of them.

    Never fewer than what could show an effect of that size at all on right answers: 3 / width.
    """
    least = RULE_OF_THREE / width if score.is_accuracy else 2
    return np.ceil(np.maximum(documents * (np.asarray(width_now) / width) ** 2, least))


def documents_needed_of(population: int, like_these: np.ndarray, between: np.ndarray = 1.0) -> np.ndarray:
    """The sample size for a finite population that is as precise as `like_these` of an infinite one.

    n = n₀ / (1 + b (n₀ − 1) / N), Cochran (1977), Sampling Techniques, eq. 4.5, where b is the part of the variance
    that lies between documents: of the rest, which each document has of its own, all documents leave some. Infinite
    where all are too few.
    """
    needed = np.ceil(like_these / (1 + between * (np.asarray(like_these) - 1) / population))
    return np.where(needed <= population, needed, np.where(between == 1, population, np.inf))
