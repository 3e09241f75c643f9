"""Units: points of a hundred for accuracies, nats for the rest, wherever a number is written."""

from dataclasses import replace

import numpy as np
import pytest

import synthetic
from cornerstone.drawing import style
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.values import make_values
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import NATS, NO_UNIT, POINTS, Unit
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.precision import precision_table
from cornerstone.tables.written import write_tables
from cornerstone.values.rows import read_csv
from cornerstone.values.titles import Titles

KNOCK = [0.9, 0.8, 0.05, 0.6, 0.05, 0.05, 0.05, 0.05]


def test_accuracies_are_in_points_and_the_rest_in_nats():
    assert all(SCORES[score].unit is POINTS for score in ("paper", "acc", "acc_norm"))
    assert all(SCORES[score].unit is NATS for score in ("logprob", "margin"))
    assert all(score.unit is POINTS for score in SCORES if score.is_accuracy)


def test_numbers_are_written_with_minus_signs_and_nothing_for_what_does_not_exist():
    assert (POINTS.text(-0.0123), NATS.text(-0.0123)) == ("−1.2", "−0.012")
    assert POINTS.text(-1e-17) == "0.0" and NATS.text(-1e-17) == "0.000"
    assert NATS.text(np.nan) == NATS.interval(np.nan, np.nan) == ""
    assert NATS.interval(-1, 2.5) == "−1.000 – 2.500"
    assert (POINTS.exact(0.05), NATS.exact(0.05)) == ("5", "0.05")


@pytest.fixture(scope="module")
def in_nats():
    """The results of a study scored by log-probability."""
    games = [synthetic.known_task(KNOCK, task=task, seed=t) for t, task in enumerate(("piqa", "boolq"))]
    paper = {"numbers": {"hub": {"llama3_8b": "own/x"}, "chance": {"piqa": 0.5, "boolq": 0.5}}}
    paper["numbers"]["cornerstones"] = {"llama3_8b": ["Attn 0"]}
    names = {"ids": {"small": "own/x"}, "tasks": {"piqa": "piqa", "boolq": "boolq"}, "score": "logprob"}
    return synthetic.results([synthetic.as_log_probabilities(game) for game in games], **paper, **names)


def test_a_study_in_nats_has_every_table_and_none_speaks_of_points_or_answers(in_nats, tmp_path):
    write_tables(tables_of(Part.STUDY), in_nats, tmp_path)
    for name in [table.name for table in tables_of(Part.STUDY)]:
        text = (tmp_path / f"{name}.md").read_text()
        assert "nan" not in text and "points" not in text.replace("points of accuracy", ""), name
        assert not [column for column in read_csv(tmp_path / f"{name}.csv") if column.startswith("paper_")]
    effect = in_nats.ablation.iloc[0]
    assert f"{effect['effect']:.3f} (" in (tmp_path / "ablation.md").read_text()
    assert f"{effect['full']:.3f}".replace("-", "−") in (tmp_path / "scores.md").read_text()


BITS = Unit(of_scores="bits", of_differences="bits", of_values="bits of score", factor=1, digits=2, small=0.1)
OF_OWN = {"in bits, bounded": (BITS, (0.0, 1.0)), "without unit, unbounded": (NO_UNIT, (-np.inf, np.inf))}


@pytest.fixture(params=OF_OWN.values(), ids=OF_OWN)
def of_own(request, monkeypatch):
    """The results of a study scored by a user's own score, that is no accuracy."""
    unit, score_range = request.param
    monkeypatch.setattr(SCORES, "_entries", dict(SCORES._entries))
    monkeypatch.setattr(SCORES, "_files", dict(SCORES._files))
    about = {"noun": "surprise", "counts": "", "method": "", "of": None, "chance": None}
    SCORES.register(Score(name="surprise", unit=unit, range=score_range, **about))
    games = [synthetic.known_task(KNOCK, task=task, seed=t) for t, task in enumerate(("piqa", "boolq"))]
    none = np.full(len(games[0].scores.documents), np.nan)
    return synthetic.results(
        [replace(game, scores=replace(game.scores, metric="surprise", constant=none)) for game in games]
    )


def test_a_score_of_ones_own_has_every_table_in_its_unit(of_own, tmp_path):
    write_tables(tables_of(Part.STUDY), of_own, tmp_path)
    unit, texts = (
        of_own.score.unit,
        {table.name: tmp_path / f"{table.name}.md" for table in tables_of(Part.STUDY)},
    )
    texts = {name: path.read_text() for name, path in texts.items()}
    for name, text in texts.items():
        assert "nan" not in text and "()" not in text and "Best constant answer %" not in text, name
        assert "points" not in text.replace("points of accuracy", ""), name
        assert "nats" not in text.lower() or name in ("claims", "scores_side_by_side"), name
    for name in ("cornerstones", "drops", "drops_by_task", "joint", "overlap", "totals", "precision"):
        assert ("(bits)" in texts[name]) == (unit is BITS), name
    assert "surprise | 400 |" in texts["scores"] and unit.score_heading("Chance") + " |" in texts["scores"]
    unbounded = [name for name, text in texts.items() if "The surprise has no lower end" in text]
    assert unbounded == ([] if of_own.score.is_bounded else ["scores", "drops_by_task", "joint"])


def test_precision_counts_documents_for_widths_in_nats_without_a_rule_for_rare_answers(in_nats):
    table = precision_table(in_nats.measured)
    assert {"documents_0.1", "documents_0.05", "documents_0.02"} < set(table)
    row = table.iloc[0]
    assert row["documents_0.1"] == max(2, np.ceil(row["documents"] * (row["widest"] / 0.1) ** 2))
    (section,) = TABLES["precision"].sections(table, View(Titles(), SCORES["logprob"]))
    assert "Documents for ±0.02" in section.table and "Widest now (nats)" in section.table


@pytest.mark.parametrize("score", ["acc", "logprob"])
def test_figures_are_drawn_in_the_scores_unit(score):
    factor, name = {"acc": (100, "points of score"), "logprob": (1, "nats")}[score]
    values = synthetic.value_rows("m", 12, ["boolq"]).assign(score=score)
    effects = synthetic.effect_rows("m", 12, ["boolq"]).assign(score=score)
    with style.house_style():
        bars, dots = make_values(values, Titles()), make_ablation(effects, Titles())
    assert bars.get_supylabel() == f"value ({name})"
    assert max(bar.get_height() for bar in bars.axes[0].patches) == pytest.approx(
        factor * values["value"].max()
    )
    heights = [line.get_ydata()[0] for line in dots.axes[0].lines if len(set(line.get_ydata())) == 1]
    assert heights[0] == pytest.approx(factor * effects["full"].iloc[0])
