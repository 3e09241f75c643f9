"""The demo with each rule in its own environment, and the same from one environment for all (slow).

Snakemake makes and enters the environments through tests/conda_stand_in, and runs itself in one that has little
more than itself: it appends its own packages to the path of every job, where they would stand in for missing ones.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from made_environments import Environments, make_environments, run_snakemake, write_demo_study
from rule_imports import modules_of, packages_of, providers, rules, with_what_they_need

pytestmark = pytest.mark.slow
N_DOCUMENTS = 20
TASKS = ("boolq", "arc_challenge", "winogrande")
"""One with long passages, one with several choices, one that scores the same ending after several beginnings."""


@dataclass(frozen=True)
class Job:
    """What a job noted as it ended: its script, the environment that it ran in, and the file of each module."""

    script: str
    prefix: Path
    modules: dict[str, Path]


@pytest.fixture(scope="module")
def made(request) -> Environments:
    return make_environments(request.config.cache.mkdir("environments"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def in_one(folder) -> Path:
    """The results of the demo, every rule in the environment of the tests."""
    run_snakemake(Path(sys.executable), *demo(folder / "in_one"), directory=folder / "in_one")
    return folder / "in_one" / "results"


@pytest.fixture(scope="module")
def planned(folder, made) -> Counter[str]:
    """How often each rule is to run, by a dry run."""
    said = made.snakemake(*demo(folder / "in_own"), "--dry-run", directory=folder / "in_own")
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    return Counter({rule.name: counts[rule.name] for rule in rules() if rule.name in counts})


@pytest.fixture(scope="module")
def in_own(folder, made, planned) -> Path:
    """The results of the demo, each rule in its own environment; notes/ beside them tells of each job."""
    notes = folder / "in_own" / "notes"
    notes.mkdir()
    made.snakemake(*demo(folder / "in_own"), directory=folder / "in_own", IMPORTS_NOTED_IN=str(notes))
    return folder / "in_own" / "results"


def demo(folder: Path) -> tuple[str, ...]:
    """The arguments of a run of the demo in `folder`, cut down to some minutes."""
    folder.mkdir(exist_ok=True)
    study = write_demo_study(folder, tasks=TASKS, documents=N_DOCUMENTS)
    return "all", "--configfile", str(study), "--cores", "2"


@pytest.fixture(scope="module")
def jobs(in_own) -> list[Job]:
    found = []
    for path in sorted((in_own.parent / "notes").glob("*.json")):
        told = json.loads(path.read_text())
        if ".snakemake/scripts" in told["script"]:  # the others only told their version
            files = {name: Path(file) for name, file in told["modules"].items()}
            modules = {name: file.resolve() for name, file in files.items() if file.is_absolute()}
            script = Path(told["script"]).stem.split(".", 1)[1]  # tmp1a2b3c.evaluate.py
            found.append(Job(script, Path(told["prefix"]).resolve(), modules))
    return found


def test_each_job_ran_in_the_environment_that_its_rule_names(jobs, made, planned):
    assert len(planned) > 10
    expected = Counter()
    for rule in rules():
        expected[rule.script, made.prefixes[rule.environment]] += planned[rule.name]
    assert Counter((job.script, job.prefix) for job in jobs) == expected  # which heeds no zeros


def test_each_job_had_what_its_code_imports_from_its_own_environment(jobs):
    for job in jobs:
        imported = modules_of([job.script]) - sys.stdlib_module_names
        for name, file in job.modules.items():
            if name.split(".")[0] in imported:
                assert file.is_relative_to(job.prefix), f"{job.script} had {name} from {file}"


def test_a_job_had_nothing_from_the_driver_but_snakemake_and_what_that_needs(jobs, made):
    names = {prefix: name for name, prefix in made.prefixes.items()}
    snakemakes = with_what_they_need(["snakemake"])
    for job in jobs:
        from_driver = {name for name, file in job.modules.items() if file.is_relative_to(made.driver)}
        packages = set().union(*(providers()[name.split(".")[0]] for name in from_driver))
        assert "snakemake" in packages
        assert packages <= snakemakes, job.script
        assert not packages & packages_of(names[job.prefix]).keys(), job.script


def test_the_tables_and_values_are_the_same(in_one, in_own):
    files = files_in(in_one, "*.csv")
    assert files == files_in(in_own, "*.csv")
    assert {file.parts[0] for file in files} >= {"tables", "values", "ablation"}
    for file in files:
        one, own = (without_times(results / file) for results in (in_one, in_own))
        assert one == own, file


def test_the_figures_are_the_same(in_one, in_own):
    files = files_in(in_one, "*.png")
    assert files == files_in(in_own, "*.png") != []
    for file in files:
        assert (in_one / file).read_bytes() == (in_own / file).read_bytes(), file


def test_the_log_likelihoods_are_the_same(in_one, in_own):
    files = files_in(in_one / "evaluations", "*.parquet")
    assert files == files_in(in_own / "evaluations", "*.parquet") != []
    for file in files:
        one, own = (read_evaluation(results / "evaluations" / file) for results in (in_one, in_own))
        pd.testing.assert_frame_equal(one.table, own.table, check_exact=True)


def without_times(file: Path) -> bytes | str:
    """A table as it is written, but for columns that a clock has a part in."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    times = [name for name in table.columns if name.startswith("seconds")]
    return table.drop(columns=times).to_csv(index=False) if times else file.read_bytes()


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Paths in `folder`, without what the workflow keeps beside its outputs."""
    found = (path.relative_to(folder) for path in folder.rglob(pattern))
    return sorted(path for path in found if not any(part.endswith(".parts") for part in path.parts))
