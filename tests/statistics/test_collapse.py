"""What is left of a model without a sublayer: shown to be guessing, shown to be more, or undecided."""

from math import comb

import numpy as np
import pytest

from cornerstone.statistics.collapse import guessing_tests, tails

MARGIN = 0.05


def answers(rates, n_documents=2000, seed=0):
    """Right and wrong answers, shape (len(rates), documents), each row of exactly this rate."""
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(np.arange(n_documents) < rate * n_documents) for rate in rates], float)


def states(scores, chance=0.25, constant=None, margin=MARGIN):
    n = scores.shape[1]
    constant = np.full(n, chance) if constant is None else constant
    return guessing_tests(scores, np.full(n, chance), constant, margin).states.tolist()


def test_a_score_at_chance_is_collapsed_one_far_above_is_above_and_one_between_is_undecided():
    assert states(answers([0.25, 0.6, 0.30, 0.12])) == ["collapsed", "above", "undecided", "below"]


def test_not_to_differ_from_chance_is_no_evidence_of_it():
    assert states(answers([0.25, 0.25], n_documents=100)) == ["undecided", "undecided"]


def test_the_best_constant_answer_is_guessing_too():
    yes = answers([0.62])[0]
    assert states(np.array([yes]), 0.5) == ["above"]
    assert states(np.array([yes]), 0.5, yes) == ["collapsed"]
    assert states(np.array([1 - yes]), 0.5, yes) == ["below"]  # always "no"


def test_scores_and_guessing_are_paired_over_documents():
    # All but 20 of 400 answers are the constant one: 400 answers of another model would not tell it from 0.67.
    constant = answers([0.62], 400)[0]
    nearly = constant.copy()
    nearly[np.flatnonzero(constant == 0)[:20]] = 1
    nearly[np.flatnonzero(constant)[:14]] = 0
    assert states(nearly[None], 0.5, constant) == ["collapsed"]
    assert states(np.random.default_rng(0).permutation(nearly)[None], 0.5, constant) == ["undecided"]


def test_real_numbers_are_held_against_their_own_guessing():
    rng = np.random.default_rng(0)
    chance = np.full(3000, np.log(1 / 4))
    scores = chance + rng.normal([[0.0], [0.5], [-0.5], [0.05]], 0.3, (4, 3000))
    assert guessing_tests(scores, chance, chance, 0.05).states.tolist() == [
        "collapsed",
        "above",
        "below",
        "undecided",
    ]


def test_the_margin_is_what_counts_as_guessing():
    score = answers([0.31])
    assert states(score, margin=0.05) == ["undecided"]
    assert states(score, margin=0.02) == ["above"]
    assert states(score, margin=0.15) == ["collapsed"]


def test_many_sublayers_take_more_evidence():
    assert states(answers([0.27])) == ["collapsed"]
    assert set(states(answers([0.27] + [0.6] * 150))[:1]) == {"undecided"}


def test_scores_without_a_constant_answer_are_held_against_chance_alone():
    scores, chance = answers([0.25, 0.6]), np.full(2000, 0.25)
    told = guessing_tests(scores, chance, np.full(2000, np.nan), MARGIN)
    assert told.states.tolist() == ["collapsed", "above"]


@pytest.mark.parametrize(("n", "rate"), [(200, 0.3), (1000, 0.55), (1000, 0.67)])
@pytest.mark.parametrize("p", [0.02, 1e-3, 1e-5])
def test_tails_are_those_of_the_binomial_distribution_far_out_too(n, rate, p):
    below = np.cumsum([comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)])
    k = int(np.searchsorted(below, p))
    (told,) = tails((np.arange(n) < k)[None] - rate)
    assert 0.5 < told / below[k] < 1.5
    (other_side,) = tails(rate - (np.arange(n) < k)[None])
    assert other_side == pytest.approx(1 - told, abs=1e-3)


def test_answers_that_are_all_wrong_are_no_division_by_zero():
    assert states(np.zeros((2, 200))) == ["below", "below"]
    assert states(np.ones((2, 200))) == ["above", "above"]
    assert tails(np.zeros((1, 50)))[0] == pytest.approx(0.5)


@pytest.mark.parametrize(("guess", "constant"), [(0.25, 0.27), (0.5, 0.62)])
def test_states_are_wrong_as_seldom_as_they_say_where_it_is_closest(guess, constant):
    # Every sublayer's score is exactly at the bound: nothing may be called collapsed, nothing above.
    rng = np.random.default_rng(1)
    n_sublayers, n_documents, trials, wrong = 12, 300, 300, []
    for _ in range(trials):
        always = (rng.random(n_documents) < constant).astype(float)
        scores = (rng.random((n_sublayers, n_documents)) < constant + MARGIN).astype(float)
        tests = guessing_tests(scores, np.full(n_documents, guess), always, MARGIN)
        wrong.append([(tests.states == "collapsed").any(), (tests.states == "above").any()])
    collapsed, above = np.mean(wrong, axis=0)
    assert collapsed <= 0.05 + 0.025 and above <= 0.025 + 0.02  # two standard errors of 300 trials
