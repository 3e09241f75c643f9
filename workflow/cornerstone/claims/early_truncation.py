"""Claim 7: coalitions with few sublayers removed give values in the order of the Shapley values.

The paper's early truncation: at most max_removed neighbours are removed together, which is said to keep the order of
the sublayers. The windows' values are compared with corrected values, which are unbiased at any depth. A case is
a model: their rank correlation without the noise of the corrected values (see `values.corrected`), mean over tasks,
against SAME_ORDER. The claim is supported if the whole interval is above it for every model, and contradicted if it is
below for one. Intervals are of the errors of the corrected values: the claim is about these documents.

The bound was written down before a study was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import Case, Finding, in_every
from cornerstone.scores.unit import CORRELATION
from cornerstone.statistics.ranks import mean_ranks
from cornerstone.statistics.resampling import interval
from cornerstone.system.text import counted
from cornerstone.values.corrected import Held, held, rank_correlation
from cornerstone.values.titles import MEAN, Titles

SAME_ORDER = 0.9
"""A rank correlation above this keeps the order."""
TRUNCATED = "windows"
"""The estimator of the paper's truncated coalitions."""


def judge(tested: Tested) -> Finding:
    cases = []
    for model in tested.tasks:
        correlations = [rank_correlation(one) for one in _held(tested, model).values()]
        known = [(estimate, draws) for estimate, draws in correlations if not np.isnan(estimate)]
        if known:
            case = Case(
                model=model,
                task=MEAN,
                sublayers="all",
                quantity="rank correlation of windows with Shapley values",
                estimate=float(np.mean([estimate for estimate, _ in known])),
                draws=np.mean([draws for _, draws in known], axis=0),
                bound=SAME_ORDER,
                above=True,
            )
            cases.append(case)
    return Finding(in_every(cases), tuple(cases))


def _held(tested: Tested, model: str) -> dict[str, Held]:
    """The windows' values beside corrected ones, by the tasks of the model that claims are tested on."""
    rows = tested.results.corrected
    if rows is None:
        return {}
    ours = rows[(rows["model"] == model) & (rows["name"] == TRUNCATED)]
    of_tasks = {numbers.task: ours[ours["task"] == numbers.task] for numbers in tested.tasks[model]}
    return {task: held(of_task) for task, of_task in of_tasks.items() if len(of_task)}


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    (case,) = cases
    by_task = _held(tested, case.model)
    known = {
        task: estimate for task in by_task if not np.isnan(estimate := rank_correlation(by_task[task])[0])
    }
    mean = CORRELATION.with_interval(case.estimate, *interval(case.draws))
    worst = min(known, key=known.get)
    spread = (
        f"; the lowest is {CORRELATION.text(known[worst])}, on {titles.task(worst)}" if len(known) > 1 else ""
    )
    moves = {task: _largest_move(by_task[task]) for task in known}
    task = max(moves, key=lambda task: moves[task][0])
    _, label, ours, theirs = moves[task]
    return (
        f"{titles.model(case.model)}: the rank correlation of the windows' values with the Shapley values of these "
        f"documents is {mean}, on average over {counted(len(known), 'task')}{spread}. The largest difference in rank "
        f"is that of {label} on {titles.task(task)}: it has rank {ours} of {len(by_task[task].labels)} by windows and "
        f"{theirs} by corrected values."
    )


def _largest_move(one: Held) -> tuple[float, str, str, str]:
    """By how many ranks, of which sublayer, its rank by the estimate, and by corrected values with its interval.

    Rank 1 is the largest value.
    """
    ours, theirs = mean_ranks(-one.estimate), mean_ranks(-one.corrected)
    place = int(np.abs(ours - theirs).argmax())
    low, high = interval(np.array([mean_ranks(-values)[place] for values in one.drawn]))
    return (
        abs(ours[place] - theirs[place]),
        one.labels[place],
        f"{ours[place]:g}",
        f"{theirs[place]:g} ({low:.0f} – {high:.0f})",
    )


CLAIMS.register(
    Claim(
        name="7",
        statement="Early truncation keeps the order of the sublayers.",
        unit=CORRELATION,
        why_accuracy=None,
        judge=judge,
        in_words=in_words,
        nothing_to_test="No corrected values were computed for the models that can be tested: set corrected: true in "
        "the configuration, for models of any depth.",
        order=80,
    )
)
