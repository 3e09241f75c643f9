"""A user's own files, named in the configuration, are part of the study, and the workflow's own stay as they are."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import own_things
from tiny_study import N_SUBLAYERS, STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.slow

OWN = {
    "own/score.py": own_things.SCORE,
    "own/estimator.py": own_things.ESTIMATOR_WITH_DESIGN,
    "own/figure.py": own_things.FIGURE,
}
STUDY_OF_OWN = {
    "score": "surprise",
    "estimator": "halves",
    "tasks": {"boolq": {**STUDY["tasks"]["boolq"], "documents": 6}},
}
EXPENSIVE = {"download_model", "build_documents", "evaluate"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished study with a score, an estimator with its design and a figure of the user's own. Not to be changed."""
    folder = prepare(tmp_path_factory.mktemp("extended") / "study")
    (folder / "own").mkdir()
    for name, text in OWN.items():
        (folder / name).write_text(text)
    configure(folder, extensions=list(OWN), **STUDY_OF_OWN)
    make(folder, "all")
    return folder


@pytest.fixture
def study(finished, tmp_path) -> Path:
    """A copy of the finished study, to do with as one likes."""
    return shutil.copytree(finished, tmp_path / "study", symlinks=True)


def edit(folder: Path, name: str) -> tuple[dict[str, int], set[str]]:
    """Add a comment to a file: the jobs that are planned then, and the figures that would be drawn."""
    with (folder / name).open("a") as file:
        file.write("\n# Edited.\n")
    return planned(folder, "all"), set(re.findall(r"\bDraw (\w+)", make(folder, "all", "--dry-run")))


def test_the_study_has_the_users_own_score_estimator_design_and_figure(finished):
    results = finished / "results"
    values = pd.read_csv(results / "values" / "tiny" / "boolq.csv")
    assert len(values) == N_SUBLAYERS and set(values["score"]) == {"surprise"}
    assert (results / "evaluations" / "tiny" / "boolq" / "half_models.parquet").is_file()
    side_by_side = (results / "tables" / "scores_side_by_side.md").read_text()
    assert "| Tiny | boolq | surprise (the study's) | bits |" in side_by_side
    assert {path.name for path in (results / "figures").glob("stems_*")} == {
        *("stems_tiny.pdf", "stems_tiny.png", "stems_tiny.svg")
    }
    page = (results / "report.html").read_text()
    for words in (
        "Stems in bits.",
        "Values from halves of the model",
        "The values know nothing of the other half.",
    ):
        assert words in page, words


def test_an_edited_figure_is_drawn_again_alone(study):
    jobs, drawn = edit(study, "own/figure.py")
    assert jobs == {"draw": 1, "report": 1, "all": 1, "total": 3}
    assert drawn == {"stems_tiny"}


def test_an_edited_score_is_arithmetic_alone(study):
    jobs, _ = edit(study, "own/score.py")
    assert jobs["estimate_values"] == jobs["removal_effects"] == jobs["tables"] == jobs["report"] == 1
    assert not EXPENSIVE & set(jobs)


def test_an_edited_estimator_estimates_again_and_evaluates_nothing(study):
    jobs, drawn = edit(study, "own/estimator.py")
    assert jobs["estimate_values"] == jobs["tables"] == jobs["report"] == 1
    assert not {*EXPENSIVE, "removal_effects"} & set(jobs)
    assert {"values_tiny", "pie_tiny"} <= drawn and "ablation_tiny" not in drawn


def test_extensions_may_be_given_on_the_command_line(study):
    configure(study, **STUDY_OF_OWN)
    given = ("--config", f"extensions={json.dumps(list(OWN))}")
    assert "Nothing to be done" in make(study, "all", *given)
    for figure in (study / "results" / "figures").glob("stems_*"):
        figure.unlink()
    make(study, "results/figures/stems_tiny.pdf", *given)
    assert (study / "results" / "figures" / "stems_tiny.pdf").is_file()


def taking(text: str, old: str, new: str) -> str:
    """A file of one's own with a name that is taken."""
    assert f'name="{old}"' in text
    return text.replace(f'name="{old}"', f'name="{new}"')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "extensions: own/it.py is not a file: give the path of a Python file of your own"),
        (
            "def broken(:\n",
            "extensions: own/it.py cannot be used: SyntaxError: invalid syntax (it.py, line 1): correct it",
        ),
        (taking(own_things.SCORE, "surprise", "acc"), "own/it.py registers the score 'acc', which"),
        (
            taking(own_things.ESTIMATOR, "beside", "antithetic_permutations"),
            "own/it.py registers the estimator 'antithetic_permutations', which",
        ),
        (taking(own_things.FIGURE, "stems", "pie"), "own/it.py registers the figure 'pie', which"),
        (taking(own_things.TABLE, "extremes", "drops"), "own/it.py registers the table 'drops', which"),
    ],
    ids=["missing", "syntax", "score", "estimator", "figure", "table"],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line_before_anything_runs(study, text, told):
    if text is not None:
        (study / "own" / "it.py").write_text(text)
    configure(study, extensions=[*OWN, "own/it.py"], **STUDY_OF_OWN)
    said = make(study, "all", succeeds=False).splitlines()
    lines = [line for line in said if line and not line.startswith("Using workflow specific profile")]
    assert len(lines) == 1 and lines[0].startswith("Cornerstone: ") and told in lines[0], said
    assert text is None or "rename it" in lines[0] or "correct it" in lines[0]
