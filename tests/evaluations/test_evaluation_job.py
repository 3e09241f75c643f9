"""The evaluate step: nothing finished is evaluated again, and nothing foreign is reused."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import Parts, parts_folder
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, FakeEngine, write_study
from fake_jobs import assert_whole, pairs_in_log, run, saved_pairs

SHARED = Path(__file__).parents[2] / ".." / "shared"
STORIES = SHARED / "data" / "models" / "stories260K"


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
    other, version = job, ENGINE_VERSION
    if change == "weights":
        other = write_study(tmp_path, weights="v" * 64)
    elif change == "dtype":
        other = replace(job, dtype="bfloat16")
    else:
        version += 1
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
