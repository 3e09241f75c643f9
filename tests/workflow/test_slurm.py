"""On a real SLURM: `snakemake --profile slurm all` in a plain clone, and nothing lost whatever breaks.

`make test-slurm` runs all of it, `make test-slurm-smoke` the first test: a small study by the literal command.

Each test that breaks something lets the same command, or what the command itself says to type, go on to the end;
then the numbers are those of an undisturbed run, and what was finished was not evaluated again.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from configurations import shipped
from cornerstone.evaluations.evaluation import read_evaluation
from paced import SECONDS_BETWEEN_PARTS, Journal, kill, pace, running_evaluations
from slurm_cluster import (
    Job,
    bring_up,
    cluster,
    kill_node,
    kill_slurmd,
    reason_without_cluster,
    squeue,
    watched_queue,
)

REASON = reason_without_cluster()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "config" / "demo.yaml"
LOCAL_RULES = (
    *("all", "download_model", "build_documents", "accept_documents"),
    *("estimate", "overview", "watch", "precision", "stale"),
)


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


# The literal command


def test_a_small_study_runs_with_the_resources_asked_for(clone):
    demo = yaml.safe_load(DEMO.read_text())
    tasks = {"boolq": demo["tasks"]["boolq"]}
    with watched_queue() as jobs:
        run(clone, "all", *study(clone, tasks=tasks, documents=6, memory_gb=1))
    assert (clone / "results" / "small" / "report.html").is_file()
    assert_resources_are_those_asked_for(jobs, evaluations=1)


def test_the_demo_runs_by_the_literal_command_with_the_resources_asked_for(clone):
    with watched_queue() as jobs:
        run(clone, "all", "--configfile", "config/demo.yaml", "--config", "documents=6")
    results = clone / "results" / "demo"
    assert (results / "report.html").is_file()
    assert {path.stem for path in (results / "figures").glob("*.pdf")} == set(shipped("demo").figures)
    assert_resources_are_those_asked_for(jobs, evaluations=12)


def assert_resources_are_those_asked_for(jobs: dict[str, Job], evaluations: int) -> None:
    by_rule: dict[str, list[Job]] = {}
    for job in jobs.values():
        by_rule.setdefault(job.rule, []).append(job)
    assert not set(by_rule) & set(LOCAL_RULES)
    evaluating = [job for rule in by_rule if rule.startswith("evaluate") for job in by_rule[rule]]
    assert len(evaluating) == evaluations
    demo = yaml.safe_load(DEMO.read_text())["models"]["demo_llama"]["resources"]
    for job in evaluating:
        assert (job.partition, job.gpus, job.memory) == ("gpu", 1, f"{demo['mem_mb']}M"), job
        assert job.cpus == demo["cpus"]
        assert job.time_limit == f"00:{demo['runtime']}:00", job
    others = [job for job in jobs.values() if not job.rule.startswith("evaluate")]
    assert others and all((job.partition, job.gpus) == ("cpu", 0) for job in others)


# Whatever breaks

DOCUMENTS = 60
SECONDS_PER_BLOCK = 0.15  # some 430 blocks: a minute, so that what breaks it comes before its end
VALUES = "results/small/values/demo_llama/boolq.csv"
EVALUATIONS = [
    f"results/small/evaluations/demo_llama/boolq/{design}.parquet" for design in ("ablation", "windows")
]


def study(folder: Path, **keys) -> tuple[str, str]:
    """The demo's Llama on one task, in many small blocks; returns the options that choose this configuration."""
    demo = yaml.safe_load(DEMO.read_text())
    chosen = {
        "results": "results/small",
        "models": {"demo_llama": {**demo["models"]["demo_llama"], **keys.pop("model", {})}},
        "tasks": {"boolq": demo["tasks"]["boolq"]},
        "documents": DOCUMENTS,
        "memory_gb": 0.001,
        **keys,
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(chosen))
    return "--configfile", "small.yaml"


@dataclass(frozen=True)
class Numbers:
    """loglikelihoods: by design, coalition, document and choice; values: the table made of them."""

    loglikelihoods: pd.Series
    values: pd.DataFrame


