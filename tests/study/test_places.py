"""Where a study reads and writes: places that are not there, or that no one may read or write."""

import os

from configurations import a_study, message_of
from cornerstone.study.places import check_models, check_places, model_files, own_task_files
from cornerstone.study.resolve import resolve
from model_folders import write_model


def test_local_models_are_checked_before_anything_runs(tmp_path):
    raw = {"models": {"mine": {"folder": str(tmp_path / "model")}, "far": {"hub": "a/b"}}, "max_removed": 4}
    assert "models.mine: model folder" in message_of(check_models, resolve(raw))
    write_model(tmp_path / "model", blocks=2)
    expected = "models.mine: max_removed is 4, but this model has 4 sublayers: give a number from 1 to 3"
    assert message_of(check_models, resolve(raw)) == expected
    check_models(resolve(raw | {"max_removed": 3}))


def test_a_place_that_cannot_be_read_or_written_is_told_so(tmp_path, monkeypatch):
    """Told by the system's own answer, which for root is always yes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "piqa.jsonl").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    raw = {"models": {"mine": {"hub": "a/b"}}, "results": "new", "tasks": {"piqa": {"data": "piqa.jsonl"}}}
    assert "results is new, and . is not writable" in message_of(check_places, resolve(raw))
    assert "piqa.jsonl may not be read" in message_of(check_places, resolve(raw | {"results": "config"}))


def test_a_local_models_files_are_inputs_but_for_names_with_snakemakes_brackets(tmp_path):
    write_model(tmp_path / "model")
    (tmp_path / "model" / "{note}<a>.txt").touch()
    raw = {"models": {"mine": {"folder": str(tmp_path / "model")}, "far": {"hub": "a/b"}}}
    mine, far = resolve(raw).models
    names = ("config.json", "model.safetensors", "tokenizer.json")
    assert model_files(mine) == [str(tmp_path / "model" / name) for name in names]
    assert model_files(far) == []


def test_the_files_of_ones_own_tasks_are_inputs_but_for_what_python_compiled(tmp_path):
    for name in ("own.yaml", "inner/more.py", "inner/__pycache__/more.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tasks = {"own": {"include_path": str(tmp_path)}, "piqa": {}}
    own, piqa = resolve(a_study(tasks=tasks)).tasks
    assert own_task_files(own) == [str(tmp_path / "inner/more.py"), str(tmp_path / "own.yaml")]
    assert own_task_files(piqa) == []
