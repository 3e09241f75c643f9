"""Overlap of pairs and totals of parts on games whose truth is known: where, how much, which way."""

import numpy as np
import pytest

import synthetic
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation, pairs, windows
from cornerstone.tables import TABLES, View
from cornerstone.tables.overlap import overlap_table
from cornerstone.tables.totals import DIFFERENCE, parts_of, totals_table
from cornerstone.values.pairs import THIRDS, groups_of
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from cornerstone.values.titles import MEAN, Titles

N = 12
LABELS = synthetic.labels(N)


def doubled_study(doubled, n_documents=500, rate=0.3, task="piqa", distance=3, seed=0):
    """Attn 0 is all that matters, and for each pair in `doubled` on a part `rate` of the documents one of the two."""
    rng = np.random.default_rng(seed)
    coalitions = tuple(ablation(N) + windows(N, 2) + pairs(N, 2, distance))
    knows, guesses = rng.random(n_documents) < 0.95, rng.random(n_documents) < 0.25
    needs = {pair: rng.random(n_documents) < rate for pair in doubled}
    rows = []
    for removed in coalitions:
        lost = np.full(n_documents, 0 in removed)
        for pair, on in needs.items():
            lost |= on & (set(pair) <= set(removed))
        rows.append(np.where(lost, guesses, knows))
    matrix, chance = np.array(rows, dtype=float), np.full(n_documents, 0.25)
    return ScoredTask(
        "small", task, LABELS, Scores("acc", coalitions, tuple(range(n_documents)), matrix, chance, chance)
    )


DOUBLED = [
    (8, 10),
    (9, 10),
    (9, 11),
]  # all in the last third: one of two Attn, of Attn and FFN of two blocks, of two FFN


@pytest.fixture(scope="module")
def results():
    studies = [doubled_study(DOUBLED, task=task, seed=t) for t, task in enumerate(("piqa", "boolq"))]
    return synthetic.results(studies, top_k=1)


@pytest.fixture(scope="module")
def overlap(results):
    return overlap_table(results).set_index(["by", "group"])


def test_overlap_is_found_where_it_is_and_nowhere_else(overlap):
    assert overlap.loc[("depth", "last third"), "low"] > 0
    for third in THIRDS[:2]:
        assert abs(overlap.loc[("depth", third), "excess"]) < 1e-12
    found = overlap[overlap["low"] > 0].loc["kinds"].index.tolist()
    assert found == ["Attn and FFN of two blocks", "two Attn", "two FFN"]
    assert overlap.loc[("kinds", "Attn and FFN of one block"), "excess"] == pytest.approx(0)
    assert set(overlap.loc["distance"].index[overlap.loc["distance", "low"] > 0]) == {"1", "2"}


def test_the_excess_is_as_large_as_it_was_made(overlap, results):
    pairs_there = overlap.loc[("depth", "last third"), "pairs"]
    truth = len(DOUBLED) * 0.3 * (0.95 - 0.25) / pairs_there
    row = overlap.loc[("depth", "last third")]
    assert row["low"] <= truth <= row["high"]
    assert row["excess"] == pytest.approx(row["joint"] - row["single"])
    assert row["excess"] == pytest.approx(truth, abs=0.01)
    of_pair = results.interactions.query("first == 9 and second == 10")["interaction"]
    assert of_pair.mean() == pytest.approx(-0.3 * 0.7, abs=0.05)


def test_pairs_that_are_surely_more_are_counted_on_each_task(overlap):
    assert overlap.loc[("depth", "last third"), ["more", "less"]].tolist() == [2 * len(DOUBLED), 0]
    assert overlap.loc[("cornerstones", "without"), "more"] == 2 * len(DOUBLED)


def test_pairs_with_a_cornerstone_stand_apart(overlap):
    # Without Attn 0 there is nothing left to lose: its pairs are in a row of their own.
    assert overlap.loc[("cornerstones", "with a cornerstone"), "pairs"] == 3  # (0, 1), (0, 2), (0, 3)
    others = overlap.loc[("cornerstones", "without"), "pairs"]
    assert others == 11 + 10 + 9 - 3
    for by in ("kinds", "depth", "distance"):
        assert overlap.loc[by, "pairs"].sum() == others


