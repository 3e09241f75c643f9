"""The paper's numbers stand beside those of its own models, tasks and number of cornerstones, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from of_six_tasks import IN_POINTS, SIX_TASKS, as_the_papers, drops_text

import synthetic
from cornerstone.tables import TABLES
from cornerstone.tables.cornerstones import cornerstones_table
from cornerstone.tables.drops import drops_by_task_table, drops_table
from cornerstone.tables.shares import shares_table
from cornerstone.tables.text import markdown


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
