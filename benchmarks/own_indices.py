"""How near interaction indices from per-document coalitions come to exact ones, and what the noise hides.

    python benchmarks/own_indices.py --seeds 4        # make bench-indices

On the demo's 24 games, all coalitions evaluated as for `own_values`: documents are drawn with replacement from those of
a task, have pairs of coalitions of their own for the work of the paper's windows, and what is estimated is the index of
all of the task's documents. Then on games of 64 and 160 sublayers that are products, whose indices are known: three
sublayers keep 0.1, 0.4 and 0.7 of what the others are worth, all else 0.97 to 1; a document answers at random. Plain:
means over the pairs of each size alone. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.document_games import DocumentGames, known_of_documents
from cornerstone.shapley.document_pairs import document_pairs, pairs_of_same_work
from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.interaction_indices import interaction_indices, weighted_sums
from cornerstone.statistics.ranks import spearman
from cornerstone.statistics.resampling import LEVEL, Z_95
from cornerstone.statistics.significance import benjamini_hochberg, p_values
from demo_games import MODELS, Documents, demo_games, evaluate_everything
from hard_games import exact_indices
from own_values import LARGEST_WINDOW

COUNTS = (220, 1000)
PRODUCT_COUNTS = (300, 1000)
GUESSING, WHOLE = 0.25, 0.9
"""How often a document is answered without any sublayer that matters, and by the whole model."""
NODES = 200
"""Of the integral over the multilinear extension."""


def main() -> None:
    arguments = _arguments()
    with ProcessPoolExecutor(arguments.cores) as pool:
        jobs = [pool.submit(errors_of_product, n, seed) for n in (64, 160) for seed in range(arguments.seeds)]
        if arguments.models:
            evaluate_everything(arguments.cores, arguments.models)
        jobs += [pool.submit(errors_of, game, arguments.seeds) for game in demo_games(arguments.models)]
        rows = pd.DataFrame([row for job in jobs for row in job.result()])
    shown = summary(rows)
    print(shown.to_string(index=False, float_format="%.2f"))
    print(json.dumps({"seeds": arguments.seeds, "rows": shown.to_dict("records")}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--models", nargs="*", default=MODELS, help="of the demo; none for products alone")
    return parser.parse_args()


def errors_of(game: Documents, seeds: int) -> list[dict[str, object]]:
    """Rows of one game of the demo."""
    truth = exact_indices(game.table.mean(axis=1, keepdims=True))[0]
    n, rows = len(game.table).bit_length() - 1, []
    for seed in range(seeds):
        for count in COUNTS:
            places = np.random.default_rng((seed, count)).integers(game.table.shape[1], size=count)
            pairs = pairs_of_same_work(n, LARGEST_WINDOW)
            games = with_own_pairs(game.table[:, places], pairs, seed, game.covariates[places])
            about = {"games": f"demo, {game.name.split()[-1].replace('acc_norm', 'acc')}", "game": game.name}
            rows += [about | {"documents": count} | row for row in _both(games, truth)]
    return rows


def errors_of_product(n: int, seed: int) -> list[dict[str, object]]:
    """Rows of a product game, drawn anew."""
    rng = np.random.default_rng((n, seed))
    keeps = np.append([0.1, 0.4, 0.7], rng.uniform(0.97, 1, n - 3))
    rows = []
    for count in PRODUCT_COUNTS:
        about = {"games": f"products, {n} sublayers", "game": f"{n}", "documents": count}
        rows += [about | row for row in _both(product_games(keeps, count, seed), product_indices(keeps))]
    return rows


def product_games(keeps: np.ndarray, count: int, seed: int) -> DocumentGames:
    """What is evaluated of so many documents that answer at random."""
    n, rng = len(keeps), np.random.default_rng((seed, count))

    def answers(removed: np.ndarray) -> np.ndarray:
        right = GUESSING + (WHOLE - GUESSING) * np.exp(removed @ np.log(keeps))
        return (rng.random(right.shape) < right).astype(float)

    pairs = pairs_of_same_work(n, LARGEST_WINDOW)
    sides = np.stack([document_pairs(n, pairs, (seed, document)) for document in range(count)])
    full, bare = answers(np.zeros((count, n))), answers(np.ones((count, n)))
    without = answers(np.broadcast_to(np.eye(n), (count, n, n)))
    without_side, only_side = answers(sides.astype(float)), answers((~sides).astype(float))
    document, pair = np.nonzero(sides.sum(axis=2) == 1)
    without_side[document, pair] = without[document, sides[document, pair].argmax(axis=1)]
    known = known_of_documents(full, bare, without)
    return DocumentGames(full, bare, without, sides, without_side, only_side, known)


def product_indices(keeps: np.ndarray) -> np.ndarray:
    """The exact indices of a product: an integral over the multilinear extension (Owen 1972)."""
    n = len(keeps)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    factors = (1 + nodes[:, None]) / 2 + (1 - nodes[:, None]) / 2 * keeps
    slopes = (1 - keeps) / factors
    whole = (WHOLE - GUESSING) * (slopes * (weights / 2 * factors.prod(axis=1))[:, None]).T @ slopes
    return whole[np.triu_indices(n, 1)]


def plain_indices(games: DocumentGames) -> np.ndarray:
    """Means over each size's pairs alone, document by document."""
    n = games.n_sublayers
    there = (games.of_size > 0).mean(axis=0)[games.sizes]
    amounts = games.averages / np.take_along_axis(games.of_size, games.sizes, axis=1) / there
    constant = (games.full + games.bare) / (n - 1)
    found = [
        weighted_sums(*of_one)[np.triu_indices(n, 1)] + known
        for *of_one, known in zip(games.sides, games.sizes, amounts, constant, strict=True)
    ]
    return np.array(found)


