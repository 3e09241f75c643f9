"""The overview: the share of the pairs that are on the disk and wanted now, from the files alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import cornerstone.evaluations.parts
from cornerstone.documents.document import digest_documents, read_documents, write_documents
from cornerstone.documents.unscorable import CheckedModel, CheckedTask, Unscorable, write_unscorable
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.models.manifest import read_manifest
from cornerstone.study.overview import print_overview, share_done
from cornerstone.study.resolve import resolve
from fake_engine import LABELS, FakeEngine, write_study_in_results

SINGLES, WINDOWS = 1 + len(LABELS), len(LABELS) - 1
"""Coalitions of the two designs, windows of two."""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs of both designs of a study in the folder `results`, none of them run yet."""
    monkeypatch.chdir(tmp_path)
    return write_study_in_results()


def share(dtype="float32", **keys):
    """Of the study on the disk that this configuration wants."""
    models = {"tiny": {"folder": "model", "dtype": dtype}}
    study = resolve({"models": models, "tasks": {"boolq": {}}, "max_removed": 2, **keys})
    print_overview(study)
    return share_done(study, "tiny", "boolq")


def leave_out(jobs, indices):
    """Note that the model can score none of the choices of these documents."""
    manifest, task = read_manifest(jobs["windows"].manifest), read_documents(jobs["windows"].documents)
    odd = tuple(Unscorable(index, choice, "it is odd") for index in indices for choice in (0, 1))
    found = CheckedModel(
        "tiny", manifest["config"], manifest["tokenizer"], {"boolq": CheckedTask(task.digest, 12, odd)}
    )
    path = jobs["windows"].manifest.parents[1] / "unscorable" / "tiny" / "boolq.json"
    write_unscorable(found, path)


def test_it_counts_what_is_written_and_what_is_in_parts(jobs, capsys):
    assert share() == 0
    run_evaluation_job(jobs["ablation"], FakeEngine().engine())
    assert share() == pytest.approx(SINGLES / (SINGLES + WINDOWS))
    run_evaluation_job(jobs["windows"], FakeEngine().engine())
    jobs["windows"].output.unlink()  # its parts are still there
    assert "done" not in capsys.readouterr().out
    assert share() == 1
    assert "done" in capsys.readouterr().out


def test_what_an_earlier_configuration_made_does_not_count_as_done(jobs):
    for job in jobs.values():
        run_evaluation_job(replace(job, limit=4), FakeEngine().engine())
    assert share(documents=4) == 1
    assert share() == pytest.approx(4 / 12)
    assert share(documents=4, max_removed=3) < 1
    assert share(documents=4, dtype="bfloat16") == 0


def test_pairs_count_where_they_are_asked_for(jobs):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    two_apart = len(LABELS) - 2
    assert share(pair_distance=2) == pytest.approx(1 - two_apart / (SINGLES + WINDOWS + two_apart))
    pairs = replace(
        jobs["windows"],
        design="pairs",
        pair_distances=(2, 2),
        output=jobs["windows"].output.with_stem("pairs"),
    )
    run_evaluation_job(pairs, FakeEngine().engine())
    assert share(pair_distance=2) == 1


def test_documents_that_are_left_out_are_not_waited_for(jobs):
    leave_out(jobs, [3])
    engine = FakeEngine(unscorable=(3,)).engine()
    run_evaluation_job(replace(jobs["ablation"], skip_unscorable=True), engine)
    assert share() == pytest.approx(SINGLES / (SINGLES + WINDOWS))
    run_evaluation_job(replace(jobs["windows"], skip_unscorable=True), engine)
    assert share() == 1


def test_other_prompts_are_not_done(jobs):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    path = jobs["windows"].documents
    before = read_documents(path)
    first, *rest = before.documents
    other = replace(first, requests=tuple(replace(r, context="Other. " + r.context) for r in first.requests))
    changed = (other, *rest)
    write_documents(replace(before, documents=changed, digest=digest_documents(changed)), path)
    assert share() == pytest.approx(11 / 12)


def test_it_may_look_while_a_job_makes_one_part_of_many(jobs, monkeypatch):
    run_evaluation_job(replace(jobs["windows"], seconds_between_parts=0.0), FakeEngine().engine())
    jobs["windows"].output.unlink()
    read = cornerstone.evaluations.parts.read_rows

    def vanish(path):
        path.unlink()
        return read(path)

    monkeypatch.setattr(cornerstone.evaluations.parts, "read_rows", vanish)
    assert share() == 0


def test_before_there_is_a_model_there_is_nothing_to_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert share() is None
    assert "–" in capsys.readouterr().out


def test_two_tasks_may_have_one_title(jobs, capsys):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    share(tasks={"boolq": {"title": "T"}, "piqa": {"title": "T"}})
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny")]
    assert row.split() == ["tiny", "done", "–"]


def test_a_model_that_can_score_no_document_has_no_share(jobs, capsys):
    leave_out(jobs, range(12))
    assert share() is None
    assert "–" in capsys.readouterr().out


def test_another_model_than_the_manifest_is_of_is_not_done(jobs):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    Path("other").mkdir()
    study = resolve({"models": {"tiny": {"folder": "other"}}, "tasks": {"boolq": {}}, "max_removed": 2})
    assert share_done(study, "tiny", "boolq") is None


def test_a_model_whose_folder_is_gone_is_nothing_to_fail_on(jobs, capsys):
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    shutil.rmtree("model")
    assert share() is None
    assert "–" in capsys.readouterr().out
