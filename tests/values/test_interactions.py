"""Interactions of pairs on games whose interactions are known."""

import time
from itertools import combinations

import numpy as np
import pytest

import synthetic
from cornerstone.shapley.coalitions import ablation, exact, pairs, windows
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.interactions import document_interactions, interaction_table
from cornerstone.values.joint import joint_table
from cornerstone.values.score_matrix import Scores

LABELS = synthetic.labels(6)


def game(score, coalitions, n_documents=1):
    """Scores whose value is a function of what is removed, the same on every document."""
    matrix = np.array([[score(set(removed))] * n_documents for removed in coalitions], dtype=float)
    documents = tuple(range(n_documents))
    return Scores(
        "acc", tuple(coalitions), documents, matrix, np.full(n_documents, 0.5), np.full(n_documents, 0.5)
    )


def test_a_game_of_pairs_gives_back_its_interactions():
    rng = np.random.default_rng(0)
    worth = rng.normal(0, 1, 6)
    of_pair = {pair: rng.normal(0, 1) for pair in combinations(range(6), 2)}

    def score(removed):  # what is present is worth something, alone and in pairs
        present = [i for i in range(6) if i not in removed]
        return sum(worth[present]) + sum(of_pair[pair] for pair in combinations(present, 2))

    table = interaction_table(game(score, exact(6)), LABELS)
    assert table[["first", "second"]].to_numpy().tolist() == [list(pair) for pair in of_pair]
    np.testing.assert_allclose(table["interaction"], list(of_pair.values()), atol=1e-11)
    assert (table["distance"] == table["second"] - table["first"]).all()


def test_two_that_stand_in_for_each_other_are_below_zero_and_two_that_work_together_above():
    coalitions = ablation(4) + windows(4, 2)

    def score(removed):  # 0 or 1 does; 2 and 3 are both needed
        return float(not {0, 1} <= removed) + float(not {2, 3} & removed)

    table = interaction_table(game(score, coalitions, 50), synthetic.labels(4)).set_index(["first", "second"])
    assert table["interaction"].to_dict() == {(0, 1): -1, (1, 2): 0, (2, 3): 1}
    assert table["sure"].to_dict() == {(0, 1): True, (1, 2): False, (2, 3): True}


def test_the_interaction_of_neighbours_is_the_excess_of_their_joint_removal_with_the_other_sign():
    scores = synthetic.known_task([0.4, 0.3, 0.1, 0.2, 0.0, 0.1], together=0.1).scores
    interactions, joint = interaction_table(scores, LABELS), joint_table(scores, LABELS, 2)
    np.testing.assert_allclose(interactions["interaction"], -joint["excess"], atol=1e-12)
    one_answer = 1 / len(scores.documents)  # made-up documents are drawn for each row anew
    np.testing.assert_allclose(interactions["low"], -joint["high"], atol=1.01 * one_answer)
    np.testing.assert_allclose(interactions["high"], -joint["low"], atol=1.01 * one_answer)
    assert interactions["first_label"].tolist() == list(LABELS[:-1])


def test_pairs_are_taken_from_whichever_design_has_them():
    def score(removed):
        return -float(len(removed)) - 3.0 * ({1, 4} <= removed)

    scores = game(score, ablation(6) + windows(6, 3) + pairs(6, 2, 3))
    table = interaction_table(scores, LABELS).set_index(["first", "second"])
    assert len(table) == 5 + 4 + 3
    assert table["interaction"].drop((1, 4)).eq(0).all() and table.loc[(1, 4), "interaction"] == -3
    assert table.loc[(1, 4), ["first_label", "second_label", "distance"]].tolist() == ["FFN 0", "Attn 2", 3]


def test_without_pairs_the_table_is_empty_and_keeps_its_columns():
    scores = game(lambda removed: -len(removed), ablation(6), 20)
    table = interaction_table(scores, LABELS)
    assert table.empty
    assert {"first", "second", "interaction", "low", "high", "sure"} < set(table.columns)
    assert document_interactions(scores, 6)[1].shape == (0, 20)


def test_a_single_removal_that_was_not_evaluated_is_named():
    with pytest.raises(CornerstoneError, match=r"\(5,\)"):
        interaction_table(game(lambda removed: 0, ablation(5) + windows(6, 2)), LABELS)


def test_intervals_are_paired_and_hold_the_truth_about_as_often_as_they_say():
    # One of two copies is enough on a fifth of the documents: the interaction is −0.2 × (full − chance) · …
    held, wide = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        knows, guesses = rng.random(300) < 0.9, rng.random(300) < 0.25
        doubled = rng.random(300) < 0.2
        rows = [knows, knows, knows, np.where(doubled, guesses, knows)]
        scores = Scores(
            "acc",
            ((), (0,), (1,), (0, 1)),
            tuple(range(300)),
            np.array(rows, dtype=float),
            np.full(300, 0.25),
            0.25,
        )
        row = interaction_table(scores, ("Attn 0", "FFN 0")).iloc[0]
        held.append(row["low"] <= -0.2 * (0.9 - 0.25) <= row["high"])
        wide.append(row["high"] - row["low"])
    assert 0.9 <= np.mean(held) <= 0.99
    assert np.mean(wide) < 0.12  # unpaired, four scores of 0.9 on 300 documents would be 0.14 and more


def test_where_no_pair_interacts_few_are_called_sure_and_where_some_do_they_are():
    called = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n, coalitions = 24, ablation(24) + pairs(24, 1, 23)
        lost = rng.random((n, 400)) < 0.02  # at most one sublayer matters to a document: effects add up
        lost &= lost.cumsum(axis=0) == 1
        both = rng.random(400) < 0.3
        matrix = np.array(
            [~(lost[list(c)].any(axis=0) | (both & (c == (3, 17)))) for c in coalitions], dtype=float
        )
        scores = Scores(
            "acc", tuple(coalitions), tuple(range(400)), matrix, np.full(400, 0.5), np.full(400, 0.5)
        )
        table = interaction_table(scores, synthetic.labels(n)).set_index(["first", "second"])
        assert table.loc[(3, 17), "sure"] and table.loc[(3, 17), "interaction"] < -0.2
        called.append(table["sure"].drop((3, 17)).sum())
    assert np.mean(called) <= 0.1


def test_all_pairs_of_the_largest_model_take_seconds():
    n, n_documents = 160, 300
    coalitions = ablation(n) + pairs(n, 1, n - 1)
    matrix = (np.random.default_rng(0).random((len(coalitions), n_documents)) < 0.7).astype(float)
    scores = Scores(
        "acc", tuple(coalitions), tuple(range(n_documents)), matrix, np.full(n_documents, 0.5), 0.5
    )
    start = time.perf_counter()
    table = interaction_table(scores, synthetic.labels(n))
    assert len(table) == 12720
    assert time.perf_counter() - start < 60