def numbers(folder: Path) -> Numbers:
    tables = []
    for path in EVALUATIONS:
        evaluation = read_evaluation(folder / path)
        tables.append(evaluation.table.assign(design=evaluation.design))
    keys = ["design", "removed", "document", "choice"]
    table = pd.concat(tables).astype({"removed": str})
    return Numbers(table.set_index(keys)["loglikelihood"].sort_index(), pd.read_csv(folder / VALUES))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Numbers:
    """The numbers of a run that nothing disturbed, on this machine alone."""
    folder = tmp_path_factory.mktemp("undisturbed") / "cornerstone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    command = ["snakemake", VALUES, *study(folder)]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, timeout=600)
    return numbers(folder)


def assert_same_numbers(folder: Path, undisturbed: Numbers) -> None:
    found = numbers(folder)
    assert found.loglikelihoods.index.equals(undisturbed.loglikelihoods.index)
    np.testing.assert_allclose(found.loglikelihoods, undisturbed.loglikelihoods, rtol=0, atol=1e-4)
    pd.testing.assert_frame_equal(found.values, undisturbed.values, check_exact=False, rtol=0, atol=1e-6)


def assert_little_repeated(folder: Path, journal: Journal, breaks: int = 1) -> None:
    """No more was evaluated twice than is done between two saves, each time that something broke."""
    needed = sum(
        read_evaluation(folder / path).table.groupby("removed", observed=True)["document"].nunique().sum()
        for path in EVALUATIONS
    )
    repeated = journal.pairs() - needed
    assert 0 <= repeated <= breaks * journal.most_in(SECONDS_BETWEEN_PARTS + 2), (repeated, needed)


def running(rule: str = "evaluate") -> list[str]:
    """Numbers of the jobs of a rule that run now."""
    lines = squeue("-t", "R", "-o", "%i|%k")
    return [line.partition("|")[0] for line in lines if line.partition("|")[2].startswith(f"rule_{rule}")]


def begun(journal: Journal) -> None:
    """Wait until evaluations have work behind them that is saved, and work before them."""
    wait_until(lambda: journal.pairs() > 0)
    time.sleep(2 * SECONDS_BETWEEN_PARTS)


def log_of(folder: Path) -> str:
    return (folder / "results/small/logs/evaluate/demo_llama/boolq.log").read_text()


def finish(driver: subprocess.Popen, seconds: float = 900) -> str:
    said, _ = driver.communicate(timeout=seconds)
    assert driver.returncode == 0, said[-5000:]
    return said


def test_a_cancelled_evaluation_is_run_again_and_goes_on(clone, undisturbed):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    driver = start(clone, VALUES, *options)
    begun(journal)
    subprocess.run(["scancel", *running()], check=True)
    assert "Trying to restart job" in finish(driver)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal)


def test_an_evaluation_that_hits_its_time_limit_goes_on_with_more_time(clone, undisturbed):
    # About 130 s in one job of 1 minute (which SLURM ends up to half a minute late) and one of 2.
    demo = yaml.safe_load(DEMO.read_text())["models"]["demo_llama"]["resources"]
    journal, options = pace(clone, 0.3), study(clone, model={"resources": {**demo, "runtime": 1}})
    with watched_queue() as jobs:
        finish(start(clone, VALUES, *options))
    limits = [job.time_limit for job in jobs.values() if job.rule == "evaluate"]
    assert limits[:2] == ["00:01:00", "00:02:00"]
    assert re.search(
        r"pairs, [1-9]\d* done already", log_of(clone)
    )  # the second job goes on from what is saved
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal, breaks=len(limits))


@pytest.mark.parametrize(("stroke", "breaks"), [(kill_slurmd, 0), (kill_node, 2)], ids=["slurmd", "node"])
def test_a_daemon_or_a_whole_node_that_dies_and_comes_back_loses_nothing(clone, undisturbed, stroke, breaks):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    driver = start(clone, VALUES, *options)
    begun(journal)
    stroke()
    time.sleep(30)  # a job that began just before its node returned is not missed for minutes
    bring_up()
    finish(driver)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal, breaks)


