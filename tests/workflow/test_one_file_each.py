"""A score, an estimator, a figure and a table are one new file each: the whole study has them, to its report."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

import pandas as pd
import pytest

import own_things
from cornerstone.drawing.style import FORMATS
from cornerstone.scores import measured_scores
from tiny_study import N_SUBLAYERS, STUDY, configure, make, prepare

pytestmark = pytest.mark.study

DROPPED = {
    "scores/surprise.py": own_things.SCORE,
    "shapley/estimators/beside.py": own_things.ESTIMATOR,
    "figures/stems.py": own_things.FIGURE,
    "tables/extremes.py": own_things.TABLE,
}
CONFIGURED = {
    "score": "surprise",
    "estimator": "beside",
    "exact": ["tiny"],
    "tasks": {"boolq": {**STUDY["tasks"]["boolq"], "documents": 6}},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results of a whole study with the new score and estimator. Not to be changed."""
    folder = prepare(tmp_path_factory.mktemp("dropped") / "study")
    for name, text in DROPPED.items():
        (folder / "workflow" / "cornerstone" / name).write_text(text)
    configure(folder, **CONFIGURED)
    make(folder, "all")
    return folder / "results"


@pytest.fixture(scope="module")
def page(results) -> str:
    """The report as it is read: without styles, marks and pictures."""
    source = re.sub(r"<style>.*?</style>", "", (results / "report.html").read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).split())


def of_task(results: Path, folder: str) -> pd.DataFrame:
    return pd.read_csv(results / folder / "tiny" / "boolq.csv")


def table(results: Path, name: str) -> str:
    return (results / "tables" / f"{name}.md").read_text()


def test_values_are_of_the_new_score_by_the_new_estimator(results):
    values, effects = of_task(results, "values"), of_task(results, "ablation")
    assert len(values) == N_SUBLAYERS and set(values["score"]) == {"surprise"}
    together = of_task(results, "joint").set_index("removed")["joint"]
    costs = [together[f"{i},{i + 1}"] - effects["effect"][i + 1] for i in range(N_SUBLAYERS - 1)]
    assert values["value"].tolist()[:-1] == pytest.approx(costs, abs=1e-8)
    assert (effects["chance"] == -1).all()  # one bit, of two choices
    assert (
        set(of_task(results, "joint")["score"])
        == set(of_task(results, "interactions")["score"])
        == {"surprise"}
    )


def test_the_new_score_is_compared_with_the_others(results):
    both = of_task(results, "agreement")
    assert set(both["score"]) == {"surprise", *(score.name for score in measured_scores(("acc",)))}
    assert set(both.loc[both["chosen"], "score"]) == {"surprise"}
    bits, nats = (both.loc[both["score"] == name, "effect"].to_numpy() for name in ("surprise", "logprob"))
    assert bits == pytest.approx(nats / math.log(2))
    assert "| Tiny | boolq | surprise (the study's) | bits |" in table(results, "scores_side_by_side")


def test_the_new_estimator_is_audited_in_the_new_score(results):
    audit = of_task(results, "audit")
    assert set(audit["score"]) == {"surprise", "logprob"}
    assert set(audit.loc[audit["estimator"] == "beside a neighbour", "ours"]) == {True}
    assert "| 1 | beside a neighbour | 12 |" in table(results, "audit")
    assert "beside a neighbour" in (results / "figures" / "audit_tiny.svg").read_text()


def test_the_new_table_is_written_and_every_table_is_in_the_new_unit(results):
    assert list(pd.read_csv(results / "tables" / "extremes.csv")) == [
        "model",
        "task",
        "label",
        "value",
        "unit",
    ]
    assert "| Model | Task | Sublayer | Value (bits) |" in table(results, "extremes")
    texts = {path.stem: path.read_text() for path in (results / "tables").glob("*.md")}
    for name, text in texts.items():
        assert not re.search(r"\bnan\b|\bNone\b|\(\)|\bpoints\b", text), name
    for name in (
        "cornerstones",
        "drops",
        "drops_by_task",
        "joint",
        "overlap",
        "totals",
        "precision",
        "values",
    ):
        assert "(bits)" in texts[name], name


def test_every_figure_is_drawn_the_new_one_too(results):
    drawn = {path.name for path in (results / "figures").iterdir()}
    stems = {name.partition(".")[0] for name in drawn}
    assert {"stems_tiny", "values_tiny", "audit_tiny"} < stems
    assert drawn == {f"{stem}.{ending}" for stem in stems for ending in FORMATS}
    for name in ("stems_tiny", "values_tiny", "agreement_tiny", "ablation_tiny", "totals_all"):
        text = (results / "figures" / f"{name}.svg").read_text()
        assert "bits" in text and "nan" not in text, name


def test_the_report_names_all_four_in_words(page):
    words = (
        "Score, whole model bits",
        "the estimator in use (beside a neighbour) orders the sublayers of Tiny",
        "The value of a sublayer is how much the score falls when it is removed beside the one that follows",
        "The values know nothing of sublayers that are far apart.",
        "the base-2 logarithm of the gold choice's probability, mean over documents (surprise)",
        "The negative surprise has no lower end",
        "Stems of Tiny. Stems in bits. Values from pairs of neighbours.",
        "Files: stems_tiny.pdf, stems_tiny.png, stems_tiny.svg",
        "Signed values in bits, with 95 % intervals.",
        "6 documents a task, scored by surprise",
        "The largest value of each model Of one sublayer. Model Task Sublayer Value (bits)",
    )
    assert not [some for some in words if some not in page]
    assert not re.search(
        r"\bnan\b|\(\)|\{\w+\}|\bpoints of score\b|KeyError", page.partition("Configuration")[0]
    )
