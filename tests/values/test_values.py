"""The paper's estimator, the exact values it is compared with, and intervals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from cornerstone.shapley import coalitions as designs
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.statistics.resampling import bootstrap, interval, resampled_means
from cornerstone.statistics.shares import null_shares, shares, signed_shares, top_k_stability
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.estimates import document_values, linear_estimate, value_table
from cornerstone.values.score_matrix import Scores
from synthetic import score_table

ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(Path(__file__).parents[2] / "workflow"),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def game(score, coalitions):
    """Scores of one document whose score is a function of what is removed."""
    matrix = np.array([[score(removed)] for removed in coalitions], dtype=float)
    return Scores("acc", tuple(coalitions), (0,), matrix, np.array([0.5]), np.array([0.5]))


def exact_by_definition(score, n):
    """Shapley values as the mean over all orders of joining: independent of the formula in use."""
    from itertools import permutations

    values = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        absent = set(range(n))
        for player in order:
            before = score(tuple(sorted(absent)))
            absent.remove(player)
            values[player] += score(tuple(sorted(absent))) - before
    return values / len(orders)


@given(worth=st.lists(st.integers(-50, 50), min_size=3, max_size=9), data=st.data())
@settings(max_examples=60, deadline=None)
def test_windows_reproduce_exact_values_on_additive_games(worth, data):
    n = len(worth)
    max_removed = data.draw(st.integers(1, n - 1))
    edges = data.draw(st.sampled_from(["both", "first"]))
    estimator = window_estimator(n, max_removed, edges)
    scores = game(lambda removed: -sum(worth[i] for i in removed), estimator.coalitions)
    np.testing.assert_allclose(document_values(scores, estimator)[:, 0], worth, atol=1e-12)


@given(seed=st.integers(0, 1000), n=st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_exact_values_equal_the_mean_over_all_orders_on_any_game(seed, n):
    rng = np.random.default_rng(seed)
    worth = {removed: rng.normal() for removed in designs.exact(n)}
    scores = game(worth.__getitem__, designs.exact(n))
    values = document_values(scores, exact_estimator(n)).mean(axis=1)
    np.testing.assert_allclose(values, exact_by_definition(worth.__getitem__, n), atol=1e-12)
    assert values.sum() == pytest.approx(worth[()] - worth[tuple(range(n))])


def test_sample_counts_are_the_papers():
    samples = window_estimator(64, 4).samples
    assert samples[0] == 4
    assert (samples[3:61] == 7).all()
    assert samples.tolist() == samples[::-1].tolist()
    assert window_estimator(64, 4, "first").samples[:61].tolist() == [4] * 61
    assert window_estimator(64, 4, "first").samples[-1] == 1


@pytest.mark.parametrize(("n", "count"), [(64, 251), (160, 635)])
def test_evaluations_count_what_the_paper_counts(n, count):
    estimator = window_estimator(n, 4)
    assert len(estimator.coalitions) == len(set(estimator.coalitions)) == count == 1 + 4 * n - 4 * 3 // 2


def test_every_coalition_is_used_and_every_weight_row_sums_to_zero():
    estimator = window_estimator(12, 3)
    assert (estimator.weights != 0).any(axis=0).all()
    np.testing.assert_allclose(estimator.weights.sum(axis=1), 0, atol=1e-12)


def test_a_hand_computed_example():
    # Three players, windows of two: v(-∅)=9, v(-0)=5, v(-1)=7, v(-2)=8, v(-01)=4, v(-12)=2.
    worth = {(): 9, (0,): 5, (1,): 7, (2,): 8, (0, 1): 4, (1, 2): 2}
    both = window_estimator(3, 2)
    np.testing.assert_allclose(
        document_values(game(worth.__getitem__, both.coalitions), both)[:, 0],
        [((9 - 5) + (7 - 4)) / 2, ((9 - 7) + (5 - 4) + (8 - 2)) / 3, ((9 - 8) + (7 - 2)) / 2],
    )
    first = window_estimator(3, 2, "first")
    np.testing.assert_allclose(
        document_values(game(worth.__getitem__, first.coalitions), first)[:, 0],
        [((9 - 5) + (7 - 4)) / 2, ((9 - 7) + (8 - 2)) / 2, 9 - 8],
    )


@pytest.mark.parametrize("edges", ["both", "first"])
def test_removing_one_at_most_is_ablation(edges):
    asked = synthetic.documents(40)
    scores = score_table(synthetic.evaluation(asked, designs.ablation(6), 6), asked, "acc")
    values = document_values(scores, window_estimator(6, 1, edges))
    np.testing.assert_array_equal(values, scores.matrix[0] - scores.matrix[1:])


def test_other_edges_and_impossible_windows_are_refused():
    with pytest.raises(CornerstoneError, match="give both or first"):
        window_estimator(8, 4, "last")
    with pytest.raises(CornerstoneError, match="max_removed is 8"):
        window_estimator(8, 8)


def test_the_estimate_finds_what_matters_as_exact_values_do():
    n, asked = 8, synthetic.documents(300, 4)
    scores = score_table(synthetic.evaluation(asked, designs.exact(n), n), asked, "acc")
    exact = document_values(scores, exact_estimator(n)).mean(axis=1)
    windows = document_values(scores, window_estimator(n, 4)).mean(axis=1)
    assert set(np.argsort(-windows)[:2]) == set(np.argsort(-exact)[:2]) == {0, 1}


def test_bootstrap_is_paired_seeded_and_as_wide_as_the_standard_error():
    rng = np.random.default_rng(0)
    per_document = rng.integers(0, 2, (2, 400)).astype(float)
    rows = np.vstack([per_document, per_document[0] - per_document[1]])
    draws = resampled_means(rows, 3000)
    np.testing.assert_allclose(draws[0] - draws[1], draws[2], atol=1e-12)
    np.testing.assert_array_equal(draws, resampled_means(rows, 3000))
    np.testing.assert_allclose(draws.std(axis=1), rows.std(axis=1) / 20, rtol=0.06)
    low, high = interval(draws)
    assert (low < rows.mean(axis=1)).all() and (rows.mean(axis=1) < high).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    worlds = rng.random((300, 150)) < 0.7
    low, high = interval(bootstrap(worlds.astype(float), 1000))
    assert 0.90 <= ((low <= 0.7) & (high >= 0.7)).mean() <= 0.98


def test_what_few_documents_show_is_not_known_as_if_all_did():
    rows = np.zeros((4, 300))
    rows[1, 0] = rows[2, :3] = 1
    rows[3, :6] = 1
    low, high = interval(bootstrap(rows))
    np.testing.assert_allclose(low[:3], [-3 / 300, -2 / 300, -1 / 300], atol=1.01 / 300)
    np.testing.assert_allclose(high, [3 / 300, 4 / 300, 8 / 300, 11.4 / 300], atol=1.01 / 300)
    assert low[2] < 0 <= low[3]  # six answers lost and none won: p = 0.03 by McNemar's test; three: 0.25
    counted, flips = interval(bootstrap(np.tile(rows[3], (2, 1)) * [[1.0], [0.1]])), high[3] - low[3]
    assert (counted[1] - counted[0])[0] == pytest.approx(flips, rel=0.2)  # the size is the row's own


def test_made_up_documents_change_nothing_where_many_documents_show_a_number():
    rows = np.random.default_rng(0).normal(0.2, 1.0, (5, 1000))
    (low, high), (plain_low, plain_high) = interval(bootstrap(rows)), interval(resampled_means(rows))
    np.testing.assert_allclose(high - low, plain_high - plain_low, rtol=0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process's peak is read from /proc")
def test_the_largest_study_is_resampled_in_seconds_and_a_gigabyte():
    measured = (  # a process's own peak: what getrusage tells of a child includes what its parent held
        "import re, time, numpy as np\n"
        "from cornerstone.statistics.resampling import bootstrap, interval\n"
        "rows = np.random.default_rng(0).integers(-7, 8, (160, 3000)) / 7\n"
        "start = time.process_time()\n"
        "interval(bootstrap(rows, 2000))\n"
        "seconds = time.process_time() - start\n"
        "print(seconds, *re.findall(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    seconds, peak = map(float, done.stdout.split())
    assert seconds < 20
    assert peak * 1024 < 1e9


def test_stability_is_how_often_resampled_documents_name_a_sublayer():
    draws = np.array([[3.0, 3, 3, 3], [2, 2, 0, 2], [1, 1, 1, 1], [0, 0, 2, 0]])
    np.testing.assert_allclose(top_k_stability(draws, 2), [1, 0.75, 0, 0.25])


def test_shares_set_negatives_to_zero_and_sum_to_one():
    np.testing.assert_allclose(shares(np.array([3.0, -5.0, 1.0])), [0.75, 0, 0.25])
    assert np.isnan(shares(np.array([-1.0, 0.0]))).all()  # nothing to share out is no share of zero


def test_noise_alone_gives_the_largest_far_more_than_an_equal_share():
    rng = np.random.default_rng(0)
    nothing = rng.normal(size=(64, 300))
    expected = null_shares(resampled_means(nothing), nothing.mean(axis=1))
    assert expected.sum() == pytest.approx(1)
    assert (np.diff(expected) <= 0).all()
    assert 0.20 < expected[:3].sum() < 0.28  # three equal shares of 64 would be 0.05
    assert shares(nothing.mean(axis=1))[np.argsort(-nothing.mean(axis=1))][:3].sum() == pytest.approx(
        expected[:3].sum(), abs=0.06
    )


def test_signed_shares_have_intervals_only_where_there_is_something_to_share():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(10, 200))
    strong = noise + np.arange(10)[:, None]
    table = signed_shares(strong)
    assert table["signed_share"].sum() == pytest.approx(1)
    assert (table["signed_low"] < table["signed_share"]).all() and (
        table["signed_share"] < table["signed_high"]
    ).all()
    assert table["top_signed_share"][9] == pytest.approx(table["signed_share"][9])
    assert table["top_signed_share"][7] == pytest.approx(table["signed_share"][[7, 8, 9]].sum())
    assert all(np.isnan(column).all() for column in signed_shares(noise - noise.mean()).values())


def test_a_model_that_never_changes_its_answers_has_values_of_exactly_zero():
    estimator = window_estimator(10, 4)
    scores = Scores(
        "acc", estimator.coalitions, (0, 1), np.ones((len(estimator.coalitions), 2)), np.ones(2), np.ones(2)
    )
    table = value_table(scores, synthetic.labels(10), linear_estimate(scores, estimator))
    assert (table["value"] == 0).all() and table[["share", "null_share"]].isna().all(axis=None)


def test_the_value_table_has_a_row_per_sublayer_with_its_rank_and_interval():
    asked = synthetic.documents(200)
    scores = score_table(synthetic.evaluation(asked, synthetic.study_coalitions(12), 12), asked, "acc")
    table = value_table(scores, synthetic.labels(12, "MoE"), linear_estimate(scores, window_estimator(12, 4)))
    assert table["label"].tolist()[:4] == ["Attn 0", "MoE 0", "Attn 1", "MoE 1"]
    assert table["kind"].tolist()[:2] == ["attn", "moe"]
    assert table.sort_values("rank")["value"].is_monotonic_decreasing
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    assert table["share"].sum() == pytest.approx(1)
    assert set(table["documents"]) == {200}


def test_sublayers_without_any_effect_share_all_ranks():
    """Documents' values are sums that leave 1e-17 or nothing; ranks must not be decided by it."""
    coalitions = [*designs.ablation(12), *designs.windows(12, 4)]
    right = (np.random.default_rng(0).random(200) < 0.7).astype(float)
    for matters in (None, 3):
        matrix = np.array([right * (matters not in removed) for removed in coalitions])
        none = np.zeros(200)
        scores = Scores("acc", tuple(coalitions), tuple(range(200)), matrix, none, none)
        table = value_table(scores, synthetic.labels(12), linear_estimate(scores, window_estimator(12, 4)))
        idle = table[table.index != matters]
        assert (idle["value"] == 0).all()
        assert (idle["rank_low"] == (1 if matters is None else 2)).all() and (idle["rank_high"] == 12).all()
