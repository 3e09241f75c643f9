"""How often the 95 % intervals hold the truth: games whose truth is known, drawn again and again.

    python benchmarks/interval_coverage.py
    python benchmarks/interval_coverage.py --sublayers 12 --documents 200 --trials 1000

A game is a large population of documents. Each has its own difficulty; every sublayer that is present adds its
own amount to the document's margin, some neighbours add one together, and the answer is right where the margin
is above zero. A few early sublayers add much, most little, a fifth nothing. The truth is the mean over the
population. A trial draws documents from it (with replacement), works out every number and its interval by the
library's own functions, and asks which intervals hold their truth.

A row is a kind of number; of effects, values, joint excesses and signed shares there are as many as
sublayers (or pairs of neighbours), and the coverage is their mean. Measured is what at least 5 documents of a trial
can be expected to show, as many as a test of counts asks for. Rarer numbers cannot be held just 95 times of 100: a
trial shows them on 0, 1 or 2 documents, and an interval that is wide enough when no document does is wider than that.
They are in the column "rarer", and should be held more often. "not shown": of the trials in which no document showed
a number that some of the population do. Shares exist where the sum of the values is surely above zero ("exist": in
how many of the trials); the top ones are those of the largest values of the trial's own documents.

Last, how often a study calls any sublayer collapsed, or any above guessing, where every score is exactly as far
above guessing as `collapse_margin` says is the bound, so that each would be wrong: at most 5 and 2.5 of 100 times.
All sublayers' scores are drawn from one difficulty per document, or each by itself.

The last line is JSON: {"trials": ..., "rows": [...], "states": [...]}.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from cornerstone.scores import SCORES
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.statistics.collapse import ABOVE, COLLAPSED, guessing_tests
from cornerstone.statistics.resampling import effect_interval
from cornerstone.statistics.shares import signed_shares
from cornerstone.values.ablation import score_interval

POPULATION = 30_000
MAX_REMOVED = 4
TOP_K = 3
SHOWN = 5  # documents of a trial
MARGIN = 0.05
FEW_ROWS = 10  # times the trials for what has few numbers in each


@dataclass(frozen=True)
class Population:
    """A game's numbers document by document: rows (of sublayers or pairs) × documents, the score a single row."""

    score: np.ndarray
    removed: np.ndarray
    effects: np.ndarray
    values: np.ndarray
    excess: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table; see the head of this file. error: of coverage, from the spread between trials."""

    number: str
    sublayers: int
    documents: int
    measured: int
    coverage: float
    error: float
    width: float
    rarer: float
    not_shown: float
    exist: float


def population(n_sublayers: int, size: int, seed: int = 0) -> Population:
    """A game of this many sublayers on `size` documents."""
    rng = np.random.default_rng((seed, n_sublayers))
    weight = rng.exponential(0.1, n_sublayers) * (rng.random(n_sublayers) > 0.2)
    weight[[0, 1, 3]] = 3.0, 1.5, 0.8
    together = rng.exponential(0.1, n_sublayers - 1) * (rng.random(n_sublayers - 1) < 0.3)
    estimator = window_estimator(n_sublayers, MAX_REMOVED)
    parts = [_part(estimator, weight, together, 2000, rng) for _ in range(size // 2000)]
    return Population(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))


def _part(estimator, weight, together, size: int, rng) -> tuple[np.ndarray, ...]:
    n = len(weight)
    ease = rng.normal(0.9, 1.0, size)
    alone = _sums(weight[:, None] * rng.normal(0.35, 1.0, (n, size)))
    beside = _sums(together[:, None] * np.abs(rng.normal(0.0, 1.0, (n - 1, size))))
    right = np.empty((len(estimator.coalitions), size), dtype=np.float32)
    for row, removed in enumerate(estimator.coalitions):
        first, last = (removed[0], removed[-1]) if removed else (0, -1)
        lost = alone[last + 1] - alone[first] + (beside[last] - beside[first] if removed else 0.0)
        right[row] = ease > lost
    full, removed, pairs = right[:1], right[1 : n + 1], right[n + 1 : 2 * n]
    values = np.round(estimator.weights @ right, 12)
    effects = full - removed
    return full, removed, effects, values, full - pairs - effects[:-1] - effects[1:]


def _sums(rows: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, 2, … rows."""
    return np.vstack([np.zeros_like(rows[:1]), rows.cumsum(axis=0)])


