"""What the scripts of the rules say and where, whatever happens to the log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cornerstone.study.job_states import read_log

WORKFLOW = Path(__file__).parents[2] / "workflow"
SCRIPT = """
import sys
from types import SimpleNamespace
from cornerstone.system.logged import run_logged
from cornerstone.system.errors import CornerstoneError

def main(snakemake):
    print("it begins")
    {body}

run_logged(main, SimpleNamespace(log=[sys.argv[1]], threads=1, input=dict(), params=dict()))
"""


def run(log, body):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body), str(log)],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
        capture_output=True,
        text=True,
    )


def test_a_users_mistake_is_one_line_in_the_log(tmp_path):
    done = run(tmp_path / "log", 'raise CornerstoneError("do this")')
    assert done.returncode == 1
    assert (tmp_path / "log").read_text().splitlines() == ["it begins", "Cornerstone: do this"]
    assert done.stderr == ""


def test_what_the_attempt_before_said_is_kept(tmp_path):
    run(tmp_path / "log", 'raise CornerstoneError("the first")')
    run(tmp_path / "log", 'print("the second")')
    assert (tmp_path / "log").read_text().splitlines() == ["it begins", "the second"]
    assert "the first" in (tmp_path / "log.before").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(("body", "code"), [("pass", 0), ('raise CornerstoneError("make room")', 1)])
def test_a_log_on_a_full_disk_ends_no_job_and_its_last_line_is_still_told(body, code):
    done = run("/dev/full", body)
    assert done.returncode == code, done.stderr
    assert "it begins" in done.stderr
    assert ("Cornerstone: make room" in done.stderr) == bool(code)


@pytest.mark.parametrize(
    ("body", "ending", "code"),
    [
        ('raise CornerstoneError("do this")', "Cornerstone: do this", 1),
        ('raise ValueError("two\\nlines")', "failed: ValueError: two lines", 1),
        ("raise KeyboardInterrupt", "stopped", 130),
        ("raise SystemExit(143)", "stopped", 143),
    ],
)
def test_the_last_line_of_a_job_that_fails_says_so(tmp_path, body, ending, code):
    assert run(tmp_path / "log", body).returncode == code
    log = read_log(tmp_path / "log")
    assert log.last_line == ending and log.tells_failure


def test_ctrl_c_leaves_no_stack_trace(tmp_path):
    done = run(tmp_path / "log", "raise KeyboardInterrupt")
    assert done.returncode == 130
    assert "Traceback" not in (tmp_path / "log").read_text()
