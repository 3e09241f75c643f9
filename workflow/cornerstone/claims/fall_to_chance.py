"""Claim 2: without any one cornerstone the score is guessing.

A case is a cornerstone × task: the score without it. See `cornerstone_removals`.
"""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.cornerstone_removals import cornerstone_removals, unstable_cornerstones, why_accuracy
from cornerstone.claims.phrases import in_percent, on_average
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import (
    CONTRADICTED,
    NOT_DECIDABLE,
    SUPPORTED,
    Case,
    Finding,
    grouped,
    in_every,
    mean_case,
)
from cornerstone.scores.unit import percent
from cornerstone.system.text import counted, listed
from cornerstone.values.titles import Titles


def judge(tested: Tested) -> Finding:
    cases = [
        case
        for model in tested.with_cornerstones
        for case in cornerstone_removals(tested, model, above=False)
    ]
    return Finding(in_every(cases), tuple(cases))


def in_words(tested: Tested, cases: Sequence[Case], titles: Titles) -> str:
    means = {label: mean_case(of_label) for label, of_label in grouped(cases, "sublayers").items()}
    scores = listed([f"{in_percent(case)} % without {label}" for label, case in means.items()])
    mean = mean_case(cases)
    return (
        f"{titles.model(cases[0].model)} scores {scores}{on_average(cases)}, where chance is "
        f"{percent(mean.chance)} % and the best constant answer {percent(mean.constant)} %. Of "
        f"{counted(len(cases), 'case')} (cornerstone × task), {_tally(cases, tested.results.margin)}."
        f"{unstable_cornerstones(tested, cases)}"
    )


def _tally(cases: Sequence[Case], margin: float) -> str:
    """ "14 are significantly at most 5.0 points above guessing, 2 are significantly more and 2 are undecided"."""
    verdicts = [case.verdict for case in cases]
    names = {
        SUPPORTED: f"significantly at most {percent(margin)} points above guessing",
        CONTRADICTED: "significantly more",
        NOT_DECIDABLE: "undecided",
    }
    counts = {name: verdicts.count(verdict) for verdict, name in names.items()}
    return listed([f"{n} {'is' if n == 1 else 'are'} {name}" for name, n in counts.items() if n])


CLAIMS.register(
    Claim(
        name="2",
        statement="Removing one cornerstone drops the score to chance.",
        why_accuracy=why_accuracy,
        judge=judge,
        in_words=in_words,
        nothing_to_test="The models that can be tested have no cornerstones, or no task on which answers can be "
        "guessed.",
        order=20,
    )
)
