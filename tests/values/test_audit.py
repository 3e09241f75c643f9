"""Estimators compared with exact values: each right where it must be, counted, and told in tables and words."""

from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

import synthetic
from cornerstone.figures.audit import make_audit
from cornerstone.scores import SCORES
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ablation, absence, exact, paper_budget, windows
from cornerstone.shapley.estimators import ESTIMATORS as REGISTERED
from cornerstone.shapley.estimators import (
    EXACT,
    NEARLY,
    ON_AVERAGE,
    OWN,
    audited,
    gaussian_process,
    permutations,
    stratified,
)
from cornerstone.shapley.estimators.exact import exact_estimator
from cornerstone.shapley.estimators.permutations import permutation_estimator
from cornerstone.shapley.estimators.stratified import stratified_estimator
from cornerstone.shapley.estimators.windows import window_estimator, windows_of_size
from cornerstone.shapley.games import Game
from cornerstone.shapley.informative import informative
from cornerstone.shapley.orders import balanced_orders, order_coalitions, passed, random_orders
from cornerstone.statistics.ranks import kendall, spearman
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.audit import Audits, audit_finding
from cornerstone.tables.written import write_tables
from cornerstone.values.audit import Arm, arms, audit_table, measures, positions_table
from cornerstone.values.audit_summary import NUMBER, WORK, audit_summary, usual
from cornerstone.values.exact_games import exact_game
from cornerstone.values.score_matrix import Scores
from cornerstone.values.titles import Titles

ESTIMATORS = {estimator.title: estimator.audited for estimator in audited()}
DETERMINISTIC = [estimator.title for estimator in audited() if not estimator.is_random]


def game_of(score, n):
    """A game from a function of (2^n, n) zeros and ones, 1 where a sublayer is removed."""
    by_place = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(float)
    coalitions = exact(n)
    values = exact_estimator(n).weights @ score(absence(coalitions, n))
    return Game(score(by_place), values)


def gated(n, seed=0):
    """Two sublayers without which little is left, and many of small worth, as in the models of the paper."""
    rng = np.random.default_rng(seed)
    keep = np.append([0.2, 0.4], rng.uniform(0.9, 1.0, n - 2))
    return game_of(lambda absent: 0.25 + 0.6 * np.prod(np.where(absent == 1, keep, 1.0), axis=1), n)


@pytest.fixture(scope="module")
def audits():
    games = {"acc": gated(8), "logprob": gated(8, seed=1)}
    as_in_studies = [arm for arm in arms(audited()) if arm.same == NUMBER]
    as_in_studies += [Arm(REGISTERED[name], OWN, WORK) for name in ("mixed_effects", "kernel_regression")]
    tables = [
        audit_table(game, 3, 3, seeds=3, chosen=as_in_studies).assign(score=score)
        for score, game in games.items()
    ]
    return pd.concat(tables).assign(model="one", task="boolq", documents=50)


@pytest.mark.parametrize("estimator", audited(), ids=lambda estimator: estimator.title)
def test_every_estimator_is_right_on_additive_games_as_it_says(estimator):
    worth = np.array([0.3, 0.2, 0.0, 0.05, -0.02, 0.1, 0.01, 0.04])
    game = game_of(lambda absent: 1 - absent @ worth, 8)
    values = estimator.audited(game, 60, 0)
    if estimator.additive == ON_AVERAGE:
        values = np.mean([estimator.audited(game.asked_anew(), 200, seed) for seed in range(200)], axis=0)
    tolerance = {EXACT: 2e-3, NEARLY: 0.04, ON_AVERAGE: 0.03}[estimator.additive]
    assert np.allclose(values, worth, atol=tolerance)


@pytest.mark.parametrize("n", [4, 6, 8])
@pytest.mark.parametrize(
    "name", [estimator.title for estimator in audited() if estimator.never_exact is None]
)
@pytest.mark.filterwarnings("ignore:Not all budget")
def test_with_all_coalitions_estimators_agree_with_exact_values(name, n):
    rng = np.random.default_rng(5)
    by_place = rng.random(2**n)
    game = game_of(lambda absent: by_place[(absent @ (1 << np.arange(n))).astype(int)], n)
    assert np.allclose(ESTIMATORS[name](game, 2**n, 0), game.values, atol=1e-6)


