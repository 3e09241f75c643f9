"""Scores side by side: what accuracy does not see and the log-probability does, from one evaluation."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.scores import SCORES, yardstick
from cornerstone.shapley.coalitions import ablation
from cornerstone.statistics.ranks import spearman
from cornerstone.tables import TABLES, View
from cornerstone.tables.scores import scores_side_by_side
from cornerstone.values.ablation import effect_table
from cornerstone.values.agreement import agreement_table, compared_with
from cornerstone.values.score_matrix import scores_of
from cornerstone.values.scored_task import choice_table
from cornerstone.values.titles import Titles

LABELS = synthetic.labels(4)
DROPS = {"Attn 0": 6.0, "FFN 0": 0.5, "Attn 1": 0.0, "FFN 1": -0.5}


def a_game(n_documents=300, n_choices=4):
    """All answers are ahead by 2 nats or more; without FFN 0 by half a nat less: no answer changes, each is less sure.

    Without Attn 0 most answers are lost, without Attn 1 nothing changes, without FFN 1 all get surer.
    """
    rng = np.random.default_rng(0)
    asked = synthetic.documents(n_documents, n_choices)
    ahead = 2 + rng.exponential(2.0, n_documents)
    answers = {}
    for removed, drop in zip(ablation(4), (0.0, *DROPS.values()), strict=True):
        answers[removed] = [np.zeros(n_choices) for _ in asked]
        for values, document, margin in zip(answers[removed], asked, ahead, strict=True):
            values[document.gold[0]] = margin - drop
    return choice_table(synthetic.table(answers, range(n_documents)), asked)


@pytest.fixture(scope="module")
def table():
    choices = a_game()
    return agreement_table([scores_of(choices, metric) for metric in synthetic.METRICS], LABELS, "acc")


def test_a_loss_that_changes_no_answer_is_unseen_by_the_accuracies_alone(table):
    rows = table.set_index(["score", "label"])
    assert rows.loc[("acc", "FFN 0"), "low"] <= 0
    assert rows.loc[("logprob", "FFN 0"), "low"] > 0
    assert rows.loc[("margin", "FFN 0"), "effect"] == pytest.approx(0.5)
    assert [score for (score, _), row in rows.iterrows() if row["unseen"]] == ["acc", "acc_norm"]
    assert rows.loc[("acc", "FFN 0"), "unseen"]
    assert rows.loc[("acc", "Attn 0"), "lost"] and not rows.loc[("acc", "Attn 0"), "unseen"]


def test_what_changes_nothing_or_gains_is_neither_lost_nor_unseen(table):
    rows = table[table["label"].isin(["Attn 1", "FFN 1"])]
    assert not rows["lost"].any() and not rows["unseen"].any()
    assert (rows[rows["label"] == "FFN 1"].set_index("score").loc[["logprob", "margin"], "high"] < 0).all()


def test_each_scores_effects_are_those_of_the_ablation_table(table):
    choices, same = a_game(), ["full", "full_high", "effect", "low", "high"]
    for metric, rows in table.groupby("score", sort=False):
        effects = effect_table(scores_of(choices, metric), LABELS)
        np.testing.assert_array_equal(rows[same], effects[same])


def test_the_study_of_every_score_has_a_row_and_says_which_is_its_own(table):
    side_by_side = scores_side_by_side(table.assign(model="small", task="piqa")).set_index("score")
    assert side_by_side.index.tolist() == list(synthetic.METRICS)
    assert side_by_side["chosen"].tolist() == [name == "acc" for name in synthetic.METRICS]
    assert side_by_side.loc["acc", ["lost", "unseen", "unseen_labels"]].tolist() == [1, 1, "FFN 0"]
    assert side_by_side.loc["logprob", ["lost", "unseen", "unseen_labels"]].tolist() == [2, 0, ""]
    assert side_by_side.loc[yardstick().name, "rank_correlation"] == pytest.approx(1)
    assert side_by_side.loc["margin", "rank_correlation"] == pytest.approx(1)


def test_unseen_sublayers_are_named_by_the_size_of_the_fall(table):
    rows = pd.concat([table] * 2, ignore_index=True)
    rows["sublayer"] += 4 * (np.arange(len(rows)) >= len(table))
    rows.loc[len(table) :, "label"] = rows["label"].str.replace("0", "7")
    fall = rows["score"].eq(yardstick().name) & rows["label"].eq("FFN 7")
    rows.loc[fall, "effect"] *= 2
    rows = rows.sort_values(["score", "sublayer"], kind="stable").assign(model="small", task="piqa")
    side_by_side = scores_side_by_side(rows).set_index("score")
    assert side_by_side.loc["acc", "unseen_labels"] == "FFN 7, FFN 0"


def test_people_read_each_score_in_its_unit(table):
    side_by_side = scores_side_by_side(table.assign(model="m", task="t"))
    (section,) = TABLES["scores_side_by_side"].sections(side_by_side, View(Titles(), SCORES["acc"]))
    text = section.table.set_index("Score")
    assert text.loc["acc (the study's)", ["Unit", "Full model", "Chance", "Lost", "Unseen"]].tolist() == [
        "%", "100.0", "25.0", "1 of 4", "1: FFN 0",
    ]  # fmt: skip
    assert text.loc["logprob", ["Unit", "Chance", "Unseen"]].tolist() == ["nats", "−1.386", "0"]


def test_the_yardstick_itself_is_held_against_the_papers_accuracy():
    rows = pd.DataFrame(
        {"score": synthetic.METRICS, "chosen": [name == "logprob" for name in synthetic.METRICS]}
    )
    assert compared_with(rows) == "acc_norm"
    assert compared_with(rows[rows["score"] != "acc_norm"]) == "acc"
    assert compared_with(rows.assign(chosen=rows["score"] == "margin")) == "margin"


def test_rank_correlation_takes_mean_ranks_of_equal_effects():
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([10.0, 20, 30, 99])) == pytest.approx(1)
    assert spearman(np.array([0.0, 0, 1, 2]), np.array([1.0, 2, 3, 4])) == pytest.approx(
        np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1]
    )
    assert np.isnan(spearman(np.zeros(4), np.arange(4.0)))
