"""Values by kernel regression on per-document pairs of coalitions, pooled over documents.

An additive game is fitted to all pairs of all documents under the weights of the Shapley kernel: its values are the
Shapley values once every pair is there (Charnes et al. 1988; Lundberg and Lee 2017), and with few of them nearly
unbiased. Sizes are strata: within a document the pairs of a size share the weight of that size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cornerstone.shapley.document_games import DocumentGames, all_pairs, signs
from cornerstone.shapley.document_pairs import size_weights

FEWEST_DOCUMENTS = 40
"""With fewer no model of the documents is tried: there is nothing to learn it from."""


@dataclass(frozen=True, eq=False)
class Corrected:
    """Unbiased values of documents, whatever their games.

    per_document: float64 (documents, sublayers). Their mean is the value; they are independent draws, coalitions
                  included.
    by_pair:      float64 (documents, pairs, sublayers): what each pair adds to the error of the mean, up to its sign,
                  where the documents are given.
    gap:          of the efficiency: by how much the values' sum missed v(all) − v(none) before it was closed.
    """

    per_document: np.ndarray
    by_pair: np.ndarray
    gap: float


def pair_weights(games: DocumentGames) -> np.ndarray:
    """The kernel's weight of each pair, (documents, pairs): documents count alike, and so do a document's pairs of
    a size. Documents without a pair of some size are stood in for by the others."""
    weights = size_weights(games.n_sublayers)
    there = (games.of_size > 0).mean(axis=0)
    scaled = np.divide(weights, there, out=np.zeros_like(weights), where=there > 0)
    return scaled[games.sizes] / np.take_along_axis(games.of_size, games.sizes, axis=1)


def unseen_part(games: DocumentGames) -> np.ndarray:
    """The part of all pairs of each pair's size that its document does not have, (documents, pairs)."""
    every = all_pairs(games.n_sublayers)[games.sizes]
    return 1.0 - np.take_along_axis(games.of_size, games.sizes, axis=1) / every


def kernel_regression(games: DocumentGames) -> Corrected:
    """The pooled regression; a document's values are the pooled ones and its own part of the equations' residual."""
    x, weights = signs(games.sides), pair_weights(games)
    gram = np.einsum("dpi,dp,dpj->ij", x, weights, x, optimize=True) / games.n_documents
    moments = np.einsum("dpi,dp->di", x, weights * games.differences)
    # min Σ w (h − x·φ)² where Σφ is v(all) − v(none), by Lagrange's equations.
    n = games.n_sublayers
    inverse = np.linalg.pinv(np.block([[gram, np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]]))
    project, to_total = inverse[:n, :n], inverse[:n, n]
    values = project @ moments.mean(axis=0) + to_total * games.totals.mean()
    free = np.linalg.lstsq(gram, moments.mean(axis=0), rcond=None)[0]
    gap = float(free.sum() - games.totals.mean())
    unseen = unseen_part(games)
    residuals = (games.differences - x @ values) * _inflation(unseen, n - 1)
    shares = np.einsum("dpi,dp->di", x, weights * residuals) @ project
    per_document = values + shares + np.outer(games.totals - games.totals.mean(), to_total)
    error = weights * np.sqrt(unseen) * residuals
    by_pair = (x @ project) * error[..., None] / games.n_documents
    return Corrected(per_document, by_pair, gap)


def _inflation(unseen: np.ndarray, numbers: int) -> float:
    """What makes up for residuals that are too small, as so many numbers were fitted to as many pairs as there are.

    That matters as far as pairs are unseen: where none is, what the regression leaves is the documents' own.
    """
    left = unseen.size / max(unseen.size - numbers, 1)
    return float(np.sqrt(1 + unseen.mean() * (left - 1)))
