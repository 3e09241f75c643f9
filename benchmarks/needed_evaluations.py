"""How many evaluations of a document an estimator needs for values within a mean error, on games that are known.

Cornerstone's estimators and shapiq's approximators are run on the documents' own tables of all coalitions. The error
is the mean absolute error of a value, in parts of the game's largest, over sublayers, games and seeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil, exp, log

import numpy as np
import pandas as pd

from cornerstone.shapley.coalitions import Removed, ablation
from cornerstone.shapley.document_pairs import pair_coalitions
from cornerstone.shapley.estimators.shapiq import shapiq_values
from cornerstone.shapley.games import Game, with_own_pairs
from cornerstone.shapley.kernel_regression import kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from demo_games import Documents

SETTINGS: dict[str, tuple[str, dict[str, object]]] = {
    "KernelSHAP": ("KernelSHAP", {}),
    "KernelSHAP (paired)": ("KernelSHAP", {"pairing_trick": True}),
    "KernelSHAP (paired, sizes alike)": ("KernelSHAP", {"pairing_trick": True, "sampling_weights": "alike"}),
    "k-additive SHAP": ("kADDSHAP", {}),
    "k-additive SHAP (paired)": ("kADDSHAP", {"pairing_trick": True}),
    "k-additive SHAP (paired, order 3)": ("kADDSHAP", {"pairing_trick": True, "max_order": 3}),
    "unbiased KernelSHAP": ("UnbiasedKernelSHAP", {}),
    "unbiased KernelSHAP (paired)": ("UnbiasedKernelSHAP", {"pairing_trick": True}),
    "SVARM": ("SVARM", {}),
    "SVARM (paired)": ("SVARM", {"pairing_trick": True}),
    "permutation sampling": ("PermutationSamplingSV", {}),
    "stratified sampling": ("StratifiedSamplingSV", {}),
    "Owen sampling": ("OwenSamplingSV", {"n_anchor_points": 3}),
    "Owen sampling (10 points)": ("OwenSamplingSV", {"n_anchor_points": 10}),
}
"""By what they are called: the approximators of shapiq 1.4.1 for Shapley values, and their settings. Its KernelSHAP-IQ,
SHAP-IQ and SVARM-IQ are k-additive SHAP, unbiased KernelSHAP and SVARM where only values are asked for."""
SINGULAR = 1.0
"""An error larger than the largest value: there are too few evaluations for the approximator's equations yet."""
PAIRS_ALONE = ", pairs alone"
"""Ends the name of an estimator that goes without single removals: a study always has them, but it needs none."""
Values = Callable[[Documents, np.ndarray, int, int], tuple[np.ndarray, float]]
"""From a game, the places of the documents asked, a budget and a seed to values and evaluations of a document."""


@dataclass(frozen=True)
class Candidate:
    """An estimator with its settings. seeds: how often it is run. In the pool it goes by its name."""

    name: str
    values: Values
    seeds: int = 1


@dataclass(frozen=True)
class Point:
    """What a budget gave. evaluations: of a document. seconds: of the estimator's arithmetic, for a game. errors: of
    the games, in parts of the largest value."""

    budget: int
    evaluations: float
    seconds: float
    errors: Mapping[str, float]

    @property
    def error(self) -> float:
        return float(np.mean(list(self.errors.values())))

    def error_of(self, model: str) -> float:
        """Of one model's games, which are named by it."""
        return float(np.mean([error for name, error in self.errors.items() if name.split()[0] == model]))


@dataclass(frozen=True)
class Needed:
    """What the best of some estimators needs. budget, evaluations: where the error reaches the goal, interpolated
    between measured points on logarithmic axes. nearest: the point measured next to it. others: the last error of each
    other one."""

    name: str
    budget: float
    evaluations: float
    nearest: Point
    others: Mapping[str, float]


def of_study() -> list[Candidate]:
    """Cornerstone's, with single removals. A budget is a number of pairs."""
    return [
        Candidate(estimate.__name__, partial(_of_pairs, estimate))
        for estimate in (mixed_effects, kernel_regression)
    ]


