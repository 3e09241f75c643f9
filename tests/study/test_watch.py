"""`snakemake watch`: what is seen of a study's jobs, by files laid out as jobs leave them, and how it is shown."""

from __future__ import annotations

import base64
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from cornerstone.documents.document import read_documents
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.study import watch as watching
from cornerstone.study.job_states import INCOMPLETE, LOCKS, State
from cornerstone.study.jobs import jobs_of
from cornerstone.study.resolve import resolve
from cornerstone.study.watch import page, watch
from cornerstone.study.watched import Watcher
from fake_engine import LABELS, FakeEngine, write_study_in_results

SINGLES, WINDOWS = 12 * (1 + len(LABELS)), 12 * (len(LABELS) - 1)
"""Pairs of the two designs on twelve documents, windows of two."""
LOGS = Path("results/logs/evaluate/tiny")
EVALUATIONS = Path("results/evaluations/tiny/boolq")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs of both designs of a study in the folder `results`, whose model and documents are there."""
    monkeypatch.chdir(tmp_path)
    return write_study_in_results()


def configured(**keys):
    models = {"tiny": {"folder": "model", "title": "Tiny [b]"}}
    return resolve({"models": models, "tasks": {"boolq": {"title": "BoolQ"}}, "max_removed": 2, **keys})


def hand_out(*outputs):
    """Snakemake's notes that these are being made, and its lock."""
    INCOMPLETE.mkdir(parents=True, exist_ok=True)
    for output in outputs:
        (INCOMPLETE / base64.urlsafe_b64encode(str(output).encode()).decode()).write_text("{}")
    LOCKS.mkdir(parents=True, exist_ok=True)
    (LOCKS / "0.output.lock").touch()


def write_log(name, text, ago=0.0, folder=LOGS):
    path = folder / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - ago
    os.utime(path, (moment, moment))
    return path


def run_to(job, blocks, capfd):
    """Run a job that is stopped after so many blocks; what it said until then."""

    def stop(block):
        if block == blocks:
            raise KeyboardInterrupt

    capfd.readouterr()
    with suppress(KeyboardInterrupt):
        run_evaluation_job(job, FakeEngine(after_block=stop).engine())
    return capfd.readouterr().err


def begun(design, pairs, done=0, shard=""):
    work = f"6 sublayers, 1 coalitions × 1 documents = {pairs} pairs, {done} done already"
    return f"tiny on boolq, {design}{shard}: float32, device auto; {work}\n"


def shown(share, elapsed="01:40"):
    done = f"{100 * share:.0f}% {1000 * share:.3g}/1.00k token-sublayers"
    return f"evaluate: {done} [{elapsed}<05:00, 2.00 token-sublayers/s]\n"


def row(**keys):
    (only,) = Watcher(configured(**keys)).look().rows
    return only


def shown_page(study, height=None, width=200):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(page(study, Watcher(study).look(), height))
    return captured.get()


# What is seen


def test_before_a_model_is_there_everything_waits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = Watcher(configured()).look()
    assert {job.state for job in seen.jobs} == {State.WAITING}
    assert (seen.rows[0].shares, seen.rows[0].left, seen.is_over) == ({}, None, False)


def test_what_is_written_is_done_and_the_rest_waits(jobs):
    run_evaluation_job(jobs["ablation"], FakeEngine().engine())
    seen = row()
    assert seen.states == {State.WAITING: 1}
    assert seen.shares == {"ablation": 1, "windows": 0}
    assert seen.pairs == (SINGLES, SINGLES + WINDOWS)
    assert seen.left is not None and seen.rate == 0  # by what the saved parts took


def test_a_job_is_queued_until_its_log_begins(jobs):
    hand_out(jobs["windows"].output)
    assert row().states == {State.QUEUED: 1}
    write_log("boolq", begun("windows", WINDOWS), ago=-1)
    assert row().states == {State.RUNNING: 1}


def test_between_saves_the_log_tells_how_far_a_job_is_and_how_fast(jobs):
    hand_out(jobs["windows"].output)
    write_log("boolq", begun("windows", WINDOWS) + shown(0.5))
    seen = row()
    assert seen.shares["windows"] == 0.5
    assert seen.rate == pytest.approx(WINDOWS / 2 / 100)
    assert seen.left == pytest.approx((SINGLES + WINDOWS / 2) / seen.rate)


