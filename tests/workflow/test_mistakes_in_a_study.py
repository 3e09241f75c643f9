"""Mistakes are told in one line before anything runs, and a study is planned from its configuration alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from configurations import shipped
from tiny_study import configure, make, prepare, run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """The tiny study, of which nothing was run. Not to be changed: see `study`."""
    return prepare(tmp_path_factory.mktemp("prepared") / "study")


@pytest.fixture
def study(prepared, tmp_path) -> Path:
    """A copy, to do with as one likes."""
    return shutil.copytree(prepared, tmp_path / "study", symlinks=True)


def lines_of(said: str) -> list[str]:
    """What a run says, but for Snakemake's line about the profile it reads."""
    return [
        line for line in said.splitlines() if line and not line.startswith("Using workflow specific profile")
    ]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("results/figures/pie_tony.pdf", "unknown model 'tony': the configuration has tiny"),
        ("results/values/tiny/bolq.csv", "unknown task 'bolq': the configuration has boolq, piqa"),
        ("results/figures/pie_tiny.jpg", "a figure ends in one of .pdf, .png, .svg"),
    ],
)
def test_a_wrong_target_is_told_in_one_line_before_anything_runs(prepared, target, line):
    assert lines_of(make(prepared, target, succeeds=False)) == [f"Cornerstone: cannot make {target}: {line}"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"max_remove": 3}, "config: unknown key 'max_remove' (did you mean 'max_removed'?)"),
        ({"max_removed": 0}, "config: max_removed is 0: give 1 or more"),
        (
            {"max_removed": 6},
            "models.tiny: max_removed is 6, but this model has 6 sublayers: give a number from 1 to 5",
        ),
        (
            {"models": {"tiny": {"folder": "models"}}},
            "models.tiny: model folder models has no config.json: give a Hugging Face model folder",
        ),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line_before_anything_runs(study, changes, line):
    configure(study, **changes)
    assert lines_of(make(study, "all", succeeds=False)) == [f"Cornerstone: {line}"]


def test_a_mistake_that_a_job_finds_is_told_in_one_line_without_a_stack_trace(study):
    rows = (study / "boolq.jsonl").read_text().splitlines()
    del (row := json.loads(rows[4]))["passage"]
    (study / "boolq.jsonl").write_text("\n".join([*rows[:4], json.dumps(row), *rows[5:]]) + "\n")
    said = make(study, "results/documents/boolq.parquet", succeeds=False)
    told = [line for line in said.splitlines() if line.startswith("Cornerstone: ")]
    assert len(told) == 1
    assert "boolq.jsonl, row 5: no field 'passage'" in told[0]
    assert "Traceback" not in said


def test_a_model_that_cannot_be_measured_is_refused_before_any_is_evaluated(study):
    config = json.loads((study / "models" / "tiny" / "config.json").read_text())
    (study / "models" / "tiny" / "config.json").write_text(json.dumps(config | {"num_kv_shared_layers": 1}))
    said = make(study, "results/values/tiny/boolq.csv", succeeds=False)
    (told,) = {line for line in said.splitlines() if line.startswith("Cornerstone: ")}
    assert "tiny (LlamaForCausalLM) cannot be measured: it shares keys and values between layers" in told
    assert "rule find_unscorable" in said and "rule evaluate:" not in said
    assert not (study / "results" / "evaluations").exists()


def test_the_papers_study_is_planned_from_its_configuration(prepared, tmp_path):
    said = run(prepared, "all", "--dry-run", "--directory", str(tmp_path))
    counted = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    study = shipped("config")
    models, tasks = len(study.models), len(study.tasks)
    assert (models, tasks) == (3, 6)
    jobs = {
        "download_model": models,
        "build_documents": tasks,
        "find_unscorable": models,
        "accept_documents": models,
        "evaluate": models * tasks,  # every single removal, and windows
        "estimate_values": models * tasks,
        "removal_effects": models * tasks,
        "draw": len(study.figures),
        **{"tables": 1, "report": 1, "all": 1},
    }
    assert counted == {**jobs, "total": sum(jobs.values())}


def test_a_given_configuration_takes_the_place_of_the_papers_and_works_from_another_folder(
    prepared, tmp_path
):
    models = {"tiny": {"folder": str(prepared / "models" / "tiny")}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"models": models, "results": "elsewhere"}))
    arguments = ("all", "--dry-run", "--directory", str(tmp_path), "--configfile", str(tmp_path / "own.yaml"))
    said = run(prepared, *arguments)
    assert "elsewhere/evaluations/tiny/boolq/windows.parquet" in said
    assert "llama3" not in said
