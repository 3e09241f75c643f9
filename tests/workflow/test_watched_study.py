"""`snakemake watch` beside a real study that runs, is killed, and is begun again."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cornerstone.study.job_states import LOCKS, SILENT_AFTER
from paced import kill, pace, running_evaluations
from tiny_study import STUDY, configure, make, prepare

pytestmark = pytest.mark.slow

SECONDS = 600.0
LOG = "results/logs/evaluate/tiny/boolq.log"


@pytest.fixture
def study(tmp_path) -> Path:
    """A tiny study whose evaluations take a while."""
    folder = prepare(tmp_path / "study")
    configure(folder, memory_gb=0.001, tasks={"boolq": STUDY["tasks"]["boolq"]})
    pace(folder, seconds_per_block=1.0)
    return folder


@pytest.fixture
def start(study: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts Snakemake on the study; what still runs at the end of the test is killed."""
    drivers = []

    def start(target: str = "all") -> subprocess.Popen:
        drivers.append(
            subprocess.Popen(
                [sys.executable, "-m", "snakemake", target, "--cores", "1", "--configfile", "study.yaml"],
                cwd=study,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return drivers[-1]

    yield start
    for driver in drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


class Terminal:
    """`snakemake watch` on a terminal of its own."""

    def __init__(self, folder: Path):
        self.process, self.screen = pty.fork()
        if self.process == 0:  # this is the child
            os.chdir(folder)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.environ.update(TERM="xterm", COLUMNS="140", LINES="40", OMP_NUM_THREADS="1")
            os.execv(
                sys.executable,
                [sys.executable, "-m", "snakemake", "watch", "--configfile", "study.yaml"],
            )
        self.said = b""

    def read(self) -> bool:
        """Take in what was drawn; False once it has ended."""
        try:
            piece = os.read(self.screen, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.said += piece
        return bool(piece)

    def end(self) -> tuple[int, str]:
        """How it ended, and all that it drew."""
        while self.read():
            pass
        _, status = os.waitpid(self.process, 0)
        os.close(self.screen)
        return os.waitstatus_to_exitcode(status), self.said.decode()


def test_it_shows_a_study_that_runs_what_was_killed_and_ends_with_the_study(study, start):
    driver = start()
    wait_for(lambda: running_evaluations(study))
    wait_for((study / LOG).exists)
    said = make(study, "watch")  # beside the lock of the run
    assert (study / LOCKS / "0.output.lock").exists() and driver.poll() is None
    assert re.search(r"^Jobs: \d+ done, 1 running, \d+ waiting", said, re.MULTILINE), said
    assert re.search(r"^Tiny +boolq +running ", said, re.MULTILINE), said

    kill(running_evaluations(study))
    driver.communicate(timeout=SECONDS)
    assert driver.returncode != 0
    long_ago = (study / LOG).stat().st_mtime - SILENT_AFTER
    os.utime(study / LOG, (long_ago, long_ago))
    said = make(study, "watch")
    assert "1 failed" in said and "; no Snakemake works in this folder" in said, said
    assert f"failed   {LOG}: it ended without a word" in said

    driver, terminal = start(), Terminal(study)
    code, drawn = terminal.end()
    driver.communicate(timeout=SECONDS)
    assert (code, driver.returncode) == (0, 0), drawn[-3000:]
    assert "running" in drawn and drawn.count("Jobs: ") > 3
    last = drawn[drawn.rindex("Jobs: ") :]
    assert re.match(r"Jobs: \d+ done; 100 % of \d+ pairs evaluated", last), last
    assert "Nothing to be done" in make(study, "all")


def test_ctrl_c_ends_the_watching_and_not_the_study(study, start):
    driver = start("results/evaluations/tiny/boolq/windows.parquet")
    wait_for(lambda: running_evaluations(study))
    terminal = Terminal(study)
    while b"running" not in terminal.said:
        assert terminal.read(), terminal.said
    os.kill(terminal.process, signal.SIGINT)
    code, drawn = terminal.end()
    assert code == 0 and "Traceback" not in drawn and "KeyboardInterrupt" not in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")  # the cursor is shown again
    driver.communicate(timeout=SECONDS)
    assert driver.returncode == 0