def test_what_is_saved_counts_where_the_log_tells_less(jobs, capfd):
    log = run_to(jobs["windows"], 6, capfd)
    hand_out(jobs["windows"].output)
    write_log("boolq", log)
    assert row().shares["windows"] == pytest.approx(0.5)
    write_log("boolq", begun("windows", WINDOWS, done=WINDOWS // 2))  # it goes on, and loads the model
    seen = row()
    assert (seen.states[State.RUNNING], seen.shares["windows"]) == (1, 0.5)


def test_one_job_of_several_designs_tells_of_each(jobs):
    hand_out(jobs["windows"].output)
    ended = f"evaluated {SINGLES} pairs, reused 0, in 12.0 s (4 tokens/s): {jobs['ablation'].output}\n"
    write_log("boolq", begun("ablation", SINGLES) + shown(1) + ended + begun("windows", WINDOWS) + shown(0.1))
    assert row().shares == pytest.approx({"ablation": 1, "windows": 0.1})


def test_shards_are_jobs_of_their_own_that_add_up(jobs):
    note = EVALUATIONS / "windows.shards"
    hand_out(note / "1-of-3.json", note / "2-of-3.json", note / "3-of-3.json")
    for number in (1, 2):
        write_log(
            f"boolq.{number}-of-3",
            begun("windows", WINDOWS // 3, shard=f", shard {number} of 3") + shown(number / 4),
            ago=-1,
        )
    seen = row(shards={"tiny": 3})
    assert seen.states == {State.WAITING: 1, State.RUNNING: 2, State.QUEUED: 1}  # the first is to join them
    assert seen.shares["windows"] == pytest.approx((1 / 4 + 2 / 4) / 3)
    assert seen.rate == pytest.approx(WINDOWS / 3 * 0.75 / 100)


def test_all_coalitions_for_the_audit_alone_are_a_job_of_their_own(jobs):
    hand_out(EVALUATIONS / "exact.parquet")
    write_log(
        "boolq",
        begun("exact", 64 * 12) + shown(0.25),
        ago=-1,
        folder=Path("results/logs/evaluate_exact/tiny"),
    )
    seen = row(exact=["tiny"])
    assert seen.states == {State.WAITING: 1, State.RUNNING: 1}
    assert seen.shares == {"ablation": 0, "windows": 0, "exact": 0.25}


def test_an_evaluation_of_fewer_documents_than_are_wanted_now_waits(jobs):
    for job in jobs.values():
        run_evaluation_job(replace(job, limit=4), FakeEngine().engine())
    assert row(documents=4).states == {State.DONE: 1}
    seen = row()
    assert seen.states == {State.WAITING: 1}
    assert seen.shares["windows"] == pytest.approx(1 / 3)


def test_what_only_comes_before_evaluations_is_not_waited_for_once_these_are_done(jobs):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    states = {seen.job.rule: seen.state for seen in Watcher(configured()).look().jobs}
    assert states["find_unscorable"] is states["accept_documents"] is states["evaluate"] is State.DONE
    assert states["report"] is State.WAITING


def test_it_is_over_when_all_files_are_there(jobs):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    study = configured()
    for path in (path for job in jobs_of(study) for path in job.outputs if not path.exists()):
        assert not Watcher(study).look().is_over
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert Watcher(study).look().is_over


def test_pairs_are_counted_anew_only_where_files_changed(jobs, monkeypatch):
    counted = []

    def count(study, model, task):
        counted.append((model, task))
        return count_pairs(study, model, task)

    from cornerstone.study import watched

    count_pairs = watched.pairs_by_design
    monkeypatch.setattr(watched, "pairs_by_design", count)
    watcher = Watcher(configured())
    watcher.look()
    assert watcher.look().rows[0].shares["ablation"] == 0
    assert len(counted) == 1
    run_evaluation_job(jobs["ablation"], FakeEngine().engine())
    assert watcher.look().rows[0].shares["ablation"] == 1
    assert len(counted) == 2


# What is shown


def test_the_page_has_titles_states_shares_rates_and_times(jobs):
    hand_out(jobs["windows"].output)
    run_evaluation_job(jobs["ablation"], FakeEngine().engine())
    write_log("boolq", begun("windows", WINDOWS) + shown(0.5))
    text = shown_page(configured())
    assert text.startswith("Jobs: 2 done, 1 running, ")
    share = int(100 * (SINGLES + WINDOWS / 2) / (SINGLES + WINDOWS))
    assert f"; {share} % of {SINGLES + WINDOWS} pairs evaluated" in text
    line = next(line for line in text.splitlines() if "BoolQ" in line)
    assert line.split() == ["Tiny", "[b]", "BoolQ", "running", "100", "%", "50", "%", "0.3", "100", "s"]


def test_failures_are_told_whole_with_the_last_line_and_the_place_of_the_log(jobs, capsys):
    hand_out(jobs["ablation"].output)
    long = "Cornerstone: tiny cannot score … of 3: " + "it is odd; " * 60
    write_log("boolq", f"{begun('windows', WINDOWS)}{long}\n")
    write_log(
        "tiny",
        "downloading\nfailed: ValueError: [no] such [b]thing[/b]\n",
        folder=Path("results/logs/find_unscorable"),
    )
    watch(configured())
    said = capsys.readouterr().out.splitlines()
    assert f"failed   results/logs/evaluate/tiny/boolq.log: {long.strip()}" in said
    assert (
        "failed   results/logs/find_unscorable/tiny.log: failed: ValueError: [no] such [b]thing[/b]" in said
    )


def test_silence_is_told_and_told_from_a_job_that_snakemake_gave_up(jobs):
    hand_out(jobs["windows"].output)
    os.utime(next(INCOMPLETE.iterdir()), (1e9, 1e9))
    write_log("boolq", "loaded in 3.4 s, on cuda:0\n", ago=725)
    write_log("piqa", "loaded in 3.5 s, on cuda:1\n", ago=725)
    said = shown_page(configured(tasks={"boolq": {}, "piqa": {}}))
    assert (
        "silent   results/logs/evaluate/tiny/boolq.log: no line for 12 min: it is at a long step, or was "
        "killed; its last line: loaded in 3.4 s, on cuda:0"
    ) in said
    assert (
        "failed   results/logs/evaluate/tiny/piqa.log: it ended without a word 12 min ago, as if it was "
        "killed; its last line: loaded in 3.5 s, on cuda:1"
    ) in said


def test_a_job_that_is_tried_again_tells_why(jobs):
    hand_out(jobs["windows"].output)
    path = write_log("boolq", "Cornerstone: the first try\n")
    path.rename(f"{path}.before")
    write_log("boolq", begun("windows", WINDOWS))
    assert "running  results/logs/evaluate/tiny/boolq.log: once more, after: Cornerstone: the first try" in (
        shown_page(configured())
    )


def test_a_download_shows_its_own_progress(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = configured(models={"big": {"hub": "a/b"}})
    hand_out("results/models/big.json")
    line = "downloading a/b: 41% 1.23G/3.00G B [01:20<02:03, 15.4M B/s]"
    write_log("big", line, folder=Path("results/logs/download_model"), ago=-1)
    assert f"running  results/logs/download_model/big.log: {line}" in shown_page(study)


def test_where_nobody_works_it_says_so(jobs):
    assert "; no Snakemake works in this folder" in shown_page(configured())
    hand_out()
    assert "no Snakemake" not in shown_page(configured())


def test_a_low_terminal_shows_what_is_at_work_and_counts_the_rest(jobs):
    tasks = {f"task{number}": {"task": "boolq"} for number in range(30)}
    study = configured(tasks=tasks)
    hand_out("results/evaluations/tiny/task20/windows.parquet")
    write_log("task20", begun("windows", 60), ago=-1)
    text = shown_page(study, height=20)
    assert len(text.splitlines()) <= 20
    assert "task20  running" in text and "and 17 rows more" in text
    assert "task29" in shown_page(study)


def test_a_wide_message_does_not_leave_the_terminals_line(jobs):
    write_log("boolq", "Cornerstone: " + "so it is " * 60)
    lines = shown_page(configured(), height=40, width=100).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1].endswith("…")


def test_where_the_output_is_no_terminal_it_is_shown_once(jobs, capsys):
    watch(configured())
    assert capsys.readouterr().out.count("BoolQ") == 1


@pytest.fixture
def terminal(monkeypatch):
    """The output is taken for a terminal."""
    monkeypatch.setattr(watching, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))


def test_on_a_terminal_it_ends_once_all_is_there(jobs, terminal, monkeypatch):
    study = configured()
    missing = [path for job in jobs_of(study) for path in job.outputs if not path.exists()]

    def sleep(seconds):
        """Something is made between two looks."""
        path = missing.pop(0)
        if path.parent == EVALUATIONS:
            run_evaluation_job(jobs[path.stem], FakeEngine().engine())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=sleep))
    watch(study)
    assert not missing


def test_ctrl_c_ends_it_quietly(jobs, terminal, monkeypatch):
    def sleep(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "time", SimpleNamespace(sleep=sleep))
    watch(configured())


def test_the_documents_of_the_fixture_are_as_many_as_are_counted(jobs):
    assert len(read_documents(jobs["windows"].documents).documents) == 12
