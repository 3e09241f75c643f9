"""Joint removals: what a run of sublayers costs beyond the sum of its single removals."""

import numpy as np
import pytest

import synthetic
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.joint import document_joint, joint_table
from cornerstone.values.score_matrix import Scores


def game(score, n_sublayers, max_removed):
    """Scores of one document whose score is a function of what is removed."""
    coalitions = ablation(n_sublayers) + windows(n_sublayers, max_removed)
    matrix = np.array([[score(removed)] for removed in coalitions], dtype=float)
    return Scores("acc", tuple(coalitions), (0,), matrix, np.array([0.5]), np.array([0.5]))


def test_single_removals_are_summed_over_the_window_and_joint_ones_measured():
    worth = [5, 2, -1, 3, 4]
    scores = game(lambda removed: -sum(worth[i] for i in removed) - 10 * (len(removed) > 2), 5, 3)
    table = joint_table(scores, synthetic.labels(6)[:5], 3).set_index("removed")
    assert table.index.tolist() == ["0,1", "0,1,2", "1,2", "1,2,3", "2,3", "2,3,4", "3,4"]
    assert table["single"].tolist() == [7, 6, 1, 4, 2, 6, 7]
    assert table["excess"].tolist() == [0, 10, 0, 10, 0, 10, 0]
    assert table.loc["1,2,3", "labels"] == "FFN 0, Attn 1, FFN 1"


def test_a_game_without_overlap_has_no_excess_and_one_with_overlap_has():
    knock = [0.02] * 10
    alone = joint_table(synthetic.known_task(knock).scores, synthetic.labels(10), 2)
    assert abs(alone["excess"].mean()) < 0.01
    overlap = joint_table(synthetic.known_task(knock, together=0.2).scores, synthetic.labels(10), 2)
    assert overlap["excess"].mean() == pytest.approx(0.2 * (0.9 - 0.25), abs=0.05)
    assert (overlap["low"] > 0).all()


def test_intervals_are_paired_over_documents():
    # One answer of 400 is lost by the pair alone: the excess is known far better than the scores.
    knows = np.random.default_rng(0).random(400) < 0.6
    pair = knows.copy()
    pair[np.flatnonzero(knows)[0]] = False
    scores = Scores(
        "acc",
        ((), (0,), (1,), (2,), (0, 1), (1, 2)),
        tuple(range(400)),
        np.array([knows, knows, knows, knows, pair, knows], dtype=float),
        np.full(400, 0.5),
        np.full(400, 0.5),
    )
    row = joint_table(scores, synthetic.labels(4)[:3], 2).iloc[0]
    assert row["excess"] == pytest.approx(1 / 400)
    assert -0.01 <= row["low"] < 0 < row["high"] <= 0.0125


def test_a_study_of_single_removals_has_no_windows():
    scores = game(lambda removed: -len(removed), 4, 1)
    assert document_joint(scores, 4, 1)[1].shape == (0, 1)
    assert joint_table(scores, synthetic.labels(4), 1).empty


def test_a_window_that_was_not_evaluated_is_named():
    scores = game(lambda removed: 0, 4, 2)
    with pytest.raises(CornerstoneError, match=r"\(0, 1, 2\)"):
        document_joint(scores, 4, 3)
