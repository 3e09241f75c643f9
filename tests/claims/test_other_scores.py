"""Claims by a score that is no accuracy: in nats, or a plain number without a unit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import claims_table, evidence_table, evidence_unit, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import NOT_DECIDABLE, SUPPORTED
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import NO_UNIT, POINTS
from judged_games import TITLES, registering

KNOCK = [0.9, 0.8, 0.05, 0.6, *[0.05] * 12]


@pytest.fixture(scope="module", params=["logprob", "own_score"])
def told(request):
    """A study scored by a log-probability or by a score of one's own: the score, its table of claims, the evidence."""
    with registering(SCORES, BRIER):
        game = synthetic.as_log_probabilities(synthetic.known_task(KNOCK))
        if request.param == "own_score":
            game = as_own_scores(game)
        tested = Tested(synthetic.results([game]))
        findings = judge_claims(tested)
        yield (
            SCORES[request.param],
            claims_table(tested, findings, TITLES).set_index("claim"),
            evidence_table(tested, findings),
        )


BRIER = Score(
    name="own_score",
    noun="own score",
    counts="minus the square of the probability that the right choice lacks",
    method="minus the square of the probability that the right choice lacks (own_score)",
    unit=NO_UNIT,
    range=(-1.0, 0.0),
    of=lambda choices: np.zeros((len(choices.coalitions), len(choices.documents))),
    chance=lambda choices: -((1 - choices.guessed) ** 2),
)


def as_own_scores(game):
    scores = game.scores
    matrix, chance = (-((1 - np.exp(numbers)) ** 2) for numbers in (scores.matrix, scores.chance))
    return replace(game, scores=replace(scores, metric="own_score", matrix=matrix, chance=chance))


def test_claims_on_right_answers_are_not_decided_and_say_why_in_terms_of_the_score(told):
    score, claims, evidence = told
    of_accuracies = {claim.name for claim in CLAIMS if claim.why_accuracy is not None}
    assert of_accuracies == {"2", "3", "5"} and not of_accuracies & set(evidence["claim"])
    for name in of_accuracies:
        assert claims.loc[name, "verdict"] == NOT_DECIDABLE
        assert f"the {score.noun}" in claims.loc[name, "finding"].replace("The mean", "the")
        assert "Use an accuracy as the score" in claims.loc[name, "finding"]
    assert "all" not in claims.index  # no task is left out for a mean below that of guessing


def test_the_other_claims_are_decided_in_the_scores_unit(told):
    score, claims, evidence = told
    numbers = evidence.set_index("claim")["estimate"]
    assert f"{POINTS.text(numbers['1'])} (" in claims.loc["1", "finding"]
    assert f" cost {score.unit.amount(abs(numbers['6b']))} (" in claims.loc["6b", "finding"]
    text = " ".join(claims["finding"])
    assert "nan" not in text and "  " not in text and ("nats" in text) == (score.name == "logprob")
    assert "points" not in text.replace("points of accuracy", "")


def test_evidence_is_in_percent_for_shares_and_in_the_scores_unit_for_the_rest(told):
    score, _, evidence = told
    assert evidence_unit("1", score) is evidence_unit("4", score) is POINTS
    assert all(evidence_unit(claim, score) is score.unit for claim in ("all", "2", "3", "5", "6b"))
    assert evidence["chance"].isna().all() and evidence["constant"].isna().all()


def test_a_task_of_few_documents_is_left_out_without_a_bound_of_guessing():
    game = synthetic.as_log_probabilities(synthetic.known_task(KNOCK, n_documents=50))
    evidence = evidence_table(Tested(synthetic.results([game])), {})
    assert evidence["quantity"].tolist() == ["full score: fewer than 60 documents"]
    assert pd.isna(evidence["bound"][0]) and not pd.isna(evidence["estimate"][0])


@pytest.mark.parametrize("reverse", [False, True])
def test_verdicts_do_not_depend_on_the_order_of_tasks_that_are_chosen_and_generated(reverse):
    chosen = synthetic.known_task([0.97] + [0.01] * 11, task="piqa", n_documents=1500, constant=0.27)
    free = synthetic.known_task(
        [0.97] + [0.01] * 11, task="gsm8k", chance=0.0, full=0.6, n_documents=300, seed=1
    )
    none = np.full(300, np.nan)
    free = replace(free, scores=replace(free.scores, metric="generated", chance=none, constant=none))
    results = synthetic.results([free, chosen][:: -1 if reverse else 1], 1)
    assert results.score.name == "acc"
    tested = Tested(results, {})
    assert CLAIMS["2"].finding(tested).verdict == SUPPORTED
    assert CLAIMS["3"].finding(tested).verdict == SUPPORTED
