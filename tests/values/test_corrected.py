"""Estimates compared with corrected values, beside what exact values say of them."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.shapley.games import place_of, with_own_pairs
from cornerstone.statistics.ranks import spearman
from cornerstone.tables import TABLES, Part, View, tables_of
from cornerstone.tables.corrected import Judged, corrected_finding
from cornerstone.tables.written import write_tables
from cornerstone.values.corrected import corrected_rows, held, judged_table, rank_correlation
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import ScoredTask
from cornerstone.values.titles import Titles
from hard_games import everything, exact_values

N, DOCUMENTS = 8, 200


def rows_of(table, *estimators, seed=0):
    return corrected_rows(scored(table, seed), estimators, 3)


def scored(table, seed=0):
    coalitions = tuple([*ablation(N), *windows(N, 3)])
    matrix = table[[place_of(removed) for removed in coalitions]]
    none = np.zeros(table.shape[1])
    scores = Scores("acc", coalitions, tuple(range(table.shape[1])), matrix, none, none)
    return ScoredTask("one", "boolq", tuple(synthetic.labels(N)), scores, with_own_pairs(table, 14, seed))


@pytest.fixture(scope="module")
def table():
    """Each sublayer keeps another part of what the rest is worth, in no order; windows see them one beside another."""
    rng = np.random.default_rng(0)
    keeps = rng.permutation([0.2, 0.4, 0.55, 0.7, 0.8, 0.88, 0.94, 0.99])
    probability = 0.25 + 0.7 * np.where(everything(N), keeps, 1.0).prod(axis=1)
    return (rng.random((2**N, DOCUMENTS)) < probability[:, None]).astype(float)


def test_errors_and_ranks_are_those_that_exact_values_show(table):
    truth = exact_values(table).mean(axis=0)
    estimator = window_estimator(N, 3)
    values = estimator.weights @ table[[place_of(removed) for removed in estimator.coalitions]].mean(axis=1)
    largest = np.abs(truth).max()
    error = np.sqrt(np.mean((values - truth) ** 2)) / largest
    bias = (values - truth).mean() / largest
    rows = [judged_table(rows_of(table, "windows", seed=seed)).iloc[0] for seed in range(12)]
    found = pd.DataFrame(rows)
    assert found["error"].mean() == pytest.approx(error, rel=0.06)
    assert found["bias"].to_numpy() == pytest.approx(np.full(12, bias), rel=0.1)  # of the largest estimate
    assert found["spearman"].mean() == pytest.approx(spearman(values, truth), abs=0.08)
    assert ((found["error_low"] <= error) & (error <= found["error_high"])).sum() >= 9
    assert found["noise"].between(0.001, 0.08).all()


def test_sublayers_that_do_nothing_share_a_rank():
    """Their windows leave sums of a few 1e-17, in some order or other."""
    rng = np.random.default_rng(0)
    right = (rng.random(DOCUMENTS) < 0.7).astype(float)
    rows = rows_of(np.where(everything(N)[:, :1], 0.0, right), "windows", "leave_one_out")
    for _, of_one in rows.groupby("name"):
        assert of_one["value"].iloc[0] > 0.6 and (of_one["value"].iloc[1:] == 0).all()


def test_ranks_that_the_estimate_does_not_tell_apart_are_not_corrected_for():
    """Two sublayers matter by far the most, and the estimate tells only these from the rest: the rest's order, which
    is all noise, does not matter."""
    rows = pd.DataFrame(
        {"task": "boolq", "label": list("abcdefgh"), "value": [5.0, 3, *[0] * 6], "corrected_sd": 0.1}
    )
    rows["corrected"] = [4.0, 6, 0.01, 0.05, -0.03, 0.02, -0.01, 0]
    estimate, draws = rank_correlation(held(rows))
    assert estimate == pytest.approx(spearman(rows["value"].to_numpy(), rows["corrected"].to_numpy()))
    assert np.ptp(draws) < 1e-9


def test_without_known_errors_there_is_no_rank_correlation():
    rows = pd.DataFrame({"task": "boolq", "label": list("abc"), "value": [1.0, 2, 3], "corrected_sd": np.nan})
    estimate, draws = rank_correlation(held(rows.assign(corrected=[1.0, 3, 2])))
    assert np.isnan(estimate) and np.isnan(draws).all()


def test_one_document_has_a_table_too(table):
    judged = judged_table(rows_of(table[:, :1], "windows"))
    assert len(judged) == 1


def test_the_errors_of_the_yardstick_are_drawn_as_large_as_they_are():
    rows = pd.DataFrame(
        {"task": "boolq", "label": list("abcd"), "value": 0.0, "corrected": 1.0, "corrected_sd": 0.1}
    )
    noise = held(rows).noise
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(noise.sum(axis=1), 0, atol=1e-12)


def test_each_estimator_in_use_has_a_row_with_its_documents(table):
    found = judged_table(rows_of(table, "windows", "leave_one_out"))
    assert found["estimator"].tolist() == ["windows", "leave one out"]
    assert (found["documents"] == DOCUMENTS).all()
    assert (found["error_low"] <= found["error"]).all() and (found["error"] <= found["error_high"]).all()
    assert found["spearman_high"].max() <= 1


def test_a_model_that_always_answers_alike_has_nothing_to_be_held_against(tmp_path):
    titles = Titles({"one": "Model One"}, {"boolq": "BoolQ"})
    rows = rows_of(np.ones((2**N, 50)), "windows")
    judged = judged_table(rows)
    assert judged[["spearman", "error", "bias", "noise"]].isna().all(axis=None)
    write_tables(tables_of(Part.CORRECTED), Judged(rows, titles, SCORES["acc"]), tmp_path)
    assert "nan" not in (tmp_path / "corrected.md").read_text()
    assert corrected_finding(judged, "windows", titles) == ""


def test_the_table_and_the_sentence_hold_its_numbers(table, tmp_path):
    titles = Titles({"one": "Model One"}, {"boolq": "BoolQ"})
    rows = rows_of(table, "windows", "leave_one_out")
    write_tables(tables_of(Part.CORRECTED), Judged(rows, titles, SCORES["acc"]), tmp_path)
    text = (tmp_path / "corrected.md").read_text()
    assert "Model One" in text and "leave one out" in text
    judged = judged_table(rows)
    (section,) = TABLES["corrected"].sections(judged, View(titles, SCORES["acc"]))
    assert len(section.table) == 2
    told = corrected_finding(judged, "windows", titles)
    assert f"{judged['error'][0] * 100:.1f} % of the largest value (means of 1 task)" in told
    assert corrected_finding(judged, "Gaussian process", titles) == ""