def test_orders_that_are_cut_off_by_the_budget_leave_no_bias():
    rng = np.random.default_rng(6)
    scores = dict(zip(exact(7), rng.random(2**7), strict=True))
    truth = exact_estimator(7).weights @ list(scores.values())
    drawn = [permutation_estimator(7, 18, seed) for seed in range(600)]
    values = [each.weights @ [scores[c] for c in each.coalitions] for each in drawn]
    reached = np.array([each.samples > 0 for each in drawn])
    mean = np.sum(values, axis=0) / reached.sum(axis=0)
    error = np.std(values, axis=0) / np.sqrt(reached.sum(axis=0))
    assert (np.abs(mean - truth) < 4 * error).all()
    assert max(each.samples.max() for each in drawn) <= 6


def test_games_that_never_change_their_score_have_no_ranks(tmp_path):
    game = exact_game(Scores("acc", tuple(exact(4)), (0, 1, 2), np.full((16, 3), 0.1), np.full(3, 0.5), 0.5))
    table = audit_table(game, 2, 3, seeds=2, multiples=(1,)).assign(
        model="one", task="boolq", score="acc", documents=3
    )
    assert (game.values == 0).all()
    assert table["error"].isna().all()
    assert (table["spearman"].fillna(0) == 0).all()
    assert "one" in audit_finding(table, "windows", "both", "paper", Titles())
    write_tables(tables_of(Part.AUDIT), Audits(table, table, Titles(), SCORES["acc"]), tmp_path)
    make_audit(table, Titles())


def test_who_knows_nothing_finds_the_largest_by_chance_alone():
    exact_values = gated(8).values
    assert measures(np.zeros(8), exact_values, 3)["top_overlap"] == pytest.approx(3 / 8)
    assert measures(exact_values, exact_values, 20)["top_overlap"] == 1


def test_biases_of_opposite_signs_do_not_cancel():
    rows = pd.DataFrame({"efficiency_bias": [0.7, -0.5], "spearman": [0.5, 0.6]})
    same = dict.fromkeys(("kendall", "top_overlap", "share_error", "error", "evaluations", "work"), 1.0)
    of_windows = {"estimator": "windows", "ours": True, "multiple": 1, "coalitions": "shared", "same": WORK}
    summary = audit_summary(rows.assign(**of_windows, **same))
    assert summary["efficiency_bias"].item() == pytest.approx(0.6)


@pytest.mark.parametrize("antithetic", [False, True])
def test_all_orders_give_the_exact_values(antithetic):
    rng = np.random.default_rng(6)
    scores = dict(zip(exact(4), rng.random(16), strict=True))
    orders = list(islice(random_orders(4, 0, antithetic=antithetic), 100))
    drops = []
    for order in orders:
        steps = zip(order, passed(order), passed(order)[1:], strict=False)
        drops.append([scores[before] - scores[after] for _, before, after in sorted(steps)])
    assert len(orders) == 24 * (2 if antithetic else 1)
    assert np.allclose(np.mean(drops, axis=0), exact_estimator(4).weights @ [scores[c] for c in exact(4)])


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("budget", [35, 70])
def test_no_estimator_asks_for_more_than_its_budget(name, budget):
    game = gated(10)
    values = ESTIMATORS[name](game, budget, 1)
    assert values.shape == (10,)
    assert np.isfinite(values).all()
    if game.own:  # of each document's own: as much work as the largest windows within the budget
        given = [*ablation(10), *windows(10, {35: 4, 70: 9}[budget])]
        assert 0.9 < game.work / (least_evaluations(given, 10) * budget / len(given)) <= 1.02
    else:
        assert 10 < len(game.asked) <= budget


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - set(DETERMINISTIC)))
def test_the_same_seed_gives_the_same_values(name):
    game = gated(9)
    first = ESTIMATORS[name](game, 40, 3)
    for cached in (permutations._drawn, stratified._drawn, gaussian_process._drawn):
        cached.cache_clear()
    informative.cache_clear()
    assert np.array_equal(first, ESTIMATORS[name](game.asked_anew(), 40, 3))


