"""Claim 1: on every model and task a few early sublayers hold a disproportionate share.

A case is a model × task: the share in the signed sum of the values of the top_k largest of the first quarter of the
sublayers, against DISPROPORTIONATE × top_k / number of sublayers. See `chosen_share`. A task without a positive value
has no shares and no case.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isnan

import numpy as np

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.phrases import in_percent, on_average
from cornerstone.claims.shares import chosen_share
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import (
    CONTRADICTED,
    NOT_DECIDABLE,
    SUPPORTED,
    Case,
    Finding,
    in_every,
    mean_case,
)
from cornerstone.scores.unit import POINTS, percent
from cornerstone.statistics.shares import EARLY
from cornerstone.system.text import counted, listed
from cornerstone.values.titles import Titles

DISPROPORTIONATE, TIMES = 2, "twice"
"""A share is disproportionate above so many times its sublayers' part of the model; in words."""


def judge(tested: Tested) -> Finding:
    cases = [case for model in tested.with_shares for case in _cases_of(tested, model)]
    return Finding(in_every(cases), tuple(cases))


def _cases_of(tested: Tested, model: str) -> list[Case]:
    tasks, k = tested.with_shares[model], tested.results.top_k
    n_sublayers = len(tasks[0].labels)
    bound = DISPROPORTIONATE * k / n_sublayers
    if bound >= 1:
        return []
    early = np.arange(max(k, ceil(EARLY * n_sublayers)))
    which = f"the {k} largest of the first {len(early)}" if k < len(early) else f"the first {k}"
    cases = []
    for numbers in tasks:
        share, draws = chosen_share(numbers, early, k)
        case = Case(
            model=model,
            task=numbers.task,
            sublayers=which,
            quantity="share of the sum of all values",
            estimate=share,
            draws=draws,
            bound=bound,
            above=True,
        )
        cases.append(case)
    return cases


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    exists = [case for case in cases if not isnan(case.estimate)]
    title = titles.model(cases[0].model)
    without = _without_shares(tested, cases, titles)
    if not exists:
        return f"{title}: the sum of all values is significantly above zero on no task, so no share exists.{without}"
    some = "" if len(exists) == len(cases) else " where the sum of all values is significantly above zero"
    return (
        f"{title}: {exists[0].sublayers} sublayers hold {in_percent(mean_case(exists))} % of the sum "
        f"of all values{on_average(exists)}{some}; {TIMES} their part of the sublayers is "
        f"{percent(cases[0].bound)} %. The share is {_tally(cases)}.{without}"
    )


def _without_shares(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    """ " No value is positive on PIQA: …"; nothing where each task has a positive value."""
    model = cases[0].model
    named = [titles.task(n.task) for n in tested.tasks[model] if n not in tested.with_shares[model]]
    return (
        f" No value is positive on {listed(named)}: there are no shares there, and no case." if named else ""
    )


def _tally(cases: Sequence[Case]) -> str:
    """ "significantly above that on 4 of 6 tasks, significantly below it on 1 and undecided on 1"."""
    verdicts = [case.verdict for case in cases]
    parts = [f"significantly above that on {verdicts.count(SUPPORTED)} of {counted(len(cases), 'task')}"]
    if CONTRADICTED in verdicts:
        parts.append(f"significantly below it on {verdicts.count(CONTRADICTED)}")
    if NOT_DECIDABLE in verdicts:
        parts.append(f"undecided on {verdicts.count(NOT_DECIDABLE)}")
    return listed(parts)


CLAIMS.register(
    Claim(
        name="1",
        statement="A few early sublayers hold a disproportionate share, on every model and task.",
        unit=POINTS,
        why_accuracy=None,
        judge=judge,
        in_words=in_words,
        nothing_to_test="The models that can be tested have too few sublayers: the top ones are half of them or more. "
        "Or they have no positive value on any task.",
        order=10,
    )
)
