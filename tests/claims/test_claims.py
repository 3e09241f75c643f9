"""All claims: each has its row, its verdict and its words, whatever the study is."""

import re
from dataclasses import replace

import numpy as np

import synthetic
from cornerstone.claims import CLAIMS, Claim
from cornerstone.claims.judged import LEFT_OUT, claims_table, evidence_table, evidence_unit, judge_claims
from cornerstone.claims.phrases import in_percent
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED, Case, Finding, in_every
from cornerstone.scores import SCORES
from cornerstone.scores.unit import POINTS
from cornerstone.values.titles import MEAN
from judged_games import NOTHING, SIX, TITLES, one_model, registering, texts


def test_what_cornerstones_process_is_never_decided():
    finding = CLAIMS["6a"].finding(one_model([0.9, *NOTHING]))
    assert (finding.verdict, finding.cases) == (NOT_DECIDABLE, ())


def test_a_full_model_near_guessing_or_few_documents_leave_the_task_out_and_say_so():
    games = [
        synthetic.known_task([0.9, *NOTHING[:9]], task="piqa", n_documents=200),
        synthetic.known_task([0.9, *NOTHING[:9]], task="boolq", n_documents=200, full=0.3),
        synthetic.known_task([0.9, *NOTHING[:9]], task="winogrande", n_documents=59),
    ]
    tested = Tested(synthetic.results(games, 1))
    evidence = evidence_table(tested, judge_claims(tested))
    assert evidence[evidence["verdict"] == LEFT_OUT]["task"].tolist() == ["boolq", "winogrande"]
    assert set(evidence[evidence["claim"] == "2"]["task"]) == {"piqa"}
    assert texts(tested)["all"] == (
        "Small on boolq (not significantly better than guessing); Small on winogrande (fewer than 60 documents)."
    )


def test_few_documents_decide_nothing():
    small = one_model([1.0, 0.9, *NOTHING[:8]], SIX, n_documents=40)
    findings = judge_claims(small)
    assert {finding.verdict for finding in findings.values()} == {NOT_DECIDABLE}
    told = texts(small)
    assert all(
        told[claim].startswith("No model is significantly better") for claim in CLAIMS.names if claim != "6a"
    )


def test_every_claim_has_its_row_and_its_numbers():
    tested = one_model([0.9, 0.8, 0.0, 0.6, *NOTHING[:8]], SIX[:3], n_documents=200)
    table = claims_table(tested, judge_claims(tested), TITLES)
    assert table["claim"].tolist() == list(CLAIMS.names) == ["1", "2", "3", "4", "5", "6a", "6b", "7"]
    assert set(table["verdict"]) <= {SUPPORTED, CONTRADICTED, NOT_DECIDABLE}
    for claim in ("1", "2", "3", "6b"):
        assert re.search(r"\d+\.\d (points )?\(−?\d+\.\d – −?\d+\.\d\)", texts(tested)[claim]), claim
    assert "where chance is 25.0 % and the best constant answer 25.0 %" in texts(tested)["2"]


def test_one_model_and_one_task_are_told_in_correct_english():
    told = texts(one_model([0.9, 0.8, 0.7, 0.1]))
    assert "removing the other sublayer costs" in told["3"]
    assert "Of 1 single removal, " in told["3"] and "over 1 task." in told["3"]
    assert "tasks" not in told["2"] and "Of 3 cases" in told["2"]
    assert told["1"].startswith("The models that can be tested have too few sublayers")
    assert told["6b"] == "No runs of sublayers without a cornerstone were removed together."


def test_a_claim_about_every_case_is_contradicted_only_by_intervals_that_hold_together():
    def case(distance):  # in standard errors above a bound that the claim says it is below
        draws = np.random.default_rng(0).normal(distance, 1, 2000)
        about = {"model": "small", "task": MEAN, "sublayers": "Attn 0", "quantity": "score"}
        return Case(**about, estimate=distance, draws=draws, bound=0.0, above=False)

    supporting = [case(-5.0)] * 19
    assert in_every(supporting) == SUPPORTED
    assert case(2.3).verdict == CONTRADICTED
    assert in_every([case(2.3)]) == CONTRADICTED
    assert in_every([*supporting, case(2.3)]) == NOT_DECIDABLE  # one of twenty is 2.3 off by chance
    assert in_every([*supporting, case(5.0)]) == CONTRADICTED
    assert in_every([]) == NOT_DECIDABLE
    assert in_every([*supporting, replace(case(5.0), certain=False)]) == NOT_DECIDABLE


def test_every_claim_has_all_its_words():
    for claim in CLAIMS:
        assert claim.statement.endswith(".") and claim.nothing_to_test.endswith("."), claim.name
        assert (claim.judge is None) == (claim.in_words is None), claim.name
        for score in SCORES if claim.why_accuracy else ():
            assert claim.why_accuracy(score).endswith("."), claim.name


def test_a_claim_in_a_file_of_its_own_is_judged_and_told_like_the_others():
    def judge(tested):
        draws = np.full(2000, 1.0)
        about = {"model": "small", "task": MEAN, "sublayers": "all", "quantity": "how many there are"}
        return Finding(SUPPORTED, (Case(**about, estimate=1.0, draws=draws, bound=0.0, above=True),))

    dummy = Claim(
        name="8",
        statement="There are sublayers.",
        unit=POINTS,
        why_accuracy=None,
        judge=judge,
        in_words=lambda tested, cases, titles: f"{titles.model(cases[0].model)}: {in_percent(cases[0])} %.",
        nothing_to_test="There is no model.",
    )
    tested = one_model([0.9, 0.8, 0.7, 0.1])
    with registering(CLAIMS, dummy):
        findings = judge_claims(tested)
        told = claims_table(tested, findings, TITLES).set_index("claim").loc["8"]
        assert (told["verdict"], told["finding"]) == (SUPPORTED, "Small: 100.0 (100.0 – 100.0) %.")
        assert list(findings)[-1] == evidence_table(tested, findings)["claim"].iloc[-1] == "8"
        assert evidence_unit("8", SCORES["logprob"]) is POINTS
