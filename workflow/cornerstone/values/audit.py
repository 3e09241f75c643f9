"""The audit: every estimator compared with the exact values, on models where these are known.

evaluations/{model}/{task}/exact.parquet + documents/{task}.parquet
    -> audit/{model}/{task}.csv            a row per score × estimator × budget
       audit_positions/{model}/{task}.csv  a row per score × estimator × sublayer, at the paper's budget

Design and estimator are held apart: each estimator runs on coalitions that all documents share, and, where its form
allows, on per-document coalitions (`Arm`). All have as much work as the paper's windows, or multiples of it;
estimators on shared coalitions also run with as many coalitions as the windows have, as in studies. Those that draw at
random run with many seeds. The game is the mean score over these documents. So the audit measures the error of
estimation alone; the intervals of the values cover the sampling of documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.scores import yardstick
from cornerstone.scores.unit import POINTS
from cornerstone.shapley.coalition_tree import least_evaluations, most_within
from cornerstone.shapley.coalitions import paper_budget
from cornerstone.shapley.estimators import OWN, SHARED, Audited, Estimator, apply, audited
from cornerstone.shapley.games import Game, rounded, work_of_windows
from cornerstone.statistics.ranks import kendall, spearman
from cornerstone.statistics.shares import shares
from cornerstone.values.audit_summary import NUMBER, OWN_SEEDS, SEEDS, WORK
from cornerstone.values.exact_games import exact_games
from cornerstone.values.rows import named, sublayer_columns, write_csv
from cornerstone.values.scored_task import EvaluatedTask, read_choices, score_task

MULTIPLES = (1, 2, 4)
"""Of the paper's budget."""
BAND = (0.05, 0.95)
"""Quantiles over seeds."""
BUDGET_SEEDS, BUDGET_DOCUMENTS = 2, 8
"""Draws, of shared coalitions and of documents' own, in whose mean a number of coalitions takes its work."""
ROUNDING = 1e-9
"""A total below this part of the numbers that it was added up from is zero up to rounding."""


def measures(values: np.ndarray, exact: np.ndarray, top_k: int, scale: float = 0.0) -> dict[str, float]:
    """How near values, shape (sublayers,), are to the exact ones.

    spearman, kendall: rank correlations (tau-b); 0 where all values are the same. top_overlap: the part of the top_k
    that are the exact top_k. share_error: half the sum of the absolute errors of the clipped shares, 0 to 1; 1 where
    no estimate is positive. Neither is a number where no exact value is positive: there is nothing to share out.
    efficiency_bias: the efficiency gap, sum of the values less v(all) − v(none), as a part of that. error: mean
    absolute error, in parts of the largest exact value. These two are no numbers where what they are parts of is zero
    up to rounding, beside the exact values and `scale`, the size of the game's scores.
    """
    total, largest = exact.sum(), np.abs(exact).max()
    rounding = ROUNDING * max(np.abs(exact).sum(), scale)
    has_shares = (exact > 0).any()
    share_error = np.abs(shares(values) - shares(exact)).sum() / 2 if (values > 0).any() else 1.0
    overlap = (_in_top(values, top_k) * _in_top(exact, top_k)).sum() / min(top_k, len(exact))
    return {
        "spearman": spearman(values, exact) if np.ptp(values) else 0.0,
        "kendall": kendall(values, exact) if np.ptp(values) else 0.0,
        "top_overlap": overlap if has_shares else np.nan,
        "share_error": share_error if has_shares else np.nan,
        "efficiency_bias": (values.sum() - total) / abs(total) if abs(total) > rounding else np.nan,
        "error": np.abs(values - exact).mean() / largest if largest > rounding else np.nan,
    }


def _in_top(values: np.ndarray, top_k: int) -> np.ndarray:
    """The probability that each is one of the top_k largest, with random order among equal ones."""
    bound = np.sort(values)[::-1][min(top_k, len(values)) - 1]
    above, equal = values > bound, values == bound
    return above + equal * (min(top_k, len(values)) - above.sum()) / equal.sum()


