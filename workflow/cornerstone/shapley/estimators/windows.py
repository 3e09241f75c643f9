"""windows: the paper's estimator, the mean marginal contribution of a sublayer at the edge of windows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from cornerstone.shapley.coalitions import Removed, ablation, paper_budget, windows
from cornerstone.shapley.estimators import ESTIMATORS, Estimator, Look, Words, apply
from cornerstone.shapley.games import Game
from cornerstone.shapley.linear import LinearEstimator, mean_of_drops
from cornerstone.system.errors import CornerstoneError


def window_estimator(n_sublayers: int, max_removed: int, edges: str = "both") -> LinearEstimator:
    """The paper's estimator: the mean marginal contribution of a player at the edge of windows.

        v(−∅) − v(−{i})  and  v(−(W∖{i})) − v(−W)  for windows W of 2..max_removed whose edge is i

    edges: "both" takes windows whose first or last player is i, "first" those whose first player is i.
    An interior player has 1 + 2(max_removed − 1) samples with both edges; near an end of the model there
    are fewer. Source: section "Layer Shapley" of the paper, settled by its public implementation.
    Raises CornerstoneError for another `edges`, or unless 1 <= max_removed < n_sublayers.
    """
    if edges not in ("both", "first"):
        raise CornerstoneError(f"edges is {edges!r}: give both or first")
    coalitions = ablation(n_sublayers) + windows(n_sublayers, max_removed)
    return _of_runs(n_sublayers, coalitions, coalitions[1:], edges)


def windows_of_size(n_sublayers: int, size: int) -> LinearEstimator:
    """The paper's estimator with the windows of one size alone; size 1 is the single removals."""
    runs = ablation(n_sublayers) + windows(n_sublayers, size)
    coalitions = [run for run in runs if len(run) in (size - 1, size)]
    return _of_runs(n_sublayers, coalitions, [run for run in coalitions if len(run) == size], "both")


def _of_runs(
    n_sublayers: int, coalitions: Sequence[Removed], runs: Sequence[Removed], edges: str
) -> LinearEstimator:
    """The mean of what players at the edges of these runs are worth, beside the rest of the run."""
    drops = []
    for removed in runs:
        rests = {removed[0]: removed[1:]}
        if edges == "both":
            rests[removed[-1]] = removed[:-1]
        drops += [(player, rest, removed) for player, rest in rests.items()]
    return mean_of_drops(n_sublayers, coalitions, drops)


def window_values(game: Game, budget: int, seed: int, *, edges: str = "both") -> np.ndarray:
    """The estimate from windows as large as the budget allows, shape (sublayers,). Nothing is random."""
    n = game.n_sublayers
    largest = max((size for size in range(1, n) if paper_budget(n, size) <= budget), default=1)
    return apply(window_estimator(n, largest, edges), game)


def _sizes(n_sublayers: int, max_removed: int) -> dict[str, LinearEstimator]:
    return {f"windows of {size}": windows_of_size(n_sublayers, size) for size in range(1, max_removed + 1)}


ESTIMATORS.register(
    Estimator(
        name="windows",
        title="windows",
        designs=("windows",),
        fit=lambda _, n_sublayers, settings: window_estimator(
            n_sublayers, settings.max_removed, settings.edges
        ),
        words=Words(
            choice="the paper's: runs of up to `max_removed` consecutive sublayers are removed",
            method="estimates its Shapley value: the mean of how much the score falls when it is removed from the full "
            "model, and when it is removed beside every run whose {edge} sublayer it is",
            source="Values from runs of at most {max_removed} removed sublayers",
            caution="The values come from removing few, neighbouring sublayers. They equal Shapley values where "
            "effects are additive, and are biased otherwise. They need not sum to v(all) − v(none).",
        ),
        audited=window_values,
        never_exact="they use few coalitions, whatever the budget",
        audited_as=lambda settings: "windows_first" if settings.edges == "first" else "windows",
        samples=lambda n_sublayers, max_removed: window_estimator(n_sublayers, max_removed).samples,
        parts=_sizes,
        is_random=False,
        look=Look("#A81529", "-", "o", band=True),
        order=10,
    )
)
ESTIMATORS.register(
    Estimator(
        name="windows_first",
        title="windows (first edge)",
        audited=partial(window_values, edges="first"),
        never_exact="they use few coalitions, whatever the budget",
        samples=lambda n_sublayers, max_removed: window_estimator(n_sublayers, max_removed, "first").samples,
        is_random=False,
        order=20,
    )
)
