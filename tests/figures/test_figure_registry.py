"""Every registered figure has all that belongs to it, and one more is one more file."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from string import Formatter

import pandas as pd
import pytest

import cornerstone
import synthetic
from cornerstone.figures import FIGURES, Context, Scope, figure_of, figures_of, reserved_model_names
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.agreement import make_agreement
from cornerstone.figures.interactions import make_interactions
from cornerstone.figures.totals_all import make_totals
from cornerstone.figures.values import make_values
from cornerstone.scores import SCORES
from cornerstone.scores.unit import NO_UNIT
from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.registry import load_extension
from drawings import PLAIN, assert_tidy

MEASURED = pd.DataFrame({"documents": [40, 1240], "score": ["acc", "acc_norm"], "chance": [0.5, 0.25]})
OWN_FIGURE = """
from cornerstone.figures import FIGURES, Figure, Scope
from cornerstone.figures.values import make_values

about = dict(about="bars", reads="values/{model}/{task}.csv", needs_pairs=False, settings=(), category="Mine")
common = dict(about, make=make_values)
FIGURES.register(Figure(name="mine", scope=Scope.MODEL, title="Mine of {model}", caption=lambda _: "Bars.", **common))
FIGURES.register(Figure(name="mine_both", scope=Scope.STUDY, title="Mine", caption=lambda _: "Bars.", **common))
"""


def context(score="paper", estimator="windows", scores=None):
    return Context(model="Tiny", score=SCORES[score], estimator=estimator, max_removed=2, scores=scores)


@pytest.fixture
def unitless(monkeypatch):
    """The name of a score that is a plain number without a lower end."""
    score = replace(SCORES["margin"], name="ratio", noun="ratio", unit=NO_UNIT)
    monkeypatch.setattr(SCORES, "_entries", {**SCORES._entries, "ratio": score})
    return "ratio"


@pytest.fixture
def own_figure(tmp_path, monkeypatch):
    """A file that registers a figure of each model and one of the study, beside those that come with the library."""
    assert len(FIGURES)
    for kept in ("_entries", "_files"):
        monkeypatch.setattr(FIGURES, kept, dict(getattr(FIGURES, kept)))
    path = tmp_path / "mine.py"
    path.write_text(OWN_FIGURE)
    load_extension(path)
    return path


@pytest.mark.parametrize("figure", FIGURES, ids=FIGURES.names)
def test_every_figure_has_title_caption_category_and_known_settings(figure, unitless):
    for score in ("acc", "logprob", unitless):
        for estimator in ("windows", "gaussian_process", "permutations", "exact"):
            title, caption = figure.captioned(context(score, estimator))
            assert len(f"{title}. {caption}") > 40 and caption.endswith(".")  # the alternative text
            assert not {"{}", "{model}"} & {title, caption} and ";." not in caption and ".." not in caption
            assert ("Tiny" in title) == (figure.scope is not Scope.STUDY)
            assert figure.captioned(context(score, estimator, MEASURED))[1].startswith(caption[:-1])
    assert figure.category
    assert set(figure.settings) <= {field.name for field in fields(StudyConfig)}
    assert {key for _, key, _, _ in Formatter().parse(figure.reads) if key} in ({"model", "task"}, set())
    assert figure.scope is Scope.STUDY or "{model}" in figure.reads


def test_captions_are_of_the_score_the_estimator_and_what_was_measured():
    values, pie, ablation = (FIGURES[name].caption for name in ("values", "pie", "ablation"))
    assert "in points of score," in values(context()) and "in nats," in values(context("margin"))
    assert "runs of at most 2" in pie(context()) and "runs of at most" not in pie(context(estimator="exact"))
    assert pie(context(scores=MEASURED)).endswith(
        "; 40 to 1,240 documents a task, scored by acc or acc_norm."
    )
    assert "hollow" in ablation(context()) and "hollow" not in ablation(context("logprob"))


def test_the_figures_of_a_study_are_those_of_its_models_in_the_order_of_the_report():
    found = figures_of(
        ["one", "two"],
        exact=["two"],
        with_pairs=["two"],
        asked={figure.asked_by for figure in FIGURES} - {None},
    )
    orders = [figure.order for figure, _ in found.values()]
    assert orders == sorted(orders)
    for figure in FIGURES:
        models = {model for of, model in found.values() if of is figure}
        assert (models == {""}) == (figure.scope is Scope.STUDY)
        assert figure.scope is Scope.STUDY or models == (
            {"two"} if figure.scope is Scope.EXACT or figure.needs_pairs else {"one", "two"}
        )
    assert all(stem == figure.pattern.format(model=model) for stem, (figure, model) in found.items())


def test_a_study_has_the_figures_that_it_asks_for():
    found = figures_of(["one"], exact=["one"], with_pairs=["one"], asked=["pruning"])
    drawn = {figure.name for figure, _ in found.values()}
    assert {"pruning", "pruningoperations"} < drawn
    asked_for = {figure.name for figure in FIGURES if figure.asked_by not in (None, "pruning")}
    assert {figure.name for figure in FIGURES} - drawn == asked_for


def test_a_files_name_tells_figure_and_model():
    assert figure_of("pie_all") == (FIGURES["pie_all"], "")
    assert figure_of("pie_llama3_8b") == (FIGURES["pie"], "llama3_8b")
    with pytest.raises(CornerstoneError, match=r"unknown figure 'pies_one': there are pie_"):
        figure_of("pies_one")
    assert reserved_model_names() == {"all", "scheme"}


def test_a_figure_of_ones_own_is_one_file(own_figure, tmp_path):
    stems = list(figures_of(["one"], exact=[], with_pairs=[]))
    assert stems[-2:] == ["mine_one", "mine_both"]
    assert figure_of("mine_one") == (FIGURES["mine"], "one")
    assert reserved_model_names() == {"all", "scheme", "both"}
    assert FIGURES.file_of("mine") == own_figure
    FIGURES["mine"].draw(synthetic.value_rows("one", 12, ["boolq"]), tmp_path / "mine_one.svg", PLAIN)
    assert (tmp_path / "mine_one.svg").stat().st_size > 1000


def test_a_figure_of_single_models_has_no_underscore_in_its_name():
    with pytest.raises(CornerstoneError, match="without underscores"):
        replace(FIGURES["values"], name="values_sorted")


def test_a_score_without_a_unit_is_drawn_everywhere(drawn, unitless):
    tasks = ["boolq", "piqa"]
    values, effects = (make("m", 12, tasks) for make in (synthetic.value_rows, synthetic.effect_rows))
    pairs, both = synthetic.interaction_rows("m", 12, 3, tasks), synthetic.agreement_rows("m", 12, tasks)
    for make in (
        lambda: make_values(values.assign(score=unitless), PLAIN),
        lambda: make_ablation(effects.assign(score=unitless), PLAIN),
        lambda: make_interactions(pairs.assign(score=unitless), PLAIN),
        lambda: make_agreement(both.replace({"score": {"acc": unitless}}), PLAIN),
        lambda: make_totals(synthetic.total_rows(["m"], tasks), PLAIN, unitless),
    ):
        figure, boxes = drawn(make)
        assert_tidy(figure, boxes)
        assert not any("()" in text.get_text() for text in boxes)


def test_listing_figures_imports_nothing_heavy():
    code = "from cornerstone.figures import FIGURES; import sys; print(len(FIGURES), *sys.modules)"
    folder = Path(cornerstone.__file__).parents[1]
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    count, *modules = said.stdout.split()
    assert int(count) == len(FIGURES)
    assert not {"matplotlib", "seaborn", "scipy", "torch", "transformers", "lm_eval"} & set(modules)
