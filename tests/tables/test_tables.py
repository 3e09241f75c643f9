"""Numbers of a whole study's tables: the paper's Tables 1 to 4 from values, effects and answers."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from of_six_tasks import a_study, drops_text

import synthetic
from cornerstone.shapley.coalitions import parse_removed
from cornerstone.statistics.resampling import interval
from cornerstone.tables.cornerstones import cornerstones_table
from cornerstone.tables.drops import drops_by_task_table, drops_table
from cornerstone.tables.joint import joint_table
from cornerstone.tables.shares import shares_by_task_table, shares_table
from cornerstone.tables.text import markdown
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results, cornerstones

# Table 1


def test_the_top_share_is_that_of_the_three_largest_and_averages_over_tasks(values):
    by_task = shares_by_task_table(values, 3)
    boolq = values[(values["model"] == "small") & (values["task"] == "boolq")]
    row = by_task[(by_task["model"] == "small") & (by_task["task"] == "boolq")].iloc[0]
    assert row["top_share"] == pytest.approx(boolq["share"].nlargest(3).sum())
    assert row["top_share"] + row["other_share"] == pytest.approx(1)
    mean = shares_table(values, 3).set_index("model").loc["small"]
    assert mean["top_share"] == pytest.approx(by_task[by_task["model"] == "small"]["top_share"].mean())
    assert mean["cornerstone_share"] <= mean["top_share"] + 1e-12
    assert mean["documents"] == 6 * 300


def test_the_interval_of_the_mean_share_is_narrower_than_a_tasks(values):
    by_task, mean = shares_by_task_table(values, 3), shares_table(values, 3)
    assert (mean["high"] - mean["low"]).iloc[0] == pytest.approx(0.1 / np.sqrt(6))
    assert (by_task["high"] - by_task["low"]).iloc[0] == pytest.approx(0.1)


def test_the_mean_has_no_signed_share_where_a_task_has_none(values):
    values.loc[values["task"] == "piqa", ["top_signed_share", "top_signed_low", "top_signed_high"]] = np.nan
    assert shares_table(values, 3)["signed_share"].isna().all()


# Table 2


def test_cornerstones_are_the_largest_by_share_averaged_over_tasks(values):
    assert cornerstones(values, 3) == {
        "small": ["Attn 0", "FFN 0", "FFN 1"],
        "mix": ["Attn 0", "MoE 0", "MoE 1"],
    }
    assert cornerstones(values, 1) == {"small": ["Attn 0"], "mix": ["Attn 0"]}


def test_cornerstones_are_found_wherever_they_are():
    knock = [0.02] * 10
    knock[8], knock[5] = 0.9, 0.7
    table = cornerstones_table(synthetic.results(a_study(knock, n_documents=200), top_k=2))
    assert table["label"].tolist() == ["Attn 4", "FFN 2"]
    assert table["top_k_stability"].tolist() == [1, 1]


def test_how_often_other_documents_would_name_a_cornerstone_is_told():
    # The third and fourth are the same: which of them is the third is chance.
    results = synthetic.results(a_study([0.9, 0.8, 0.2, 0, 0, 0.2, 0, 0], ("piqa",), n_documents=100))
    found = cornerstones_table(results)["top_k_stability"]
    assert (found.iloc[:2] == 1).all()
    assert 0.3 < found.iloc[2] < 0.95
    assert results.found["small"].sum() == pytest.approx(3)


# Tables 3 and 4


def test_drops_average_over_cornerstones_and_over_the_others(results):
    table = drops_by_task_table(results).set_index(["model", "task"])
    effects = results.ablation.query("model == 'mix' and task == 'piqa'").set_index("label")["effect"]
    named = results.cornerstones["mix"]
    assert sorted(named) == ["Attn 0", "MoE 0", "MoE 1"]
    row = table.loc[("mix", "piqa")]
    assert row["cornerstone_drop"] == pytest.approx(effects[named].mean())
    assert row["other_drop"] == pytest.approx(effects.drop(named).mean())
    mean = drops_table(results).set_index("model").loc["mix"]
    assert mean["other_drop"] == pytest.approx(table.loc["mix"]["other_drop"].mean())
    assert mean["tasks"] == 6


def test_all_sublayers_share_the_resampled_documents():
    # Eight others that lose the same answers: resampled apart, their mean would seem almost three times as sure.
    study = synthetic.known_task([0.9] + [0.0] * 8, task="piqa", n_documents=200)
    lost = np.random.default_rng(0).random(200) < 0.2
    numbers = synthetic.results([study], top_k=1).measured[0]
    numbers.effects[1:] = lost
    row = drops_by_task_table(replace(synthetic.results([study], top_k=1), measured=(numbers,))).iloc[0]
    assert row["other_high"] - row["other_low"] == pytest.approx(
        2 * 1.96 * lost.std() / np.sqrt(200), rel=0.1
    )


def test_tasks_are_resampled_independently_and_alike_for_every_model():
    row = np.random.default_rng(0).random((1, 300))
    one, other = task_draws(row, "boolq"), task_draws(row, "piqa")
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.08
    np.testing.assert_array_equal(one, task_draws(row, "boolq"))


def test_the_interval_of_the_mean_drop_covers_the_truth_about_as_often_as_it_says():
    knock, chance, full = np.array([0.9, 0.1, 0.0, 0.2, 0.05, 0.1]), 0.25, 0.9
    truth = knock[1:].mean() * (full - chance)
    covered = []
    for world in range(120):
        tasks = [
            synthetic.known_task(knock, task=task, n_documents=120, seed=1000 * world + t, max_removed=1)
            for t, task in enumerate(("piqa", "boolq", "arc_easy"))
        ]
        drops = [study.scores.matrix[0] - study.scores.matrix[2:] for study in tasks]
        draws = np.mean(
            [task_draws(drop.mean(axis=0), study.task)[0] for drop, study in zip(drops, tasks, strict=True)],
            axis=0,
        )
        low, high = interval(draws)
        covered.append(low <= truth <= high)
    assert 0.91 <= np.mean(covered) <= 0.995


def test_a_model_without_others_has_no_drop_of_them():
    results = synthetic.results(a_study([0.9, 0.8, 0.5, 0.4], ("piqa",), n_documents=60), top_k=4)
    row = drops_table(results).iloc[0]
    assert np.isnan(row["other_drop"]) and row["cornerstone_drop"] > 0
    assert "nan" not in markdown(drops_text(drops_table(results)))


# Joint removals


def test_joint_removals_leave_runs_with_a_cornerstone_out():
    results = synthetic.results(
        a_study([0.9, 0.8, 0.02, 0.6, 0.02, 0.02, 0.02, 0.02], ("piqa",), together=0.2, n_documents=300)
    )
    row = joint_table(results).iloc[0]
    assert row["windows"] == 3  # (4, 5), (5, 6) and (6, 7) hold none of 0, 1 and 3
    of = results.joint.set_index("removed").loc[["4,5", "5,6", "6,7"]]
    assert row["joint"] == pytest.approx(of["joint"].mean())
    assert row["single"] == pytest.approx(of["single"].mean())
    assert row["low"] < row["excess"] == pytest.approx(of["excess"].mean())
    assert (row["more"], row["less"]) == (3, 0)


def test_long_runs_are_found_as_they_are_written():
    """Of more than 16 sublayers a coalition is a number in hexadecimal digits."""
    results = synthetic.results(
        a_study([0.9, *[0.02] * 19], ("piqa",), together=0.2, n_documents=300, max_removed=18),
        top_k=1,
        max_removed=18,
    )
    table = joint_table(results).set_index("size")
    low = results.joint.assign(size=[len(parse_removed(text)) for text in results.joint["removed"]])
    low = low[~low["removed"].map(lambda text: 0 in parse_removed(text))]
    wanted = (low["low"] > 0).groupby(low["size"]).sum()
    assert table.loc[[2, 17, 18], "more"].tolist() == wanted.loc[[2, 17, 18]].tolist()
    assert table.loc[18, "more"] > 0


def test_the_largest_model_on_the_largest_task_takes_seconds():
    n_sublayers, n_documents = 160, 3000
    rng = np.random.default_rng(0)
    labels = synthetic.labels(n_sublayers)
    effects = rng.integers(-1, 2, (n_sublayers, n_documents)).astype(float)
    windows = tuple(tuple(range(i, i + 2)) for i in range(n_sublayers - 1))
    joint = effects[:-1] + effects[1:]
    half = np.full(n_documents, 0.5)
    numbers = DocumentNumbers(
        "small", "piqa", labels, tuple(range(n_documents)), np.ones(n_documents), effects,
        effects, windows, joint, joint, half, half, pairs=windows, interactions=joint,
    )  # fmt: skip
    results = Results(
        values=synthetic.value_rows("small", n_sublayers, ("piqa",)),
        ablation=synthetic.effect_rows("small", n_sublayers, ("piqa",)),
        joint=pd.DataFrame({"model": "small", "removed": ["0,1"], "low": [0.0], "high": [0.0]}),
        agreement=synthetic.agreement_rows("small", n_sublayers, ("piqa",)),
        interactions=synthetic.interaction_rows("small", n_sublayers, 1, ("piqa",)),
        measured=(numbers,),
        top_k=3,
    )
    start = time.perf_counter()
    synthetic.all_tables(results)
    assert time.perf_counter() - start < 15
