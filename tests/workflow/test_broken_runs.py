"""Studies that break on this machine, without a cluster: killed, on a full disk, short of memory (slow).

After each the same command goes on to the end, with the numbers of a run that nothing disturbed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from cornerstone.evaluations.evaluation import read_evaluation
from paced import SECONDS_BETWEEN_PARTS, kill, pace, running_evaluations

REPOSITORY = Path(__file__).parents[2]
EVALUATION = "results/small/evaluations/demo_llama/boolq/windows.parquet"
LOG = "results/small/logs/evaluate/demo_llama/boolq.log"
CONTROL_GROUPS = Path("/sys/fs/cgroup/memory")

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def clone(tmp_path) -> Path:
    folder = tmp_path / "cornerstone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    demo = yaml.safe_load((folder / "config" / "demo.yaml").read_text())
    small = {
        "results": "results/small",
        "models": {"demo_llama": demo["models"]["demo_llama"]},
        "tasks": {"boolq": demo["tasks"]["boolq"]},
        "documents": 60,
        "memory_gb": 0.001,
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(small))
    return folder


def start(folder: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", EVALUATION, *options, "--configfile", "small.yaml"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(driver: subprocess.Popen, succeeds: bool = True) -> str:
    said, _ = driver.communicate(timeout=1200)
    assert (driver.returncode == 0) == succeeds, said[-5000:]
    return said


def loglikelihoods(folder: Path) -> np.ndarray:
    return read_evaluation(folder / EVALUATION).table["loglikelihood"].to_numpy()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, request) -> np.ndarray:
    folder = clone.__wrapped__(tmp_path_factory.mktemp("undisturbed"))
    finish(start(folder))
    return loglikelihoods(folder)


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def test_an_evaluation_killed_at_20_random_moments_goes_on(clone, undisturbed):
    journal, moments, kills = pace(clone, 0.4), random.Random(5), 20
    driver = start(clone, "--retries", str(kills))
    last, in_work = 0, 0
    for number in range(kills):
        wait_for(lambda last=last: [p for p in running_evaluations(clone) if p > last])
        last, before = max(running_evaluations(clone)), journal.pairs()
        if number % 2:  # half of them while it starts, half while it evaluates
            wait_for(lambda before=before: journal.pairs() > before)
        time.sleep(moments.uniform(0, 4))
        kill(running_evaluations(clone))
        in_work += journal.pairs() > before
    finish(driver)
    assert in_work >= kills // 2
    np.testing.assert_allclose(loglikelihoods(clone), undisturbed, rtol=0, atol=1e-4)
    repeated = journal.pairs() - (13 + 30) * 60
    assert 0 <= repeated <= in_work * journal.most_in(SECONDS_BETWEEN_PARTS + 1)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@needs_root
def test_a_disk_that_fills_is_told_in_one_line_and_after_room_is_made_it_goes_on(clone, undisturbed):
    journal = pace(clone, 0.1)
    with small_disk(clone / "results", "4m"):
        driver = start(clone)
        wait_for(lambda: journal.pairs() > 0)
        time.sleep(2 * SECONDS_BETWEEN_PARTS)
        ballast = fill(clone / "results")
        said = finish(driver, succeeds=False)
        (line,) = [line for line in said.splitlines() if "No space left on device" in line]
        assert "could not be written" in line and "type the same command again" in line
        assert "Traceback" not in said
        assert not (clone / EVALUATION).exists()
        assert not list((clone / "results").rglob("*.tmp"))
        ballast.unlink()
        finish(start(clone))
        np.testing.assert_allclose(loglikelihoods(clone), undisturbed, rtol=0, atol=1e-4)
        assert 0 <= journal.pairs() - (13 + 30) * 60 <= journal.most_in(SECONDS_BETWEEN_PARTS + 1)
        assert not list((clone / "results").rglob("*.rejected"))


# Evaluates in a process of its own and tells what it took; the first argument is a control group to enter, or "".
EVALUATE = """
import json
import os
import re
import sys
from pathlib import Path

import torch

if sys.argv[1]:
    Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))

from cornerstone.shapley.coalitions import windows
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.memory import free_memory
from cornerstone.loading.encoding import Encoder
from cornerstone.loading.load import language_model
from families import SHAPE, random_network
from token_documents import encoded

def own_peak():  # in bytes; what getrusage tells may be of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10


LONGEST = 128
wide = {"hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 6}
shape = {**SHAPE, **wide, "max_position_embeddings": LONGEST}
model = language_model(random_network("LlamaConfig", shape), Encoder(None, LONGEST), "wide")
contexts = [[3 + (7 * n + k) % 90 for k in range(100)] for n in range(12)]
documents = encoded([[(context, [5, 6]), (context, [9])] for context in contexts], LONGEST)
before = own_peak()
free = free_memory(torch.device("cpu"))
blocks = []
result = evaluate(model, documents, windows(len(model.sublayers), 10), on_block=blocks.append)
print(json.dumps({
    "before": before,
    "free": free,
    "peak": own_peak(),
    "blocks": len(blocks),
    "numbers": [table.tolist() for table in result.loglikelihoods],
}))
"""


def evaluate_within(group: Path | None) -> dict:
    folders = [str(REPOSITORY / "workflow"), str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE, str(group or "")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return json.loads(done.stdout)


@pytest.fixture
def control_group() -> Iterator[Path]:
    if os.geteuid() != 0 or not (CONTROL_GROUPS / "memory.limit_in_bytes").exists():
        pytest.skip("limiting memory needs root and control groups of version 1")
    group = CONTROL_GROUPS / f"cornerstone_test_{os.getpid()}"
    group.mkdir()
    yield group
    group.rmdir()


def test_half_the_memory_it_would_like_gives_smaller_batches_and_the_same_numbers(control_group):
    free = evaluate_within(None)
    liked = free["peak"] - free["before"]
    assert liked > 150e6, "the test's model is too small to notice"
    limit = free["before"] + liked // 2
    (control_group / "memory.limit_in_bytes").write_text(str(limit))
    short = evaluate_within(control_group)
    assert (
        short["peak"] < free["peak"] - liked // 4
    )  # the group counts no file pages, and kills above its limit
    assert short["blocks"] > free["blocks"]
    for mine, theirs in zip(short["numbers"], free["numbers"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=1e-4)
