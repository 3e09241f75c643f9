"""Which files configure a study: all that name models, in YAML or JSON."""

import json
from pathlib import Path

import pytest

from cornerstone.study import configured
from cornerstone.study.configured import configured_studies


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configured, "FOLDERS", (Path("config"),))
    Path("config").mkdir()


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "mine.json"])
def test_a_study_may_name_its_models_alone(name):
    """The tasks are then the paper's."""
    content = {"models": {"other": {"folder": "o"}}}
    Path("config", name).write_text(json.dumps(content, indent="\t" if name.endswith("json") else None))
    Path("config", "notes.yaml").write_text("tasks: {boolq: {}}\n")
    studies = configured_studies([], expand_group=None)
    assert list(studies) == [f"config/{name}"]
    assert len(studies[f"config/{name}"].tasks) == 6
