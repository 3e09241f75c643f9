"""Per-document pairs of coalitions, put together from an evaluation's rows.

games = games_of_pairs(masks, scores, [shared_scores], [scores])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.document_games import DocumentGames, known_of_documents
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.score_matrix import Scores, rows_of


def games_of_pairs(
    masks: np.ndarray, scores: np.ndarray, known: Sequence[Scores], measures: Sequence[np.ndarray]
) -> DocumentGames:
    """The games of documents from what `pair_coalitions` names.

    masks:    bool (documents, rows, sublayers): what was removed. scores: (documents, rows).
    known:    of the full model and of single removals, the score's own first, then other scores of the same.
    measures: the scores of the rows, in the same order. Raises CornerstoneError where a side of a pair is missing.
    """
    n = masks.shape[2]
    removed = masks.sum(axis=2)
    singles = [rows_of(each, ablation(n)) for each in known]  # (n + 1, documents) each
    bare = [_of_bare(removed == n, each) for each in measures]
    covariates = [
        known_of_documents(one[0], of_bare, one[1:].T) for one, of_bare in zip(singles, bare, strict=True)
    ]
    smaller, larger = _pairs(masks, removed)
    documents = np.arange(len(masks))[:, None]
    without = singles[0][1:].T
    single = smaller < 0
    sides = ~masks[documents, larger]
    without_side = np.where(
        single, without[documents, sides.argmax(axis=2)], scores[documents, np.maximum(smaller, 0)]
    )
    return DocumentGames(
        full=singles[0][0],
        bare=bare[0],
        without=without,
        sides=sides,
        without_side=without_side,
        only_side=scores[documents, larger],
        covariates=np.concatenate(covariates, axis=1),
    )


def _of_bare(is_bare: np.ndarray, scores: np.ndarray) -> np.ndarray:
    if not is_bare.any(axis=1).all():
        raise CornerstoneError(
            "the model without any sublayer was not evaluated on every document: evaluate again"
        )
    return scores[np.arange(len(scores)), is_bare.argmax(axis=1)]


def _pairs(masks: np.ndarray, removed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of each document's pairs: the smaller side removed (−1: a single removal), and the larger one."""
    n = masks.shape[2]
    packed = np.packbits(masks, axis=2)
    flipped = np.packbits(~masks, axis=2)
    smaller, larger = [], []
    for own, other, sizes in zip(packed, flipped, removed, strict=True):
        row_of = {mask.tobytes(): row for row, mask in enumerate(own)}
        chosen = [row for row in range(len(own)) if _is_larger(sizes[row], n, own[row])]
        larger.append(chosen)
        smaller.append([-1 if sizes[row] == n - 1 else row_of.get(other[row].tobytes()) for row in chosen])
    if any(None in rows or len(rows) != len(smaller[0]) for rows in smaller):
        raise CornerstoneError("an evaluation lacks a coalition whose complement it has: evaluate again")
    return np.array(smaller), np.array(larger)


def _is_larger(size: int, n: int, packed: np.ndarray) -> bool:
    """Whether so many removed sublayers are a pair's larger side; of two equal ones that with the first sublayer."""
    return n > size > n / 2 or (2 * size == n and bool(packed[0] & 0x80))
