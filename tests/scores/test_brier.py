"""The score brier: 1 − ½ Σ (p − y)², several gold answers as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from cornerstone.scores import SCORES
from cornerstone.values.score_matrix import scores_of
from cornerstone.values.scored_task import choice_table


def by_definition(loglikelihoods, gold):
    """One document, choice by choice; the gold choices are one class whose probability is their sum."""
    weights = [np.exp(x - max(loglikelihoods)) for x in loglikelihoods]
    p = [weight / sum(weights) for weight in weights]
    distance = (1 - sum(p[k] for k in gold)) ** 2
    for k in range(len(p)):
        distance += 0 if k in gold else p[k] ** 2
    return 1 - distance / 2


@given(
    loglikelihoods=st.lists(st.floats(-300, 0), min_size=2, max_size=5),
    gold=st.sets(st.integers(0, 4), min_size=1, max_size=3),
)
def test_brier_is_its_definition_between_0_and_1(loglikelihoods, gold):
    gold = {k % len(loglikelihoods) for k in gold}
    asked = [synthetic.documents(1, len(loglikelihoods))[0]]
    asked = [type(asked[0])(0, asked[0].requests, tuple(sorted(gold)), asked[0].choice_lengths)]
    score = synthetic.score_table(synthetic.table({(): [np.array(loglikelihoods)]}, [0]), asked, "brier")
    assert score.matrix.item() == pytest.approx(by_definition(loglikelihoods, gold), abs=1e-12)
    assert -1e-12 <= score.matrix.item() <= 1 + 1e-12


def test_guessing_scores_what_equal_probabilities_do():
    asked = synthetic.documents(30, [2, 3, 4, 5] * 7 + [2, 2])
    equal = {(): [np.full(len(document.requests), -7.0) for document in asked]}
    score = synthetic.score_table(synthetic.table(equal, range(30)), asked, "brier")
    np.testing.assert_allclose(score.matrix[0], score.chance)
    of_four = [len(document.requests) for document in asked].index(4)
    assert score.chance[of_four] == pytest.approx(1 - 0.5 * (0.75**2 + 3 * 0.25**2))


def test_brier_has_no_unit_and_no_constant_answer_and_is_no_accuracy():
    asked = synthetic.documents(5)
    choices = choice_table(synthetic.evaluation(asked, synthetic.study_coalitions(4, 2), 4), asked)
    assert np.isnan(scores_of(choices, "brier").constant).all()
    brier = SCORES["brier"]
    assert not brier.is_accuracy and brier.is_bounded and brier.on_every_task
    assert brier.unit.amount(0.1234) == "0.123" and brier.unit.score_heading("Full model") == "Full model"
