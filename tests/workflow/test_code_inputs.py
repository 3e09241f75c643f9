"""What a job's code is, held against what its process really imported; and an edit reruns what uses it, no more."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from made_environments import STAND_IN
from tiny_study import STUDY, configure, make, planned, prepare

NO_ARITHMETIC = {"download_model", "build_documents", "evaluate"}
"""They are made again by version numbers alone."""
NUMBERS_OF_NOTHING = ("cornerstone/system/", "scripts/logged.py")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished tiny study with an audit, and in `notes` what each job's process imported. Not to be changed."""
    folder = prepare(tmp_path_factory.mktemp("code") / "study")
    (folder / "notes").mkdir()
    configure(folder, exact=["tiny"], tasks={"boolq": {**STUDY["tasks"]["boolq"], "documents": 6}})
    path = os.pathsep.join([str(STAND_IN), *filter(None, [os.environ.get("PYTHONPATH")])])
    make(folder, "all", PYTHONPATH=path, IMPORTS_NOTED_IN=str(folder / "notes"))
    return folder


@pytest.fixture
def study(finished, tmp_path) -> Path:
    """A copy of the finished study, to do with as one likes."""
    return shutil.copytree(finished, tmp_path / "study", symlinks=True)


@pytest.fixture(scope="module")
def jobs(finished) -> list[dict]:
    """What each job's process noted: its rule, its output, the code among its inputs and the modules it imported."""
    notes = [json.loads(path.read_text()) for path in (finished / "notes").iterdir()]
    return [note for note in notes if "rule" in note]


def imported(folder: Path, job: dict) -> set[str]:
    """The files of ours that a job imported, as paths from the study's folder, but for those that decide no number."""
    ours = folder / "workflow"
    files = {Path(file) for file in job["modules"].values() if file.startswith(f"{ours}{os.sep}")}
    paths = {file.relative_to(folder).as_posix() for file in files}
    return {path for path in paths if not path.removeprefix("workflow/").startswith(NUMBERS_OF_NOTHING)}


def append(folder: Path, *modules: str) -> None:
    for module in modules:
        with (folder / "workflow" / module).open("a") as file:
            file.write("\n# Edited.\n")


def test_every_job_of_the_arithmetic_has_what_it_imports_among_its_inputs(finished, jobs):
    arithmetic = [job for job in jobs if job["rule"] not in NO_ARITHMETIC]
    assert {job["rule"] for job in arithmetic} == {
        *("estimate_values", "removal_effects", "audit_estimators"),
        *("tables", "audit_tables", "draw", "report"),
    }
    drawn = {Path(job["output"][0]).stem for job in arithmetic if job["rule"] == "draw"}
    assert drawn == {path.stem for path in (finished / "results" / "figures").glob("*.pdf")}
    missing = {job["output"][0]: imported(finished, job) - set(job["code"]) for job in arithmetic}
    assert not {output: sorted(files) for output, files in missing.items() if files}
