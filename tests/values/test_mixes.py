"""Mixes of documents and pairs: the promised width is reached by documents and pairs drawn anew."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.scores import SCORES
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.document_pairs import document_pairs, pair_coalitions, work_of
from cornerstone.shapley.games import with_own_pairs
from cornerstone.shapley.kernel_regression import FEWEST_DOCUMENTS, kernel_regression
from cornerstone.shapley.mixed_effects import mixed_effects
from cornerstone.shapley.pair_variances import PairVariances, fewer_pairs, pair_variances, value_contrasts
from cornerstone.shapley.players import players_of
from cornerstone.statistics.ranks import rank_intervals
from cornerstone.tables import TABLES, View
from cornerstone.tables.precision import precision_table
from cornerstone.values.document_numbers import DocumentNumbers
from cornerstone.values.mixes import RANKS, choices, mix_rows
from cornerstone.values.sample_sizes import half_widths
from cornerstone.values.titles import Titles
from hard_games import everything, exact_values, hard_games
from seldom import only_some

N, DOCUMENTS, PAIRS = 8, 150, 16
FEW, MANY = 5, 40
ESTIMATORS = {"kernel_regression": kernel_regression, "mixed_effects": mixed_effects}


def tastes(rng, count):
    """Additive games of documents that differ: there the mixed model tells most."""
    table = ~everything(N) @ (0.2 + rng.dirichlet(np.full(N, 0.3), count)).T
    return table + 0.05 * rng.standard_normal(table.shape)


GAMES = {**hard_games(N), "tastes": tastes}


def found(game, documents, pairs, seed, estimator="kernel_regression"):
    table = GAMES[game](np.random.default_rng(seed), documents)
    games = with_own_pairs(table, pairs, seed)
    return games, ESTIMATORS[estimator](games)


def study(
    game, seed=0, estimator="kernel_regression", documents=DOCUMENTS, task="piqa", available=0, seconds=None
):
    games, corrected = found(game, documents, PAIRS, seed, estimator)
    values, nothing = corrected.per_document.T, np.zeros((0, documents))
    contrasts = value_contrasts(values.mean(axis=1))
    return DocumentNumbers(
        "small", task, tuple(f"Attn {i}" for i in range(N)), tuple(range(documents)), games.full, values, values,
        tuple(windows(N, 3)), nothing, nothing, games.full, games.full, available, seconds or {}, "logprob", estimator,
        drawing=pair_variances(ESTIMATORS[estimator], games, corrected, contrasts),
    )  # fmt: skip


def reached_to_promised(game, estimator, repetitions):
    """Of newly drawn documents and pairs, few and many: the mean half-width and the widest, over the promised ones."""
    ratios = []
    for seed in range(repetitions):
        so_far = study(game, seed, estimator)
        goal = 0.75 * half_widths(so_far.values).max()
        others = choices(so_far, np.array([FEW, PAIRS, MANY]))
        for place, pairs in ((0, FEW), (2, MANY)):
            documents = int(others.needed(goal)[place])
            promised = half_widths(so_far.values, others.variances[place, :N]) * np.sqrt(
                DOCUMENTS / documents
            )
            _, new = found(game, documents, pairs, 1000 + seed, estimator)
            widths = half_widths(new.per_document.T)
            ratios.append((widths.mean() / promised.mean(), widths.max() / goal))
    return np.array(ratios).reshape(repetitions, 2, 2).mean(axis=0)


@pytest.mark.parametrize("game", only_some(GAMES, ("majority", "tastes")))
def test_the_promised_width_is_reached_with_other_documents_and_other_numbers_of_pairs(game):
    ratios = reached_to_promised(game, "kernel_regression", repetitions=12)
    assert ((ratios > 0.9) & (ratios < 1.1)).all()


@pytest.mark.parametrize("game", only_some(("tastes", "product", "stand-in"), ("product",)))
def test_the_promised_width_is_reached_where_a_model_learns_from_a_documents_other_pairs(game):
    ratios = reached_to_promised(game, "mixed_effects", repetitions=4)[:, 0]
    assert ((ratios > 0.9) & (ratios < 1.1)).all()


def test_what_lies_between_documents_is_that_of_their_exact_values():
    told = [study("hurting", seed).drawing.between[:N].mean() for seed in range(30)]
    between = exact_values(GAMES["hurting"](np.random.default_rng(99), 4000)).var(axis=0).mean()
    assert np.mean(told) == pytest.approx(between, rel=0.1)


@pytest.mark.parametrize("game", ["product", "tastes"])
def test_the_named_mix_is_cheaper_than_those_with_twice_or_half_as_many_pairs(game):
    """By variances of many new documents, and work counted on lists of new ones."""
    row = next(row for row in mix_rows([study(game, seed=3)]) if row["goal"] == "0.02")
    named = int(row["cheapest_pairs"])
    work = {pairs: work_by_simulation(game, pairs) for pairs in (named // 2, named, 2 * named)}
    assert work[named] < 1.02 * min(work.values())
    assert max(work.values()) > 1.05 * work[named]
    assert row["cheapest_work"] <= row["same_pairs_work"]


def work_by_simulation(game, pairs):
    """Work that a fixed width takes, up to a factor."""
    _, new = found(game, 1500, pairs, 77)
    of_each = [pair_coalitions(document_pairs(N, pairs, (8, seed))) for seed in range(30)]
    own = np.mean([least_evaluations(one, N) for one in of_each])
    fixed = least_evaluations(ablation(N), N) + least_evaluations(windows(N, 3), N)
    return new.per_document.var(axis=0).max() * (fixed + own)


def test_ranks_are_known_with_the_named_mix_and_seldom_with_a_third_of_it():
    (row,) = (row for row in mix_rows([study("product", documents=2000)]) if row["goal"] == RANKS)
    documents, pairs = int(row["cheapest_documents"]), int(row["cheapest_pairs"])
    known, known_of_fewer = (
        np.mean([ranks_known(count, pairs, seed) for seed in range(200, 215)])
        for count in (documents, documents // 3)
    )
    assert known >= 0.6 and known_of_fewer <= 0.4


def ranks_known(documents, pairs, seed):
    _, new = found("product", documents, pairs, seed)
    low, high = rank_intervals(new.per_document.T)
    return {1, 2, 3} <= set(low[low == high])


def test_fewer_pairs_are_as_a_study_with_so_few_draws_them():
    games, _ = found("random", 400, 30, 5)
    fewer, drawn = fewer_pairs(games, 8), found("random", 400, 8, 6)[0]
    np.testing.assert_allclose(fewer.of_size.mean(axis=0), drawn.of_size.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(fewer.sides.mean(axis=(0, 1)), drawn.sides.mean(axis=(0, 1)), atol=0.05)
    own = {(side.tobytes(), h) for side, h in zip(games.sides[7], games.differences[7], strict=True)}
    few = {(side.tobytes(), h) for side, h in zip(fewer.sides[7], fewer.differences[7], strict=True)}
    assert few < own and len(few) == 8


def test_all_of_a_tasks_documents_leave_what_their_few_pairs_do():
    one = study("product", available=DOCUMENTS)
    narrow = 0.6 * half_widths(one.values).max()
    own = choices(one, np.array([2, PAIRS, 60])).needed_of_own(narrow)
    assert np.isinf(own[0]) and own[2] <= DOCUMENTS
    table = precision_table([one])
    effect, value = table.iloc[0], table.iloc[1]
    assert effect["own_0.02"] <= DOCUMENTS  # taken for what all documents share
    assert np.isinf(value["own_0.02"])
    (documents, _) = TABLES["precision"].sections(table, View(Titles(), SCORES["logprob"]))
    assert "(none)" in documents.table["Documents for ±0.02"][1] and "None: " in documents.note
    # Where documents have pairs together it is not known what all of them leave.
    table = precision_table([replace(one, drawing=None)])
    assert table["own_0.02"].notna().tolist() == [True, False]


def test_no_mix_has_more_documents_than_the_task():
    rows = {row["goal"]: row for row in mix_rows([study("hurting", available=160)])}
    assert np.isnan(rows["0.02"]["cheapest_documents"])
    assert rows["0.02"]["same_pairs_documents"] > 160
    assert rows["0.1"]["cheapest_documents"] <= 160


def test_a_goal_that_few_documents_reach_already_is_reached_by_them():
    one = study("product", documents=30, available=30)
    goal = 1.5 * half_widths(one.values).max()
    now = choices(one, np.array([PAIRS]))
    assert now.needed(goal) == 30 and now.needed_of_own(goal) == 30


def test_the_work_of_a_mix_of_players_is_that_of_their_sublayers():
    two_each = players_of("2 blocks", synthetic.labels(4 * N))
    alike, apart = players_of("4 sublayers", synthetic.labels(4 * N)), one_of_many(4 * N)
    pairs = np.array([FEW, PAIRS])
    of_blocks, of_groups, of_sets = (choices(replace(study("product"), labels=one), pairs).work
                                     for one in (two_each, alike, apart))  # fmt: skip
    np.testing.assert_allclose(of_blocks, of_groups)
    expected = [work_of(pair_coalitions(document_pairs(N, int(P), (0,))), N, apart) for P in pairs]
    assert of_sets[1] - of_sets[0] == pytest.approx(expected[1] - expected[0], rel=0.15)
    assert of_sets[1] / of_sets[0] < 0.95 * of_blocks[1] / of_blocks[0]


def one_of_many(n_sublayers):
    """N sets of one sublayer each, the last ones: all others are there whatever is removed."""
    labels = synthetic.labels(n_sublayers)
    return players_of({f"part {label}": label for label in labels[-N:]}, labels)


def test_people_read_the_cheapest_mix_and_the_keys_to_set():
    seconds = {"ablation": 30.0, "windows": 60.0, "kernel_pairs": 60.0}
    table = precision_table(
        [study("product", seconds=seconds), study("hurting", seconds=seconds, task="boolq")]
    )
    sections = TABLES["precision"].sections(table, View(Titles({}, {"piqa": "PIQA"}), SCORES["logprob"]))
    assert len(sections) == 2 and "nan" not in sections[1].table.to_string()
    mixes, note = sections[1].table, sections[1].note
    assert mixes["Goal"].tolist()[:2] == ["ranks of the top 3", "±0.1 nats"] and mixes["Task"][0] == "PIQA"
    assert mixes["Now"][0].startswith("150 × 16: ")
    of_all = table[table["number"] == "mix of all"].set_index("goal").loc["0.05"]
    assert f"`document_pairs: {of_all['cheapest_pairs']:.0f}`" in note
    assert (
        f"Cheapest for ±0.05 nats on all models and tasks: `documents: {of_all['cheapest_documents']:.0f}`"
        in note
    )
    of_each = table[(table["number"] == "mix") & (table["goal"] == "0.05")]
    assert of_all["cheapest_documents"] >= of_each["cheapest_documents"].min()


def test_the_time_of_a_mix_is_that_of_its_designs():
    seconds = {"ablation": 30.0, "windows": 60.0, "kernel_pairs": 60.0}
    row = pd.Series(mix_rows([study("product", seconds=seconds)])[1])
    assert row["same_pairs_seconds"] == pytest.approx(row["same_pairs_documents"] * 150.0 / DOCUMENTS)
    own = {pairs: np.mean([least_evaluations(pair_coalitions(document_pairs(N, pairs, (s,))), N) for s in range(50)])
           for pairs in (PAIRS, int(row["cheapest_pairs"]))}  # fmt: skip
    each = 90.0 + 60.0 * own[int(row["cheapest_pairs"])] / own[PAIRS]
    assert row["cheapest_seconds"] == pytest.approx(row["cheapest_documents"] * each / DOCUMENTS)


def test_models_of_many_sublayers_have_more_pairs_than_an_integer_holds():
    n, documents = 70, 45
    rng = np.random.default_rng(0)
    values = rng.standard_normal((n, documents))
    contrasts, nothing = value_contrasts(values.mean(axis=1)), np.zeros((0, documents))
    drawing = PairVariances(
        20, contrasts, np.ones((n // 2 + 1, len(contrasts))), 0.0, np.ones(len(contrasts))
    )
    full = np.zeros(documents)
    one = DocumentNumbers(
        "deep", "piqa", tuple(map(str, range(n))), tuple(range(documents)), full, values, values, (), nothing, nothing,
        full, full, metric="logprob", estimator="kernel_regression", drawing=drawing,
    )  # fmt: skip
    rows = mix_rows([one])
    assert all(2 <= row["cheapest_pairs"] <= 80 for row in rows)


def test_ranks_that_are_far_apart_need_no_more_than_the_fewest_documents():
    rng = np.random.default_rng(0)
    per_document = np.array([[6.0], [4.0], [2.5], *[[0.1]] * (N - 3)]) + 0.5 * rng.standard_normal((N, 100))
    one = study("product", documents=100)
    contrasts = value_contrasts(per_document.mean(axis=1))
    between = (contrasts @ per_document).var(axis=1)
    drawing = replace(one.drawing, contrasts=contrasts, between=between, of_size=0 * one.drawing.of_size)
    far = choices(replace(one, values=per_document, drawing=drawing), np.array([PAIRS]))
    assert far.needed(RANKS) == FEWEST_DOCUMENTS
