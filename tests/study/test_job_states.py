"""The state of a job by its files: log, benchmark and Snakemake's notes."""

import base64
import os

import pytest

from cornerstone.study.job_states import (
    DOUBT,
    ENDINGS,
    INCOMPLETE,
    LOCKS,
    SILENT_AFTER,
    Log,
    Marks,
    State,
    read_log,
    read_marks,
    state_of,
    written,
)

NOW = 1e9
OUTPUT = ("results/models/mine.json",)
AT_WORK = Marks({OUTPUT[0]: NOW - 9000}, is_locked=True)
"""It was handed out, and Snakemake works."""
GONE = Marks({}, is_locked=True)
"""Snakemake works, and knows that the job has ended."""
NOBODY = Marks({}, is_locked=False)
LEFT = Marks(AT_WORK.handed_out, is_locked=False)
"""What Ctrl-C leaves."""


def state(marks, text="loaded in 3.4 s, on cpu\n", quiet=5.0, succeeded=None, pause=0.0):
    """Of a job whose log had its last line so many seconds ago; text None: without a log."""
    log = None if text is None else Log(text, NOW - quiet)
    return state_of(OUTPUT, log, succeeded, marks, now=NOW, pause=pause)


def test_a_job_without_a_log_waits_until_it_is_handed_out():
    assert state(GONE, text=None) == state(NOBODY, text=None) == state(LEFT, text=None) == State.WAITING
    assert state(AT_WORK, text=None) is State.QUEUED


def test_a_log_from_before_is_not_the_one_of_a_job_that_is_queued():
    for text in ("loaded", "Cornerstone: no such model"):
        assert state(AT_WORK, text, quiet=9001) is State.QUEUED


@pytest.mark.parametrize("marks", [AT_WORK, NOBODY, LEFT])
def test_a_log_that_had_a_line_a_moment_ago_is_of_a_job_at_work(marks):
    assert state(marks, quiet=SILENT_AFTER - 1) is State.RUNNING


def test_silence_is_longer_than_lines_take_to_come():
    assert state(AT_WORK, quiet=SILENT_AFTER + 1) is State.SILENT
    assert state(AT_WORK, quiet=SILENT_AFTER + 1, pause=60) is State.RUNNING
    assert state(AT_WORK, quiet=181, pause=60) is State.SILENT


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("marks", [AT_WORK, GONE, NOBODY])
def test_a_job_that_says_how_it_ended_has_failed(ending, marks):
    assert state(marks, f"loaded\n{ending}and more\n\n", quiet=1) is State.FAILED


def test_a_job_that_is_gone_without_a_word_has_failed():
    assert state(GONE, quiet=DOUBT - 1) is State.RUNNING  # its output may be seen in a moment
    assert state(GONE, quiet=DOUBT + 1) is State.FAILED
    assert state(NOBODY, quiet=SILENT_AFTER + 1) is state(LEFT, quiet=SILENT_AFTER + 1) is State.FAILED


def test_what_was_made_and_is_gone_waits_to_be_made_again():
    assert state(GONE, quiet=5000, succeeded=NOW - 4999) is State.WAITING
    assert state(GONE, quiet=5, succeeded=NOW - 4999) is State.RUNNING  # again


# What is read


def test_notes_are_read_as_snakemake_writes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_marks() == Marks({}, is_locked=False)
    short, long = "results/models/mine.json", f"results/evaluations/{'m' * 100}/{'t' * 100}/windows.parquet"
    for output in (short, long):
        name = base64.urlsafe_b64encode(output.encode()).decode()
        pieces = [name[at : at + 254] for at in range(0, len(name), 254)]
        path = INCOMPLETE.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        os.utime(path, (NOW, NOW))
    (INCOMPLETE / "no note").touch()
    LOCKS.mkdir(parents=True)
    (LOCKS / "0.output.lock").touch()
    assert read_marks() == Marks({short: NOW, long: NOW}, is_locked=True)


def test_the_last_line_is_the_last_that_says_something(tmp_path):
    path = tmp_path / "log"
    assert read_log(path) is None and written(path) is None
    path.write_bytes(b"one\n \xff two \n\n")
    os.utime(path, (NOW, NOW))
    assert (read_log(path).last_line, read_log(path).written) == ("\ufffd two", NOW)
    path.write_text("")
    assert read_log(path).last_line == "" and not read_log(path).tells_failure
