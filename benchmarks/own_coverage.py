"""How often intervals of values from per-document coalitions hold the Shapley value, on games that are known.

    python benchmarks/own_coverage.py --repetitions 400        # make bench-own-coverage

Hard games, which no model of games fits: majority, parity, random scores, sublayers that stand in for each other, one
that hurts, products. Each repetition draws documents anew, each with answers of its own, and their coalitions. Bias:
the mean error beside its standard error, and in per cent of the largest value. Held: how often 95 % intervals hold the
value of all documents like these, and of exactly these documents. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.document_pairs import pairs_of_same_work
from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.kernel_regression import Corrected, kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.ranks import rank_intervals
from cornerstone.statistics.resampling import Z_95, effect_interval
from hard_games import exact_values, hard_games

ESTIMATORS = {"kernel_regression": kernel_regression, "mixed_effects": mixed_effects}
MANY = 40_000
"""Documents whose mean values are those of all."""


def main() -> None:
    arguments = _arguments()
    rows = []
    for name in arguments.games or hard_games(arguments.sublayers):
        one = partial(repetition, name, arguments.sublayers, arguments.documents)
        with ProcessPoolExecutor(arguments.cores) as pool:
            found = list(pool.map(one, range(arguments.repetitions), chunksize=4))
        truth = values_of_all(name, arguments.sublayers)
        rows += [
            summary(name, estimator, [each[estimator] for each in found], truth) for estimator in ESTIMATORS
        ]
        print(pd.DataFrame(rows[-len(ESTIMATORS) :]).to_string(index=False, float_format="%.2f"), flush=True)
    print(json.dumps({"settings": {k: v for k, v in vars(arguments).items() if k != "games"}, "games": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("games", nargs="*", help="by name; default: all")
    parser.add_argument("--sublayers", type=int, default=12)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


def values_of_all(name: str, n: int) -> np.ndarray:
    """The values of the mean game, to far less than an interval's width."""
    make, rng = hard_games(n)[name], np.random.default_rng(10**6)
    parts = [make(rng, 500).mean(axis=1) for _ in range(MANY // 500)]
    return exact_values(np.mean(parts, axis=0)[:, None])[0]


def repetition(name: str, n: int, documents: int, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """By estimator: values, the two kinds of interval, intervals of ranks, and the exact values of the documents."""
    table = hard_games(n)[name](np.random.default_rng(seed), documents)
    games = with_own_pairs(table, pairs_of_same_work(n, 4), seed)
    own = exact_values(table).mean(axis=0)
    return {title: _intervals(estimate(games)) | {"own": own} for title, estimate in ESTIMATORS.items()}


def _intervals(found: Corrected) -> dict[str, np.ndarray]:
    values = found.per_document.mean(axis=0)
    within = Z_95 * np.sqrt((found.by_pair**2).sum(axis=(0, 1)))
    return {
        "values": values,
        "interval": np.array(effect_interval(found.per_document.T, np.inf)),
        "these": np.array([values - within, values + within]),
        "ranks": np.array(rank_intervals(found.per_document.T)),
        "sd": found.per_document.std(axis=0, ddof=1) / np.sqrt(len(found.per_document)),
    }


def summary(
    name: str, estimator: str, found: list[dict[str, np.ndarray]], truth: np.ndarray
) -> dict[str, object]:
    """A row of the table."""
    of = {key: np.array([one[key] for one in found]) for key in found[0]}
    errors, largest = of["values"] - of["own"], np.abs(truth).max()
    bias = errors.mean(axis=0)
    standard = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    held = (of["interval"][:, 0] <= truth) & (truth <= of["interval"][:, 1])
    held_own = (of["these"][:, 0] <= of["own"]) & (of["own"] <= of["these"][:, 1])
    ranks = _possible_ranks(truth)
    ranks_hold = ((of["ranks"][:, 0] <= ranks[1]) & (ranks[0] <= of["ranks"][:, 1])).all(axis=1)
    return {
        "game": name,
        "estimator": estimator,
        "error %": 100 * np.sqrt((errors**2).mean()) / largest,
        "bias %": 100 * np.abs(bias).max() / largest,
        "bias / s.e.": np.abs(bias / standard).max(),
        "held %": 100 * held.mean(),
        "sublayers %": f"{100 * held.mean(axis=0).min():.0f}–{100 * held.mean(axis=0).max():.0f}",
        "told / true spread": np.sqrt((of["sd"] ** 2).mean() / of["values"].var(axis=0, ddof=1).mean()),
        "width %": 100 * (of["interval"][:, 1] - of["interval"][:, 0]).mean() / largest,
        "these held %": 100 * held_own.mean(),
        "these width %": 100 * (of["these"][:, 1] - of["these"][:, 0]).mean() / largest,
        "ranks held %": 100 * ranks_hold.mean(),
    }


def _possible_ranks(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest rank of each value; equal ones share them. Closer than a thousandth counts as equal."""
    near = 1e-3 * np.abs(truth).max()
    above = (truth > truth[:, None] + near).sum(axis=1)
    below = (truth < truth[:, None] - near).sum(axis=1)
    return 1 + above, len(truth) - below


if __name__ == "__main__":
    main()