def _both(games: DocumentGames, truth: np.ndarray) -> list[dict[str, object]]:
    estimators = {"interaction_indices": interaction_indices, "plain": plain_indices}
    return [{"estimator": name} | _errors(of(games), truth) for name, of in estimators.items()]


def _errors(indices: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of all pairs: error, spread as told, half an interval, in parts of the largest index; and what is sure."""
    found, largest = indices.mean(axis=0), np.abs(truth).max()
    sd = indices.std(axis=0, ddof=1) / np.sqrt(len(indices))
    sure = benjamini_hochberg(p_values(indices.T)) < 1 - LEVEL
    strong = np.argsort(-np.abs(truth))[:3]
    return {
        "square": np.mean((found - truth) ** 2) / largest**2,
        "told": np.mean(sd**2) / largest**2,
        "half": np.median(Z_95 * sd) / largest,
        "held": (np.abs(found - truth) <= Z_95 * sd).mean(),
        "spearman": spearman(found, truth),
        "sure": sure.mean(),
        "wrong sign": (sure & (found * truth < 0)).sum() / max(sure.sum(), 1),
        "top": np.isin(np.argsort(-np.abs(found))[:3], strong).mean(),
        "largest": largest,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over games and seeds, in per cent but the ranks; errors are in per cent of the largest index."""
    shown = []
    for keys, some in rows.groupby(["games", "documents", "estimator"], sort=False):
        row = dict(zip(("games", "documents", "estimator"), keys, strict=True))
        row |= {
            "error %": 100 * np.sqrt(some["square"]).mean(),
            "half an interval %": 100 * some["half"].mean(),
        }
        row |= {
            "intervals hold %": 100 * some["held"].mean(),
            "lowest %": 100 * some.groupby("game")["held"].mean().min(),
        }
        row |= {"true / told error": np.sqrt((some["square"].sum()) / some["told"].sum())}
        row |= {"spearman": some["spearman"].mean(), "three largest found %": 100 * some["top"].mean()}
        row |= {"sure %": 100 * some["sure"].mean(), "of these wrong sign %": 100 * some["wrong sign"].mean()}
        shown.append(row | {"largest index": some["largest"].mean()})
    return pd.DataFrame(shown).sort_values(["games", "documents", "error %"], ignore_index=True)


if __name__ == "__main__":
    main()
