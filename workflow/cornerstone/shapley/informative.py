"""The design `informative`: coalitions chosen so that a Gaussian process is least uncertain about the values.

    informative(n_sublayers=12, count=30)      # besides the full model and every single removal

Chosen one by one: each is the one after which least is left open of the differences between the values
(`game_kernel`, with numbers that are right for no model and good enough for all). For few sublayers these are
the models of a single sublayer, and coalitions with about half of the sublayers that are spread evenly; for many
sublayers, where half of them removed leaves nothing, coalitions with a few removals from everywhere.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cornerstone.shapley.coalitions import Removed, ablation, absence
from cornerstone.shapley.game_kernel import (
    GameKernel,
    coalition_weights,
    covariance,
    value_covariance,
    variances,
)

FEWEST_CANDIDATES = 4096
TIE = 1e-6
"""Gains this near count as equal, and the first is taken: what an arithmetic unit rounds must not choose."""
SEED = 20240922


@lru_cache(maxsize=64)
def informative(n_sublayers: int, count: int, seed: int = SEED) -> tuple[Removed, ...]:
    """`count` coalitions, the first of them the model without any sublayer; fewer where there are no more.

    The same for every model of so many sublayers, so that nothing needs to be evaluated before. Another seed
    breaks ties in another way and, beyond 12 sublayers, draws other candidates.
    """
    known = absence([*ablation(n_sublayers), tuple(range(n_sublayers))], n_sublayers)
    candidates = _candidates(n_sublayers, max(FEWEST_CANDIDATES, 4 * count), np.random.default_rng(seed))
    chosen = (
        candidates[_choose(_prior(n_sublayers), known, candidates, count - 1)] if count > 1 else known[:0]
    )
    first = [known[-1]] if count > 0 else []
    return tuple(tuple(np.flatnonzero(row).tolist()) for row in [*first, *chosen])


def _prior(n_sublayers: int) -> GameKernel:
    """The prior: each removal takes about a fifth of what is left; half as much again is each coalition's own."""
    decay, spread = np.full(n_sublayers, 0.2), np.full(n_sublayers, -1.0)
    return GameKernel(offset=1.0, slope=0.0, scale=1.0, noise=0.5, decay=decay, spread=spread)


def _candidates(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """All coalitions of few sublayers; else random ones of every size, and the models of a single sublayer."""
    if 2**n <= count:
        everything = np.arange(2**n)[:, None] >> np.arange(n) & 1
        removed = everything.sum(axis=1)
        return rng.permutation(everything[(removed > 1) & (removed < n)]).astype(float)
    sizes = np.exp(rng.uniform(np.log(2), np.log(n - 1), count)).round().astype(int)
    drawn = np.argsort(rng.random((count, n)), axis=1).argsort(axis=1) < sizes[:, None]
    return np.unique(np.vstack([drawn, ~np.eye(n, dtype=bool)]), axis=0).astype(float)


def _choose(kernel: GameKernel, known: np.ndarray, candidates: np.ndarray, count: int) -> list[int]:
    """Greedily, rows of `candidates`: the most of the values' centred variance that one coalition explains.

    Conditioning on one more coalition is one step of a Cholesky factorisation.
    """
    factor = np.linalg.cholesky(covariance(kernel, known, known) + kernel.noise * np.eye(len(known)))
    to_known = np.linalg.solve(factor, covariance(kernel, known, candidates))
    of_known = np.linalg.solve(factor, _values_with_noise(kernel, known).T)
    open_values = _values_with_noise(kernel, candidates) - of_known.T @ to_known
    open_variance = variances(kernel, candidates) + kernel.noise - (to_known**2).sum(axis=0)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = ((open_values - open_values.mean(axis=0)) ** 2).sum(axis=0) / open_variance
        gain[chosen] = -1.0
        best = int(np.flatnonzero(gain >= gain.max() * (1 - TIE))[0])
        chosen.append(best)
        shared = covariance(kernel, candidates[best][None], candidates)[0] - to_known[:, best] @ to_known
        variance = open_variance[best]
        to_known = np.vstack([to_known, shared / np.sqrt(variance)])
        open_values = open_values - np.outer(open_values[:, best], shared) / variance
        open_variance = np.maximum(open_variance - shared**2 / variance, 1e-12)
    return chosen


def _values_with_noise(kernel: GameKernel, absent: np.ndarray) -> np.ndarray:
    return value_covariance(kernel, absent) + kernel.noise * coalition_weights(absent)