def pairs_alone() -> list[Candidate]:
    """Cornerstone's without single removals. A budget is a number of pairs."""
    return [
        Candidate(estimate.__name__ + PAIRS_ALONE, partial(_of_pairs, estimate, singles=False))
        for estimate in (mixed_effects, kernel_regression)
    ]


def own_coalitions(name: str, sides: np.ndarray) -> list[Removed]:
    """What is evaluated of a document for one of Cornerstone's estimators, from its pairs."""
    n = sides.shape[1]
    if not name.endswith(PAIRS_ALONE):
        return [*ablation(n), *pair_coalitions(sides)]
    both = (side for smaller in sides for side in (smaller, ~smaller))
    return [(), tuple(range(n)), *(tuple(np.flatnonzero(side).tolist()) for side in both)]


def shared(seeds: int) -> list[Candidate]:
    """shapiq's with coalitions that all documents share."""
    return [Candidate(name, partial(_of_shared, name), seeds) for name in SETTINGS]


def own() -> list[Candidate]:
    """shapiq's, each document with a draw of its own."""
    return [Candidate(name, partial(_of_own, name)) for name in SETTINGS]


def asked_by(name: str, n_sublayers: int, budget: int, seed: int) -> set[int]:
    """The coalitions that shapiq's approximator asks for, as places."""
    game = Game(np.random.default_rng(seed).random(2**n_sublayers), np.zeros(n_sublayers))
    _shapiq(name, game, budget, seed)
    return game.asked


class Measured:
    """Errors on some games, each measured once, several games at a time."""

    def __init__(self, games: Sequence[Documents], cores: int) -> None:
        self.games = games
        self.points: dict[tuple[str, str, str, int], Point] = {}
        self.pool = ProcessPoolExecutor(cores, initializer=_keep, initargs=(games,))

    def __call__(self, form: str, candidate: Candidate, documents: str, budget: int) -> Point:
        """form: which kind of candidates. documents: "all", "1,000" or a number of the first ones."""
        key = (form, candidate.name, documents, budget)
        if key not in self.points:
            jobs = [
                self.pool.submit(_run, number, candidate, documents, budget, seed)
                for number in range(len(self.games))
                for seed in range(candidate.seeds)
            ]
            found = pd.DataFrame([job.result() for job in jobs])
            self.points[key] = Point(
                budget,
                float(found["evaluations"].mean()),
                float(found["seconds"].mean()),
                found.groupby("game")["error"].mean().to_dict(),
            )
        return self.points[key]


def least(
    measure: Callable[[Candidate, int], Point],
    candidates: Iterable[Candidate],
    budgets: Iterable[int],
    goal: float,
    hopeless: float = 4.0,
    predicted: Callable[[Candidate, int], float] | None = None,
) -> Needed:
    """The fewest evaluations with which one of them reaches the goal.

    Budgets are tried in ascending order until one is enough, and then the interpolated one. hopeless: an estimator
    whose error is so many times that of the best at the same budget is tried no further, unless it is SINGULAR.
    predicted: the least error that is possible; what cannot reach the goal is not measured.
    Raises ValueError where none reaches it.
    """
    left, points = list(candidates), {}
    for budget in budgets:
        for candidate in left:
            if predicted is None or predicted(candidate, budget) <= goal:
                points.setdefault(candidate.name, []).append(measure(candidate, budget))
        now = {name: of_one[-1].error for name, of_one in points.items() if of_one[-1].budget == budget}
        if not now:
            continue
        best = min(now.values())
        left = [one for one in left if not hopeless * best < now.get(one.name, best) < SINGULAR]
        if best <= goal:
            return _refined(measure, [one for one in left if now.get(one.name, 1.0) <= goal], points, goal)
    raise ValueError(f"none of {len(points)} estimators reaches an error of {goal:.1%} within these budgets")


