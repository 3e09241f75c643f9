"""On a real SLURM: `snakemake --profile slurm all` in a plain clone, and nothing lost whatever breaks.

`make test-slurm` runs all of it; the first test, the demo by the literal command, is the part for CI.
"""

from __future__ import annotations

import json
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
    pytest.mark.xdist_group("slurm"),
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


def run(folder: Path, *arguments: str, succeeds: bool = True, seconds: float = 900) -> str:
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


# The demo by the literal command: the part that CI runs


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
        assert job.time_limit == f"{demo['runtime']}:00", job
    others = [job for job in jobs.values() if not job.rule.startswith("evaluate")]
    assert others and all((job.partition, job.gpus) == ("cpu", 0) for job in others)
