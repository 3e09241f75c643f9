"""The paper's claims 1 to 3 on items that are asked both ways: by the accuracy of given answers and by generation.

    claim_rows(both, ["Attn 0", "FFN 0"], margin=0.05)     # a row per claim and way

They are judged on what single removals cost, as both ways have it, and on the study's cornerstones as they are. As for
other claims, there have to be MIN_DOCUMENTS items, and the full model has to be better than guessing: of generated
answers, some are surely right:

    1  the first quarter of the blocks holds twice its part of the sublayers, or more, of the effects above zero
    2  without any one cornerstone the score is guessing; a generated answer cannot be guessed, so its chance is 0
    3  removing one of the others costs less than LITTLE on average
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from cornerstone.claims.concentration import DISPROPORTIONATE
from cornerstone.claims.little_loss import LITTLE
from cornerstone.claims.phrases import in_percent
from cornerstone.claims.tested import reason_left_out
from cornerstone.claims.verdicts import Case, Finding, in_every
from cornerstone.scores.unit import percent
from cornerstone.statistics.collapse import guessing_tests
from cornerstone.statistics.resampling import bootstrap, interval
from cornerstone.system.text import listed
from cornerstone.values.both_ways import BothWays, OneWay, early_players
from cornerstone.values.rows import named

NOTHING = "No sublayer can be tested."


def claims_of(
    compared: Sequence[BothWays], cornerstones: Mapping[str, Collection[str]], margin: float
) -> pd.DataFrame:
    """`claim_rows` of every model and pair of tasks. cornerstones: of each model."""
    rows = [claim_rows(both, cornerstones[both.model], margin) for both in compared]
    return pd.concat(rows, ignore_index=True)


def claim_rows(both: BothWays, cornerstones: Collection[str], margin: float) -> pd.DataFrame:
    """A row per claim and way: claim, score, verdict, finding (in words), estimate, low, high and bound.

    The last four are of the number that decides it, or the mean of several.

    margin: how near to guessing a score still is guessing. By likelihood is by an accuracy, where there is one.
    """
    ways = [*[one for one in both.given.values() if one.score.is_accuracy][:1], both.generated]
    rows = [row for one in ways for row in _rows_of(one, np.isin(both.labels, list(cornerstones)), margin)]
    return named(pd.DataFrame(rows), **both.names)


def _rows_of(one: OneWay, is_cornerstone: np.ndarray, margin: float) -> Iterator[dict[str, object]]:
    reason = reason_left_out(one, margin if one.score.is_accuracy else 0.0)
    if reason is None:
        findings = {
            "1": _early(one),
            "2": _without_cornerstones(one, is_cornerstone, margin),
            "3": _without_others(one, ~is_cornerstone),
        }
    else:
        findings = dict.fromkeys("123", (Finding(in_every(())), f"It cannot be tested: {reason}."))
    for claim, (finding, text) in findings.items():
        row = {"claim": claim, "score": one.score.name, "verdict": finding.verdict, "finding": text}
        yield row | _numbers(finding)


def _numbers(finding: Finding) -> dict[str, float]:
    names = ("estimate", "low", "high", "bound")
    if not finding.cases:
        return dict.fromkeys(names, np.nan)
    estimate = np.mean([case.estimate for case in finding.cases])
    low, high = interval(np.mean([case.draws for case in finding.cases], axis=0))
    bound = np.mean([case.bound for case in finding.cases])
    return dict(zip(names, map(float, (estimate, low, high, bound)), strict=True))


def _early(one: OneWay) -> tuple[Finding, str]:
    (share, draws), early = one.early_share, early_players(one.labels)
    which = f"the first {early.sum()} of {len(early)} sublayers"
    bound = DISPROPORTIONATE * early.mean()
    if np.isnan(share):
        return Finding(in_every(())), "No effect is surely above zero."
    cases = [_case(one, which, "share of the effects above zero", share, draws, bound, above=True)]
    text = f"{which.capitalize()} hold {in_percent(cases[0])} % of the effects above zero."
    return Finding(in_every(cases if bound < 1 else ()), tuple(cases)), text


def _without_cornerstones(one: OneWay, chosen: np.ndarray, margin: float) -> tuple[Finding, str]:
    left = one.full - one.effects
    tests = guessing_tests(left, one.chance, one.constant, margin)
    draws = one.score.within(bootstrap(left), left)
    bound = max(one.chance.mean(), one.constant.mean()) + margin
    cases = [
        _case(
            one,
            one.labels[n],
            "score without it",
            left[n].mean(),
            draws[n],
            bound,
            above=False,
            p_values=(min(tests.collapsed[n], tests.below[n]), tests.above[n]),
        )
        for n in np.flatnonzero(chosen)
    ]
    if not cases:
        return Finding(in_every(())), NOTHING
    scores = listed([f"{in_percent(case)} % without {case.sublayers}" for case in cases])
    text = (
        f"The score is {scores}, of {percent(one.full.mean())} %; chance is {percent(one.chance.mean())} %."
    )
    return Finding(in_every(cases), tuple(cases)), text


def _without_others(one: OneWay, others: np.ndarray) -> tuple[Finding, str]:
    if not others.any():
        return Finding(in_every(())), NOTHING
    drop = one.effects[others].mean(axis=0)[None]
    case = _case(
        one,
        "all but the cornerstones",
        "drop without one of them",
        drop.mean(),
        bootstrap(drop)[0].clip(-one.score.reach, one.score.reach),
        LITTLE,
        above=False,
    )
    of_all = (one.full - one.chance).mean()
    part = f", {percent(drop.mean() / of_all)} % of what there is above chance" if of_all > 0 else ""
    which = f"one of the other {others.sum()}" if others.sum() > 1 else one.labels[others.argmax()]
    text = f"Removing {which} costs {in_percent(case)} points on average{part}."
    return Finding(in_every([case]), (case,)), text


def _case(
    one: OneWay,
    sublayers: str,
    quantity: str,
    estimate: float,
    draws: np.ndarray,
    bound: float,
    above: bool,
    p_values: tuple[float, float] | None = None,
) -> Case:
    return Case(
        model="",
        task=one.task,
        sublayers=sublayers,
        quantity=quantity,
        estimate=estimate,
        draws=draws,
        bound=bound,
        above=above,
        chance=one.chance.mean(),
        constant=one.constant.mean(),
        p_values=p_values,
    )
