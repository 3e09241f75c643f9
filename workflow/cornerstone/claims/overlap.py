"""Claim 6b: removing a run of neighbouring others together costs more than the sum of their single removals.

This is a hypothesis of the paper's. A case is a model: joint − single drop, mean over all runs without a cornerstone
and over tasks, against 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import Case, Finding, in_every
from cornerstone.statistics.resampling import interval
from cornerstone.system.text import counted, listed
from cornerstone.values.pairs import pair_excess, pair_groups
from cornerstone.values.results import joint_and_single
from cornerstone.values.titles import MEAN, Titles


def judge(tested: Tested) -> Finding:
    cases = []
    for model, tasks in tested.with_cornerstones.items():
        is_cornerstone = tested.results.is_cornerstone(model)
        free = [window for window in tasks[0].windows if not is_cornerstone[list(window)].any()]
        if free:
            *_, excess = joint_and_single(tasks, free)
            case = Case(
                model=model,
                task=MEAN,
                sublayers=f"{counted(len(free), 'run')} without a cornerstone",
                quantity="joint drop minus the sum of single drops",
                estimate=excess.estimate,
                draws=excess.draws,
                bound=0.0,
                above=True,
            )
            cases.append(case)
    return Finding(in_every(cases), tuple(cases))


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    (case,) = cases
    unit = tested.results.score.unit
    sign, which = (1, "more") if case.estimate >= 0 else (-1, "less")
    ends = sorted(sign * end for end in interval(case.draws))
    return (
        f"{titles.model(case.model)}: removed together, neighbouring sublayers cost "
        f"{unit.amount(sign * case.estimate)} ({unit.interval(*ends)}) {which} than the sum of their single removals, "
        f"on average over {case.sublayers} and {counted(len(tested.tasks[case.model]), 'task')}."
        f"{_pairs_in_words(tested, case.model)}"
    )


def _pairs_in_words(tested: Tested, model: str) -> str:
    """A sentence on which pairs cost how much more together, by depth and by kind; nothing where none were removed.

    Players that are no sublayers have no kinds.
    """
    tasks, unit = tested.tasks[model], tested.results.score.unit
    phrases: dict[str, list[str]] = {"depth": [], "kinds": []}
    for (by, group), pairs in pair_groups(tested.results, model).items():
        if by in phrases:
            joint, single, draws = pair_excess(tasks, pairs)
            excess = f"{unit.amount(joint - single)} ({unit.interval(*interval(draws))})"
            phrases[by].append(f"{excess} {'in the' if by == 'depth' else 'for'} {group}")
    if not phrases["depth"]:
        return ""
    by_kind = f" By kind it is {listed(phrases['kinds'])}." if phrases["kinds"] else ""
    return f" For pairs alone, the cost beyond the sum of both is, by depth, {listed(phrases['depth'])}.{by_kind}"


CLAIMS.register(
    Claim(
        name="6b",
        statement="The other sublayers overlap in function: removing some together costs more than the sum of their "
        "single removals.",
        why_accuracy=None,
        judge=judge,
        in_words=in_words,
        nothing_to_test="No runs of sublayers without a cornerstone were removed together.",
        order=70,
    )
)
