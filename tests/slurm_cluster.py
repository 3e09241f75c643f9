"""A real SLURM on this machine for the tests, where that can be had, and what its queue showed meanwhile.

with watched_queue() as jobs:
    subprocess.run(["snakemake", "--profile", "slurm", "all"])
jobs["123"].rule, jobs["123"].partition, jobs["123"].gpus
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = (REPOSITORY / ".." / "shared" / "slurm").resolve()
# Where Debian has SLURM's daemons, and not every root's search path.
ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"]),
}


@dataclass(frozen=True)
class Job:
    """What the queue said of one job. name: rule and wildcards, as Snakemake's comment has them."""

    number: str
    partition: str
    gpus: int
    memory: str
    time_limit: str
    cpus: int
    name: str

    @property
    def rule(self) -> str:
        return re.sub(r"^rule_|_wildcards_.*$", "", self.name)


def reason_without_cluster() -> str | None:
    """Why no SLURM can be brought up here; None where it can, or where one is up."""
    if answers():
        return None
    if not (SCRIPTS / "slurm-up.sh").is_file():
        return f"{SCRIPTS} is missing: it brings SLURM up"
    if os.geteuid() != 0:
        return "bringing SLURM up needs root"
    if shutil.which("apt-get") is None:
        return "bringing SLURM up needs Debian"
    return None


def answers() -> bool:
    """Whether a SLURM is up here and has a partition with GPUs."""
    return _has_gpus("idle|mix|alloc")


def _has_gpus(states: str) -> bool:
    """Whether a SLURM is up here whose partition with GPUs is in one of these states."""
    if shutil.which("sinfo") is None:
        return False
    told = subprocess.run(["sinfo", "-h", "-o", "%P %D %t"], capture_output=True, text=True)
    return told.returncode == 0 and re.search(rf"^gpu \d+ ({states})", told.stdout, re.MULTILINE) is not None


@contextmanager
def cluster() -> Iterator[None]:
    """Bring SLURM up, and down again unless it was up before."""
    if answers():
        yield
        return
    bring_up()
    try:
        yield
    finally:
        subprocess.run(["bash", str(SCRIPTS / "slurm-down.sh")], check=True, timeout=120, env=ENVIRONMENT)


def bring_up() -> None:
    """Start what of SLURM does not run here.

    Jobs that ended while their node's daemon was away keep the node in the state COMPLETING for a minute or two, which
    the script does not wait for. SLURM is up then, and gives the node its next jobs afterwards.
    """
    command = ["bash", str(SCRIPTS / "slurm-up.sh")]
    started = subprocess.run(command, timeout=600, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    if started.returncode and not _has_gpus("comp$"):
        started.check_returncode()


def kill_slurmd() -> None:
    """End the daemon of the node at once; jobs on it are not told. Skips on a cluster that others may use."""
    sandbox = Path(os.environ.get("SLURM_SANDBOX", "/tmp/slurm-sandbox"))
    if Path("/etc/slurm/slurm.conf").resolve().parent != sandbox.resolve():
        pytest.skip("this cluster was not brought up for tests")
    subprocess.run(["pkill", "-9", "-x", "slurmd"], check=True)


def kill_node() -> None:
    """As when a node loses its power: the daemon and whatever runs in jobs end at once."""
    kill_slurmd()
    subprocess.run(["pkill", "-9", "-x", "slurmstepd"], check=False)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ProcessLookupError):
            if b"SLURM_JOB_ID=" in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def squeue(*options: str) -> list[str]:
    """Lines of squeue for this user's jobs that are not over."""
    command = ["squeue", "-h", *([] if "-t" in options else ["-t", "PD,R,CG,S"]), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@contextmanager
def watched_queue(seconds: float = 0.5) -> Iterator[dict[str, Job]]:
    """Every job that was in the queue while the block ran, by number."""
    jobs: dict[str, Job] = {}
    before = {line.strip() for line in squeue("-t", "all", "-o", "%i")}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            told = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True).stdout
            jobs.update(
                {job.number: job for job in map(_job, told.splitlines()) if job.number not in {"", *before}}
            )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield jobs
    finally:
        over.set()
        watcher.join()


def _job(line: str) -> Job:
    """Of a line of `scontrol -o show job`: NAME=VALUE, separated by spaces."""
    told = dict(re.findall(r"(\S+?)=(\S*)", line))
    gpus = re.search(r"gpu[:=](?:\w+[:=])?(\d+)", told.get("TresPerJob", ""))
    return Job(
        number=told.get("JobId", ""),
        partition=told.get("Partition", ""),
        gpus=int(gpus[1]) if gpus else 0,
        memory=told.get("MinMemoryNode", told.get("MinMemoryCPU", "")),
        time_limit=told.get("TimeLimit", ""),
        cpus=int(told.get("NumCPUs", "0")),
        name=told.get("Comment", ""),
    )
