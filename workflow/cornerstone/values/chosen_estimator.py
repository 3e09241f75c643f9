"""The estimator of the values that a configuration names."""

from __future__ import annotations

from cornerstone.scores.matrix import Scores, rows_of
from cornerstone.shapley.coalitions import ablation, paper_budget
from cornerstone.shapley.designs import DESIGN_OF_ESTIMATOR, coalitions_of
from cornerstone.shapley.estimators import Estimator, exact_estimator, window_estimator
from cornerstone.shapley.permutations import permutation_estimator
from cornerstone.system.errors import CornerstoneError


def chosen_estimator(
    name: str, scores: Scores, n_sublayers: int, max_removed: int, edges: str = "both"
) -> Estimator:
    """By its name in DESIGN_OF_ESTIMATOR; of these coalitions, `scores` must have those of its design.

    A Gaussian process learns what its kernel is from the scores; the others do not look at them.
    Raises CornerstoneError for a name that is none, and where a coalition was not evaluated.
    """
    if name == "windows":
        return window_estimator(n_sublayers, max_removed, edges)
    if name == "exact":
        return exact_estimator(n_sublayers)
    if name == "permutations":
        return permutation_estimator(n_sublayers, paper_budget(n_sublayers, max_removed))
    if name == "gaussian_process":
        from cornerstone.shapley.gaussian_process import process_estimator  # needs SciPy

        chosen = coalitions_of("informative", n_sublayers, max_removed=max_removed)
        coalitions = [*ablation(n_sublayers), *chosen]
        return process_estimator(coalitions, rows_of(scores, coalitions).mean(axis=1), n_sublayers)
    raise CornerstoneError(f"no estimator {name!r}: give one of {', '.join(DESIGN_OF_ESTIMATOR)}")
