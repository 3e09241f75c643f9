"""The driver notes that a file which documents were made from was edited, and Snakemake then makes them anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from configurations import a_study, typed
from cornerstone.documents.document import DocumentSet, digest_documents, read_documents, write_documents
from cornerstone.documents.task_files import _digest
from cornerstone.study import driver
from cornerstone.study.resolve import resolve
from tiny_study import run

REPOSITORY = Path(__file__).parents[2]
ALL = typed("all")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study whose documents were made from a file."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("first")
    study = resolve(a_study())
    task = study.task_names[0]
    make(study, task)
    return study


def make(study, task):
    files = {"rows.jsonl": _digest("rows.jsonl")}
    made = DocumentSet(task, "1", "test", ("acc",), digest_documents([]), (), files=files)
    write_documents(made, study.documents_path(task))


def test_without_an_edit_nothing_is_noted(study, capsys):
    assert driver.note_edited_tasks(study, ALL) == {}
    assert driver.read_edits(study) == {}
    assert capsys.readouterr().err == ""


def test_an_edit_is_noted_until_the_next_one(study, capsys):
    task = study.task_names[0]
    Path("rows.jsonl").write_text("other")
    noted = driver.note_edited_tasks(study, ALL)
    assert set(noted) == {study.documents_path(task)}
    line = capsys.readouterr().err
    assert "was made from rows.jsonl, which was edited since" in line
    assert line.count("\n") == 1
    assert driver.note_edited_tasks(study, ALL) == driver.read_edits(study) == noted, "as its jobs read it"
    make(study, task)
    assert driver.note_edited_tasks(study, ALL) == noted, "the same parameter as when the documents were made"
    Path("rows.jsonl").write_text("first")
    assert driver.note_edited_tasks(study, ALL) not in ({}, noted)


def test_an_edit_of_the_calibration_is_noted_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("first")
    study = resolve(a_study(removal="mean", calibration={"task": "wikitext"}))
    files = {"rows.jsonl": _digest("rows.jsonl")}
    made = DocumentSet("wikitext", "1", "test", ("acc",), digest_documents([]), (), files=files)
    write_documents(made, study.calibration_path)
    assert driver.note_edited_tasks(study, ALL) == {}
    Path("rows.jsonl").write_text("other")
    assert (
        set(driver.note_edited_tasks(study, ALL)) == {study.calibration_path} == set(driver.read_edits(study))
    )
    assert "the calibration is made again" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["all", "-n"], ["--summary"], ["all", "--dag"]])
def test_a_driver_that_runs_no_jobs_plans_with_the_edit_and_writes_nothing(study, arguments):
    Path("rows.jsonl").write_text("other")
    assert driver.note_edited_tasks(study, typed(*arguments))
    assert driver.read_edits(study) == {}


def test_a_file_that_is_gone_is_told_and_plans_nothing(study, capsys):
    Path("rows.jsonl").unlink()
    assert driver.note_edited_tasks(study, ALL) == {}
    assert "was made from rows.jsonl, which is gone" in capsys.readouterr().err


def test_damaged_documents_are_left_to_those_who_set_them_aside(study):
    task = study.task_names[0]
    study.documents_path(task).write_bytes(b"none")
    assert driver.note_edited_tasks(study, ALL) == {}


DEFINITION = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: data/rows.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: !function code.ask
doc_to_choice: ["no", "yes"]
doc_to_target: label
"""


CODE = """
def ask(row):
    return " ".join(set("abcdefgh")) + row["question"]
"""


@pytest.mark.study
def test_edited_data_of_a_task_are_read_by_the_same_command(tmp_path):
    for name in ("tasks", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(DEFINITION)
    (tmp_path / "tasks" / "code.py").write_text(CODE)
    (tmp_path / "data" / "rows.jsonl").write_text('{"question": "So?", "label": 1}\n')
    study = {"models": {"far": {"hub": "a/b"}}, "tasks": {"mine": {"include_path": "tasks"}}}
    (tmp_path / "study.yaml").write_text(json.dumps(study))

    def snakemake(*more):
        command = ["-s", str(REPOSITORY / "Snakefile"), "-c1", "--configfile", "study.yaml", *more]
        return run(tmp_path, "results/documents/mine.parquet", *command)

    snakemake()
    first = read_documents(tmp_path / "results" / "documents" / "mine.parquet")
    snakemake("--forcerun", "build_documents")
    assert read_documents(tmp_path / "results" / "documents" / "mine.parquet") == first, "sets have one order"
    assert "Nothing to be done" in snakemake("-n")
    (tmp_path / "data" / "rows.jsonl").write_text('{"question": "Well?", "label": 1}\n')
    assert "build_documents        1" in snakemake("-n")
    snakemake()
    assert "Nothing to be done" in snakemake("-n")
