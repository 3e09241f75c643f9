"""Tables of a whole study: the paper's Tables 1 to 4 from values, effects and answers."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import synthetic
from cornerstone.scores import SCORES
from cornerstone.scores.unit import percent
from cornerstone.statistics.resampling import interval
from cornerstone.tables import TABLES, View
from cornerstone.tables.cornerstones import cornerstones_table
from cornerstone.tables.drops import drops_by_task_table, drops_table
from cornerstone.tables.joint import joint_table
from cornerstone.tables.shares import shares_by_task_table, shares_table
from cornerstone.tables.text import markdown
from cornerstone.tables.written import read_table, study_tables, write_tables
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results, Titles, cornerstones

PAPER = yaml.safe_load((Path(__file__).parents[2] / "config" / "paper.yaml").read_text())
SIX_TASKS = {task: task for task in PAPER["chance"]}
LLAMA = {"small": "meta-llama/Meta-Llama-3-8B", "mix": "own/mix"}
KNOCK = [0.9, 0.8, 0.05, 0.6, 0.05, 0.05, 0.05, 0.05]
IN_POINTS = View(Titles(), SCORES["acc"])


def drops_text(table):
    (section,) = TABLES["drops"].sections(table, IN_POINTS)
    return section.table


@pytest.fixture
def values():
    return pd.concat([synthetic.value_rows("small", 12), synthetic.value_rows("mix", 16, ffn="MoE", seed=1)])


def a_study(knock=KNOCK, tasks=tuple(SIX_TASKS), models=("small",), **keys):
    return [
        synthetic.known_task(knock, model=model, task=task, seed=10 * m + t, **keys)
        for m, model in enumerate(models)
        for t, task in enumerate(tasks)
    ]


@pytest.fixture(scope="module")
def results():
    of_small = a_study(n_documents=150)
    of_mix = a_study(models=("mix",), n_documents=150, ffn="MoE")
    return synthetic.results([*of_small, *of_mix])


def as_the_papers(results, ids=LLAMA, tasks=None):
    from cornerstone.values.published import Published

    return replace(results, published=Published(PAPER, ids, tasks or SIX_TASKS))


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


def test_a_study_of_single_removals_has_its_tables_too(tmp_path):
    game = synthetic.known_task([0.9, 0.8, 0.1, 0.1, 0.1, 0.1], max_removed=1, n_documents=100)
    write_tables(study_tables(), synthetic.results([game], max_removed=1), tmp_path)
    assert read_table(tmp_path / "joint.csv").empty
    assert "No such runs were removed." in (tmp_path / "joint.md").read_text()


# The paper's columns


def paper_columns(tables):
    return {name: [c for c in table if c.startswith("paper_")] for name, table in tables.items()}


def test_a_study_of_other_models_has_no_columns_of_the_paper(results):
    demo = as_the_papers(results, {"small": "demo_llama", "mix": "demo_mixtral"})
    tables = synthetic.all_tables(demo)
    assert not any(paper_columns(tables).values())
    sections = [section for name in tables for section in TABLES[name].sections(tables[name], IN_POINTS)]
    assert "paper" not in " ".join(column for section in sections for column in section.table)


def test_the_papers_numbers_stand_beside_its_models_alone(results):
    study = as_the_papers(results)
    shares = shares_table(study.values, 3, study.published).set_index("model")
    assert shares.loc["small", ["paper_top_share", "paper_other_share"]].tolist() == pytest.approx(
        [0.291, 0.709]
    )
    assert np.isnan(shares.loc["mix", "paper_top_share"])
    drops = drops_table(study).set_index("model")
    assert drops.loc["small", ["paper_cornerstone_drop", "paper_other_drop"]].tolist() == pytest.approx(
        [0.293, 0.016]
    )
    by_task = drops_by_task_table(study).set_index(["model", "task"])["paper_other_drop"]
    assert by_task["small", "winogrande"] == pytest.approx(0.004)
    assert by_task["mix"].isna().all()
    text = markdown(drops_text(drops_table(study)))
    assert "| 29.3 |" in text and "nan" not in text


def test_means_are_beside_the_papers_only_over_its_six_tasks_and_three_cornerstones(results):
    fewer = as_the_papers(results, tasks={"boolq": "boolq", "mine": "hellaswag"})
    assert not [c for c in shares_table(fewer.values, 3, fewer.published) if c.startswith("paper_")]
    assert "paper_other_drop" not in drops_table(fewer)
    assert "paper_other_drop" in drops_by_task_table(fewer)  # BoolQ is BoolQ
    four = replace(as_the_papers(results), top_k=4)
    assert "paper_other_drop" not in drops_by_task_table(four)
    large = as_the_papers(results, {"small": "meta-llama/Meta-Llama-3-70B"})
    assert shares_table(large.values, 4, large.published)["paper_top_share"].iloc[0] == pytest.approx(0.476)


def test_a_task_is_the_papers_by_its_name_in_lm_eval(results):
    named = as_the_papers(results, tasks={**SIX_TASKS, "boolq": "piqa", "piqa": "boolq"})
    table = drops_by_task_table(named).set_index(["model", "task"])["paper_other_drop"]
    assert [table["small", "boolq"], table["small", "piqa"]] == pytest.approx([0.015, 0.028])


def test_cornerstones_that_only_the_paper_names_are_there_with_their_rank(results):
    table = cornerstones_table(as_the_papers(results, {"mix": "mistralai/Mixtral-8x7B-v0.1"}))
    mix = table[table["model"] == "mix"].set_index("label")
    assert mix["ours"].sum() == 3
    assert mix["paper_names_it"].to_dict() == {
        "Attn 0": "Table 2",
        "MoE 0": "Table 2",
        "MoE 1": "Table 2",
        "MoE 3": "running text",
    }
    assert mix.loc["MoE 3", "rank"] > 3 and not mix.loc["MoE 3", "ours"]


# Files


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    titles = Titles({"small": "Small Llama"}, {"boolq": "BoolQ"})
    write_tables(study_tables(), replace(as_the_papers(results), titles=titles), folder)
    return folder


@pytest.mark.parametrize("name", [table.name for table in study_tables()])
def test_csv_and_markdown_hold_the_same_numbers(written, name):
    table, text = read_table(written / f"{name}.csv"), (written / f"{name}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    if name in ("values", "ablation"):  # a row per sublayer there, per sublayer and task here
        numbers = table[[{"values": "value", "ablation": "effect"}[name], "low", "high"]].to_numpy()
        cells = {f"{percent(number)} ({percent(low)} – {percent(high)})" for number, low, high in numbers}
        assert {cell for line in lines for cell in line.strip("| ").split(" | ") if "(" in cell} == cells
        return
    for row, line in zip(table.itertuples(), lines[1:], strict=True):
        for column in table.select_dtypes(float).columns.drop("rank_correlation", errors="ignore"):
            if name == "scores_side_by_side":
                assert SCORES[row.score].unit.text(getattr(row, column)) in line, (column, line)
                continue
            assert percent(getattr(row, column)) in line, (column, line)


def test_people_read_titles_and_no_empty_numbers(written):
    for path in written.glob("*.md"):
        text = path.read_text()
        assert "nan" not in text and "| None" not in text and "| small |" not in text, path.name
    assert "| Small Llama | BoolQ |" in (written / "scores.md").read_text()
    assert "| Small Llama | 1 | " in (written / "cornerstones.md").read_text()


def test_rows_of_the_value_table_stay_in_model_order(values):
    section = TABLES["values"].sections(values, IN_POINTS)[1]
    assert section.table["Sublayer"].tolist()[:4] == ["Attn 0", "MoE 0", "Attn 1", "MoE 1"]
    assert list(section.table.columns) == ["Sublayer", *synthetic.TASKS]


def test_text_writes_percent_minus_signs_and_bars_safely():
    assert percent(-0.0123) == "−1.2"
    assert percent(-1e-17) == "0.0"
    assert percent(float("nan")) == ""
    assert markdown(pd.DataFrame({"a": ["x|y"]})) == "| a |\n| --- |\n| x\\|y |\n"


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
