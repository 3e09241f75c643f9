"""A whole study with per-document coalitions: values unbiased, and others compared with them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from tiny_study import N_DOCUMENTS, STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.study

ONE_TASK = {"tasks": {"boolq": STUDY["tasks"]["boolq"]}, "score": "logprob"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run to its report with the paper's values compared with corrected ones. Not to be changed but in order."""
    folder = prepare(tmp_path_factory.mktemp("own") / "study")
    configure(folder, corrected=True, **ONE_TASK)
    make(folder, "all")
    return folder


def test_the_papers_values_are_held_against_corrected_ones(study):
    rows = pd.read_csv(study / "results/tables/corrected.csv")
    assert rows["estimator"].tolist() == ["windows", "leave one out"]
    assert (rows["documents"] == N_DOCUMENTS).all() and rows["error"].notna().all()
    report = (study / "results/report.html").read_text()
    assert "Held against corrected values" in report
    assert "Estimators held against corrected values" in report
    assert "On tasks with fewer than 40 documents the values of mixed effects" in report  # the yardstick
    assert "Early truncation keeps the order of the sublayers" in report
    of_sublayers = pd.read_csv(study / "results/tables/corrected_values.csv")
    assert of_sublayers["name"].unique().tolist() == ["windows", "leave_one_out"]
    windows = of_sublayers[of_sublayers["name"] == "windows"].set_index("label")["value"]
    values = pd.read_csv(study / "results/values/tiny/boolq.csv").set_index("label")["value"]
    assert windows.to_dict() == pytest.approx(values.to_dict(), abs=1e-9)
    assert (of_sublayers["corrected_sd"] >= 0).all() and set(of_sublayers["unit"]) == {"nats"}


def test_every_two_sublayers_have_their_interaction_index(study):
    rows = pd.read_csv(study / "results/tables/interaction_indices.csv")
    n = rows["second"].max() + 1
    assert len(rows) == n * (n - 1) / 2 and not rows[["first", "second"]].duplicated().any()
    assert (rows["low"] < rows["index"]).all() and (rows["index"] < rows["high"]).all()
    assert (rows["documents"] == N_DOCUMENTS).all() and (rows["unit"] == "nats").all()
    assert (
        "The Shapley interaction index of every two sublayers" in (study / "results/report.html").read_text()
    )


def test_the_study_by_corrected_values_evaluates_nothing_again(study):
    configure(study, estimator="mixed_effects", **ONE_TASK)
    assert "evaluate" not in planned(study)
    make(study, "all")
    values = pd.read_csv(study / "results/values/tiny/boolq.csv")
    ablation = pd.read_csv(study / "results/ablation/tiny/boolq.csv")
    own = read_evaluation(study / "results/evaluations/tiny/boolq/kernel_pairs.parquet").table
    assert (values["these_low"] <= values["value"]).all() and (values["value"] <= values["these_high"]).all()
    assert (values["rank_low"] <= values["rank"]).all() and (values["rank"] <= values["rank_high"]).all()
    assert own["removed"].nunique() > 20 and values["efficiency_gap"].notna().all()
    assert np.isfinite(ablation["full"]).all()
    assert "Shapley value for all documents like these" in (study / "results/report.html").read_text()


def test_what_more_documents_and_more_pairs_would_buy_is_told(study):
    configure(study, estimator="mixed_effects", **ONE_TASK)
    said = make(study, "precision")
    assert "More pairs (work)" in said and f"{N_DOCUMENTS} × " in said
    rows = pd.read_csv(study / "results/tables/precision.csv")
    assert rows["number"].tolist() == ["effect", "value", *["mix"] * 4]
    assert "Documents, and coalitions per document" in (study / "results/report.html").read_text()


def test_more_pairs_and_more_documents_evaluate_only_what_is_new(study):
    before = pairs_in(study)
    configure(study, estimator="mixed_effects", document_pairs=20, **ONE_TASK)
    make(study, "results/values/tiny/boolq.csv")
    after = pairs_in(study)
    assert before < after
    log = (study / "results/logs/evaluate/tiny/boolq.log").read_text()
    assert f"evaluated {len(after - before)} pairs, reused {len(before)}" in log


def pairs_in(study: Path) -> set[tuple[str, int]]:
    table = read_evaluation(study / "results/evaluations/tiny/boolq/kernel_pairs.parquet").table
    return set(zip(table["removed"].astype(str), table["document"], strict=True))
