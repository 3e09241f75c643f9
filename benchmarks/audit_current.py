"""The audit of what the current shapiq offers, in an environment of its own with a newer Python.

    make audit-current                     # makes the environment, evaluates what is missing, and runs this in it
    python benchmarks/audit_current.py     # with the shapiq that is installed

Approximators are found from shapiq itself, and those left out are named with the reason. Each runs on coalitions that
all documents share and on per-document coalitions, with the work of the paper's windows, at the setting that
is best there: of those tried (`cornerstone.shapley.estimators.shapiq`) the one of the highest rank correlation with the
exact values, in a few seeds of every eighth game. An approximator that takes long for one run has shared coalitions
alone, as many as the windows, and one seed. The tables are those of the audit; then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import paper_budget
from cornerstone.shapley.estimators import OWN, SHARED, Estimator
from cornerstone.shapley.estimators.shapiq import offered
from cornerstone.shapley.games import Game
from cornerstone.system.errors import CornerstoneError, one_line
from cornerstone.tables import TABLES, View
from cornerstone.tables.text import markdown
from cornerstone.values.audit import Arm, audit_table, audited_games
from cornerstone.values.audit_summary import NUMBER, SEEDS, WORK, audit_summary
from cornerstone.values.titles import Titles

RESULTS = Path(__file__).resolve().parents[1] / "results" / "audit"
LARGEST_WINDOW, TOP_K = 4, 3
TUNING_SEEDS = {SHARED: 5, OWN: 1}
OWN_SEEDS = 1
"""Each is a mean over all documents; boosted trees take a while for each."""


@dataclass(frozen=True, eq=False)
class Named:
    """A game of the audit, and whose it is."""

    model: str
    task: str
    score: str
    game: Game


def main() -> None:
    arguments = _arguments()
    _quiet()
    games = [game for path in _exact_tables(arguments.results) for game in games_of(path, arguments.results)]
    n = games[0].game.n_sublayers
    found, left_out = offered(n, paper_budget(n, LARGEST_WINDOW))
    print(f"shapiq {version('shapiq')} on Python {sys.version.split()[0]}: {len(games)} games", flush=True)
    # Not forked: boosted trees that ran here before would wait for ever for their threads in a forked process.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.cores, fresh, initializer=_quiet) as pool:
        run = partial(_audited, pool)
        quick, slow = _by_speed(found, games[0].game, arguments.most_seconds)
        few = games[:: arguments.tuning_step]
        rows = [
            run(games, best_of_each(quick, coalitions, run, few), seeds)
            for coalitions, seeds in ((SHARED, arguments.seeds), (OWN, OWN_SEEDS))
        ]
        rows += [run(games, [Arm(one, SHARED, NUMBER)], 1) for one in slow.values()]
    summary = audit_summary(pd.concat(rows, ignore_index=True))
    _print(summary, left_out, slow, arguments)


def _quiet() -> None:
    """No warnings of approximators that have little to learn from, tens of thousands of lines."""
    warnings.simplefilter("ignore")
    with suppress(ImportError):
        import lightgbm

        logger = logging.getLogger("lightgbm")
        logger.setLevel(logging.ERROR)
        lightgbm.register_logger(logger)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="of the audit's study")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--tuning-step", type=int, default=8, help="settings are compared on every so-many-th game"
    )
    parser.add_argument(
        "--most-seconds", type=float, default=1.0, help="of a run of one approximator on one game"
    )
    return parser.parse_args()


def _exact_tables(results: Path) -> list[Path]:
    """Raises CornerstoneError where there are none."""
    paths = sorted(results.glob("evaluations/*/*/exact.parquet"))
    if not paths:
        raise CornerstoneError(
            f"{results} has no evaluations of all coalitions: type snakemake --configfile config/audit.yaml"
        )
    return paths


def games_of(path: Path, results: Path) -> list[Named]:
    """The study's score and the yardstick of one model and task."""
    documents = results / "documents" / f"{path.parent.name}.parquet"
    evaluated, found = audited_games(path, documents)
    return [Named(evaluated.model, evaluated.task, metric, game) for metric, game in found.items()]