def _refined(
    measure: Callable[[Candidate, int], Point],
    reached: Iterable[Candidate],
    points: Mapping[str, list[Point]],
    goal: float,
) -> Needed:
    candidate = min(reached, key=lambda one: crossing(points[one.name], goal)[1])
    mine = points[candidate.name]
    mine = sorted([*mine, measure(candidate, round(crossing(mine, goal)[0]))], key=lambda point: point.budget)
    budget, evaluations = crossing(mine, goal)
    nearest = min(mine, key=lambda point: abs(log(point.budget / budget)))
    others = {name: of_one[-1].error for name, of_one in points.items() if name != candidate.name}
    return Needed(candidate.name, budget, evaluations, nearest, others)


def crossing(points: Sequence[Point], goal: float) -> tuple[float, float]:
    """Budget and evaluations at which the error first reaches the goal: log-linear between two measured points."""
    for before, after in pairwise(points):
        if after.error <= goal < before.error:
            part = (log(before.error) - log(goal)) / (log(before.error) - log(max(after.error, 1e-12)))
            between = (
                exp((1 - part) * log(a) + part * log(b))
                for a, b in ((before.budget, after.budget), (before.evaluations, after.evaluations))
            )
            return tuple(between)
    return float(points[0].budget), points[0].evaluations


def enough_pairs(measure: Callable[[int], Point], needed: Needed, goal: float) -> Point:
    """The fewest whole pairs from the interpolated number on whose measured error is within the goal."""
    pairs = ceil(needed.budget)
    while measure(pairs).error > goal:
        pairs += 1
    return measure(pairs)


_GAMES: list[Documents] = []
"""Of a process of the pool."""


def _keep(games: Sequence[Documents]) -> None:
    _GAMES[:] = games


def _run(number: int, candidate: Candidate, documents: str, budget: int, seed: int) -> dict[str, object]:
    game = _GAMES[number]
    places = places_of(game, documents, seed)
    truth = game.exact[:, places].mean(axis=1)
    started = time.process_time()
    values, evaluations = candidate.values(game, places, budget, seed)
    return {
        "game": game.name,
        "error": float(np.abs(values - truth).mean() / np.abs(truth).max()),
        "evaluations": evaluations,
        "seconds": time.process_time() - started,
    }


def places_of(game: Documents, documents: str, seed: int) -> np.ndarray:
    """ "all", "1,000": drawn with replacement; else so many of the first."""
    if documents == "all":
        return np.arange(game.count)
    return game.drawn(seed) if "," in documents else np.arange(min(game.count, int(documents)))


def _of_pairs(
    estimate: Callable, game: Documents, places: np.ndarray, pairs: int, seed: int, singles: bool = True
) -> tuple[np.ndarray, float]:
    games = with_own_pairs(game.table[:, places], pairs, seed, game.covariates[places])
    name = estimate.__name__ + PAIRS_ALONE * (not singles)
    counts = [len(own_coalitions(name, sides)) for sides in games.sides]
    given = games if singles else games.pairs_alone()
    return estimate(given).per_document.mean(axis=0), float(np.mean(counts))


def _of_shared(
    name: str, game: Documents, places: np.ndarray, budget: int, seed: int
) -> tuple[np.ndarray, float]:
    mean = Game(game.table[:, places].mean(axis=1), np.zeros(game.n_sublayers))
    return _shapiq(name, mean, budget, seed), len(mean.asked)


def _of_own(
    name: str, game: Documents, places: np.ndarray, budget: int, seed: int
) -> tuple[np.ndarray, float]:
    total, evaluations = np.zeros(game.n_sublayers), 0
    for number, place in enumerate(places):
        one = Game(game.table[:, place], np.zeros(game.n_sublayers))
        total += _shapiq(name, one, budget, seed * len(places) + number)
        evaluations += len(one.asked)
    return total / len(places), evaluations / len(places)


def _shapiq(name: str, game: Game, budget: int, seed: int) -> np.ndarray:
    approximator, settings = SETTINGS[name]
    if "sampling_weights" in settings:
        settings = settings | {"sampling_weights": np.ones(game.n_sublayers + 1)}
    return shapiq_values(game, budget, seed, approximator=approximator, **settings)
