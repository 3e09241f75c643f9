"""What a job's code is, compared with what its process really imported; and an edit reruns what uses it, no more."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from made_environments import STAND_IN
from tiny_study import STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.study

NO_ARITHMETIC = {
    *("download_model", "build_documents", "evaluate", "evaluate_exact"),
    *("find_unscorable", "accept_documents", "measure"),
    *("build_calibration", "means", "evaluate_other_removal"),
}
"""They are made again by version numbers alone, or for other files of the user's."""
DECIDE_NO_NUMBER = "workflow/cornerstone/system/"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished tiny study with an audit, cheap measures and two removals; in `notes` what each job's process imports.

    Not to be changed.
    """
    folder = prepare(tmp_path_factory.mktemp("code") / "study")
    (folder / "notes").mkdir()
    means = {"compare_removals": True, "calibration": {"task": "piqa", "data": "piqa.jsonl"}}
    tasks = {"boolq": {**STUDY["tasks"]["boolq"], "documents": 6}}
    configure(folder, exact=["tiny"], cheap_measures=True, tasks=tasks, **means)
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
    files = {Path(os.path.normpath(file)) for file in job["modules"].values()}
    paths = {file.relative_to(folder).as_posix() for file in files if ours in file.parents}
    return {path for path in paths if not path.startswith(DECIDE_NO_NUMBER)}


def edit(folder: Path, *names: str) -> None:
    """Add a comment to files of workflow/."""
    for name in names:
        with (folder / "workflow" / name).open("a") as file:
            file.write("\n# Edited.\n")


def drawn_in(said: str) -> set[str]:
    """The figures that a dry run would draw."""
    return set(re.findall(r"\bDraw (\w+)", said))


def raise_version(module: Path, name: str) -> None:
    text = module.read_text()
    version = re.search(rf"^{name} = (\d+)$", text, re.MULTILINE)
    module.write_text(text.replace(version[0], f"{name} = {int(version[1]) + 1}"))


def test_every_job_of_the_arithmetic_has_what_it_imports_among_its_inputs(finished, jobs):
    arithmetic = [job for job in jobs if job["rule"] not in NO_ARITHMETIC]
    assert {job["rule"] for job in arithmetic} == {
        *("estimate_values", "removal_effects", "audit_estimators", "compare_removals"),
        *("tables", "audit_tables", "cheap_measures", "removals_tables", "draw", "report"),
    }
    drawn = {Path(job["output"][0]).stem for job in arithmetic if job["rule"] == "draw"}
    assert drawn == {path.stem for path in (finished / "results" / "figures").glob("*.pdf")}
    missing = {job["output"][0]: imported(finished, job) - set(job["code"]) for job in arithmetic}
    assert not {output: sorted(files) for output, files in missing.items() if files}
    (report,) = [job for job in arithmetic if job["rule"] == "report"]
    texts = (
        "report.html.j2",
        "report.css",
        "report.js",
        "sections/opening.html.j2",
        "vendor/sortable/sortable.min.js",
    )
    beside = {f"workflow/cornerstone/report/{name}" for name in texts}
    assert beside <= set(report["code"])


def test_an_edited_figure_is_drawn_again_alone(study):
    edit(study, "cornerstone/figures/values.py")
    said = make(study, "all", "--dry-run")
    assert drawn_in(said) == {"values_tiny"}
    assert planned(study, "all") == {"draw": 1, "report": 1, "all": 1, "total": 3}


def test_edited_arithmetic_reruns_its_job_and_what_follows(study):
    edit(study, "cornerstone/values/ablation.py")
    said = make(study, "all", "--dry-run")
    assert drawn_in(said) == {
        *("ablation_tiny", "agreement_tiny", "interactions_tiny", "atlas_tiny", "removals_tiny"),
        *("atlas_all", "totals_all", "cheap_measures"),  # from tables
    }
    jobs = planned(study, "all")
    assert jobs["removal_effects"] == jobs["tables"] == jobs["report"] == 1
    assert not {*NO_ARITHMETIC, "estimate_values", "audit_estimators"} & set(jobs)


def test_an_edited_claim_is_judged_again_and_no_number_before_it_is_made_again(study):
    edit(study, "cornerstone/claims/little_loss.py")
    assert drawn_in(make(study, "all", "--dry-run")) == {"atlas_all", "totals_all"}  # from tables
    assert planned(study, "all") == {"tables": 1, "draw": 2, "report": 1, "all": 1, "total": 5}


def test_no_edit_downloads_builds_or_evaluates_again(study):
    edit(
        study,
        *(
            "scripts/evaluate.py",
            "scripts/build_documents.py",
            "scripts/download_model.py",
        ),
        *("cornerstone/engine/walk.py", "cornerstone/evaluations/parts.py", "cornerstone/loading/load.py"),
        *("scripts/measure.py", "cornerstone/engine/measure.py", "cornerstone/evaluations/measure_job.py"),
        *("cornerstone/documents/tasks.py", "cornerstone/models/download.py", "cornerstone/system/errors.py"),
    )
    assert planned(study, "all") == {}


@pytest.mark.parametrize(
    ("module", "name", "rule", "count"),
    [
        ("evaluations/identity.py", "ENGINE_VERSION", "evaluate", 1),
        ("measures/__init__.py", "MEASURES_VERSION", "measure", 1),
        ("documents/document.py", "DOCUMENTS_VERSION", "build_documents", 1),
    ],
)
def test_a_raised_version_makes_again_what_it_numbers(study, module, name, rule, count):
    raise_version(study / "workflow" / "cornerstone" / module, name)
    jobs = planned(study, "all")
    assert jobs[rule] == count
    assert "download_model" not in jobs and (rule != "evaluate" or "build_documents" not in jobs)
