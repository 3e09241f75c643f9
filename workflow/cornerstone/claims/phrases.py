"""Phrases that the sentences of several claims share."""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.claims.verdicts import Case
from cornerstone.scores import Score
from cornerstone.scores.unit import POINTS
from cornerstone.statistics.resampling import interval


def ask_again(score: Score) -> str:
    """What to do where an accuracy is needed; nothing where there is none."""
    return " Use an accuracy as the score: that needs no new evaluation." if score.is_of_choices else ""


def in_percent(case: Case) -> str:
    """ "12.3 (11.0 – 13.4)": the estimate of a share or an accuracy with its interval, without the sign."""
    return POINTS.with_interval(case.estimate, *interval(case.draws))


def on_average(cases: Sequence[Case]) -> str:
    """ " on average over 6 tasks"; nothing where there is one."""
    n_tasks = len({case.task for case in cases})
    return "" if n_tasks == 1 else f" on average over {n_tasks} tasks"
