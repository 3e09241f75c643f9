"""Effects of removing one sublayer."""

import numpy as np
import pytest

import synthetic
from cornerstone.shapley.coalitions import ablation
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.ablation import effect_table
from cornerstone.values.score_matrix import Scores
from synthetic import score_table


@pytest.fixture
def table():
    asked = synthetic.documents(250, 4)
    scores = score_table(synthetic.evaluation(asked, ablation(10), 10), asked, "acc")
    return effect_table(scores, synthetic.labels(10))


def test_the_effect_is_the_full_score_less_the_score_after_removal(table):
    np.testing.assert_allclose(table["effect"], table["full"] - table["removed_score"], atol=1e-12)
    assert table["effect"].idxmax() == 0


def test_the_baselines_stand_beside_each_effect(table):
    assert set(table["chance"]) == {0.25}
    assert table["constant"].iloc[0] >= 0.25
    assert table["full_low"].iloc[0] < table["full"].iloc[0] < table["full_high"].iloc[0]
    assert set(table["documents"]) == {250}


def test_paired_intervals_are_narrower_than_unpaired_ones():
    # A sublayer whose removal changes 2 answers of 400: the drop is known far better than either score.
    rng = np.random.default_rng(0)
    full = (rng.random(400) < 0.6).astype(float)
    removed = full.copy()
    removed[np.flatnonzero(full)[:2]] = 0
    scores = Scores(
        "acc", ((), (0,)), tuple(range(400)), np.stack([full, removed]), np.full(400, 0.5), np.full(400, 0.5)
    )
    row = effect_table(scores, ["Attn 0"]).iloc[0]
    assert row["effect"] == pytest.approx(0.005)
    assert row["high"] - row["low"] < 0.02 < row["full_high"] - row["full_low"]


def test_a_missing_removal_is_named():
    scores = Scores("acc", ((), (0,)), (0,), np.ones((2, 1)), np.ones(1), np.ones(1))
    with pytest.raises(CornerstoneError, match=r"\(1,\)"):
        effect_table(scores, ["Attn 0", "FFN 0"])
