"""Mixes of documents and pairs: what more documents, and more per-document coalitions, would buy.

    rows = mix_rows(measured)      # of each model and task with per-document coalitions, and of all together

The variance of a value over documents is (between + within(P)) / D with D documents of P pairs each: what lies between
the documents, and what comes from drawing the pairs (`pair_variances`). A document takes the work of what every study
evaluates on it, and that of its pairs. So for every P there is a D that reaches a goal, and one P for which that is
cheapest (two-stage sampling: Cochran 1977, Sampling Techniques, section 10.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.document_pairs import most_pairs, work_of, work_of_pairs
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS
from cornerstone.shapley.pair_variances import TOP
from cornerstone.shapley.players import sets_of
from cornerstone.statistics.ranks import difference_bound, rank_intervals
from cornerstone.statistics.significance import student_deviate
from cornerstone.values.document_numbers import DocumentNumbers
from cornerstone.values.sample_sizes import documents_needed, documents_needed_of, half_widths

FEWEST_PAIRS = 2
FARTHEST = 4
"""Times as many pairs as were evaluated: what more of them would buy is not known."""
STEP = 1.08
"""From one number of pairs that is tried to the next."""
LARGE = 1e9
"""Documents: Student's t of so many is normal."""
POWER = 0.8416
"""For a power of 80 %: a true difference so many standard errors above the threshold is found significant four times in
five."""
RANKS = "ranks"
MIX, MIX_OF_ALL = "mix", "mix of all"
"""The rows' `number`: of a model on a task, and of the whole study."""


@dataclass(frozen=True, eq=False)
class Choices:
    """A study of one model on one task with other numbers of pairs, an entry of each array for each number.

    pairs:     int (choices,).
    work:      float64 (choices,): of a document in all designs, (state × sublayer) evaluations of a token.
    seconds:   (choices,): of a document on the devices that were used; not a number where that is not known.
    within:    (choices, contrasts): what drawing the pairs adds to the variances of `value_contrasts`.
    variances: (choices, contrasts): of a document's values, and what lies between documents.
    """

    numbers: DocumentNumbers
    pairs: np.ndarray
    work: np.ndarray
    seconds: np.ndarray
    within: np.ndarray
    variances: np.ndarray

    @property
    def now(self) -> int:
        """The place of the number of pairs that was evaluated."""
        return int(np.searchsorted(self.pairs, self.numbers.drawing.pairs))

    @property
    def work_so_far(self) -> float:
        return len(self.numbers.documents) * self.work[self.now]

    def needed(self, goal: str | float) -> np.ndarray:
        """How many documents like these a goal needs, float64 (choices,); infinite where that cannot be predicted.

        goal: RANKS, or the half-width of the widest interval of a value.
        """
        return self._possible(np.maximum(self._needed(goal).max(axis=1), self._fewest))

    def needed_of_own(self, goal: str | float) -> np.ndarray:
        """How many of the task's own documents a statement about these alone needs; infinite where all are too few."""
        available = self.numbers.available
        if not available:
            return np.full(len(self.pairs), np.inf)
        rows = self._rows(goal)
        variances = self.variances[:, rows]
        within = np.divide(self.within[:, rows], variances, out=np.zeros_like(variances), where=variances > 0)
        like_these = self._needed(goal)
        known = np.isfinite(like_these)
        own = documents_needed_of(available, np.where(known, like_these, 1.0), 1 - within)
        own = np.where(known, own, np.inf).max(axis=1)
        return self._possible(np.maximum(own, self._fewest))

    @property
    def _fewest(self) -> int:
        """Documents without which no model of them is estimated, or all that the task has."""
        return min(FEWEST_DOCUMENTS, self.numbers.available or FEWEST_DOCUMENTS)

    def _rows(self, goal: str | float) -> slice:
        """The contrasts that a goal is about."""
        n = len(self.numbers.labels)
        return slice(n, None) if goal == RANKS else slice(n)

    def _needed(self, goal: str | float) -> np.ndarray:
        """Documents like these, (choices, contrasts), for each contrast by itself."""
        numbers, variances = self.numbers, self.variances[:, self._rows(goal)]
        if goal != RANKS:
            widths = half_widths(numbers.values, variances)
            return documents_needed(widths, len(numbers.documents), goal, SCORES[numbers.metric])
        apart = np.abs(numbers.drawing.contrasts[self._rows(goal)] @ numbers.values.mean(axis=1))
        bound = difference_bound(numbers.values)
        roughly = _told_apart(variances, apart, bound).clip(max(self._fewest, 2), LARGE)
        return np.ceil(_told_apart(variances, apart, student_deviate(bound, roughly - 1)))

    def _possible(self, documents: np.ndarray) -> np.ndarray:
        pairs = np.minimum(self.pairs, float(most_pairs(len(self.numbers.labels))))
        return np.where(pairs <= FARTHEST * self.numbers.drawing.pairs, documents, np.inf)


def _told_apart(variances: np.ndarray, apart: np.ndarray, bound: np.ndarray | float) -> np.ndarray:
    """How many documents a difference needs to be significant with POWER; infinite where there is none."""
    needed = variances * ((bound + POWER) / np.where(apart > 0, apart, 1.0)) ** 2
    return np.where(apart > 0, needed, np.inf)


