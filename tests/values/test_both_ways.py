"""The same items asked both ways: effects, ranks and early shares by hand, and how often intervals hold the truth."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest
from scipy.stats import spearmanr

import synthetic
from asked_both_ways import LABELS, answers, both, one_way
from configurations import message_of
from cornerstone.documents.document import GENERATED as GENERATED_TYPE
from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.players import players_of
from cornerstone.statistics.resampling import bootstrap, interval
from cornerstone.values.both_ways import (
    GENERATED,
    BothWays,
    agreement_rows,
    both_ways,
    early_players,
    effect_rows,
    spearman_interval,
    split_half,
)
from cornerstone.values.scored_task import EvaluatedTask, choice_table

EARLY = np.array([True, True, False, False, False, False, False, False])


def test_effects_are_differences_and_parts_of_what_is_above_chance():
    generated, given = ([[1, 1, 0, 1] * 10, [0, 0, 0, 1] * 10], [[1, 0, 0, 1] * 10, [0, 0, -1, 0] * 10])
    rows = effect_rows(both(generated, acc=given))
    rows = rows.set_index(["score", "label"])
    assert rows["effect"].tolist() == [0.5, -0.25, 0.75, 0.25]
    assert rows["part"].tolist() == pytest.approx([0.5 / 0.75, -0.25 / 0.75, 0.75, 0.25])
    assert rows["chance"].tolist() == [0.25, 0.25, 0, 0]
    assert (rows["low"] <= rows["effect"]).all() and (rows["effect"] <= rows["high"]).all()
    assert rows[["model", "given", "generating"]].drop_duplicates().values.tolist() == [
        ["m", "given", "given_free"]
    ]


def test_there_are_no_parts_of_a_score_that_is_not_above_chance():
    lost = [[1, 1, 0, 0] * 10] * 2
    guessing = one_way(lost, "acc", "given", full=[0, 1, 0, 0] * 10, chance=0.25)
    rows = effect_rows(BothWays("m", LABELS[:2], {"acc": guessing}, one_way(lost), 40))
    assert rows["part"].isna().tolist() == [True, True, False, False]


def test_a_loss_that_one_way_alone_shows_is_named():
    nothing, lost = np.zeros(60), (np.arange(60) % 2).astype(float)
    found = both([lost, nothing, lost, nothing], acc=[nothing, lost, lost, nothing])
    rows = effect_rows(found)
    assert rows[rows["score"] == "acc"]["only"].tolist() == ["generation", "likelihood", "", ""]
    assert (rows[rows["score"] == GENERATED]["only"] == "").all()
    (row,) = agreement_rows(found).to_dict("records")
    assert (row["only_generation"], row["only_generation_labels"]) == (1, "Attn 0")
    assert (row["only_likelihood"], row["only_likelihood_labels"]) == (1, "FFN 0")
    assert (row["lost"], row["lost_generated"]) == (2, 2)


def test_no_loss_of_a_few_documents_is_significant_among_many_sublayers():
    few = np.zeros((8, 60))
    few[0, :3] = 1
    assert not effect_rows(both(few, acc=np.zeros((8, 60))))["lost"].any()


def test_rank_correlations_are_spearmans_of_the_mean_effects():
    one, other = (
        answers([0.5, 0.4, 0.1, 0.3, 0.3, 0.0], 40, 0),
        answers([0.1, 0.4, 0.2, 0.3, 0.0, 0.0], 40, 1),
    )
    (row,) = agreement_rows(both(other, acc=one)).to_dict("records")
    assert row["spearman"] == pytest.approx(spearmanr(one.mean(axis=1), other.mean(axis=1)).statistic)
    assert -1 <= row["spearman_low"] < row["spearman"] < row["spearman_high"] <= 1


def test_both_ways_see_the_same_resampled_documents():
    """Where both lose the same documents, no resample tells them apart; with others it would."""
    lost = answers([0.9, 0.5, 0.2, 0.4, 0.3, 0.1, 0.2, 0.3], 80, 0)
    (row,) = agreement_rows(both(lost, acc=lost)).to_dict("records")
    assert row["early_more"] == row["early_more_low"] == row["early_more_high"] == 0
    (row,) = agreement_rows(both(lost[:, ::-1], acc=lost)).to_dict("records")
    assert row["early_more_low"] < -0.01 and row["early_more_high"] > 0.01


def test_early_shares_are_of_the_effects_that_other_documents_find_above_zero():
    effects = np.zeros((8, 8))
    effects[0], effects[1], effects[5], effects[7] = 1, 0.5, 0.5, -1
    share, draws = one_way(effects).early_share
    assert share == pytest.approx(1.5 / 2.0) and np.allclose(draws, share)
    assert np.isnan(one_way(np.zeros((8, 8))).early_share[0])


def test_early_is_the_first_quarter_of_the_blocks():
    assert early_players(LABELS[:8]).tolist() == EARLY.tolist()
    assert early_players(synthetic.labels(12)).sum() == 4  # two of six blocks begin in the first quarter
    named = players_of({"late": "Attn 2-3, FFN 2-3", "early": "Attn 0-1, FFN 0-1"}, list(LABELS[:8]))
    assert early_players(named).tolist() == [True, False]


def test_noise_lowers_the_rank_correlation_and_the_correction_takes_it_out():
    truth, rng = np.linspace(0, 0.6, 20), np.random.default_rng(0)
    noisy = [truth[:, None] + rng.normal(0, 3, (20, 200)) for _ in range(2)]
    raw = spearmanr(*(each.mean(axis=1) for each in noisy)).statistic
    first, second, corrected = split_half(*noisy)
    assert raw < 0.75 and corrected > raw + 0.1
    assert first == pytest.approx(0.5, abs=0.3) and second == pytest.approx(0.5, abs=0.3)


def test_noise_that_both_ways_share_is_no_agreement():
    """No sublayer has an effect: both ways only see the same documents by luck."""
    noise = np.random.default_rng(1).normal(0, 1, (40, 100))
    assert spearmanr(noise.mean(axis=1), (2 * noise).mean(axis=1)).statistic == pytest.approx(1)
    first, _, corrected = split_half(noise, 2 * noise)
    assert abs(first) < 0.6 and not corrected > 1.0


REPETITIONS = 300


def test_95_of_100_intervals_hold_the_difference_of_the_early_shares():
    """Each way loses documents that it shares with the other one; the truth is that of all documents."""
    given = np.array([0.8, 0.5, 0.05, 0.1, 0.05, 0.02, 0.1, 0.05])
    generated = np.array([0.8, 0.6, 0.2, 0.3, 0.25, 0.1, 0.2, 0.1])
    truth = given[EARLY].sum() / given.sum() - generated[EARLY].sum() / generated.sum()
    rng, held = np.random.default_rng(7), 0
    for _ in range(REPETITIONS):
        hard = rng.random((8, 150))  # the same documents are hard for both
        one, other = ((hard < p[:, None]).astype(float) for p in (given, generated))
        (share, draws), (beside, of_draws) = one_way(one, "acc").early_share, one_way(other).early_share
        low, high = interval(draws - of_draws)
        assert low <= share - beside <= high
        held += low <= truth <= high
    assert 0.92 <= held / REPETITIONS <= 0.985


def test_most_intervals_hold_the_rank_correlation_of_all_documents():
    """Noise lowers the estimate where effects are near each other, and the interval with it."""
    rng, held, width = np.random.default_rng(3), 0, []
    given = np.r_[0.6, 0.5, rng.exponential(0.1, 10)].clip(0, 0.9)
    generated = (given * np.exp(rng.normal(0, 0.7, 12))).clip(0, 0.95)
    truth = spearmanr(given, generated).statistic
    for _ in range(100):
        hard = rng.random((12, 200))
        beside = np.where(rng.random((12, 200)) < 0.5, hard, rng.random((12, 200)))  # half of it is the same
        lost = (hard < given[:, None]).astype(float), (beside < generated[:, None]).astype(float)
        low, high = spearman_interval(one_way(lost[0], "acc"), one_way(lost[1]))
        held += low <= truth <= high
        width.append(high - low)
    assert held / 100 >= 0.92 and np.mean(width) < 0.35


def evaluated(n_documents, first=0, task="given"):
    """A task of given answers with four sublayers, and its documents, by index from `first` on."""
    asked = [replace(one, index=first + one.index) for one in synthetic.documents(n_documents, 3)]
    table = synthetic.evaluation(asked, ablation(4), 4)
    choices = choice_table(table, asked)
    return EvaluatedTask("m", task, LABELS[:4], ("acc", "acc_norm"), (choices,)), asked


def generating(n_documents, first=0):
    given, _ = evaluated(n_documents, first, "free")
    (choices,) = given.designs
    scored = (choices.loglikelihoods[:, :, :1] > -19).astype(float)
    one = replace(
        choices, loglikelihoods=scored, n_choices=np.ones(n_documents, int), output_type=GENERATED_TYPE
    )
    return replace(given, metrics=("exact_match,none",), designs=(one,))


def test_scores_are_the_studys_own_and_those_of_likelihood():
    given, free = evaluated(20)[0], generating(20)
    assert list(both_ways(given, free, "paper").given) == ["acc_norm", "logprob", "bits_per_byte"]
    assert list(both_ways(given, free, "acc").given) == ["acc", "logprob", "bits_per_byte"]
    assert list(both_ways(given, free, "margin").given) == ["margin", "acc", "logprob", "bits_per_byte"]


def test_bits_per_byte_of_given_answers_are_of_the_right_one():
    given, asked = evaluated(20)
    (choices,) = given.designs
    gold = np.array([choices.loglikelihoods[0, n, one.gold[0]] for n, one in enumerate(asked)])
    size = np.mean([len(one.requests[one.gold[0]].continuation.encode()) for one in asked])
    own = both_ways(given, generating(20), "acc").given["bits_per_byte"]
    np.testing.assert_allclose(own.full, gold / size / log(2))
    assert np.isnan(own.chance).all()


def test_only_documents_of_both_tasks_count():
    found = both_ways(evaluated(20)[0], generating(20, first=5), "acc")
    assert found.documents == 15 and found.given["acc"].effects.shape == (4, 15)
    assert "no document" in message_of(lambda: both_ways(evaluated(5)[0], generating(5, first=9), "acc"))


def test_generation_draws_are_those_of_its_own_effects():
    own = one_way(answers([0.9, 0.1, 0.4, 0.2], 100, 0))
    spread, usual = own.draws.std(axis=1), bootstrap(own.effects).std(axis=1)
    np.testing.assert_allclose(spread, usual, rtol=0.1)
