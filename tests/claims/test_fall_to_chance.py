"""Claim 2 on games whose truth is known: each verdict is reached where it is true."""

from cornerstone.claims import CLAIMS
from cornerstone.claims.judged import evidence_table
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, one_model, texts, verdict


def test_a_score_that_falls_to_chance_supports_claim_2():
    assert verdict("2", [1.0, 1.0, *NOTHING[:8]], top_k=2, n_documents=1500) == SUPPORTED


def test_a_score_that_stays_above_guessing_contradicts_claim_2():
    assert verdict("2", [0.6, 0.4, *NOTHING[:8]], top_k=2) == CONTRADICTED


def test_few_documents_leave_claim_2_open_where_a_point_would_decide_it():
    few = one_model([1.0, *NOTHING], top_k=1, n_documents=80)
    assert CLAIMS["2"].finding(few).verdict == NOT_DECIDABLE
    assert CLAIMS["2"].finding(few).cases[0].estimate < CLAIMS["2"].finding(few).cases[0].bound


def test_the_best_constant_answer_counts_as_guessing():
    # 0.6 where chance is 0.5: above chance, but a model that always says yes would have 0.62.
    boolq = {"top_k": 1, "n_documents": 1500, "chance": 0.5}
    assert verdict("2", [0.75, *NOTHING], constant=0.62, **boolq) == SUPPORTED
    assert verdict("2", [0.75, *NOTHING], **boolq) == CONTRADICTED


def test_a_cornerstone_that_is_not_stable_contradicts_nothing():
    unsure = one_model([1.0, 0.1, 0.0, 0.0, 0.1, 0.0, 0.1, *NOTHING[:5]], top_k=2, n_documents=600)
    second = unsure.results.cornerstones["small"][1]
    finding = CLAIMS["2"].finding(unsure)
    assert finding.verdict == NOT_DECIDABLE
    row = evidence_table(unsure, {"2": finding}).set_index("sublayers").loc[second]
    assert row["low"] > row["bound"]  # its removal surely leaves more than guessing
    assert f"Not every cornerstone is stable: {second} is one in " in texts(unsure)["2"]
