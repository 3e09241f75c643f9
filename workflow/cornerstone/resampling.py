"""Intervals: the bootstrap over documents, paired, as one matrix product.

draws = bootstrap(per_document)      # (rows, documents) -> (rows, resamples)
low, high = interval(draws)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20240922


def bootstrap(
    per_document: np.ndarray, resamples: int = RESAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """Means over resampled documents, shape (rows, resamples), from (rows, documents).

    Every row sees the same resampled documents (paired), so differences and sums of rows may be taken. So
    does every other call with this seed and number of documents.
    """
    n_documents = per_document.shape[1]
    counts = _resample(n_documents, resamples, seed)
    chunks = [  # as floats, 250 resamples of 10,000 documents are 20 MB
        per_document @ counts[start : start + 250].T.astype(np.float64) / n_documents
        for start in range(0, resamples, 250)
    ]
    return np.concatenate(chunks, axis=1)


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