def choices(numbers: DocumentNumbers, pairs: np.ndarray) -> Choices:
    """The choices with these numbers of pairs, ascending, among them the number that was evaluated."""
    n, drawing, count = len(numbers.labels), numbers.drawing, len(numbers.documents)
    sets = sets_of(numbers.labels)
    own = np.array([work_of_pairs(n, int(each), players=sets) for each in pairs])
    fixed = work_of(ablation(n), n, sets) + work_of(numbers.windows, n, sets)
    now = np.searchsorted(pairs, drawing.pairs)
    seconds = [
        sum(numbers.seconds.get(design, np.nan) for design in designs) / count
        for designs in (("ablation", "windows"), ESTIMATORS[numbers.estimator].designs)
    ]
    within = np.array([drawing.within(int(each)) for each in pairs])
    return Choices(
        numbers,
        pairs,
        fixed + own,
        seconds[0] + seconds[1] * own / own[now],
        within,
        drawing.between + within,
    )


def mix_rows(measured: Sequence[DocumentNumbers]) -> list[dict[str, float | str]]:
    """A row per model, task and goal (RANKS of the TOP largest values, or a half-width), then of all together.

    documents, pairs, available: evaluated, and of the task. now: the widest half-width, or how many of the ranks are
    known for sure. Then mixes that reach the goal, each of {mix}_documents, {mix}_pairs, {mix}_work (times that of all
    that was evaluated) and {mix}_seconds: same_pairs and same_documents change the other number alone; cheapest is the
    one of least work; own is that for what is said of the task's own documents alone. Not a number where no such mix
    does, or where it takes more documents than the task has.
    """
    own = [one for one in measured if one.drawing is not None and len(one.documents) > 1]
    if not own:
        return []
    pairs = _numbers_of_pairs(own)
    of_each = [choices(numbers, pairs) for numbers in own]
    goals = (RANKS, *SCORES[own[0].metric].half_widths)
    rows = [_row(one, goal) for one in of_each for goal in goals]
    return rows + ([_row_of_all(of_each, goal) for goal in goals] if len(of_each) > 1 else [])


def _numbers_of_pairs(measured: Sequence[DocumentNumbers]) -> np.ndarray:
    """The numbers of pairs to try, from few to many, in growing steps."""
    given = [numbers.drawing.pairs for numbers in measured]
    most = [min(FARTHEST * numbers.drawing.pairs, most_pairs(len(numbers.labels))) for numbers in measured]
    found, last = {*given, *most}, float(min(FEWEST_PAIRS, *most))
    while last < max(most):
        found.add(int(last))
        last = max(last + 1, last * STEP)
    return np.array(sorted(found))


def _row(one: Choices, goal: str | float) -> dict[str, float | str]:
    numbers, documents = one.numbers, len(one.numbers.documents)
    needed, limit = one.needed(goal), one.numbers.available or np.inf
    enough = np.flatnonzero(needed <= documents)
    own = one.needed_of_own(goal)
    return {
        "model": numbers.model,
        "task": numbers.task,
        "number": MIX,
        "goal": str(goal),
        "documents": documents,
        "pairs": numbers.drawing.pairs,
        "available": numbers.available,
        "now": _now(one, goal),
        **_mix("same_pairs", one, one.now, needed),
        **_mix("same_documents", one, enough[0] if len(enough) else None, np.full(len(needed), documents)),
        **_mix("cheapest", one, _least(np.where(needed <= limit, needed, np.inf) * one.work), needed),
        **_mix("own", one, _least(own * one.work), own),
    }


def _now(one: Choices, goal: str | float) -> float:
    numbers = one.numbers
    if goal != RANKS:
        return min(float(half_widths(numbers.values).max()), numbers.reach)
    low, high = rank_intervals(numbers.values)
    largest = np.argsort(-numbers.values.mean(axis=1), kind="stable")[:TOP]
    return float((low == high)[largest].sum())


def _least(work: np.ndarray) -> int | None:
    """The place of the least; None where none is finite."""
    place = int(np.argmin(work))
    return place if np.isfinite(work[place]) else None


def _mix(name: str, one: Choices, place: int | None, documents: np.ndarray) -> dict[str, float]:
    """The columns of a mix, of the number of pairs at a place and of so many documents there."""
    if place is None or not np.isfinite(documents[place]):
        return {f"{name}_{what}": np.nan for what in ("documents", "pairs", "work", "seconds")}
    return {
        f"{name}_documents": documents[place],
        f"{name}_pairs": one.pairs[place],
        f"{name}_work": documents[place] * one.work[place] / one.work_so_far,
        f"{name}_seconds": documents[place] * one.seconds[place],
    }


def _row_of_all(of_each: Sequence[Choices], goal: str | float) -> dict[str, float | str]:
    """The cheapest mix for all models and tasks, which have one number of pairs, and of documents where there are."""
    needed = np.array([one.needed(goal) for one in of_each])
    limits = np.array([one.numbers.available or np.inf for one in of_each])[:, None]
    documents = np.where((needed <= limits).all(axis=0), needed.max(axis=0), np.inf)
    asked = np.where(np.isfinite(documents), np.minimum(documents, limits), np.inf)
    work, seconds = (
        (asked * np.array([getattr(one, what) for one in of_each])).sum(axis=0)
        for what in ("work", "seconds")
    )
    place = _least(work)
    found = (
        [np.nan] * 4
        if place is None
        else [
            documents[place],
            of_each[0].pairs[place],
            work[place] / sum(one.work_so_far for one in of_each),
            seconds[place],
        ]
    )
    names = [f"cheapest_{what}" for what in ("documents", "pairs", "work", "seconds")]
    about = {"model": "all", "task": "all", "number": MIX_OF_ALL, "goal": str(goal)}
    return about | dict(zip(names, found, strict=True))
