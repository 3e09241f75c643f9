"""A whole study with two removals: means, evaluations of both, and what the report says of its cornerstones."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from cornerstone.models.means import read_means
from tiny_study import N_SUBLAYERS, STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.study

CALIBRATION = {"task": "piqa", "data": "piqa.jsonl"}
ONE_TASK = {"tasks": {"boolq": STUDY["tasks"]["boolq"]}, "score": "logprob"}
FOLDER = Path("results/evaluations/tiny/boolq")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run to its report with both removals. Not to be changed but in order."""
    folder = prepare(tmp_path_factory.mktemp("mean") / "study")
    configure(folder, **ONE_TASK)
    before = planned(folder, "all")
    configure(folder, compare_removals=True, calibration=CALIBRATION, **ONE_TASK)
    after = planned(folder, "all")
    own = {"build_calibration", "means", "evaluate_other_removal", "compare_removals", "removals_tables"}
    assert set(after) - set(before) == own  # and a study that does not ask for it plans none of them
    make(folder, "all")
    return folder


def test_both_removals_are_evaluated_each_with_its_identity(study):
    means = read_means(study / "results/means/tiny.npz")
    assert len(means.sublayers) == N_SUBLAYERS and means.tokens > 100
    zero, mean = (
        read_evaluation(study / FOLDER / name) for name in ("windows.parquet", "windows.mean.parquet")
    )
    assert "removal" not in zero.identity
    assert mean.identity["removal"] == {"name": "mean", "means": means.digest}
    assert (zero.design, mean.design) == ("windows", "windows")
    assert list(zero.table["removed"]) == list(mean.table["removed"])
    assert (zero.table["loglikelihood"] - mean.table["loglikelihood"]).abs().max() > 0.01
    whole = [
        read_evaluation(study / FOLDER / name).table for name in ("ablation.parquet", "ablation.mean.parquet")
    ]
    overview = make(study, "overview")
    assert "done" in overview and "%" not in overview.splitlines()[-1]
    full = [table[table["removed"] == ""]["loglikelihood"] for table in whole]
    assert full[0].to_numpy() == pytest.approx(full[1].to_numpy(), abs=1e-4)  # where nothing is removed


def test_the_report_says_of_each_cornerstone_what_its_mean_is_worth(study):
    rows = pd.read_csv(study / "results/removals/tiny/boolq.csv").set_index("label")
    values = pd.read_csv(study / "results/values/tiny/boolq.csv").set_index("label")
    assert rows["value_zero"].to_dict() == pytest.approx(values["value"].to_dict(), abs=1e-9)
    verdicts = pd.read_csv(study / "results/tables/constancy.csv")
    assert set(verdicts["verdict"].dropna()) <= {"constant", "computed", "undecided"}
    report = (study / "results/report.html").read_text()
    assert "Constant or computed: cornerstones whose mean is kept" in report
    assert "Two removals of Tiny" in report and "x + f(x) becomes x." in report
    assert (study / "results/figures/removals_tiny.pdf").stat().st_size > 1000


@pytest.mark.slow
def test_the_other_removal_as_the_studys_own_evaluates_nothing_again(study):
    configure(study, removal="mean", calibration=CALIBRATION, **ONE_TASK)
    make(study, "all")
    log = (study / "results/logs/evaluate/tiny/boolq.log").read_text()
    assert log.count("evaluated 0 pairs") == 2
    assert (
        read_evaluation_metadata(study / FOLDER / "ablation.parquet")["identity"]["removal"]["name"] == "mean"
    )
    assert "x + f(x) becomes x + m." in (study / "results/report.html").read_text().replace("\xa0", " ")
    said = make(study, "stale")
    assert "windows.mean.parquet" in said and "results/means" not in said
    assert "evaluate" not in planned(study, "all")


def test_a_calibration_document_that_is_scored_is_refused_before_an_evaluation(study):
    rows = (study / "boolq.jsonl").read_text().splitlines()
    other = json.dumps({"question": "is it", "passage": "Other.", "idx": 99, "label": 0})
    (study / "mixed.jsonl").write_text("\n".join([other, rows[3]]) + "\n")
    calibration = {"task": "boolq", "data": "mixed.jsonl"}
    configure(study, removal="mean", calibration=calibration, results="results/other", **ONE_TASK)
    said = make(study, "results/other/values/tiny/boolq.csv", succeeds=False)
    assert "calibration has document 3 of boolq, which is scored" in said
    assert not (study / "results/other/evaluations").exists()
