"""The estimators that the audit holds against exact values, each a function of a game, a budget and a seed.

    values = ESTIMATORS["windows"](game, budget=43, seed=0)

It asks the game for the coalitions that it wants, at most `budget` different ones, and gives a value to each
sublayer. Ours are here; the others are shapiq's own (Muschalik et al. 2024, NeurIPS), run on the same game.
Left out are its SPEX, which refuses budgets as small as the paper's, and ProxySPEX, which needs LightGBM.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType

import numpy as np

from cornerstone.shapley.coalitions import ablation, paper_budget
from cornerstone.shapley.estimators import Estimator, window_estimator
from cornerstone.shapley.games import Game
from cornerstone.shapley.gaussian_process import process_estimator
from cornerstone.shapley.informative import informative
from cornerstone.shapley.orders import balanced_orders, order_coalitions, random_orders
from cornerstone.shapley.permutations import permutation_estimator, stratified_estimator
from cornerstone.system.errors import CornerstoneError

TOLERANCE = 0.05
"""Of v(all) − v(none): a truncated order ends where so little is left."""


def of_windows(game: Game, budget: int, seed: int, *, edges: str = "both") -> np.ndarray:
    """The paper's, with windows as large as the budget allows; nothing in it is random."""
    n = game.n_sublayers
    largest = max((size for size in range(1, n) if paper_budget(n, size) <= budget), default=1)
    return _apply(window_estimator(n, largest, edges), game)


def of_permutations(game: Game, budget: int, seed: int, *, antithetic: bool = False) -> np.ndarray:
    return _apply(_permutation_estimator(game.n_sublayers, budget, seed, antithetic), game)


def of_strata(game: Game, budget: int, seed: int) -> np.ndarray:
    """Stratified by size, with orders in which every sublayer stands at every place equally often."""
    return _apply(_stratified_estimator(game.n_sublayers, budget, seed), game)


def of_truncated_permutations(game: Game, budget: int, seed: int) -> np.ndarray:
    """Orders that are left where the score is nearly that of the bare model; what comes after causes no drop.

    Source: Ghorbani and Zou 2019, Data Shapley, algorithm 1 (there from the empty coalition upwards).
    """
    n = game.n_sublayers
    full, bare = game.score([(), tuple(range(n))])
    close = TOLERANCE * abs(full - bare)
    total, samples = np.zeros(n), np.zeros(n)
    for order, _ in zip(random_orders(n, seed), range(10 * budget), strict=False):
        score = full
        for size, sublayer in enumerate(order, start=1):
            after = score
            if abs(score - bare) > close:
                removed = tuple(sorted(order[:size]))
                if len(game.asked) >= budget and not game.knows(removed):
                    return total / np.maximum(samples, 1)
                after = game.score([removed])[0]
            total[sublayer] += score - after
            samples[sublayer] += 1
            score = after
    return total / np.maximum(samples, 1)


def of_gaussian_process(game: Game, budget: int, seed: int) -> np.ndarray:
    coalitions = _informative(game.n_sublayers, budget, seed)
    scores = game.score(coalitions)
    return process_estimator(coalitions, scores, game.n_sublayers).weights @ scores


def of_shapiq(game: Game, budget: int, seed: int, *, name: str, **settings: object) -> np.ndarray:
    """An approximator of shapiq's by its class name. Raises CornerstoneError where shapiq is missing."""
    approximator = getattr(_shapiq().approximator, name)(n=game.n_sublayers, random_state=seed, **settings)
    found = approximator.approximate(budget, _game_of_shapiq(game))
    return np.array([found[(sublayer,)] for sublayer in range(game.n_sublayers)])


AuditedEstimator = Callable[[Game, int, int], np.ndarray]
OURS: dict[str, AuditedEstimator] = {
    "windows": of_windows,
    "windows (first edge)": partial(of_windows, edges="first"),
    "permutations": of_permutations,
    "antithetic permutations": partial(of_permutations, antithetic=True),
    "truncated permutations": of_truncated_permutations,
    "stratified": of_strata,
    "Gaussian process": of_gaussian_process,
}
SHAPIQ: dict[str, AuditedEstimator] = {
    "KernelSHAP": partial(of_shapiq, name="KernelSHAP"),
    "KernelSHAP (paired)": partial(of_shapiq, name="KernelSHAP", pairing_trick=True),
    "k-additive SHAP": partial(of_shapiq, name="kADDSHAP"),
    "unbiased KernelSHAP": partial(of_shapiq, name="UnbiasedKernelSHAP"),
    "SVARM": partial(of_shapiq, name="SVARM"),
    "Owen sampling": partial(of_shapiq, name="OwenSamplingSV", n_anchor_points=3),
    "permutation sampling": partial(of_shapiq, name="PermutationSamplingSV"),
    "stratified sampling": partial(of_shapiq, name="StratifiedSamplingSV"),
}
ESTIMATORS = OURS | SHAPIQ
DETERMINISTIC = ("windows", "windows (first edge)")
"""Whatever the seed."""


def _apply(estimator: Estimator, game: Game) -> np.ndarray:
    return estimator.weights @ game.score(estimator.coalitions)


# The coalitions of a size, budget and seed are the same for every model, task and score.


@cache
def _permutation_estimator(n: int, budget: int, seed: int, antithetic: bool) -> Estimator:
    return permutation_estimator(n, budget, seed, antithetic=antithetic)


@cache
def _stratified_estimator(n: int, budget: int, seed: int) -> Estimator:
    return stratified_estimator(n, order_coalitions(balanced_orders(n, seed), n, budget)[0])


@cache
def _informative(n: int, budget: int, seed: int) -> tuple:
    return (*ablation(n), *informative(n, max(1, budget - n - 1), seed))


def _game_of_shapiq(game: Game) -> object:
    """The same game as shapiq has them: 0 for the bare model, coalitions by who is present."""

    class Known(_shapiq().Game):
        def value_function(self, coalitions: np.ndarray) -> np.ndarray:
            return game.score_present(coalitions)

    bare = game.score([tuple(range(game.n_sublayers))])[0]
    return Known(game.n_sublayers, normalize=True, normalization_value=bare)


@cache
def _shapiq() -> ModuleType:
    try:
        import shapiq
    except ImportError as error:
        raise CornerstoneError(f"the audit needs shapiq ({error}): pip install shapiq") from error
    return shapiq
