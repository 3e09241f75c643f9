"""Verdicts: a claim is supported, contradicted or not decidable, by intervals or tests and never by an estimate alone.

A claim is cut into cases: each is a number with a 95 % interval (bootstrap over documents) that is compared with a
bound. A case is supported where the whole interval lies on the claim's side of the bound. It is contradicted where
the whole interval lies on the other side. Otherwise it is not decidable. A case with p-values is decided by them
instead: see `cornerstone_removals`.

A claim about every case is supported if all its cases are. It is contradicted if one of them is by an interval so
wide that all the cases' intervals hold together (level 1 − 0.05 / number of cases): of many 95 % intervals some miss
by chance. Otherwise it is not decidable.

Which sublayers are cornerstones is estimated on the same documents. So one that is a cornerstone in less than 95 % of
the resampled sets of documents cannot contradict a claim on cornerstones, and one that is a cornerstone in more than
5 % of them cannot contradict a claim on the other sublayers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cornerstone.statistics.resampling import LEVEL, interval
from cornerstone.values.titles import MEAN

SUPPORTED, CONTRADICTED, NOT_DECIDABLE = "supported", "contradicted", "not decidable"


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One number, with its interval and the bound that the claim compares it with.

    model:     a model, or two with VERSUS between them.
    task:      a task or MEAN. sublayers: whose number it is.
    quantity:  what the number is, in words.
    draws:     the number over resampled documents, shape (resamples,); NaN where it does not exist.
    bound:     what it is compared with; the claim says that it is above the bound if `above`, else below.
    chance, constant: scores of a random choice and of the best constant answer, where they matter.
    certain:   False for a cornerstone that is not stable: it cannot contradict.
    p_values:  of a case that is decided by tests, one-sided: that the claim's side is shown by luck, the other side.
    """

    model: str
    task: str
    sublayers: str
    quantity: str
    estimate: float
    draws: np.ndarray
    bound: float
    above: bool
    chance: float = np.nan
    constant: float = np.nan
    certain: bool = True
    p_values: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        return self.verdict_at(LEVEL)

    def verdict_at(self, level: float) -> str:
        """The verdict by intervals of another level, or by one-sided tests at half of 1 − level."""
        if self.p_values is None:
            verdict = decide(self.draws, self.bound, self.above, level)
        else:
            shown, refuted = (p <= (1 - level) / 2 for p in self.p_values)
            verdict = SUPPORTED if shown else CONTRADICTED if refuted else NOT_DECIDABLE
        return verdict if self.certain or verdict == SUPPORTED else NOT_DECIDABLE


VERSUS = " − "
"""Between the two models of a case that compares them."""


@dataclass(frozen=True)
class Finding:
    """A claim's verdict and the cases it rests on."""

    verdict: str
    cases: tuple[Case, ...] = ()


def decide(draws: np.ndarray, bound: float, above: bool, level: float = LEVEL) -> str:
    """Where the interval of the draws lies: on the claim's side of the bound, on the other, or on both."""
    if np.isnan(draws).any():
        return NOT_DECIDABLE
    low, high = interval(draws, level)
    over, under = bool(low > bound), bool(high < bound)
    if not (over or under):
        return NOT_DECIDABLE
    return SUPPORTED if over == above else CONTRADICTED


def in_every(cases: Sequence[Case]) -> str:
    """The verdict of a claim that holds only if every case does (see the head of this file)."""
    if any(is_contradicted(case, len(cases)) for case in cases):
        return CONTRADICTED
    return SUPPORTED if cases and all(case.verdict == SUPPORTED for case in cases) else NOT_DECIDABLE


def is_contradicted(case: Case, n_cases: int) -> bool:
    """Whether a case contradicts the claim at a level adjusted for n_cases cases (Bonferroni)."""
    return case.verdict_at(1 - (1 - LEVEL) / n_cases) == CONTRADICTED


def all_or_any(verdicts: Sequence[str]) -> str:
    """Supported if all of the verdicts are, contradicted if any is."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if verdicts and set(verdicts) == {SUPPORTED} else NOT_DECIDABLE


def grouped(cases: Sequence[Case], by: str) -> dict[str, list[Case]]:
    """The cases by one of their fields, such as "model"; each group where its first case was."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(getattr(case, by), []).append(case)
    return groups


def mean_case(cases: Sequence[Case]) -> Case:
    """Several cases of one model on different tasks as one: their mean over tasks."""
    names = ("estimate", "draws", "bound", "chance", "constant")
    means = {name: np.mean([getattr(case, name) for case in cases], axis=0) for name in names}
    return replace(cases[0], task=MEAN, **means)