FAILS_ONCE = """
import os
import pathlib

if "SLURM_JOB_ID" in os.environ:
    try:
        pathlib.Path({flag!r}).touch(exist_ok=False)
    except FileExistsError:
        pass
    else:
        os._exit(1)
"""


def test_a_job_that_fails_at_its_start_is_tried_again(clone, undisturbed, tmp_path, monkeypatch):
    """As on a node whose Python is broken: the first job ends before its first line."""
    broken, flag = tmp_path / "broken", tmp_path / "failed"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(FAILS_ONCE.format(flag=str(flag)))
    monkeypatch.setenv("PYTHONPATH", str(broken))
    said = run(clone, VALUES, *study(clone))
    assert flag.exists()
    assert "Trying to restart job" in said
    assert_same_numbers(clone, undisturbed)


def test_evaluations_killed_at_random_moments_go_on(clone, undisturbed):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    driver = start(clone, VALUES, *options)
    moments = random.Random(3)
    for kills in range(2):  # each job is tried three times
        wait_until(lambda kills=kills: len(journal.processes()) > kills)
        time.sleep(moments.uniform(0, 4))
        kill(running_evaluations(clone))
    finish(driver)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal, breaks=4)


def test_shards_run_as_jobs_of_their_own_and_give_the_same_numbers(clone, undisturbed):
    with watched_queue() as jobs:
        run(clone, VALUES, *study(clone, shards={"demo_llama": 3}))
    assert [job.rule for job in jobs.values()].count("evaluate_shard") == 3
    joins = [job for job in jobs.values() if job.rule == "join_shards"]
    assert [(job.partition, job.gpus) for job in joins] == [("cpu", 0)]
    for path in EVALUATIONS:
        assert read_evaluation(clone / path).provenance["evaluated_pairs"] == 0  # the shards did it all
    assert_same_numbers(clone, undisturbed)


@pytest.mark.parametrize("jobs_ended", [False, True], ids=["jobs run on", "jobs have ended"])
def test_after_a_kill_of_the_driver_the_words_of_the_restart_lead_on(clone, undisturbed, jobs_ended):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    driver = start(clone, VALUES, *options)
    begun(journal)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    if jobs_ended:
        wait_until(lambda: not squeue("-o", "%i"), seconds=300)
    said = run(clone, VALUES, *options, succeeds=False)
    (line,) = [line for line in said.splitlines() if line.startswith("Cornerstone:")]
    assert "snakemake --unlock" in line and "--rerun-incomplete" in line
    wait_until(lambda: not squeue("-o", "%i"), seconds=300)
    run(clone, "--unlock", *options)
    run(clone, VALUES, "--rerun-incomplete", *options)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal, breaks=0)


def test_a_second_driver_is_refused_in_one_line(clone, undisturbed):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    first = start(clone, VALUES, *options)
    begun(journal)
    assert "another Snakemake works in this folder" in run(clone, VALUES, *options, succeeds=False)
    table = run(clone, "overview", *options)  # which may look meanwhile
    assert re.search(r"Demo Llama +\d+ %", table), table
    said = run(clone, "watch", *options)
    assert re.search(r"^Jobs: .*\b[12] running\b", said, re.MULTILINE), said
    assert "silent" not in said and "failed" not in said
    finish(first)
    assert re.search(r"^Demo Llama +BoolQ +done +100 % +100 %", run(clone, "watch", *options), re.MULTILINE)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal, breaks=0)


def test_ctrl_c_ends_the_jobs_and_the_same_command_goes_on(clone, undisturbed):
    journal, options = pace(clone, SECONDS_PER_BLOCK), study(clone)
    driver = start(clone, VALUES, *options)
    begun(journal)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=120)
    assert driver.returncode != 0
    wait_until(lambda: not squeue("-o", "%i"))
    run(clone, VALUES, *options)
    assert_same_numbers(clone, undisturbed)
    assert_little_repeated(clone, journal)
