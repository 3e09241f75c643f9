"""Two removals side by side: a sublayer whose mean does its work is constant, one whose mean does none is computed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import study_on_disk
import synthetic
from cornerstone.figures.removals import make_removals
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import Part, tables_of
from cornerstone.tables.removals import (
    COMPUTED,
    CONSTANT,
    UNDECIDED,
    Compared,
    constancy_finding,
    cornerstones_by,
    verdict,
)
from cornerstone.tables.written import write_tables
from cornerstone.values.removals import compare_removals, removal_rows
from cornerstone.values.rows import of_task, read_csv
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from cornerstone.values.titles import Titles

LABELS = ("Attn 0", "FFN 0", "Attn 1", "FFN 1")
MAX_REMOVED = 2
TITLES = Titles({"tiny": "Tiny"}, {"boolq": "BoolQ", "piqa": "PIQA"})
ZERO = (0.4, 0.4, 0.0, 0.02)
MEAN = (0.0, 0.4, 0.0, 0.02)
"""How many of the answers each sublayer is needed for; of Attn 0 the mean is enough."""


def scored(needed, task="boolq", documents=600, seed=0):
    """An additive game: each document needs one sublayer at most."""
    rng = np.random.default_rng(seed)
    owner = np.searchsorted(np.cumsum(ZERO), rng.random(documents))  # 4: none
    coalitions = (*ablation(len(LABELS)), *windows(len(LABELS), MAX_REMOVED))
    kept = [rng.random(documents) < share / (whole or 1) for share, whole in zip(needed, ZERO, strict=True)]
    matrix = np.ones((len(coalitions), documents))
    for row, removed in enumerate(coalitions):
        for sublayer in removed:
            matrix[row, (owner == sublayer) & kept[sublayer]] = 0
    chance = np.full(documents, 0.25)
    scores = Scores("acc", coalitions, tuple(range(documents)), matrix, chance, chance)
    return ScoredTask("tiny", task, LABELS, scores)


def rows_of(task="boolq", seed=0, **changes):
    by = {"zero": scored(ZERO, task, seed=seed), "mean": scored(MEAN, task, seed=seed)} | changes
    return of_task(removal_rows(by, MAX_REMOVED, "both", "windows"), by["zero"])


@pytest.fixture(scope="module")
def compared():
    rows = pd.concat([rows_of("boolq"), rows_of("piqa", seed=1)], ignore_index=True)
    return Compared(rows, 3, TITLES, SCORES["acc"])


@pytest.fixture(scope="module")
def tables(compared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(tables_of(Part.REMOVALS), compared, folder)
    return folder


def test_values_and_effects_of_both_removals_stand_side_by_side():
    rows = rows_of().set_index("label")
    assert rows.loc["Attn 0", "value_zero"] == pytest.approx(0.4, abs=0.05)
    assert rows.loc["Attn 0", "value_mean"] == rows.loc["Attn 0", "effect_mean"] == 0
    assert (rows["value_saved"] - (rows["value_zero"] - rows["value_mean"])).abs().max() < 1e-9
    assert (rows["effect_saved"] - (rows["effect_zero"] - rows["effect_mean"])).abs().max() < 1e-9
    for name in ("effect_zero", "effect_mean", "effect_saved", "value_saved", "value_half", "value_most"):
        assert (rows[f"{name}_low"] <= rows[name]).all() and (rows[name] <= rows[f"{name}_high"]).all()


def test_a_difference_that_every_document_shares_is_known_better_than_its_parts():
    """Paired: what the two removals have in common drops out."""
    row = rows_of().set_index("label").loc["FFN 0"]
    width = {name: row[f"{name}_high"] - row[f"{name}_low"] for name in ("value_zero", "value_saved")}
    assert width["value_saved"] < width["value_zero"] / 4


def test_cornerstones_are_constant_or_computed(tables):
    rows = read_csv(tables / "constancy.csv").set_index("label")
    assert rows["verdict"].to_dict() == {"Attn 0": CONSTANT, "FFN 0": COMPUTED, "FFN 1": COMPUTED}
    assert not rows.loc["Attn 0", "cornerstone_mean"] and rows.loc["FFN 0", "cornerstone_mean"]
    assert rows["cornerstone_zero"].all() and (rows["tasks"] == 2).all()


def test_the_interval_over_tasks_is_narrower_than_that_of_a_task(tables):
    mean = read_csv(tables / "constancy.csv").set_index("label").loc["FFN 0"]
    single = read_csv(tables / "removals.csv")
    single = single[single["label"] == "FFN 0"]
    widths = single["value_zero_high"] - single["value_zero_low"]
    assert mean["value_zero"] == pytest.approx(single["value_zero"].mean())
    assert mean["value_zero_high"] - mean["value_zero_low"] == pytest.approx(
        np.sqrt((widths**2).sum()) / 2, rel=0.1
    )


@pytest.mark.parametrize(
    ("zero_low", "half_high", "most_low", "expected"),
    [
        (0.1, -0.01, -0.3, CONSTANT),
        (0.1, 0.0, -0.3, UNDECIDED),
        (0.1, 0.2, 0.01, COMPUTED),
        (0.1, 0.2, 0.0, UNDECIDED),
        (0.1, 0.2, -0.1, UNDECIDED),
        (0.0, -0.01, -0.3, UNDECIDED),
        (-0.1, 0.2, 0.01, UNDECIDED),
    ],
)
def test_the_rule_of_the_verdict(zero_low, half_high, most_low, expected):
    row = {"value_zero_low": zero_low, "value_half_high": half_high, "value_most_low": most_low}
    assert verdict(row) == expected


def test_only_positive_shares_make_cornerstones():
    rows = rows_of()
    assert set(cornerstones_by(rows, "zero", 2)) == {"Attn 0", "FFN 0"}
    assert "Attn 1" not in cornerstones_by(rows, "zero", 4)
    assert cornerstones_by(rows.assign(value_zero=-1.0), "zero", 3) == []


def test_a_study_without_a_positive_value_has_a_sentence_and_no_verdict(compared, tmp_path):
    nothing = replace(compared, rows=compared.rows.assign(value_zero=-1.0, value_mean=-1.0))
    write_tables(tables_of(Part.REMOVALS), nothing, tmp_path)
    assert "No value of any model is positive" in (tmp_path / "constancy.md").read_text()
    assert constancy_finding(read_csv(tmp_path / "constancy.csv"), TITLES) == ""


def test_people_read_both_values_and_the_verdict(tables):
    text = (tables / "constancy.md").read_text()
    assert "| Tiny | Attn 0 |" in text and "| zero | constant |" in text
    assert "| zero and mean | computed |" in text
    assert "| Tiny | PIQA | FFN 0 |" in (tables / "removals.md").read_text()
    found = constancy_finding(read_csv(tables / "constancy.csv"), TITLES)
    assert found == "Tiny: Attn 0 constant, FFN 0 and FFN 1 computed."


def test_removals_on_different_documents_are_refused():
    with pytest.raises(CornerstoneError, match="evaluated on different documents"):
        rows_of(mean=scored(MEAN, documents=500))


def test_an_evaluation_of_the_other_removal_is_refused(tmp_path):
    asked = synthetic.documents(20, 2)
    documents = study_on_disk.write_task(tmp_path, "boolq", asked)
    path = study_on_disk.write_design(tmp_path, "tiny", "boolq", "ablation", asked, ablation(4), 4)
    settings = {"max_removed": 2, "edges": "both", "estimator": "windows", "score": "acc"}
    with pytest.raises(CornerstoneError, match="was evaluated by zero, not by mean: remove it"):
        compare_removals({"zero": [path], "mean": [path]}, documents, tmp_path / "out.csv", **settings)


def test_the_figure_is_drawn_and_names_the_largest(compared, tmp_path):
    figure = make_removals(compared.rows, TITLES)
    names = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"Attn 0", "FFN 0"} <= names and "Attn 1" not in names
