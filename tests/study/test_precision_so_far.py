"""The precision so far is of what is configured now; what is not is named, and stays where it is."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.study.precision import measured_so_far, print_precision
from cornerstone.study.resolve import resolve
from cornerstone.system.errors import CornerstoneError
from fake_engine import FakeEngine, write_study_in_results


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs of a study in the folder `results`, all run."""
    monkeypatch.chdir(tmp_path)
    jobs = write_study_in_results()
    for job in jobs.values():
        run_evaluation_job(job, FakeEngine().engine())
    return jobs


def configured(folder="model", **keys):
    models = {"tiny": {"folder": folder, "dtype": keys.pop("dtype", "float32")}}
    return resolve({"models": models, "tasks": {"boolq": {}}, "max_removed": 2, **keys})


def test_what_is_finished_is_measured(jobs, capsys):
    measured, left_out = measured_so_far(configured())
    assert [(numbers.model, numbers.task) for numbers in measured] == [("tiny", "boolq")]
    assert not left_out
    print_precision(configured())
    assert "Left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"dtype": "bfloat16"}, "it was evaluated with other settings than those now"),
        ({"folder": "other"}, "results/models/tiny.json is not of other, which is configured now"),
        ({"players": "blocks"}, "it was evaluated with other settings than those now"),
        (
            {"removal": "mean", "calibration": {"task": "piqa"}},
            "it was evaluated with other settings than those now",
        ),
    ],
)
def test_what_was_evaluated_with_other_settings_is_named_and_not_shown(jobs, keys, reason, capsys):
    with pytest.raises(CornerstoneError, match="no model has all evaluations of a task yet"):
        print_precision(configured(**keys))
    assert f"Left out: tiny on boolq: {reason}" in capsys.readouterr().out


def test_the_model_itself_need_not_be_there_any_more(jobs):
    shutil.rmtree("model")
    (numbers,), left_out = measured_so_far(configured())
    assert numbers.model == "tiny" and not left_out


def test_a_damaged_or_partial_evaluation_stays_where_it_is(jobs):
    measured, (line,) = measured_so_far(configured(max_removed=3))
    assert not measured and line.startswith("tiny on boolq: ") and "were not evaluated" in line
    path = jobs["windows"].output
    os.truncate(path, path.stat().st_size // 2)
    measured, (line,) = measured_so_far(configured())
    assert not measured and line.startswith(f"tiny on boolq: {path}: ")
    assert path.is_file() and not list(Path("results").rglob("*.rejected*"))


def test_an_evaluation_of_fewer_documents_than_are_wanted_now_is_measured(jobs):
    for job in jobs.values():
        run_evaluation_job(replace(job, limit=8), FakeEngine().engine())
    (numbers,), _ = measured_so_far(configured())
    assert numbers.model == "tiny"
