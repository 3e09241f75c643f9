"""Several GPUs and no scheduler: jobs that run side by side take one each."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from cornerstone.loading import devices as gpus
from cornerstone.loading.devices import free_gpu, pick_device
from cornerstone.system.errors import CornerstoneError

WORKFLOW = Path(__file__).parents[2] / "workflow"
TAKE = """
import sys
from pathlib import Path
from cornerstone.loading.devices import free_gpu
print(free_gpu(int(sys.argv[1]), Path(sys.argv[2])), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def take(tmp_path):
    """Start a job that takes a GPU of so many; returns the process and the GPU's number."""
    started = []

    def start(count: int) -> tuple[subprocess.Popen, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE, str(count), str(tmp_path / "locks")],
            env={"PYTHONPATH": str(WORKFLOW)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_each_job_takes_a_gpu_of_its_own_and_one_that_ends_gives_it_back(take):
    jobs = [take(3) for _ in range(3)]
    assert [number for _, number in jobs] == [0, 1, 2]
    killed, number = jobs[1]
    killed.kill()
    killed.wait()
    assert take(3)[1] == number


def test_where_all_are_taken_or_there_is_one_it_is_the_first(take):
    assert [take(2)[1] for _ in range(3)] == [0, 1, 0]
    assert take(1)[1] == 0


def test_a_process_that_asks_again_has_the_one_that_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "_held", {})
    assert [free_gpu(3, tmp_path / "locks") for _ in range(3)] == [0, 0, 0]


def test_where_there_are_no_locks_it_says_so(tmp_path, monkeypatch, capsys):
    def flock(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert free_gpu(4, tmp_path / "locks") == 0
    assert "jobs cannot tell which GPU is free" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["gpu", "", "meta", "cuda:", "cpu:1"])
def test_a_device_of_no_known_name_is_refused_in_one_line(device):
    with pytest.raises(CornerstoneError, match="is not known: choose auto, cpu, cuda"):
        pick_device(device)
