"""leave_one_out: what removing a sublayer alone costs, taken as its value."""

from __future__ import annotations

import numpy as np

from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, Words, apply
from cornerstone.shapley.games import Game
from cornerstone.shapley.linear import LinearEstimator, mean_of_drops


def leave_one_out_estimator(n_sublayers: int) -> LinearEstimator:
    """φ_i = v(−∅) − v(−{i}), from the full model and every single removal."""
    singles = [(sublayer, (), (sublayer,)) for sublayer in range(n_sublayers)]
    return mean_of_drops(n_sublayers, ablation(n_sublayers), singles)


def leave_one_out_values(game: Game, budget: int, seed: int) -> np.ndarray:
    """The estimate from n + 1 coalitions, whatever the budget, shape (sublayers,). Nothing is random."""
    return apply(leave_one_out_estimator(game.n_sublayers), game)


ESTIMATORS.register(
    Estimator(
        name="leave_one_out",
        title="leave one out",
        fit=lambda _, n_sublayers, settings: leave_one_out_estimator(n_sublayers),
        words=Words(
            choice="the effect of removing each sublayer alone",
            method="is the effect of removing it alone: how much the score falls when all others stay",
            source="Values are the effects of single removals",
            caution="The values are effects of single removals. They equal Shapley values only where effects are "
            "additive: interactions of two sublayers count twice or not at all. They need not sum to v(all) − v(none).",
        ),
        audited=leave_one_out_values,
        never_exact="it uses single removals only, whatever the budget",
        samples=lambda n_sublayers, max_removed: leave_one_out_estimator(n_sublayers).samples,
        is_random=False,
        look=Look("#000000", ":", "+"),
        order=25,
    )
)