def _by_speed(
    found: dict[str, list[Estimator]], game: Game, most_seconds: float
) -> tuple[dict[str, list[Estimator]], dict[str, Estimator]]:
    """Of each approximator the settings that are quick enough, and of those without any the default."""
    quick, slow = {}, {}
    for name, estimators in found.items():
        times = {estimator: _seconds(estimator, game) for estimator in estimators}
        for estimator, taken in times.items():
            if taken > most_seconds:
                print(f"{estimator.title} took {taken:.1f} s for a run", flush=True)
        quick[name] = [estimator for estimator, taken in times.items() if taken <= most_seconds]
        if not quick[name]:
            del quick[name]
            slow[name] = estimators[0]
    return quick, slow


def _seconds(estimator: Estimator, game: Game) -> float:
    """Of a run with as many coalitions as the windows."""
    began = time.monotonic()
    estimator.audited(game.asked_anew(), paper_budget(game.n_sublayers, LARGEST_WINDOW), 1)
    return time.monotonic() - began


def best_of_each(
    quick: dict[str, list[Estimator]], coalitions: str, run: partial, games: Sequence[Named]
) -> list[Arm]:
    """Of each approximator the setting with the highest mean rank correlation in these games, of those that run."""
    found = (best(estimators, coalitions, run, games) for estimators in quick.values())
    return [arm for arm in found if arm is not None]


def best(
    estimators: Sequence[Estimator], coalitions: str, run: partial, games: Sequence[Named]
) -> Arm | None:
    """How many coalitions take the work of the windows is found in the first game: hardly any looks at the scores."""
    game = games[0].game
    budget = paper_budget(game.n_sublayers, LARGEST_WINDOW)
    chosen = []
    for estimator in estimators:
        arm = Arm(estimator, coalitions, WORK)
        try:
            chosen.append(replace(arm, count=arm.budget(game, budget)))
        except Exception as error:  # whatever a library raises
            _tell_failed(arm, error)
    rows = run(games, chosen, TUNING_SEEDS[coalitions])
    if rows.empty:
        return None
    means = rows.groupby("estimator")["spearman"].mean()
    print(f"{coalitions}: {', '.join(f'{title} {means[title]:.3f}' for title in means.index)}", flush=True)
    return next(arm for arm in chosen if arm.estimator.title == means.idxmax())


def _audited(
    pool: ProcessPoolExecutor, games: Sequence[Named], chosen: Sequence[Arm], seeds: int
) -> pd.DataFrame:
    """The rows of all that run on every game; what does not is told and left out."""
    jobs = {arm: [pool.submit(_rows, game, arm, seeds) for game in games] for arm in chosen}
    rows = [pd.DataFrame()]
    for arm, of_games in jobs.items():
        try:
            rows += [job.result() for job in of_games]
        except Exception as error:  # whatever a library raises
            _tell_failed(arm, error)
    return pd.concat(rows, ignore_index=True)


def _tell_failed(arm: Arm, error: Exception) -> None:
    error.__cause__ = None  # the stack of the process it was raised in
    print(f"left out: {arm.estimator.title}, {arm.coalitions} coalitions: {one_line(error)}", flush=True)


def _rows(named: Named, arm: Arm, seeds: int) -> pd.DataFrame:
    table = audit_table(named.game, LARGEST_WINDOW, TOP_K, seeds, multiples=(1,), chosen=[arm])
    return table.assign(model=named.model, task=named.task, score=named.score)


def _print(
    summary: pd.DataFrame, left_out: dict[str, str], slow: dict[str, Estimator], arguments: argparse.Namespace
) -> None:
    for section in TABLES["audit"].sections(summary, View(Titles(), SCORES["paper"])):
        if len(section.table):
            print(f"\n{section.title}\n\n{markdown(section.table)}")
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    for name in slow:
        print(f"{name}: shared coalitions alone, as a run takes more than {arguments.most_seconds:g} s")
    print(json.dumps({"rows": summary.replace({np.nan: None}).to_dict("records"), "left_out": left_out}))


if __name__ == "__main__":
    try:
        main()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
