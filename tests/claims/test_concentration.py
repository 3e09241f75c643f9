"""Claim 1 on games whose truth is known: each verdict is reached where it is true."""

import numpy as np
import pytest

import synthetic
from cornerstone.claims import CLAIMS
from cornerstone.claims.shares import chosen_share
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from judged_games import NOTHING, one_model, texts, verdict


def test_early_sublayers_that_hold_most_of_the_value_support_claim_1():
    assert verdict("1", [0.5, 0.4, 0.0, 0.3, *NOTHING[:12]]) == SUPPORTED


@pytest.mark.parametrize("knock", [[*NOTHING, 0.5, 0.4, 0.3], [0.2] * 16], ids=["late", "all alike"])
def test_values_that_are_held_late_or_by_all_alike_contradict_claim_1(knock):
    assert verdict("1", knock) == CONTRADICTED


def test_a_share_near_its_bound_or_of_nothing_leaves_claim_1_open():
    assert verdict("1", [0.15] * 3 + [0.05] * 13, n_documents=150) == NOT_DECIDABLE
    nothing = one_model([0.0] * 16)
    assert CLAIMS["1"].finding(nothing).verdict == NOT_DECIDABLE
    assert "no positive value on any task" in texts(nothing)["1"]


def test_claim_1_needs_it_on_every_task():
    tasks = [synthetic.known_task([0.5, 0.4, 0.0, 0.3, *NOTHING[:12]], task="piqa")]
    tasks.append(synthetic.known_task([*NOTHING, 0.5, 0.4, 0.3], task="boolq"))
    assert CLAIMS["1"].finding(Tested(synthetic.results(tasks))).verdict == CONTRADICTED


def test_the_largest_are_chosen_on_other_documents_than_they_are_measured_on():
    # All sublayers are worth the same: chosen and measured on the same documents, the top 3 look larger.
    shares, naive = [], []
    for seed in range(30):
        game = synthetic.known_task([0.1] * 12, n_documents=200, seed=seed)
        numbers = synthetic.results([game]).measured[0]
        shares.append(chosen_share(numbers, np.arange(12), 3)[0])
        values = np.sort(numbers.values.mean(axis=1))
        naive.append(values[-3:].sum() / values.sum())
    assert np.mean(shares) == pytest.approx(3 / 12, abs=0.015)
    assert np.mean(naive) > 0.3
