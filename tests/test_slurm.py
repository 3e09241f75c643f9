"""On a real SLURM: `snakemake --profile slurm all` in a plain clone, and nothing lost whatever breaks.

`make test-slurm` runs all of it, `make test-slurm-demo` the first test: the demo by the literal command.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cornerstone.evaluations import read_evaluation
from slurm_cluster import Job, cluster, reason_without_cluster, squeue, watched_queue

REASON = reason_without_cluster()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

REPOSITORY = Path(__file__).parents[1]
DEMO = REPOSITORY / "config" / "demo.yaml"
LOCAL_RULES = ("all", "download_model", "build_documents", "estimate", "overview")


@pytest.fixture(scope="session", autouse=True)
def slurm():
    with cluster():
        yield


@pytest.fixture
def clone(tmp_path) -> Path:
    folder = tmp_path / "cornerstone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    return folder


def environment() -> dict[str, str]:
    """Of somebody who activated the environment that runs the tests."""
    activated = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    return {**kept, "PATH": activated}


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """`snakemake --profile slurm ARGUMENTS`, in a session of its own: a signal reaches it alone."""
    return subprocess.Popen(
        ["snakemake", "--profile", "slurm", *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str, succeeds: bool = True, seconds: float = 1800) -> str:
    driver = start(folder, *arguments)
    said, _ = driver.communicate(timeout=seconds)
    assert (driver.returncode == 0) == succeeds, said[-5000:]
    return said


def wait_until(condition: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.2)


def study(folder: Path, *, documents: int, **keys) -> tuple[str, str]:
    """The demo's Llama on two tasks; returns the options that choose this configuration."""
    demo = yaml.safe_load(DEMO.read_text())
    tasks = {name: demo["tasks"][name] for name in ("boolq", "arc_challenge")}
    chosen = {
        "results": "results/small",
        "models": {"demo_llama": demo["models"]["demo_llama"]},
        "tasks": tasks,
        "documents": documents,
        **keys,
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(chosen))
    return "--configfile", "small.yaml"


# The demo by the literal command


def test_the_demo_runs_by_the_literal_command_with_the_resources_asked_for(clone):
    with watched_queue() as jobs:
        run(clone, "all", "--configfile", "config/demo.yaml", "--config", "documents=6")
    results = clone / "results" / "demo"
    assert (results / "report.html").is_file()
    assert len(list((results / "figures").glob("*.pdf"))) == 8
    by_rule: dict[str, list[Job]] = {}
    for job in jobs.values():
        by_rule.setdefault(job.rule, []).append(job)
    assert not set(by_rule) & set(LOCAL_RULES)
    evaluations = [job for rule in by_rule if rule.startswith("evaluate") for job in by_rule[rule]]
    assert len(evaluations) == 24
    demo = yaml.safe_load(DEMO.read_text())["models"]["demo_llama"]["resources"]
    for job in evaluations:
        assert (job.partition, job.gpus, job.memory) == ("gpu", 1, f"{demo['mem_mb']}M"), job
        assert job.time_limit == f"00:{demo['runtime']}:00", job
    others = [job for job in jobs.values() if not job.rule.startswith("evaluate")]
    assert others and all((job.partition, job.gpus) == ("cpu", 0) for job in others)


# Whatever breaks


def log_likelihoods(folder: Path) -> pd.Series:
    """Every number of a study, by task, design, coalition, document and choice."""
    tables = []
    for path in sorted((folder / "results" / "small" / "evaluations").glob("*/*/*.parquet")):
        evaluation = read_evaluation(path)
        tables.append(evaluation.table.assign(task=evaluation.task, design=evaluation.design))
    keys = ["task", "design", "removed", "document", "choice"]
    table = pd.concat(tables).astype({"removed": str})
    return table.set_index(keys)["loglikelihood"].sort_index()


def evaluated_pairs(folder: Path) -> int:
    """(coalition × document) pairs that the finished evaluations' last runs had to evaluate."""
    paths = (folder / "results" / "small" / "evaluations").glob("*/*/*.parquet")
    return sum(read_evaluation(path).provenance["evaluated_pairs"] for path in paths)


def assert_same_numbers(folder: Path, undisturbed: pd.Series) -> None:
    found = log_likelihoods(folder)
    assert found.index.equals(undisturbed.index)
    np.testing.assert_allclose(found, undisturbed, rtol=0, atol=1e-4)


DOCUMENTS = 60
VALUES = [f"results/small/values/demo_llama/{task}.csv" for task in ("boolq", "arc_challenge")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.Series:
    """The numbers of a run that nothing disturbed, on this machine alone."""
    folder = tmp_path_factory.mktemp("undisturbed") / "cornerstone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    command = ["snakemake", *VALUES, *study(folder, documents=DOCUMENTS)]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, timeout=600)
    return log_likelihoods(folder)


def running(rule: str) -> list[str]:
    """Numbers of the jobs of a rule that run now."""
    lines = squeue("-t", "R", "-o", "%i|%k")
    return [line.partition("|")[0] for line in lines if line.partition("|")[2].startswith(f"rule_{rule}")]


def test_a_cancelled_evaluation_is_run_again_and_the_numbers_are_the_same(clone, undisturbed):
    driver = start(clone, *VALUES, *study(clone, documents=DOCUMENTS))
    wait_until(lambda: running("evaluate"))
    subprocess.run(["scancel", running("evaluate")[0]], check=True)
    said, _ = driver.communicate(timeout=900)
    assert driver.returncode == 0, said[-5000:]
    assert_same_numbers(clone, undisturbed)


def test_shards_run_as_jobs_of_their_own_and_give_the_same_numbers(clone, undisturbed):
    with watched_queue() as jobs:
        run(clone, *VALUES, *study(clone, documents=DOCUMENTS, shards={"demo_llama": 3}))
    assert [job.rule for job in jobs.values()].count("evaluate_shard") == 2 * 2 * 3
    assert evaluated_pairs(clone) == 0  # the shards did it all
    assert_same_numbers(clone, undisturbed)


def test_after_a_kill_of_the_driver_the_words_of_the_restart_lead_on(clone, undisturbed):
    options = study(clone, documents=DOCUMENTS)
    driver = start(clone, *VALUES, *options)
    wait_until(lambda: running("evaluate"))
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    said = run(clone, *VALUES, *options, succeeds=False)
    (line,) = [line for line in said.splitlines() if line.startswith("Cornerstone:")]
    assert "snakemake --unlock" in line and "--rerun-incomplete" in line
    wait_until(lambda: not squeue("-o", "%i"), seconds=300)
    run(clone, "--unlock", *options)
    run(clone, *VALUES, "--rerun-incomplete", *options)
    assert_same_numbers(clone, undisturbed)


def test_a_second_driver_is_refused_in_one_line(clone, undisturbed):
    options = study(clone, documents=DOCUMENTS)
    first = start(clone, *VALUES, *options)
    wait_until(lambda: running("evaluate"))
    assert "another Snakemake works in this folder" in run(clone, *VALUES, *options, succeeds=False)
    table = run(clone, "overview", *options)  # which may look meanwhile
    assert re.search(r"Demo Llama", table)
    said, _ = first.communicate(timeout=900)
    assert first.returncode == 0, said[-5000:]
    assert_same_numbers(clone, undisturbed)
