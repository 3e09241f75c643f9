"""exact: the Shapley value itself, from the scores of all 2^N coalitions."""

from __future__ import annotations

import numpy as np

from cornerstone.shapley import coalitions as designs
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Words
from cornerstone.shapley.game_kernel import coalition_weights
from cornerstone.shapley.linear import LinearEstimator


def exact_estimator(n_sublayers: int) -> LinearEstimator:
    """The Shapley value itself, from all 2^n coalitions (n up to about 16).

    φ_i = Σ_{S ⊆ N∖{i}} |S|!(n−|S|−1)!/n! · [v(S∪{i}) − v(S)], each coalition written by what is absent.
    """
    n = n_sublayers
    coalitions = designs.exact(n)
    weights = coalition_weights(designs.absence(coalitions, n))
    return LinearEstimator(tuple(coalitions), weights, np.full(n, 2 ** (n - 1)))


ESTIMATORS.register(
    Estimator(
        name="exact",
        title="exact",
        designs=("exact",),
        fit=lambda _, n_sublayers, settings: exact_estimator(n_sublayers),
        words=Words(
            choice="from all 2^N coalitions, for models of at most 16 sublayers",
            method="is its Shapley value, from the scores of all coalitions of sublayers",
            source="Values from all coalitions",
            caution="The values are the exact Shapley values of the mean score on these documents. They sum to v(all) "
            "− v(none).",
        ),
        is_exact=True,
        is_random=False,
        order=80,
    )
)
