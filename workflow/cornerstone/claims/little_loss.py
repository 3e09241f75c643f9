"""Claim 3: removing one of the other sublayers costs less than LITTLE.

A case is a model: the drop without one sublayer, mean over the others and over tasks, against LITTLE. The claim is
supported if that is so for every model. It is contradicted if it is not for one, or if a single other sublayer
significantly costs more than LITTLE on a task, by a paired test that allows for all the others (Holm).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.phrases import ask_again, in_percent
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, Case, Finding, in_every
from cornerstone.scores import Score
from cornerstone.scores.unit import percent
from cornerstone.statistics.collapse import tails
from cornerstone.statistics.resampling import LEVEL, interval
from cornerstone.statistics.significance import holm
from cornerstone.system.text import counted
from cornerstone.values.document_numbers import task_draws
from cornerstone.values.results import mean_over_tasks
from cornerstone.values.titles import MEAN, Titles

LITTLE = 0.05
"""A drop of the accuracy below this is little."""


def judge(tested: Tested) -> Finding:
    models = [model for model in tested.with_cornerstones if not tested.results.is_cornerstone(model).all()]
    cases = [_mean_drop(tested, model) for model in models]
    verdict = CONTRADICTED if _one_costs_more(tested, models) else in_every(cases)
    return Finding(verdict, tuple(cases))


def _mean_drop(tested: Tested, model: str) -> Case:
    others = ~tested.results.is_cornerstone(model)
    drops = [(n.effects[others].mean(axis=0), n.task) for n in tested.tasks[model]]
    drop = mean_over_tasks(drops, tested.results.score.reach)
    return Case(
        model=model,
        task=MEAN,
        sublayers="all but the cornerstones",
        quantity="drop without one of them",
        estimate=drop.estimate,
        draws=drop.draws,
        bound=LITTLE,
        above=False,
    )


def _one_costs_more(tested: Tested, models: Sequence[str]) -> bool:
    """Whether a single drop is significantly above LITTLE, of sublayers that hardly any resample calls cornerstones."""
    p_values = [np.empty(0)]
    for model in models:
        surely_other = tested.results.found[model] <= 1 - LEVEL
        others = surely_other & ~tested.results.is_cornerstone(model)
        p_values += [tails(LITTLE - numbers.effects[others]) for numbers in tested.tasks[model]]
    return bool((holm(np.concatenate(p_values)) <= (1 - LEVEL) / 2).any())


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    (case,) = cases
    tasks, others = tested.tasks[case.model], ~tested.results.is_cornerstone(case.model)
    low, high = interval(np.concatenate([task_draws(n.effects[others], n.task, n.reach) for n in tasks]))
    n_others = int(others.sum())
    which = "the other sublayer" if n_others == 1 else f"one of the other {n_others} sublayers"
    return (
        f"{titles.model(case.model)}: removing {which} costs {in_percent(case)} points on average over "
        f"{counted(len(tasks), 'task')}. Of {counted(len(low), 'single removal')}, {_cost((high < LITTLE).sum())} "
        f"less than {percent(LITTLE, 0)} points and {_cost((low > LITTLE).sum())} more."
    )


def _cost(number: int) -> str:
    return f"{number or 'none'} significantly cost{'s' if number <= 1 else ''}"


def why_accuracy(score: Score) -> str:
    return (
        f"Little means less than {percent(LITTLE, 0)} points of accuracy here. For the {score.noun} there is no such "
        f"bound.{ask_again(score)}"
    )


CLAIMS.register(
    Claim(
        name="3",
        statement="Removing any other sublayer costs little.",
        why_accuracy=why_accuracy,
        judge=judge,
        in_words=in_words,
        nothing_to_test="The models that can be tested have no cornerstones, or no sublayers but these.",
        order=30,
    )
)
