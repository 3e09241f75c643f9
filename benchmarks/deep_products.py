"""Values of deep models with per-document coalitions, on product games whose Shapley values are known.

    python benchmarks/deep_products.py --sublayers 64 --documents 1000        # make bench-products: 64 and 160

Each sublayer keeps a share r of what the others are worth. A document has one answer, right or wrong: it is right where
the product of the shares of what was removed is above the document's own threshold. Over documents this is a product,
whose values are an integral over the multilinear extension (`game_kernel`). Each estimator has the work of the paper's
windows, single removals included, and the same documents. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.document_games import DocumentGames, known_of_documents
from cornerstone.shapley.document_pairs import document_pairs, pairs_of_same_work
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.shapley.game_kernel import product_of_others
from cornerstone.shapley.kernel_regression import kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.ranks import spearman

LARGEST_WINDOW = 4
STRONG = (0.3, 0.5, 0.7)
GUESS, KNOWN = 0.25, 0.70
"""Right answers of the bare model, and what the whole one adds."""
FAR = 3.0
"""Standard errors: pairs of values further apart should stand in the right order."""


@dataclass(frozen=True, eq=False)
class ProductGame:
    """shares: (sublayers,), of what the others are worth, without each. thresholds: (documents,) in [0, 1)."""

    shares: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def drawn(cls, n: int, documents: int, seed: int) -> ProductGame:
        """Half of the sublayers together keep about exp(−1); the three strong ones are anywhere."""
        rng = np.random.default_rng(seed)
        shares = np.exp(-rng.exponential(2 / n, n))
        shares[rng.choice(n, len(STRONG), replace=False)] = STRONG
        return cls(shares, rng.random(documents))

    def values(self) -> np.ndarray:
        """The Shapley values over all documents like these."""
        nodes, weights = np.polynomial.legendre.leggauss(len(self.shares) // 2 + 1)
        there = ((nodes + 1) / 2)[:, None]
        others = product_of_others(there + (1 - there) * self.shares)
        return KNOWN * (1 - self.shares) * (weights / 2 @ others)

    def answers(self, removed: np.ndarray) -> np.ndarray:
        """0 / 1 of every document without what is removed: bool (…, sublayers) whose first axis are documents, or 1."""
        right = GUESS + KNOWN * np.exp(removed @ np.log(self.shares))
        return (self.thresholds.reshape(-1, *[1] * (removed.ndim - 2)) < right).astype(np.float64)

    def of_documents(self, seed: int) -> DocumentGames:
        """Per-document pairs, for the work of the windows."""
        n, count = len(self.shares), len(self.thresholds)
        pairs = pairs_of_same_work(n, LARGEST_WINDOW)
        sides = np.stack([document_pairs(n, pairs, (seed, document)) for document in range(count)])
        full, bare = (self.answers(np.full((1, 1, n), gone))[:, 0] for gone in (False, True))
        without = self.answers(np.eye(n, dtype=bool)[None])
        known = known_of_documents(full, bare, without)
        return DocumentGames(full, bare, without, sides, self.answers(sides), self.answers(~sides), known)

    def mean_answers(self, coalitions: list[Removed]) -> np.ndarray:
        """Over documents, (coalitions,)."""
        removed = np.zeros((1, len(coalitions), len(self.shares)), dtype=bool)
        for row, one in enumerate(coalitions):
            removed[0, row, list(one)] = True
        return self.answers(removed).mean(axis=0)


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
    game = ProductGame.drawn(sublayers, documents, seed)
    truth, about = game.values(), {"sublayers": sublayers, "documents": documents}
    windows = window_estimator(sublayers, LARGEST_WINDOW)
    values = windows.weights @ game.mean_answers(windows.coalitions)
    rows = [about | {"estimator": "windows"} | _held(values, truth, None)]
    games = game.of_documents(seed)
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
