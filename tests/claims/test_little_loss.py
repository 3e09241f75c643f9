"""Claim 3 on games whose truth is known: each verdict is reached where it is true."""

from cornerstone.claims import CLAIMS
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, one_model, texts, verdict


def test_others_that_cost_little_support_claim_3():
    cheap = one_model([0.9, 0.01, *NOTHING[:8]], top_k=1)
    assert CLAIMS["3"].finding(cheap).verdict == SUPPORTED
    assert (
        "Of 9 single removals, 9 significantly cost less than 5 points and none significantly costs more."
        in texts(cheap)["3"]
    )


def test_others_that_cost_much_on_average_contradict_claim_3():
    assert verdict("3", [0.9] + [0.2] * 9, top_k=1) == CONTRADICTED


def test_a_single_costly_other_contradicts_claim_3_though_the_mean_is_small():
    one = one_model([0.95, 0.3, *NOTHING], top_k=1, n_documents=1000)
    finding = CLAIMS["3"].finding(one)
    assert finding.cases[0].verdict == SUPPORTED
    assert finding.verdict == CONTRADICTED
    assert texts(one)["3"].endswith(" and 1 significantly costs more.")


def test_a_mean_drop_near_the_bound_leaves_claim_3_open():
    assert verdict("3", [0.9] + [0.08] * 9, top_k=1, n_documents=100) == NOT_DECIDABLE