@dataclass(frozen=True)
class Arm:
    """An estimator, whose coalitions it has (SHARED, OWN), and what it has as much of as the windows (NUMBER, WORK).

    count: how many coalitions it may have; where not given, found for each game and budget.
    """

    estimator: Estimator
    coalitions: str
    same: str
    count: int | None = None

    @property
    def takes_long(self) -> bool:
        """Whether a run works on each document's own scores: it takes long, and few seeds are as informative as many of
        others."""
        return self.coalitions == OWN or self.estimator.of_documents is not None

    @property
    def is_repeated(self) -> bool:
        """Whether it is an estimator of one game that runs once for each document."""
        return self.coalitions == OWN and self.estimator.of_documents is None

    def budget(self, game: Game, budget: int) -> int:
        """How many coalitions the estimator may have where windows have `budget`."""
        if (
            self.same == NUMBER or self.estimator.of_documents is not None
        ):  # these take as much work by themselves
            return budget
        run, counted = self.estimator.by_coalitions[self.coalitions], game
        seeds = BUDGET_SEEDS if self.estimator.is_random else 1
        if self.coalitions == OWN:
            counted, seeds = game.with_first_documents(BUDGET_DOCUMENTS), 1

        def work_of(count: int) -> float:
            if (chooses := self.estimator.chooses) is not None:
                n = game.n_sublayers
                return float(
                    np.mean([least_evaluations(chooses(n, count, seed), n) for seed in range(seeds)])
                )
            return float(np.mean([_run(run, counted, count, seed)[2] for seed in range(seeds)]))

        given = work_of_windows(game.n_sublayers, budget)
        if work_of(budget) <= given:
            return most_within(work_of, given, least=budget, most=len(game.scores))
        return most_within(work_of, given, least=game.n_sublayers + 2, most=budget)


def arms(estimators: Sequence[Estimator]) -> list[Arm]:
    """All arms of these estimators."""
    found = []
    for estimator in estimators:
        if estimator.of_documents is None:
            found.append(Arm(estimator, SHARED, NUMBER))
        found += [Arm(estimator, coalitions, WORK) for coalitions in estimator.by_coalitions]
    return found


def audit_table(
    game: Game,
    max_removed: int,
    top_k: int,
    seeds: int = SEEDS,
    multiples: Sequence[int] = MULTIPLES,
    chosen: Sequence[Arm] | None = None,
) -> pd.DataFrame:
    """A row per arm and budget: estimator, ours, coalitions, same, multiple, budget, evaluations, work, seeds and the
    `measures`.

    budget: how many coalitions the windows have, the paper's times multiple; same: what the estimator has as much of.
    evaluations: the most coalitions that it asked for, of a document; work: (state × sublayer) evaluations that these
    take for each token, what they share once. Each measure is a mean over seeds, fewer where a run looks at each
    document alone; of spearman there are its quantiles spearman_low, spearman_high too. Budgets beyond all coalitions
    are left out, and what runs document by document has the first alone. chosen: by default all arms of all audited
    estimators.
    """
    paper = paper_budget(game.n_sublayers, max_removed)
    budgets = {m: m * paper for m in multiples if m * paper <= len(game.scores)}
    chosen = arms(audited()) if chosen is None else chosen
    return pd.DataFrame(
        [
            {
                "estimator": arm.estimator.title,
                "ours": arm.estimator.library is None,
                "coalitions": arm.coalitions,
                "same": arm.same,
                "multiple": multiple,
                "budget": budget,
            }
            | _row(*_runs(arm, game, budget, seeds), game, top_k)
            for multiple, budget in budgets.items()
            for arm in chosen
            if multiple == min(budgets) or not arm.is_repeated
        ]
    )


def positions_table(game: Game, labels: Sequence[str], max_removed: int, seeds: int = SEEDS) -> pd.DataFrame:
    """Where the errors are: a row per estimator and sublayer, at the paper's budget.

    exact; value, bias, rmse: mean estimate over seeds, its distance from the exact value, and the root of the mean
    square of the errors; samples: marginal contributions behind it (of windows; they are fewer near an end). Windows
    are also split: "windows of 1" to "windows of L" use only those of one size.
    """
    budget = paper_budget(game.n_sublayers, max_removed)
    tables, of_parts = [], {}
    for estimator in audited():
        values, *_ = _runs(_usual(estimator), game, budget, seeds)
        table = _positions(estimator.title, labels, values, game.values)
        if estimator.samples is not None:
            table["samples"] = estimator.samples(game.n_sublayers, max_removed)
        tables.append(table)
        of_parts |= estimator.parts(game.n_sublayers, max_removed) if estimator.parts else {}
    for name, part in of_parts.items():
        table = _positions(name, labels, apply(part, game)[None], game.values)
        tables.append(table.assign(samples=part.samples))
    return pd.concat(tables, ignore_index=True)


