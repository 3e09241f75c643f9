"""Claim 5 on games whose truth is known: each verdict is reached where it is true."""

import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, SIX, one_model, texts, verdict


def test_experts_that_stay_above_guessing_support_claim_5_and_dense_models_say_nothing():
    keys = {"top_k": 1, "n_documents": 2000}
    assert verdict("5", [0.5, *NOTHING[:5]], SIX, ffn="MoE", **keys) == SUPPORTED
    assert verdict("5", [1.0, *NOTHING[:5]], SIX, ffn="MoE", **keys) == CONTRADICTED
    dense = one_model([0.5, *NOTHING[:5]], SIX, **keys)
    assert CLAIMS["5"].finding(dense).verdict == NOT_DECIDABLE
    assert texts(dense)["5"] == (
        "None of the models that can be tested has experts, cornerstones, and a task on which answers can be guessed."
    )


@pytest.mark.parametrize(("falling", "expected"), [(1, SUPPORTED), (2, CONTRADICTED)])
def test_claim_5_is_one_of_five_of_six_tasks(falling, expected):
    games = [
        synthetic.known_task(
            [1.0 if t < falling else 0.5, *NOTHING[:5]], task=task, seed=t, ffn="MoE", n_documents=2000
        )
        for t, task in enumerate(SIX)
    ]
    assert CLAIMS["5"].finding(Tested(synthetic.results(games, 1))).verdict == expected


def test_claim_5_needs_six_tasks_and_enough_documents():
    few_tasks = one_model([0.5, *NOTHING[:5]], SIX[:2], ffn="MoE", top_k=1)
    assert CLAIMS["5"].finding(few_tasks).verdict == NOT_DECIDABLE
    assert "The claim needs 6 tasks." in texts(few_tasks)["5"]
    assert verdict("5", [0.9, *NOTHING[:5]], SIX, ffn="MoE", top_k=1, n_documents=70) == NOT_DECIDABLE
