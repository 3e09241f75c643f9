"""Claim 5: a model with MoE sublayers is better than guessing on most tasks whichever cornerstone is removed.

The cases are those of claim 2, the other way round (see `cornerstone_removals`). A task counts where all its cases are
significantly better than guessing, and fails where one of them is significantly not. The claim is supported if at least
five sixths of the study's tasks count, on every such model. It is contradicted if on one such model they cannot any
more, whatever the undecided tasks are. It needs six tasks or more.
"""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.cornerstone_removals import cornerstone_removals, unstable_cornerstones, why_accuracy
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import (
    CONTRADICTED,
    NOT_DECIDABLE,
    SUPPORTED,
    Case,
    Finding,
    all_or_any,
    grouped,
)
from cornerstone.models.kinds import KINDS, kind_of
from cornerstone.scores.unit import percent
from cornerstone.system.text import counted, listed
from cornerstone.values.titles import Titles

MOST_TASKS = 5, 6
"""Five of six tasks."""


def judge(tested: Tested) -> Finding:
    of_models = [
        cornerstone_removals(tested, model, above=True)
        for model, tasks in tested.with_cornerstones.items()
        if any(kind_of(label) is KINDS["moe"] for label in tasks[0].labels)
    ]
    verdicts = [_on_most_tasks(tested, cases) for cases in of_models]
    return Finding(all_or_any(verdicts), tuple(case for cases in of_models for case in cases))


def _on_most_tasks(tested: Tested, cases: Sequence[Case]) -> str:
    n_tasks, counts, fails = _tally(tested, cases)
    part, whole = MOST_TASKS
    if n_tasks < whole:
        return NOT_DECIDABLE
    if whole * counts >= part * n_tasks:
        return SUPPORTED
    return CONTRADICTED if whole * (n_tasks - fails) < part * n_tasks else NOT_DECIDABLE


def _tally(tested: Tested, cases: Sequence[Case]) -> tuple[int, int, int]:
    """Of one model: how many tasks the study has, how many of them count, and how many fail."""
    verdicts = [all_or_any([case.verdict for case in of_task]) for of_task in grouped(cases, "task").values()]
    n_tasks = len(tested.results.of_model(cases[0].model))
    return n_tasks, verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    model = cases[0].model
    n_tasks, counts, fails = _tally(tested, cases)
    named = tested.results.cornerstones[model]
    which = f"whichever of {listed(named)} is removed" if len(named) > 1 else f"without {named[0]}"
    text = (
        f"{titles.model(model)} stays significantly more than {percent(tested.results.margin)} points above guessing "
        f"on {counts} of {counted(n_tasks, 'task')} {which}, and falls to guessing, significantly, on {fails}."
    )
    few = f" The claim needs {MOST_TASKS[1]} tasks." if n_tasks < MOST_TASKS[1] else ""
    return text + few + unstable_cornerstones(tested, cases)


CLAIMS.register(
    Claim(
        name="5",
        statement="Mixture-of-experts models stay above chance on five of six tasks even without a cornerstone.",
        why_accuracy=why_accuracy,
        judge=judge,
        in_words=in_words,
        nothing_to_test="None of the models that can be tested has experts, cornerstones, and a task on which answers "
        "can be guessed.",
        of_sublayers=True,
        order=50,
    )
)
