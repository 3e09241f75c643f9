"""How often intervals of values from per-document coalitions hold the Shapley value, on games that are known.

    python benchmarks/own_coverage.py --repetitions 400        # make bench-own-coverage
    python benchmarks/own_coverage.py parity logprob-product --sublayers 64 --documents 1000

The games are those of `known_games`: hard ones, which no model of games fits (majority, parity, random scores,
sublayers that stand in for each other, one that hurts, products), and products and sums in which documents differ, of
right and wrong answers or of log-probabilities. Each repetition draws documents and their coalitions anew.

Error: root mean square, in per cent of the largest value (of a score of 1 where all values are 0). Bias: the largest
mean error of a sublayer, and the largest over its standard error. Both are against the values of exactly the documents
drawn, or of all documents where the former are unknown. Held: how often 95 % intervals hold the value of all documents
like these; these: of exactly these. Seconds: of processor time, for a fit. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.document_pairs import document_pairs, pairs_of_same_work
from cornerstone.shapley.kernel_regression import Corrected, kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.ranks import rank_intervals
from cornerstone.statistics.resampling import Z_95, effect_interval
from known_games import games_of_documents, known_games

ESTIMATORS = {"kernel_regression": kernel_regression, "mixed_effects": mixed_effects}
FEWEST_SUBLAYERS = 5
"""Of the hard games."""
MOST_MODELLED = 100
"""Sublayers up to which `mixed_effects` is run unasked: 400 fits of deeper models take hours."""
LARGEST_WINDOW = 4
LISTS = 400
"""Of pairs, from which those of all documents are made."""
EQUAL = 1e-9
"""Values that differ by less, in parts of the largest, share their ranks."""

Found = dict[str, np.ndarray]


def main() -> None:
    arguments = _arguments()
    rows = []
    with ProcessPoolExecutor(arguments.cores) as pool:
        for name in arguments.games:
            counts = arguments.sublayers, arguments.documents, arguments.pairs
            one = partial(repetition, name, counts, arguments.estimators)
            found = list(pool.map(one, range(arguments.repetitions), chunksize=4))
            truth = known_games(arguments.sublayers)[name].values
            new = [summary(name, each, [of[each] for of in found], truth) for each in arguments.estimators]
            print(pd.DataFrame(new).to_string(index=False, float_format="%.2f", na_rep=""), flush=True)
            rows += [{key: None if cell != cell else cell for key, cell in row.items()} for row in new]
    print(json.dumps({"settings": {k: v for k, v in vars(arguments).items() if k != "games"}, "games": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("games", nargs="*", help="by name; default: all")
    parser.add_argument("--sublayers", type=int, default=12)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--pairs", type=int, help="of each document; default: for the work of the windows")
    parser.add_argument("--repetitions", type=int, default=400)
    help_of = f"default: both, of more than {MOST_MODELLED} sublayers kernel_regression alone"
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, help=help_of)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    least = {"sublayers": FEWEST_SUBLAYERS, "documents": 2, "pairs": 1, "repetitions": 2, "cores": 1}
    for name, fewest in least.items():
        if (given := getattr(arguments, name)) is not None and given < fewest:
            parser.error(f"--{name}: {fewest} or more")
    arguments.pairs = arguments.pairs or pairs_of_same_work(arguments.sublayers, LARGEST_WINDOW)
    games = list(known_games(arguments.sublayers))
    if unknown := [name for name in arguments.games if name not in games]:
        parser.error(f"no game of {arguments.sublayers} sublayers is called {unknown[0]}: {', '.join(games)}")
    arguments.games = arguments.games or games
    modelled = arguments.sublayers <= MOST_MODELLED
    arguments.estimators = arguments.estimators or list(ESTIMATORS)[: 2 if modelled else 1]
    return arguments


def repetition(name: str, counts: tuple[int, int, int], estimators: list[str], seed: int) -> dict[str, Found]:
    """By estimator: values, the two kinds of interval, intervals of ranks, and the exact values of the documents.

    counts: of sublayers, of documents, and of pairs of each.
    """
    n, documents, pairs = counts
    rng = np.random.default_rng(seed)
    drawn = known_games(n)[name].draw(rng, documents)
    games = games_of_documents(drawn.scores, drawn_pairs(n, documents, pairs, rng))
    found = {}
    for title in estimators:
        started = time.process_time()
        fit = ESTIMATORS[title](games)
        found[title] = {"seconds": np.array(time.process_time() - started)} | _intervals(fit)
        found[title]["own"] = np.full(n, np.nan) if drawn.own is None else drawn.own
    return found


def drawn_pairs(n: int, documents: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Per-document pairs, bool (documents, pairs, sublayers).

    Drawing them one by one takes longer than a fit. All pairs of a size are as likely, so a list remains one when its
    sublayers are renamed at random.
    """
    lists = _lists(n, pairs)[rng.integers(LISTS, size=documents)]
    names = rng.permuted(np.tile(np.arange(n), (documents, 1)), axis=1)
    sides = np.take_along_axis(lists, names[:, None], axis=2)
    # Of two sides of the same size the first sublayer is on the other.
    turned = sides[..., 0] & (2 * sides.sum(axis=2) == n)
    return sides ^ turned[..., None]


@lru_cache(maxsize=1)
def _lists(n: int, pairs: int) -> np.ndarray:
    return np.stack([document_pairs(n, pairs, (seed,)) for seed in range(LISTS)])


def _intervals(found: Corrected) -> Found:
    values = found.per_document.mean(axis=0)
    within = Z_95 * np.sqrt((found.by_pair**2).sum(axis=(0, 1)))
    return {
        "values": values,
        "interval": np.array(effect_interval(found.per_document.T, np.inf)),
        "these": np.array([values - within, values + within]),
        "ranks": np.array(rank_intervals(found.per_document.T)),
        "sd": found.per_document.std(axis=0, ddof=1) / np.sqrt(len(found.per_document)),
    }


def summary(name: str, estimator: str, found: list[Found], truth: np.ndarray) -> dict[str, object]:
    """A row of the table."""
    of = {key: np.array([one[key] for one in found]) for key in found[0]}
    largest = np.abs(truth).max() or 1.0
    own_known = not np.isnan(of["own"]).any()
    errors = of["values"] - (of["own"] if own_known else truth)
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
        "these held %": 100 * held_own.mean() if own_known else np.nan,
        "these width %": 100 * (of["these"][:, 1] - of["these"][:, 0]).mean() / largest,
        "ranks held %": 100 * ranks_hold.mean(),
        "seconds": of["seconds"].mean(),
    }


def _possible_ranks(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest rank of each value; equal ones share them."""
    near = EQUAL * np.abs(truth).max()
    above = (truth > truth[:, None] + near).sum(axis=1)
    below = (truth < truth[:, None] - near).sum(axis=1)
    return 1 + above, len(truth) - below


if __name__ == "__main__":
    main()
