"""Values of deep models with per-document coalitions, on product games whose Shapley values are known.

    python benchmarks/deep_products.py --sublayers 64 --documents 1000        # make bench-products: 64 and 160

The games are products of shares with right and wrong answers (`known_games`). Each estimator has the work of the
paper's windows, single removals included, and the same documents. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.coalitions import absence
from cornerstone.shapley.document_pairs import document_pairs, pairs_of_same_work
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.shapley.kernel_regression import kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.ranks import spearman
from known_games import drawn_shares, games_of_documents, product_of_answers

LARGEST_WINDOW = 4
FAR = 3.0
"""Standard errors: pairs of values further apart should stand in the right order."""


def main() -> None:
    arguments = _arguments()
    rows = []
    for sublayers, documents in zip(arguments.sublayers, arguments.documents, strict=True):
        found = [row for seed in range(arguments.games) for row in measured(sublayers, documents, seed)]
        rows += summary(pd.DataFrame(found)).to_dict("records")
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"games": arguments.games, "memory GiB": round(memory, 2), "rows": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sublayers", type=int, nargs="+", default=[64, 160])
    parser.add_argument("--documents", type=int, nargs="+", default=[1000, 300], help="for each of these")
    parser.add_argument("--games", type=int, default=3)
    return parser.parse_args()


def measured(sublayers: int, documents: int, seed: int) -> list[dict[str, float | str]]:
    """A row of each estimator on one game."""
    rng = np.random.default_rng(seed)
    game = product_of_answers(drawn_shares(sublayers, rng))
    drawn, truth = game.draw(rng, documents), game.values
    about = {"sublayers": sublayers, "documents": documents}
    windows = window_estimator(sublayers, LARGEST_WINDOW)
    answers = drawn.scores(absence(windows.coalitions, sublayers)[None] == 1)
    rows = [about | {"estimator": "windows"} | _held(windows.weights @ answers.mean(axis=0), truth, None)]
    pairs = pairs_of_same_work(sublayers, LARGEST_WINDOW)
    sides = np.stack([document_pairs(sublayers, pairs, (seed, document)) for document in range(documents)])
    games = games_of_documents(drawn.scores, sides)
    for estimate in (kernel_regression, mixed_effects):
        started = time.perf_counter()
        found = estimate(games).per_document
        taken = {"seconds": time.perf_counter() - started}
        rows.append(
            about | {"estimator": estimate.__name__} | taken | _held(found.mean(axis=0), truth, found)
        )
    return rows


def _held(values: np.ndarray, truth: np.ndarray, per_document: np.ndarray | None) -> dict[str, float]:
    found = {
        "error, points": 100 * np.sqrt(np.mean((values - truth) ** 2)),
        "error, % of largest": 100 * np.abs(values - truth).mean() / truth.max(),
        "spearman": spearman(values, truth),
    }
    if per_document is None:
        return found
    apart = values[:, None] - values
    covariance = np.cov(per_document.T) / len(per_document)
    spread = np.sqrt(np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance)
    far = np.triu(np.abs(apart) > FAR * spread, 1)
    right = (apart * (truth[:, None] - truth) > 0)[far]
    return found | {"far pairs": int(far.sum()), "of these in order %": 100 * right.mean()}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over games."""
    return rows.groupby(["sublayers", "documents", "estimator"], sort=False).mean().reset_index()


if __name__ == "__main__":
    main()
