"""How near values from per-document coalitions come to the exact Shapley values, on the demo's 24 games.

    python benchmarks/own_values.py --seeds 10        # make bench-values

Every coalition of the demo's models is evaluated on all documents of the six tasks (config/audit.yaml, some 20 minutes
on two cores the first time). Then each estimator gets what it would have had, on all documents and on 1,000 drawn from
them with replacement, which are documents of their own: nothing knows of copies. All evaluations are counted, single
removals too; nothing is fitted beforehand. A study has single removals of every document anyway. "pairs alone": without
them, all goes into pairs. A table for people, then one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import paper_budget
from cornerstone.shapley.document_games import DocumentGames
from cornerstone.shapley.document_pairs import document_pairs, pair_coalitions, pairs_of_same_work
from cornerstone.shapley.estimators import ESTIMATORS, SHARED
from cornerstone.shapley.games import Game, with_own_pairs
from cornerstone.shapley.kernel_regression import kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.statistics.ranks import spearman
from cornerstone.statistics.resampling import Z_95
from cornerstone.values.audit import Arm
from cornerstone.values.audit_summary import WORK
from demo_games import DRAWN, Documents, demo_games, evaluate_everything, rows_of_games, tell
from needed_evaluations import PAIRS_ALONE, own_coalitions

LARGEST_WINDOW = 4
APART = 0.02
"""Of the largest value: pairs of sublayers that differ by more should stand in the right order."""


def main() -> None:
    arguments = _arguments()
    evaluate_everything(arguments.cores)
    games = demo_games()
    one = partial(errors_of, seeds=arguments.seeds, budgets=arguments.budgets)
    rows = rows_of_games(games, one, arguments.cores)
    tell(summary(rows), len(games), arguments.seeds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--budgets", nargs="*", default=list(BUDGETS), choices=list(BUDGETS))
    return parser.parse_args()


def errors_of(game: Documents, seeds: int, budgets: Sequence[str]) -> list[dict[str, float | str]]:
    """A row per setting, estimator and seed."""
    n = game.n_sublayers
    rows = []
    for seed in range(seeds):
        chosen = {"all": np.arange(game.count), f"{DRAWN:,}": game.drawn(seed)}
        for documents, places in chosen.items():
            truth = game.exact[:, places].mean(axis=1)
            about = {"game": game.name, "documents": documents}
            for name in OF_SHARED:
                mean = Game(game.table[:, places].mean(axis=1), np.zeros(n))
                values = ESTIMATORS[name].audited(mean, _count(name, n), seed)
                about_it = about | {"budget": OF_WINDOWS, "estimator": name, "work": mean.work}
                rows.append(about_it | _errors(values, truth))
            for budget in budgets:
                pairs = BUDGETS[budget](n)
                games = with_own_pairs(game.table[:, places], pairs, seed, game.covariates[places])
                for estimate in (kernel_regression, mixed_effects):
                    given = games.pairs_alone() if budget.endswith(PAIRS_ALONE) else games
                    about_it = about | {"budget": budget, "estimator": estimate.__name__}
                    about_it |= {"work": _work(budget, n)}
                    rows.append(about_it | _held(estimate, given, truth))
    return rows


@cache
def _pairs_of_count(n: int) -> int:
    """As many pairs as coalitions fit, single removals included, in the paper's number of them."""
    budget, pairs = paper_budget(n, LARGEST_WINDOW), 1
    while (
        max(n + 1 + len(pair_coalitions(document_pairs(n, pairs + 1, (seed,)))) for seed in range(50))
        <= budget
    ):
        pairs += 1
    return pairs


def _pairs_alone_of_count(n: int) -> int:
    """Beside the whole model and the one without any sublayer."""
    return (paper_budget(n, LARGEST_WINDOW) - 2) // 2


OF_WINDOWS = "work of the windows"
OF_SHARED = ("windows", "gaussian_process")
"""Estimators whose coalitions all documents share."""
BUDGETS = {
    OF_WINDOWS: lambda n: pairs_of_same_work(n, LARGEST_WINDOW),
    "43 coalitions": _pairs_of_count,
    f"43 coalitions{PAIRS_ALONE}": _pairs_alone_of_count,
}
"""How many pairs of a document, for so many sublayers."""


@cache
def _count(name: str, n: int) -> int:
    """How many coalitions come to the work of the windows, as the audit has it."""
    any_game = Game(np.zeros(2**n), np.zeros(n))
    return Arm(ESTIMATORS[name], SHARED, WORK).budget(any_game, paper_budget(n, LARGEST_WINDOW))


def _held(
    estimate: Callable[[DocumentGames], object], games: DocumentGames, truth: np.ndarray
) -> dict[str, float]:
    found = estimate(games)
    values, sd = found.per_document.mean(axis=0), np.sqrt((found.by_pair**2).sum(axis=(0, 1)))
    inside = (np.abs(values - truth) <= Z_95 * sd).mean()
    return _errors(values, truth) | {"covered": inside, "told": np.sqrt(np.mean(sd**2)) / np.abs(truth).max()}


def _errors(values: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    largest = np.abs(truth).max()
    apart = truth[:, None] - truth
    far = np.triu(np.abs(apart) > APART * largest, 1)
    return {
        "error": np.abs(values - truth).mean() / largest,
        "square": np.mean((values - truth) ** 2) / largest**2,
        "spearman": spearman(values, truth),
        "in order": ((values[:, None] - values) * apart > 0)[far].mean(),
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over games and seeds; worst: the lowest of the games' mean rank correlations. In per cent but the ranks."""
    shown = []
    for keys, some in rows.groupby(["documents", "budget", "estimator"], sort=False):
        row = dict(zip(("documents", "budget", "estimator"), keys, strict=True))
        row |= {"error %": 100 * some["error"].mean(), "spearman": some["spearman"].mean()}
        row |= {
            "worst": some.groupby("game")["spearman"].mean().min(),
            "in order %": 100 * some["in order"].mean(),
        }
        row |= {"95 % intervals hold %": 100 * some["covered"].mean()}
        row |= {"true / told error": np.sqrt(some["square"].mean() / (some["told"] ** 2).mean())}
        shown.append(row | {"work": some["work"].mean()})
    return pd.DataFrame(shown).sort_values(["documents", "budget", "error %"], ignore_index=True)


@cache
def _work(budget: str, n: int) -> float:
    """(state × sublayer) evaluations of a token of a model of n sublayers, single removals included."""
    sides = (document_pairs(n, BUDGETS[budget](n), (seed,)) for seed in range(20))
    return float(np.mean([least_evaluations(own_coalitions(budget, own), n) for own in sides]))


if __name__ == "__main__":
    main()
