"""Claim 7 compared with values of which the errors are known: each verdict is reached where it is true."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import claims_table, evidence_table, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, SIX, TITLES, one_model, texts

KNOCK = [0.9, *NOTHING[:9]]
TRUTH = np.linspace(0.1, 1.0, 10)
TWO_SWAPPED = TRUTH[[1, 0, *range(2, 10)]]
HALF_TURNED = TRUTH[[*range(5, 10), *range(5)]]


def held_against(estimates, *, noise, tasks=("piqa",), name="windows", **keys):
    """A study whose values by this estimator are these on each task, and whose corrected values err by the noise."""
    tested = one_model(KNOCK, tasks, **keys)
    errors = np.random.default_rng(0).standard_normal((len(tasks), len(TRUTH))) * noise
    rows = [
        pd.DataFrame(
            {
                **{"model": "small", "task": task, "score": "acc", "sublayer": range(10)},
                **{"label": tested.results.measured[0].labels, "name": name, "estimator": name},
                **{"value": estimate, "corrected": TRUTH + error, "corrected_sd": noise},
            }
        )
        for task, estimate, error in zip(tasks, estimates, errors, strict=True)
    ]
    return Tested(replace(tested.results, corrected=pd.concat(rows, ignore_index=True)))


@pytest.mark.parametrize(
    ("estimates", "noise", "verdict"),
    [
        ([TRUTH], 0.01, SUPPORTED),
        ([TWO_SWAPPED], 0.01, SUPPORTED),
        ([HALF_TURNED], 0.01, CONTRADICTED),
        ([TRUTH], 0.3, NOT_DECIDABLE),
        ([TRUTH, HALF_TURNED], 0.01, CONTRADICTED),  # a mean over tasks
    ],
)
def test_the_order_is_kept_where_the_yardstick_is_sure_of_it(estimates, noise, verdict):
    finding = CLAIMS["7"].finding(held_against(estimates, noise=noise, tasks=SIX[: len(estimates)]))
    assert finding.verdict == verdict
    (case,) = finding.cases
    assert (case.bound, case.above) == (0.9, True)


def test_the_noise_of_the_yardstick_is_not_held_against_the_windows():
    tested = held_against([TRUTH] * 6, noise=0.12, tasks=SIX)
    (case,) = CLAIMS["7"].finding(tested).cases
    rows = tested.results.corrected
    plain = [
        of_task["value"].corr(of_task["corrected"], method="spearman") for _, of_task in rows.groupby("task")
    ]
    assert case.estimate > np.mean(plain) and case.estimate == pytest.approx(1, abs=0.04)


def test_a_mean_over_tasks_has_less_noise_than_one_of_them():
    one, six = (
        CLAIMS["7"].finding(held_against([TWO_SWAPPED] * len(tasks), noise=0.1, tasks=tasks)).cases[0]
        for tasks in (SIX[:1], SIX)
    )
    assert six.draws.std() < 0.6 * one.draws.std()


def test_the_finding_names_its_numbers_and_the_largest_move():
    tested = held_against([TRUTH, HALF_TURNED], noise=0.001, tasks=("boolq", "piqa"))
    told = texts(tested)["7"]
    assert told.startswith(
        "Small: the rank correlation of the windows' values with the Shapley values of these documents is 0.2"
    )
    assert "on average over 2 tasks; the lowest is −0.52, on PIQA." in told
    assert told.endswith("has rank 5 of 10 by windows and 10 (10 – 10) by corrected values.")
    findings = judge_claims(tested)
    evidence = evidence_table(tested, findings).set_index("claim").loc["7"]
    assert (evidence["claimed"], evidence["bound"], evidence["verdict"]) == ("above", 0.9, CONTRADICTED)
    assert set(claims_table(tested, findings, TITLES).set_index("claim").loc[["7"], "verdict"]) == {
        CONTRADICTED
    }


def test_without_corrected_values_of_windows_nothing_is_decided():
    for tested in (one_model(KNOCK), held_against([TRUTH], noise=0.01, name="leave_one_out")):
        assert CLAIMS["7"].finding(tested).verdict == NOT_DECIDABLE
        assert "corrected: true in the configuration" in texts(tested)["7"]


def test_values_that_are_all_alike_have_no_order():
    tested = held_against([np.zeros(10), TRUTH], noise=0.001, tasks=("boolq", "piqa"))
    (case,) = CLAIMS["7"].finding(tested).cases
    assert case.estimate == pytest.approx(1)
    assert "on average over 1 task. The" in texts(tested)["7"]
    nothing = held_against([np.zeros(10)], noise=0.001)
    assert CLAIMS["7"].finding(nothing).cases == ()
