"""Every table is one entry of the registry: written as numbers and as text, known to the study, in the report."""

from dataclasses import replace

import pandas as pd
import pytest
from of_six_tasks import IN_POINTS, as_the_papers

import synthetic
from cornerstone.report.contents import Contents
from cornerstone.report.page import _tables
from cornerstone.scores import SCORES
from cornerstone.scores.unit import percent
from cornerstone.study.resolve import resolve
from cornerstone.tables import TABLES, Part, Section, Table, View, tables_of
from cornerstone.tables.text import markdown
from cornerstone.tables.written import write_tables
from cornerstone.values.rows import read_csv
from cornerstone.values.titles import Titles


def test_a_study_of_single_removals_has_its_tables_too(tmp_path):
    game = synthetic.known_task([0.9, 0.8, 0.1, 0.1, 0.1, 0.1], max_removed=1, n_documents=100)
    write_tables(tables_of(Part.STUDY), synthetic.results([game], max_removed=1), tmp_path)
    assert read_csv(tmp_path / "joint.csv").empty
    assert "No such runs were removed." in (tmp_path / "joint.md").read_text()


@pytest.mark.parametrize("in_nats", [False, True])
def test_every_table_of_numbers_says_its_unit_in_its_last_column(tmp_path, in_nats):
    game = synthetic.known_task([0.9, 0.8, 0.4] + [0.05] * 13, n_documents=100)
    game = synthetic.as_log_probabilities(game) if in_nats else game
    write_tables(tables_of(Part.STUDY), synthetic.results([game]), tmp_path)
    own = "nats" if in_nats else "fraction"
    for table in tables_of(Part.STUDY):
        rows = read_csv(tmp_path / f"{table.name}.csv")
        if table.name == "claims":
            assert "unit" not in rows
            continue
        assert rows.columns[-1] == "unit", table.name
        if rows.empty:  # no runs without a cornerstone
            continue
        if table.name == "scores_side_by_side":
            assert rows.set_index("score")["unit"].to_dict()["logprob"] == "nats"
        elif table.name == "evidence":
            of_shares = rows["quantity"].str.contains("share")
            assert set(rows["unit"][of_shares]) == {"fraction"} and set(rows["unit"][~of_shares]) <= {own}
        else:
            shares = table.name in ("shares", "shares_by_task")
            assert set(rows["unit"]) == {"fraction" if shares else own}, table.name


def test_every_table_has_titles_and_notes_and_a_place_of_its_own(results):
    assert len({table.order for table in TABLES}) == len(TABLES)
    tables = synthetic.all_tables(results)
    assert tables.pop("perplexities").empty  # the study has choices alone
    for score in SCORES:
        for name, rows in tables.items():
            sections = TABLES[name].sections(rows, View(Titles(), score))
            assert sections and all(section.title and section.note.endswith(".") for section in sections), (
                name
            )


@pytest.mark.parametrize("is_folded", [True, False])
def test_a_table_of_ones_own_is_written_known_and_in_the_report(results, tmp_path, monkeypatch, is_folded):
    monkeypatch.setattr(TABLES, "_entries", dict(TABLES._entries))
    monkeypatch.setattr(TABLES, "_files", dict(TABLES._files))
    TABLES.register(
        Table(
            name="own",
            about="the largest value",
            make=lambda results: results.values.groupby("model", as_index=False)["value"].max(),
            sections=lambda rows, view: [Section("The largest", "Of all tasks.", rows.round(2))],
            is_folded=is_folded,
        )
    )
    assert {"own.csv", "own.md"} < set(resolve({"models": {"small": {"folder": "small"}}}).table_files)
    write_tables([TABLES["own"]], results, tmp_path)
    assert (
        (tmp_path / "own.md").read_text().startswith("## The largest\n\nOf all tasks.\n\n| model | value |")
    )
    tables = {"own": read_csv(tmp_path / "own.csv")}
    contents = Contents({"score": "acc"}, Titles(), (), tables, None, (), {}, {})
    assert [(section.title, folded) for section, folded in _tables(contents)] == [("The largest", is_folded)]


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    titles = Titles({"small": "Small Llama"}, {"boolq": "BoolQ"})
    write_tables(tables_of(Part.STUDY), replace(as_the_papers(results), titles=titles), folder)
    return folder


@pytest.mark.parametrize("name", [table.name for table in tables_of(Part.STUDY)])
def test_csv_and_markdown_hold_the_same_numbers(written, name):
    table, text = read_csv(written / f"{name}.csv"), (written / f"{name}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    if name in ("values", "ablation"):  # a row per sublayer there, per sublayer and task here
        numbers = table[[{"values": "value", "ablation": "effect"}[name], "low", "high"]].to_numpy()
        cells = {f"{percent(number)} ({percent(low)} – {percent(high)})" for number, low, high in numbers}
        assert {cell for line in lines for cell in line.strip("| ").split(" | ") if "(" in cell} == cells
        return
    for row, line in zip(table.to_dict("records"), lines[1:], strict=True):
        for column in table.select_dtypes(float).columns.drop("rank_correlation", errors="ignore"):
            if name == "scores_side_by_side":
                assert SCORES[row["score"]].unit.text(row[column]) in line, (column, line)
                continue
            assert percent(row[column]) in line, (column, line)


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