def test_groups_are_named_by_kind_block_depth_and_distance():
    chosen = [(0, 1), (1, 2), (0, 2), (1, 7), (10, 11)]
    members = groups_of(chosen, synthetic.labels(N, "MoE"), np.zeros(N, dtype=bool))
    assert members["kinds", "Attn and MoE of one block"] == [(0, 1), (10, 11)]
    assert members["kinds", "Attn and MoE of two blocks"] == [(1, 2)]
    assert members["kinds", "two MoE"] == [(1, 7)]
    assert members["depth", "middle third"] == [(1, 7)] and members["depth", "last third"] == [(10, 11)]
    assert members["distance", "5–8"] == [(1, 7)] and members["distance", "2"] == [(0, 2)]
    assert ("cornerstones", "with a cornerstone") not in members


def test_without_pairs_there_is_no_row_and_people_are_told():
    single = synthetic.results([synthetic.known_task([0.9, 0.1, 0.1, 0.1], max_removed=1)], max_removed=1)
    assert overlap_table(single).empty
    (section,) = TABLES["overlap"].sections(overlap_table(single), View(Titles(), SCORES["acc"]))
    assert section.table["Model"].tolist() == ["No two sublayers were removed together."]


# Totals


@pytest.fixture(scope="module")
def totals():
    knock = [0.6, 0.1, 0.0, 0.2, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1]  # Attn: 0.6, FFN: 0.5
    studies = [
        synthetic.known_task(knock, task=task, n_documents=2000, seed=t)
        for t, task in enumerate(("piqa", "boolq"))
    ]
    results = synthetic.results(studies)
    return totals_table(results).set_index(["task", "by", "part"]), results


def test_totals_are_the_sums_of_values_and_effects(totals):
    table, results = totals
    for number, rows in (("value", results.values), ("effect", results.ablation)):
        of_task = rows[rows["task"] == "piqa"]
        sums = of_task.groupby("kind")[number].sum()
        assert table.loc[("piqa", "kind", "attention"), number] == pytest.approx(sums["attn"])
        assert table.loc[("piqa", "kind", "FFN"), number] == pytest.approx(sums["ffn"])
        assert table.loc[("piqa", "kind", DIFFERENCE), number] == pytest.approx(sums["attn"] - sums["ffn"])
        thirds = [table.loc[("piqa", "depth", third), number] for third in THIRDS]
        assert sum(thirds) == pytest.approx(of_task[number].sum())
        assert table.loc[(MEAN, "kind", "FFN"), number] == pytest.approx(
            table.loc[[("piqa", "kind", "FFN"), ("boolq", "kind", "FFN")], number].mean()
        )


def test_the_truth_of_a_known_game_is_in_the_intervals(totals):
    table, _ = totals
    truth = {
        ("kind", "attention"): 0.6,
        ("kind", "FFN"): 0.5,
        ("kind", DIFFERENCE): 0.1,
        ("depth", "first third"): 0.9,
    }
    for (by, part), knock in truth.items():
        row = table.loc[(MEAN, by, part)]
        assert row["effect_low"] <= knock * (0.9 - 0.25) <= row["effect_high"], part


def test_the_difference_is_paired_over_documents():
    # Attention and FFN lose the same answers: each sum is uncertain, their difference is not.
    study = synthetic.known_task([0.3, 0.3], n_documents=300, max_removed=1)
    effects = study.scores.matrix
    effects[2] = effects[1]
    table = totals_table(synthetic.results([study], top_k=1, max_removed=1)).set_index("part")
    row = table.loc[DIFFERENCE]
    assert row["effect"] == 0
    # No document shows a difference: what is left is the rule of three, ± 3 / 300.
    assert (row["effect_low"], row["effect_high"]) == pytest.approx((-0.01, 0.01))
    assert table.loc["attention", "effect_high"] - table.loc["attention", "effect_low"] > 0.05


def test_models_with_both_kinds_of_feed_forward_and_one_task_have_their_parts():
    labels = ("Attn 0", "FFN 0", "Attn 1", "MoE 1")
    parts = parts_of(labels)
    assert parts["kind", "FFN / MoE"].tolist() == [0, 1, 0, 1]
    assert parts["kind", DIFFERENCE].tolist() == [1, -1, 1, -1]
    assert sum(parts["depth", third] for third in THIRDS if ("depth", third) in parts).tolist() == [1] * 4
    single = totals_table(synthetic.results([synthetic.known_task([0.5, 0.2, 0.1, 0.0])]))
    assert MEAN not in set(single["task"])