def test_balanced_orders_have_everyone_at_every_place():
    orders = [order for order, _ in zip(balanced_orders(6, 0), range(6), strict=False)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert all(sorted(at_place) == list(range(6)) for at_place in zip(*orders, strict=True))


def test_antithetic_orders_come_in_pairs():
    orders = random_orders(9, 0, antithetic=True)
    for first in (next(orders) for _ in range(3)):
        assert next(orders) == first[::-1]


def test_orders_stop_where_the_budget_ends():
    coalitions, begun = order_coalitions(random_orders(12, 0), 12, 43)
    assert len(coalitions) == len(set(coalitions)) == 43
    assert coalitions[:2] == [(), tuple(range(12))]
    assert len(begun) == 4  # of 11 coalitions each


def test_strata_weigh_alike_however_many_drops_are_in_them():
    coalitions = [(), (0,), (1,), (0, 1), (0, 2), (2,)]
    estimator = stratified_estimator(3, coalitions)
    scores = dict(zip(coalitions, [1.0, 0.5, 0.8, 0.1, 0.4, 0.9], strict=True))
    values = estimator.weights @ list(scores.values())
    alone, beside_one = 1.0 - 0.5, np.mean([0.8 - 0.1, 0.9 - 0.4])
    assert values[0] == pytest.approx((alone + beside_one) / 2)
    assert estimator.samples[0] == 3


def test_the_paper_is_the_mean_of_its_window_sizes():
    game = gated(9)
    whole, parts = window_estimator(9, 3), [windows_of_size(9, size) for size in (1, 2, 3)]
    values = [part.weights @ game.score(part.coalitions) for part in parts]
    samples = np.array([part.samples for part in parts])
    assert (samples.sum(axis=0) == whole.samples).all()
    expected = (np.array(values) * samples).sum(axis=0) / samples.sum(axis=0)
    assert np.allclose(whole.weights @ game.score(whole.coalitions), expected)


def test_rank_correlations_are_scipys():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert kendall(one, other) == pytest.approx(kendalltau(one, other).statistic)
    assert np.isnan(kendall(one, np.zeros(30)))


def test_measures_of_exact_values_are_perfect_and_of_no_order_are_nothing():
    exact_values = gated(8).values
    perfect = measures(exact_values, exact_values, 3)
    assert perfect["spearman"] == pytest.approx(1) and perfect["kendall"] == pytest.approx(1)
    assert perfect["top_overlap"] == 1
    assert perfect["share_error"] == perfect["error"] == 0
    assert perfect["efficiency_bias"] == pytest.approx(0)
    assert measures(np.full(8, 0.1), exact_values, 3)["spearman"] == 0


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_errors_in_parts_of_what_is_zero_up_to_rounding_are_empty(scale):
    exact = scale * np.array([0.7, -0.7, 0.1, 0.2, -0.3])
    assert abs(exact.sum()) < 1e-12 * scale and (exact / scale).sum() != 0
    told = measures(exact + 0.05 * scale, exact, 3)
    assert np.isnan(told["efficiency_bias"]) and told["error"] == pytest.approx(0.05 / 0.7)
    told = measures(np.full(4, 1e-3), np.full(4, 1e-14 * scale), 3, scale)
    assert np.isnan(told["efficiency_bias"]) and np.isnan(told["error"])
    small = measures(np.full(4, 2e-5), np.full(4, 1e-5), 3, scale=1.0)
    assert small["efficiency_bias"] == pytest.approx(1) and small["error"] == pytest.approx(1)


def test_games_without_a_positive_value_have_no_top_and_no_share_error():
    nothing = measures(np.array([0.1, -0.1]), np.array([-0.2, -0.1]), 1)
    assert (
        np.isnan(nothing["top_overlap"])
        and np.isnan(nothing["share_error"])
        and nothing["spearman"] == pytest.approx(-1)
    )
    assert measures(np.array([-0.1, -0.2]), np.array([0.2, 0.1]), 1)["share_error"] == 1
    games = pd.DataFrame([nothing, measures(np.array([0.2, 0.1]), np.array([0.2, 0.1]), 1)])
    of_windows = {"estimator": "windows", "ours": True, "multiple": 1, "coalitions": "shared", "same": WORK}
    games = games.assign(**of_windows, evaluations=3, work=20)
    (row,) = audit_summary(games).to_dict("records")
    assert (row["games"], row["games_with_shares"], row["games_with_total"]) == (2, 1, 2)
    assert (row["top_overlap"], row["share_error"]) == (1, 0)


def test_a_game_knows_all_coalitions_and_counts_what_is_asked():
    n, rng = 5, np.random.default_rng(0)
    coalitions = exact(n)
    matrix = rng.random((2**n, 7))
    game = exact_game(Scores("acc", tuple(coalitions), tuple(range(7)), matrix, np.full(7, 0.5), 0.5))
    assert game.score([(1, 3), ()]).tolist() == pytest.approx(
        [matrix[coalitions.index((1, 3))].mean(), matrix[0].mean()]
    )
    assert game.asked == {0, 10}
    present = np.array([[True, False, True, False, True]])
    assert game.score_present(present) == game.score([(1, 3)])
    assert np.allclose(game.values, exact_estimator(n).weights @ matrix.mean(axis=1))


def test_a_game_with_holes_is_refused():
    scores = Scores("acc", ((), (0, 1), (1,)), (0,), np.ones((3, 1)), np.array([0.5]), 0.5)
    with pytest.raises(
        CornerstoneError, match="3 coalitions were evaluated, and exact values of 2 sublayers"
    ):
        exact_game(scores)


def test_the_gaussian_process_has_the_values_where_sublayers_multiply(audits):
    at_paper = audit_summary(usual(audits)).query("multiple == 1").set_index("estimator")
    assert at_paper.loc["Gaussian process", "spearman"] > 0.99
    assert at_paper["error"].nsmallest(2).index.isin(["Gaussian process", "mixed effects"]).all()
    assert at_paper.loc["windows", "error"] > 5 * at_paper.loc["Gaussian process", "error"]
    assert (at_paper["games"] == 2).all()


def test_the_audit_has_a_row_per_estimator_design_and_budget(audits):
    paper = paper_budget(8, 3)
    assert set(audits["budget"]) == {paper, 2 * paper, 4 * paper}
    by_number = audits["same"] == NUMBER
    assert (audits["evaluations"] <= audits["budget"])[by_number].all()
    assert len(audits) == 2 * 3 * len(ESTIMATORS)
    assert (audits["work"] > 0).all()
    assert (audits["spearman_low"] <= audits["spearman"] + 1e-12).all()
    summary = audit_summary(audits)
    for _, of_budget in summary.groupby(["same", "multiple"]):
        assert of_budget["spearman"].is_monotonic_decreasing


def test_positions_tell_where_the_errors_are():
    game, labels = gated(8), synthetic.labels(8, "FFN")
    table = positions_table(game, labels, 3, seeds=2)
    of_windows = table[table["estimator"] == "windows"]
    assert of_windows["samples"].tolist() == window_estimator(8, 3).samples.tolist()
    assert np.allclose(of_windows["value"] - of_windows["exact"], of_windows["bias"])
    assert {"windows of 1", "windows of 2", "windows of 3"} < set(table["estimator"])
    assert np.allclose(table.groupby("estimator")["exact"].sum(), game.values.sum())


def test_the_audit_is_told_in_words_and_tables(audits, tmp_path):
    titles = Titles({"one": "Model One"}, {"boolq": "BoolQ"})
    told = audit_finding(audits, "windows", "first", "paper", titles)
    own = usual(audits).query("multiple == 1 and score == 'acc'").set_index("estimator")["spearman"]
    assert "(windows (first edge)) orders the sublayers of Model One (1 game: model, task and score)" in told
    assert f"rank correlation of {own['windows (first edge)']:.2f} with exact values" in told
    assert f"the best of all {len(ESTIMATORS)} audited" in told
    assert "Values are exact" in audit_finding(audits, "exact", "both", "paper", titles)
    assert "(Gaussian process) orders" in audit_finding(audits, "gaussian_process", "both", "logprob", titles)
    view = View(titles, SCORES["paper"])
    by_work, by_number = TABLES["audit"].sections(audit_summary(audits), view)
    (games,) = TABLES["audit_games"].sections(audits, view)
    assert len(by_number.table) + len(by_work.table) == 3 * len(ESTIMATORS)
    assert games.table.shape[1] == 3 + len(ESTIMATORS)
    assert games.table["Task"].tolist() == ["BoolQ", "BoolQ"]
    write_tables(tables_of(Part.AUDIT), Audits(audits, audits, titles, view.score), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audit.csv",
        "audit.md",
        "audit_games.csv",
        "audit_games.md",
        "audit_positions.csv",
    ]


def test_the_figure_has_a_panel_for_each_task_and_score(audits):
    figure = make_audit(audits, Titles({}, {"boolq": "BoolQ"}))
    assert [axes.get_title() for axes in figure.axes] == ["BoolQ", "BoolQ"]
