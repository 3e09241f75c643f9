"""Estimators of the Shapley value: from evaluated coalitions to values.

An estimator is a matrix: values = weights @ scores, document by document. A Gaussian process is one too, once its
kernel is known from the scores. Resampling documents is then one more matrix product, paired over the same documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.scores.matrix import Scores, rows_of
from cornerstone.shapley import coalitions as designs
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.game_kernel import coalition_weights
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class Estimator:
    """A linear map from scores to values.

    coalitions: what it needs evaluated.
    weights:    float64, shape (players, coalitions).
    samples:    int, shape (players,): marginal contributions that are averaged.
    sd:         float64, shape (players,): how far the coalitions that were not evaluated may move each value, by the
                estimator's own account; None where it gives none.
    """

    coalitions: tuple[Removed, ...]
    weights: np.ndarray
    samples: np.ndarray
    sd: np.ndarray | None = None


def window_estimator(n_sublayers: int, max_removed: int, edges: str = "both") -> Estimator:
    """The paper's estimator: the mean marginal contribution of a player at the edge of windows.

        v(−∅) − v(−{i})  and  v(−(W∖{i})) − v(−W)  for windows W of 2..max_removed whose edge is i

    edges: "both" takes windows whose first or last player is i, "first" those whose first player is i.
    An interior player has 1 + 2(max_removed − 1) samples with both edges; near an end of the model there
    are fewer. Source: section "Layer Shapley" of the paper, settled by its public implementation.
    Raises CornerstoneError for another `edges`, or unless 1 <= max_removed < n_sublayers.
    """
    if edges not in ("both", "first"):
        raise CornerstoneError(f"edges is {edges!r}: give both or first")
    coalitions = designs.ablation(n_sublayers) + designs.windows(n_sublayers, max_removed)
    return _of_runs(n_sublayers, coalitions, coalitions[1:], edges)


def windows_of_size(n_sublayers: int, size: int) -> Estimator:
    """The paper's estimator with the windows of one size alone; size 1 is the single removals."""
    runs = designs.ablation(n_sublayers) + designs.windows(n_sublayers, size)
    coalitions = [run for run in runs if len(run) in (size - 1, size)]
    return _of_runs(n_sublayers, coalitions, [run for run in coalitions if len(run) == size], "both")


def _of_runs(
    n_sublayers: int, coalitions: Sequence[Removed], runs: Sequence[Removed], edges: str
) -> Estimator:
    """The mean of what players at the edges of these runs are worth, beside the rest of the run."""
    column = {coalition: i for i, coalition in enumerate(coalitions)}
    weights, samples = np.zeros((n_sublayers, len(coalitions))), np.zeros(n_sublayers, dtype=int)
    for removed in runs:
        rests = {removed[0]: removed[1:]}
        if edges == "both":
            rests[removed[-1]] = removed[:-1]
        for player, rest in rests.items():
            weights[player, column[rest]] += 1
            weights[player, column[removed]] -= 1
            samples[player] += 1
    return Estimator(tuple(coalitions), weights / np.maximum(samples, 1)[:, None], samples)


def exact_estimator(n_sublayers: int) -> Estimator:
    """The Shapley value itself, from all 2^n coalitions (n up to about 16).

    φ_i = Σ_{S ⊆ N∖{i}} |S|!(n−|S|−1)!/n! · [v(S∪{i}) − v(S)], each coalition written by what is absent.
    """
    n = n_sublayers
    coalitions = designs.exact(n)
    weights = coalition_weights(designs.absence(coalitions, n))
    return Estimator(tuple(coalitions), weights, np.full(n, 2 ** (n - 1)))


def document_values(scores: Scores, estimator: Estimator) -> np.ndarray:
    """Values document by document, shape (players, documents); their mean over documents is the value."""
    return estimator.weights @ rows_of(scores, estimator.coalitions)


def exact_values(scores: Scores) -> np.ndarray:
    """Shapley values from all 2^n coalitions, shape (players,); n is that of the largest coalition."""
    n_sublayers = max(map(len, scores.coalitions))
    return document_values(scores, exact_estimator(n_sublayers)).mean(axis=1)
