"""The evaluate step: whatever happens to it, nothing finished is lost and nothing foreign is reused."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import Parts, parts_folder
from cornerstone.shapley.coalitions import parse_removed, removed_text, windows
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, FakeEngine, documents, loglikelihood, write_study

SHARED = Path(__file__).parents[2] / ".." / "shared"
STORIES = SHARED / "data" / "models" / "stories260K"


def run(job, **engine):
    """Run the job with a fresh fake engine; return the engine, which knows what it was asked for."""
    fake = FakeEngine(**engine)
    run_evaluation_job(job, fake.engine())
    return fake


def assert_whole(job, count=12):
    """The finished table has exactly the rows of an uninterrupted run, in order, with the right numbers."""
    coalitions = sorted(windows(len(LABELS), job.max_removed), key=lambda c: (len(c), c))
    table = read_evaluation(job.output).table
    rows = [
        (removed_text(c), d.index, k)
        for c in coalitions
        for d in documents(count)[: job.limit]
        for k in range(len(d.requests))
    ]
    assert list(table[["removed", "document", "choice"]].itertuples(index=False, name=None)) == rows
    expected = [loglikelihood(parse_removed(r), d, k) for r, d, k in rows]
    np.testing.assert_array_equal(table["loglikelihood"], expected)


def saved_pairs(job):
    """Coalition × document pairs in the parts, doubles counted once."""
    pairs = set()
    for path in parts_folder(job.output).glob("[!.]*.parquet"):
        table = pq.read_table(path).to_pandas()
        pairs |= set(
            zip(table["removed"].astype(str), table["document"], table["digest"].astype(str), strict=True)
        )
    return len(pairs)


def command(folder, *options):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2] / "workflow"),
        "OMP_NUM_THREADS": "1",
    }
    script = Path(__file__).parents[1].joinpath("fake_engine.py")
    line = [sys.executable, str(script), str(folder), *map(str, options)]
    return {
        "args": line,
        "env": environment,
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
    }


def pairs_in_log(text):
    """(evaluated, reused) of the last line."""
    return tuple(map(int, re.search(r"evaluated (\d+) pairs, reused (\d+)", text).groups()))


def test_a_finished_evaluation_is_whole_sorted_and_says_what_it_is(tmp_path, capsys):
    job = write_study(tmp_path)
    run(job)
    assert_whole(job)
    evaluation = read_evaluation(job.output)
    assert (evaluation.model, evaluation.task, evaluation.design) == ("tiny", "boolq", "windows")
    assert evaluation.sublayers == LABELS
    assert evaluation.identity["weights"] == "w" * 64
    assert evaluation.documents["count"] == 12
    assert evaluation.provenance["evaluated_pairs"] == 60
    assert evaluation.provenance["versions"]["pyarrow"]
    log = capsys.readouterr().err
    first, second = log.splitlines()[:2]
    assert first.startswith("tiny on boolq, windows: float32, device auto; ")
    assert second == "loaded in 0.0 s, on cpu"
    assert pairs_in_log(log) == (60, 0)
    assert re.search(r"\(\d+ tokens/s\), peak memory \d", log)


def test_a_second_run_evaluates_nothing_and_loads_no_model(tmp_path, capsys):
    job = write_study(tmp_path)
    run(job)
    job.output.unlink()  # as Snakemake does before it runs a job again
    capsys.readouterr()
    again = run(job)
    assert (again.loads, again.asked) == (0, [])
    assert pairs_in_log(capsys.readouterr().err) == (0, 60)
    assert_whole(job)


def test_what_earlier_runs_took_is_still_told_by_the_last(tmp_path):
    job = write_study(tmp_path)
    run(replace(job, limit=6), seconds_per_block=0.05)
    half = read_evaluation(job.output).provenance["work_seconds"]
    run(job, seconds_per_block=0.05)
    whole = read_evaluation(job.output).provenance
    job.output.unlink()
    run(job)
    again = read_evaluation(job.output).provenance
    assert half >= 6 * 0.05  # three pairs of documents × two blocks
    assert whole["work_seconds"] >= half + 6 * 0.05
    assert again["evaluated_pairs"] == 0
    assert (again["work_seconds"], again["devices"]) == (whole["work_seconds"], ["cpu"])
    run(replace(job, limit=6))  # of the parts half is asked
    assert read_evaluation(job.output).provenance["work_seconds"] == pytest.approx(
        again["work_seconds"] / 2, abs=0.01
    )


def test_a_farther_pair_distance_evaluates_only_the_new_pairs(tmp_path):
    job = replace(write_study(tmp_path), design="pairs", pair_distances=(2, 2))
    job = replace(job, output=job.output.with_stem("pairs"))
    run(job)
    near = read_evaluation(job.output)
    assert near.design == "pairs" and set(near.table["removed"]) == {"0,2", "1,3", "2,4", "3,5"}
    run(replace(job, pair_distances=(2, 3)))
    far = read_evaluation(job.output)
    assert set(far.table["removed"]) - set(near.table["removed"]) == {"0,3", "1,4", "2,5"}
    assert (far.provenance["evaluated_pairs"], far.provenance["reused_pairs"]) == (36, 48)


def test_a_higher_max_removed_evaluates_only_the_longer_windows(tmp_path):
    job = write_study(tmp_path)
    run(job)
    longer = replace(job, max_removed=3)
    asked = run(longer).asked
    assert {len(removed) for removed, _ in asked} == {3}
    assert len(asked) == 4 * 12
    assert_whole(longer)
    assert run(job).asked == []  # and back again
    assert_whole(job)


def test_a_higher_document_limit_evaluates_only_the_new_documents(tmp_path):
    job = replace(write_study(tmp_path), limit=5)
    run(job)
    assert_whole(job)
    more = replace(job, limit=9)
    asked = run(more).asked
    assert {document for _, document in asked} == {5, 6, 7, 8}
    assert len(asked) == 4 * 5
    assert_whole(more)


@pytest.mark.parametrize("change", ["weights", "dtype", "engine version"])
def test_another_identity_evaluates_everything_and_loses_nothing(tmp_path, change):
    job = write_study(tmp_path)
    run(job)
    other, version = job, 1
    if change == "weights":
        other = write_study(tmp_path, weights="v" * 64)
    elif change == "dtype":
        other = replace(job, dtype="bfloat16")
    else:
        version = 2
    fake = FakeEngine()
    run_evaluation_job(other, fake.engine(version))
    assert len(fake.asked) == 60
    assert run(write_study(tmp_path)).asked == []  # switched back


def test_changed_documents_are_evaluated_and_the_others_reused(tmp_path):
    job = write_study(tmp_path)
    run(job)
    fake = FakeEngine()
    engine = fake.engine()

    def encode(encoder, items):
        return [replace(d, digest="changed") if d.index == 3 else d for d in fake.encode(encoder, items)]

    run_evaluation_job(job, replace(engine, encode_documents=encode))
    assert {document for _, document in fake.asked} == {3}
    assert_whole(job)


def test_documents_that_lack_the_same_coalitions_are_evaluated_together(tmp_path):
    job = write_study(tmp_path)

    def stop(blocks):
        if blocks == 5:  # two blocks of each two documents: four documents whole, two of them half
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, after_block=stop)
    rest = run(job)
    assert len(rest.asked) == 60 - (2 * 10 + 2 * 3)
    assert len(set(rest.asked)) == len(rest.asked)
    assert_whole(job)


def test_many_short_groups_are_saved_as_often_as_one_long_one(tmp_path, monkeypatch):
    """What is left of a study that grew in documents and windows by turns falls apart into groups."""
    job = replace(write_study(tmp_path, 40), seconds_between_parts=0.5)
    for limit, max_removed in ((4, 2), (8, 3), (12, 2), (16, 3)):
        run(replace(job, limit=limit, max_removed=max_removed))
    moments = [time.monotonic()]
    write = Parts.write

    def note_the_moment(*arguments):
        moments.append(time.monotonic())
        return write(*arguments)

    monkeypatch.setattr(Parts, "write", note_the_moment)
    run(replace(job, max_removed=4), seconds_per_block=0.06)
    assert max(np.diff(moments)) < 0.5 + 0.3
    assert len(moments) > 3


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


def test_a_number_that_is_not_finite_stops_the_job_and_is_never_stored(tmp_path):
    job = write_study(tmp_path)
    with pytest.raises(CornerstoneError, match=r"document 7, choice 2, is nan without sublayers \[2,3\]"):
        run(job, spoilt=(7, (2, 3)))
    assert not job.output.exists()
    assert 0 < saved_pairs(job) < 60
    run(job)
    assert_whole(job)


def test_damaged_and_foreign_parts_are_set_aside_and_their_work_done_again(tmp_path, capsys):
    job = write_study(tmp_path)
    run(job)
    (part,) = parts_folder(job.output).iterdir()
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    (part.parent / "notes.parquet").write_text("not a table")
    (part.parent / "other.parquet").write_bytes(job.output.read_bytes())
    capsys.readouterr()
    assert len(run(job).asked) == 60
    log = capsys.readouterr().err
    assert len(re.findall(r"^set aside .*\.rejected: ", log, re.MULTILINE)) == 3
    assert {p.name for p in part.parent.glob("*.rejected")} == {
        f"{part.name}.rejected",
        "notes.parquet.rejected",
        "other.parquet.rejected",
    }
    assert_whole(job)


def test_an_evaluation_of_no_coalitions_is_an_empty_table(tmp_path):
    job = replace(write_study(tmp_path), max_removed=1)  # windows of 2..1
    assert run(job).asked == []
    assert len(read_evaluation(job.output).table) == 0


def test_a_limit_of_no_documents_is_refused(tmp_path):
    with pytest.raises(CornerstoneError, match="documents is 0"):
        run(replace(write_study(tmp_path), limit=0))


def test_a_model_that_was_swapped_after_its_manifest_is_refused(tmp_path):
    job = write_study(tmp_path)
    manifest = json.loads(job.manifest.read_text())
    manifest["files"] = [{"path": "model.safetensors", "size": 10, "sha256": "0" * 64}]
    job.manifest.write_text(json.dumps(manifest))
    (tmp_path / "model.safetensors").write_bytes(b"x" * 9)
    with pytest.raises(
        CornerstoneError, match=r"model\.safetensors has 9 bytes, the manifest of tiny says 10"
    ):
        run(job)


@pytest.mark.skipif(not STORIES.is_dir(), reason="the folder with real models is not here")
def test_the_real_engine_fills_the_same_table_in_one_go_and_in_two(tmp_path):
    from cornerstone.models.manifest import describe_folder, write_manifest
    from torch_engine import TORCH_ENGINE

    job = write_study(tmp_path, 4)
    write_manifest(describe_folder("tiny", STORIES), job.manifest)
    run_evaluation_job(replace(job, limit=2, device="cpu"), TORCH_ENGINE)
    run_evaluation_job(replace(job, device="cpu"), TORCH_ENGINE)
    second = read_evaluation(job.output)
    assert (second.provenance["evaluated_pairs"], second.provenance["reused_pairs"]) == (18, 18)
    whole = replace(job, output=tmp_path / "whole.parquet", device="cpu")
    run_evaluation_job(whole, TORCH_ENGINE)
    first = read_evaluation(whole.output)
    assert first.table.drop(columns="loglikelihood").equals(second.table.drop(columns="loglikelihood"))
    np.testing.assert_allclose(first.table["loglikelihood"], second.table["loglikelihood"], atol=1e-4)
