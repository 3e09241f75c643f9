"""A job that is killed, stopped, or out of disk loses at most what is not saved yet, and leaves nothing broken."""

import errno
import os
import random
import signal
import subprocess
import time
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from cornerstone.system.errors import CornerstoneError
from fake_engine import write_study
from fake_jobs import assert_whole, command, run, saved_pairs


def test_kill_9_at_any_moment_loses_no_more_than_the_interval(tmp_path):
    job = write_study(tmp_path)
    interval, slack = 0.3, 0.25
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        job = write_study(folder)
        process = subprocess.Popen(
            **command(folder, "--seconds-per-block", 0.1, "--seconds-between-parts", interval)
        )
        while not (folder / "journal").exists():
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0.1, 0.9))
        process.kill()
        killed = time.time()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not job.output.exists()
        lines = [line.split() for line in (folder / "journal").read_text().splitlines()]
        finished = sum(int(pairs) for moment, pairs in lines if float(moment) < killed - interval - slack)
        saved = saved_pairs(job)
        assert saved >= finished
        assert len(run(job).asked) == 60 - saved
        assert_whole(job)


@pytest.mark.parametrize("moment", ["half", "before", "after"])
@pytest.mark.parametrize("write", [1, 3])
def test_kill_9_in_the_middle_of_a_write_leaves_nothing_broken(tmp_path, capsys, moment, write):
    job = write_study(tmp_path)
    done = subprocess.run(**command(tmp_path, "--seconds-between-parts", 0, "--die", moment, write))
    assert done.returncode == -signal.SIGKILL
    saved = saved_pairs(job)
    blocks = [6, 4, 6]  # two documents × three, then two of the five windows
    assert saved == sum(blocks[: write - 1 + (moment == "after")])
    asked = run(job).asked
    assert len(asked) == 60 - saved
    assert "set aside" not in capsys.readouterr().err
    assert_whole(job)


def test_sigterm_saves_what_is_finished_before_the_job_ends(tmp_path):
    job = write_study(tmp_path)
    process = subprocess.Popen(
        **command(tmp_path, "--seconds-per-block", 0.1, "--seconds-between-parts", 1000)
    )
    while not (tmp_path / "journal").exists():
        time.sleep(0.01)
    time.sleep(0.35)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    finished = sum(int(line.split()[1]) for line in (tmp_path / "journal").read_text().splitlines())
    assert finished >= 6
    assert saved_pairs(job) >= finished
    run(job)
    assert_whole(job)


@pytest.mark.parametrize(("seconds_between_parts", "saved"), [(0, 6), (1000, 60)], ids=["first", "last"])
def test_a_signal_in_the_middle_of_a_write_waits_for_its_end(
    tmp_path, monkeypatch, seconds_between_parts, saved
):
    job = replace(write_study(tmp_path), seconds_between_parts=seconds_between_parts)
    write_table = pq.write_table

    def write_and_be_told_to_stop(table, path, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        write_table(table, path, **options)

    monkeypatch.setattr(pq, "write_table", write_and_be_told_to_stop)
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        run(job)
    assert stop.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert saved_pairs(job) == saved
    assert not job.output.exists()


def test_two_jobs_on_one_evaluation_do_no_harm(tmp_path):
    job = write_study(tmp_path)
    options = ("--seconds-per-block", 0.03, "--seconds-between-parts", 0.1)
    both = [subprocess.Popen(**command(tmp_path, *options)) for _ in range(2)]
    logs = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], logs
    assert not any("set aside" in log for log in logs)
    assert_whole(job)
    assert saved_pairs(job) == 60
    job.output.unlink()
    assert run(job).asked == []


def test_a_full_disk_ends_the_job_in_one_line_and_leaves_nothing_broken(tmp_path):
    done = subprocess.run(**command(tmp_path, "--largest-file", 3000, "--count", 400))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "could not be written" in last and "type the same command again" in last
    assert list(tmp_path.rglob("*.tmp")) == []
    job = write_study(tmp_path, 400)
    assert not job.output.exists()
    run(job)
    assert_whole(job, 400)


def test_a_disk_that_fills_between_two_parts_keeps_the_first(tmp_path, monkeypatch):
    job = replace(write_study(tmp_path), seconds_between_parts=0)
    write_table, writes = pq.write_table, [0]

    def fill(table, path, **options):
        writes[0] += 1
        write_table(table, path, **options)
        if writes[0] > 2:
            os.truncate(path, 100)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fill)
    with pytest.raises(CornerstoneError, match="No space left on device"):
        run(job)
    monkeypatch.undo()
    saved = saved_pairs(job)
    assert saved == 2 * (3 + 2)
    assert len(run(job).asked) == 60 - saved
    assert_whole(job)