def audit(
    evaluation: Path,
    documents: Path,
    output: Path,
    positions: Path,
    *,
    max_removed: int,
    score: str = "paper",
    top_k: int = 3,
    seeds: int = SEEDS,
) -> None:
    """Write both tables from the evaluation of the design exact, for the study's score and the yardstick.

    Raises CornerstoneError where a coalition is missing, and where shapiq is not installed.
    """
    evaluated, games = audited_games(evaluation, documents, score)
    of_tables = {
        output: lambda game: audit_table(game, max_removed, top_k, seeds),
        positions: lambda game: positions_table(game, evaluated.labels, max_removed, seeds),
    }
    documents_asked = len(evaluated.designs[0].documents)
    tables = {
        path: _of_games(games, table_of, evaluated.model, evaluated.task, documents_asked)
        for path, table_of in of_tables.items()
    }
    write_csv(tables[output].assign(unit=POINTS.in_files), output)
    write_csv(tables[positions], positions)


def audited_games(
    evaluation: Path, documents: Path, score: str = "paper"
) -> tuple[EvaluatedTask, dict[str, Game]]:
    """The evaluations, and the games of the study's score and of the yardstick, by metric.

    Raises CornerstoneError where a coalition is missing.
    """
    evaluated = read_choices([evaluation], documents)
    chosen = evaluated.metric(score)
    metrics = dict.fromkeys((chosen, yardstick().name))
    return evaluated, exact_games([score_task(evaluated, metric).scores for metric in metrics])


def _of_games(
    games: dict[str, Game], table_of: Callable[[Game], pd.DataFrame], model: str, task: str, documents: int
) -> pd.DataFrame:
    tables = []
    for metric, game in games.items():
        table = named(table_of(game), model=model, task=task, score=metric)
        tables.append(table.assign(documents=documents))
    return pd.concat(tables, ignore_index=True)


def _usual(estimator: Estimator) -> Arm:
    """The arm of an estimator as studies use it."""
    return Arm(estimator, SHARED, NUMBER) if estimator.of_documents is None else Arm(estimator, OWN, WORK)


def _runs(arm: Arm, game: Game, budget: int, seeds: int) -> tuple[np.ndarray, int, float]:
    """Values of each seed, (seeds, sublayers), the most coalitions that one asked of a document, and their work."""
    run, count = arm.estimator.by_coalitions[arm.coalitions], arm.budget(game, budget)
    seeds = min(seeds, OWN_SEEDS) if arm.takes_long else seeds
    found = [_run(run, game, count, seed) for seed in range(seeds if arm.estimator.is_random else 1)]
    values, most, work = zip(*found, strict=True)
    return np.array(values), max(most), float(np.mean(work))


def _run(run: Audited, game: Game, count: int, seed: int) -> tuple[np.ndarray, int, float]:
    """The values, how many coalitions were asked of a document at most, and their work.

    Rounded: equal values that differ in the last digit must not be ranked by it.
    """
    fresh = game.asked_anew()
    values = rounded(run(fresh, count, seed), game.scores)
    return values, fresh.evaluations, fresh.work


def _row(values: np.ndarray, evaluations: int, work: float, game: Game, top_k: int) -> dict[str, float]:
    scale = np.abs(game.scores).max()
    each = pd.DataFrame([measures(one, game.values, top_k, scale) for one in values])
    low, high = each["spearman"].quantile(list(BAND))
    counts = {"evaluations": evaluations, "work": work, "seeds": len(values)}
    return counts | each.mean().to_dict() | {"spearman_low": low, "spearman_high": high}


def _positions(name: str, labels: Sequence[str], values: np.ndarray, exact: np.ndarray) -> pd.DataFrame:
    table = sublayer_columns(labels).assign(
        exact=exact,
        value=values.mean(axis=0),
        bias=values.mean(axis=0) - exact,
        rmse=np.sqrt(((values - exact) ** 2).mean(axis=0)),
        samples=np.nan,
    )
    table.insert(0, "estimator", name)
    return table