def numbers_of(game: Population) -> dict[str, np.ndarray]:
    """The numbers with linear intervals, rows × documents; "mean drop" is a cell of a table.

    Scores of one model hardly differ but for the first sublayers': those and the full model's are enough.
    """
    others = game.effects[TOP_K + 1 :].mean(axis=0, keepdims=True)
    return {
        "score": np.vstack([game.score, game.removed[: TOP_K + 1]]),
        "effect": game.effects,
        "value": game.values,
        "joint excess": game.excess,
        "mean drop": others,
    }


def coverage(game: Population, n_documents: int, trials: int, seed: int = 0) -> list[Row]:
    """A row per kind of number: how often its intervals hold the truth with this many documents."""
    rng = np.random.default_rng((seed, n_documents))
    samples = rng.integers(game.score.shape[1], size=(trials, n_documents))
    more = rng.integers(game.score.shape[1], size=(FEW_ROWS * trials, n_documents))
    told = []
    for name, rows in numbers_of(game).items():
        of_kind = more if len(rows) <= TOP_K + 2 else samples
        held = [_holds(rows, sample, of_scores=name == "score") for sample in of_kind]
        told.append(_row(name, game, rows, held, n_documents))
    shares = [signed_shares(game.values[:, sample].astype(float)) for sample in samples]
    for name in ("signed", "top_signed"):
        held = [_holds_shares(game.values, table, name) for table in shares]
        told.append(_row(f"{name.replace('_', ' ')} share", game, game.values, held, n_documents))
    return told


