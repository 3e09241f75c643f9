"""How near the table `corrected` comes to what exact values say, on the demo's 24 games.

    python benchmarks/corrected_values.py --seeds 5        # make bench-corrected
    python benchmarks/corrected_values.py --documents 100  # at most so many of each task: half the time

The table compares the values of windows and of single removals with unbiased ones, and takes out what the noise of
these makes of rank correlation and error. Here the exact Shapley values of the same documents are known, and with them
the true rank correlation and error. Documents are all of a task and a random part of them, so that the noise is small
and large. Each seed draws documents and coalitions anew.

Off: root mean square of told less true. Bias: mean of it. Held: how often the 95 % intervals hold the true number.
Raw: the rank correlation with nothing taken out. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.document_pairs import pairs_of_same_work
from cornerstone.shapley.games import place_of, with_own_pairs
from cornerstone.statistics.ranks import spearman
from cornerstone.values.corrected import corrected_rows, judged_table
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from demo_games import DRAWN, Documents, demo_games, evaluate_everything, rows_of_games, tell

FEW = 64
"""Documents of the smaller samples."""
LARGEST_WINDOW = 4
SCORE = "acc"
"""In the place of either: the estimators ask for a name, and do not use it."""


def main() -> None:
    arguments = _arguments()
    evaluate_everything(arguments.cores, documents=arguments.documents)
    games = demo_games()
    rows = rows_of_games(games, partial(told_and_true, seeds=arguments.seeds), arguments.cores)
    tell(summary(rows), len(games), arguments.seeds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=DRAWN, help="of each task at most; default: all")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


def told_and_true(game: Documents, seeds: int) -> list[dict[str, float | str]]:
    """A row per number of documents, estimator and seed: what the table tells and what is true."""
    rows = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(game.count)
        for sample, places in (("all", order), (f"{FEW}", order[:FEW])):
            truth = game.exact[:, places].mean(axis=1)
            about = {"game": game.name, "sample": sample, "seed": seed}
            rows += [about | row for row in _judged(game, places, truth, seed)]
    return rows


def _judged(
    game: Documents, places: np.ndarray, truth: np.ndarray, seed: int
) -> list[dict[str, float | str]]:
    rows = corrected_rows(_scored(game, places, seed), ("windows", "leave_one_out"), LARGEST_WINDOW)
    judged = []
    for (_, of_one), told in zip(
        rows.groupby("estimator", sort=False), judged_table(rows).to_dict("records"), strict=True
    ):
        values, corrected = of_one["value"].to_numpy(), of_one["corrected"].to_numpy()
        distances = values - truth
        true = {
            "true_spearman": spearman(values, truth),
            "true_error": np.sqrt(np.mean(distances**2)) / np.abs(truth).max(),
            "true_bias": distances.mean() / np.abs(truth).max(),
        }
        judged.append(told | true | {"raw": spearman(values, corrected)})
    return judged


def _scored(game: Documents, places: np.ndarray, seed: int) -> ScoredTask:
    """These documents as a study that evaluated windows, single removals and pairs would have them."""
    n, table = game.n_sublayers, game.table[:, places]
    coalitions = (*ablation(n), *windows(n, LARGEST_WINDOW))
    none = np.zeros(len(places))
    matrix = table[[place_of(removed) for removed in coalitions]]
    scores = Scores(SCORE, coalitions, tuple(range(len(places))), matrix, none, none)
    pairs = pairs_of_same_work(n, LARGEST_WINDOW)
    labels = [f"{('Attn', 'FFN')[player % 2]} {player // 2}" for player in range(n)]
    own = with_own_pairs(table, pairs, seed, game.covariates[places])
    return ScoredTask("model", game.name, labels, scores, own)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per number of documents, estimator and what is told; means over games and seeds."""
    shown = []
    for keys, some in rows.groupby(["sample", "estimator"], sort=False):
        about = dict(zip(("documents", "estimator"), keys, strict=True)) | {"noise": some["noise"].mean()}
        for name in ("spearman", "error"):
            true = some[f"true_{name}"]
            off = some[name] - true
            shown.append(
                about
                | {
                    "told": name,
                    "true": true.mean(),
                    "off": np.sqrt((off**2).mean()),
                    "bias": off.mean(),
                    "held %": 100 * true.between(some[f"{name}_low"], some[f"{name}_high"]).mean(),
                    "width": (some[f"{name}_high"] - some[f"{name}_low"]).mean(),
                }
            )
        raw = some["raw"] - some["true_spearman"]
        as_it_is = {"told": "spearman, raw", "true": some["true_spearman"].mean(), "bias": raw.mean()}
        shown.append(about | as_it_is | {"off": np.sqrt((raw**2).mean())})
    return pd.DataFrame(shown)


if __name__ == "__main__":
    main()
