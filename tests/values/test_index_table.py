"""The table of interaction indices, and what it says of the noise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.games import place_of, with_own_pairs
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.interaction_indices import Indices
from cornerstone.tables.written import write_tables
from cornerstone.values.interaction_indices import index_table
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from cornerstone.values.titles import Titles
from hard_games import everything, exact_indices

N, PAIRS = 6, 12
VIEW = View(Titles(), SCORES["acc"])


def scored(probability, task, documents=200, seed=0):
    table = np.random.default_rng(seed).random((2**N, documents)) < probability[:, None]
    coalitions = tuple(ablation(N))
    matrix = table[[place_of(removed) for removed in coalitions]].astype(float)
    none, asked = np.zeros(documents), tuple(range(documents))
    games = with_own_pairs(table.astype(float), PAIRS, seed)
    scores = Scores("acc", coalitions, asked, matrix, none, none)
    return ScoredTask("one", task, tuple(synthetic.labels(N)), scores, games)


def stand_in():
    """Either of the first two does, and a last one is needed: no other two interact."""
    there = ~everything(N)
    return 0.1 + 0.4 * (there[:, 0] | there[:, 1]) + 0.4 * (there[:, 3] & there[:, 5])


def test_those_that_stand_in_are_below_zero_and_those_that_need_each_other_above():
    table = index_table(scored(stand_in(), "boolq")).set_index(["first", "second"])
    exact = exact_indices(stand_in()[:, None])[0]
    assert (exact.round(12) != 0).sum() == 2
    assert table.index.tolist() == list(zip(*np.triu_indices(N, 1), strict=True))
    drawn = [index_table(scored(stand_in(), "boolq", seed=seed)) for seed in range(10)]
    assert np.mean([(one["low"] <= exact) & (exact <= one["high"]) for one in drawn]) > 0.9
    assert table.index[table["sure"]].tolist() == [(0, 1), (3, 5)]
    assert table.loc[(0, 1), "index"] < -0.3 and table.loc[(3, 5), "index"] > 0.3
    assert table.loc[(3, 5), ["first_label", "second_label", "distance"]].tolist() == ["FFN 1", "FFN 2", 2]


@pytest.mark.parametrize("pairs", [2, PAIRS])
@pytest.mark.parametrize("rights", [0.0, 0.4, 1.0])
def test_a_model_that_always_answers_alike_has_no_significant_index(rights, pairs):
    """Its answers are right on some documents, whatever is removed."""
    task = scored(np.full(2**N, 1.0), "boolq")
    right = np.random.default_rng(3).random(200) < rights
    games = with_own_pairs(np.tile(right.astype(float), (2**N, 1)), pairs, 0)
    table = index_table(replace(task, games=games))
    assert (table["index"] == 0).all() and not table["sure"].any()


def test_the_table_says_what_the_noise_hides():
    rows = pd.concat(
        [index_table(scored(stand_in(), "boolq")), index_table(scored(np.full(2**N, 0.5), "piqa"))]
    )
    (section,) = TABLES["interaction_indices"].sections(rows, VIEW)
    shown = section.table
    assert shown["Significant"].tolist() == [2, 0] and shown["Pairs"].tolist() == [15, 15]
    strongest = shown["Largest significant (points)"]
    assert strongest[0].count(" and ") == 2 and "Attn 0 and FFN 0 −" in strongest[0] and strongest[1] == ""
    half = rows.groupby("task", sort=False).apply(lambda r: (r["high"] - r["low"]).median() / 2)
    assert shown["Half-width (points)"].tolist() == [f"{100 * one:.1f}" for one in half]
    assert section.note.endswith("All indices of one on piqa are lost in the noise.")


def test_the_files_have_every_pair_and_the_unit(tmp_path):
    rows = index_table(scored(stand_in(), "boolq"))
    write_tables(tables_of(Part.OWN), Indices(rows, Titles(), SCORES["acc"]), tmp_path)
    written = pd.read_csv(tmp_path / "interaction_indices.csv")
    assert len(written) == 15 and (written["unit"] == "fraction").all()
    assert (tmp_path / "interaction_indices.md").read_text().count("\n| ") == 3


def test_one_document_is_sure_of_nothing():
    table = index_table(scored(stand_in(), "boolq", documents=1))
    assert not table["sure"].any() and (table["low"] <= 0).all() and (table["high"] >= 0).all()