def _holds(
    rows: np.ndarray, sample: np.ndarray, of_scores: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row: whether its interval holds the truth, its width, and whether a document shows it."""
    seen = rows[:, sample].astype(float)
    ends = score_interval(seen, SCORES["acc"]) if of_scores else effect_interval(seen, SCORES["acc"].reach)
    return *_held(*ends, rows.mean(axis=1, dtype=float)), (seen != 0).any(axis=1)


def _holds_shares(values: np.ndarray, table, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a trial's shares; of the top ones only that of the TOP_K largest."""
    truth, share = values.mean(axis=1, dtype=float), table["signed_share"]
    truth = truth / truth.sum()
    rows = slice(None)
    if name == "top_signed":
        order = np.argsort(-share, kind="stable")
        truth, rows = truth[order[:TOP_K]].sum(), order[TOP_K - 1 : TOP_K]
    held, width = _held(*(table[f"{name}_{end}"][rows] for end in ("low", "high")), truth)
    return held, width, np.full(len(held), True)


def _held(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rounding = 1e-9
    held = (low - rounding <= truth) & (truth <= high + rounding)
    return np.where(np.isnan(low), np.nan, held), high - low


def _row(
    name: str, game: Population, rows: np.ndarray, trials: list[tuple[np.ndarray, ...]], n_documents: int
) -> Row:
    held, width, seen = (np.array(part) for part in zip(*trials, strict=True))
    shown = np.full(held.shape[1], True)
    if held.shape[1] == len(rows):
        shown = n_documents * (rows != 0).mean(axis=1) >= SHOWN
    exist = ~np.isnan(held).all(axis=1)
    of_trial = held[exist][:, shown].mean(axis=1) if shown.any() else np.full(exist.sum(), np.nan)
    unseen = ~seen & (rows.mean(axis=1) != 0) if seen.shape[1] == len(rows) else ~seen
    return Row(
        name,
        len(game.values),
        n_documents,
        int(shown.sum()),
        _mean(of_trial),
        float(of_trial.std() / np.sqrt(max(1, len(of_trial)))),
        _mean(width[exist][:, shown]),
        _mean(held[exist][:, ~shown]),
        _mean(held[unseen]),
        float(exist.mean()),
    )


def _mean(numbers: np.ndarray) -> float:
    return float(numbers.mean()) if numbers.size else float("nan")


@dataclass(frozen=True)
class States:
    """How often, in parts of 1, any sublayer at the bound is called collapsed, and any above."""

    guessing: str
    drawn: str
    sublayers: int
    documents: int
    collapsed: float
    above: float


def wrong_states(n_sublayers: int, n_documents: int, trials: int, seed: int = 0) -> list[States]:
    """Studies whose scores are all at the bound; four choices, and yes-no questions with more yes than no."""
    told = []
    for guessing, chance, constant in (("4 choices", 0.25, 0.27), ("yes or no", 0.5, 0.62)):
        for drawn in ("together", "each"):
            rng = np.random.default_rng((seed, n_sublayers, n_documents))
            wrong = []
            for _ in range(trials):
                rank = rng.random((n_sublayers, n_documents))
                if drawn == "together":  # most of the difficulty is the document's own, an even rank again
                    rank = np.where(rng.random(rank.shape) < 0.8, rng.random(n_documents), rank)
                always = (rng.random(n_documents) < constant).astype(float)
                scores = (rank < constant + MARGIN).astype(float)
                states = guessing_tests(scores, np.full(n_documents, chance), always, MARGIN).states
                wrong.append([(states == COLLAPSED).any(), (states == ABOVE).any()])
            told.append(States(guessing, drawn, n_sublayers, n_documents, *np.mean(wrong, axis=0).tolist()))
    return told


def print_states(states: Sequence[States]) -> None:
    for told in states:
        numbers = (
            f"{told.sublayers:>6}{told.documents:>7}{100 * told.collapsed:>12.1f}{100 * told.above:>8.1f}"
        )
        print(f"{told.guessing}, {told.drawn:<9}{numbers}", flush=True)


def print_rows(rows: Sequence[Row]) -> None:
    for row in rows:
        told = [
            f"{row.number:<17}{row.sublayers:>5}{row.documents:>7}{row.measured:>6}",
            f"{_percent(row.coverage):>7} ±{_percent(row.error):>4}{100 * row.width:>9.2f}",
            f"{_percent(row.rarer):>8}{_percent(row.not_shown):>11}{_percent(row.exist):>8}",
        ]
        print("".join(told), flush=True)


def _percent(part: float) -> str:
    return "" if np.isnan(part) else f"{100 * part:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sublayers", type=int, nargs="+", default=[12, 64, 160], metavar="N")
    parser.add_argument("--documents", type=int, nargs="+", default=[200, 300, 1000, 3000], metavar="N")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(
        "number           sublayers documents measured; coverage %, points wide, rarer %, not shown %, exist %"
    )
    rows = []
    for n_sublayers in arguments.sublayers:
        game = population(n_sublayers, POPULATION, arguments.seed)
        for n_documents in arguments.documents:
            rows += (told := coverage(game, n_documents, arguments.trials, arguments.seed))
            print_rows(told)
    print("at the bound        sublayers documents; any called collapsed %, any above %")
    states = []
    for n_sublayers in arguments.sublayers:
        for n_documents in arguments.documents:
            states += (told := wrong_states(n_sublayers, n_documents, arguments.trials, arguments.seed))
            print_states(told)
    found = {"rows": rows, "states": states}
    as_numbers = {name: [_without_nan(asdict(row)) for row in told] for name, told in found.items()}
    print(json.dumps({"trials": arguments.trials} | as_numbers))


def _without_nan(row: dict) -> dict:
    return {name: None if value != value else value for name, value in row.items()}


if __name__ == "__main__":
    main()
