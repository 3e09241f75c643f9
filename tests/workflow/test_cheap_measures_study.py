"""A study of a demo model with cheap measures, to its report; what makes them again, and what does not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.evaluations.measures import mean_measures, read_measures
from cornerstone.measures import MEASURES
from tiny_study import REPOSITORY, clone, configure, make, planned

pytestmark = pytest.mark.slow

DEMO = REPOSITORY / "resources" / "demo"
TASKS = ("boolq", "piqa")
N_DOCUMENTS = 20
STUDY = {
    "models": {"demo": {"folder": str(DEMO / "models" / "demo_llama"), "title": "Demo"}},
    "tasks": {task: {"data": str(DEMO / "documents" / f"{task}.jsonl")} for task in TASKS},
    "documents": N_DOCUMENTS,
    "score": "logprob",
    "cheap_measures": True,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run to its report. Not to be changed but in order."""
    folder = clone(tmp_path_factory.mktemp("cheap") / "study")
    configure(folder, **STUDY)
    make(folder, "all")
    return folder


def table(study: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(study / "results" / "tables" / f"{name}.csv")


def measures_path(study: Path, task: str) -> Path:
    return study / "results" / "measures" / "demo" / f"{task}.parquet"


def test_measures_are_of_the_model_and_the_documents_that_were_evaluated(study):
    for task in TASKS:
        measures = read_measures(measures_path(study, task))
        path = study / "results" / "evaluations" / "demo" / task / "ablation.parquet"
        evaluated = read_evaluation_metadata(path)
        assert measures.labels == tuple(evaluated["sublayers"])
        own = {name: measures.identity[name] for name in evaluated["identity"]}
        assert own == evaluated["identity"] and measures.about == evaluated["documents"]


def test_the_tables_have_every_sublayer_and_block_beside_its_value_and_effect(study):
    rows = table(study, "cheap_measures")
    for task in TASKS:
        of_task = rows[rows["task"] == task]
        means = mean_measures(measures_path(study, task))
        for part, numbers in (("sublayer", means.sublayers), ("block", means.blocks)):
            own = of_task[of_task["part"] == part]
            for name in MEASURES.names:
                assert own[name].to_numpy() == pytest.approx(numbers[name])
                assert own[name].between(own[f"{name}_low"], own[f"{name}_high"]).all()
        for folder, column in (("values", "value"), ("ablation", "effect")):
            other = pd.read_csv(study / "results" / folder / "demo" / f"{task}.csv")
            own = of_task[of_task["part"] == "sublayer"]
            assert own[column].to_numpy() == pytest.approx(other[column].to_numpy(), abs=1e-9)
            assert own[f"{column}_low"].to_numpy() == pytest.approx(other["low"].to_numpy(), abs=1e-9)
    assert rows["effect"].notna().all() and set(rows["unit"]) == {"nats"}


def test_the_report_says_which_measure_agrees_and_shows_it(study):
    rows = table(study, "cheap_measures_agreement")
    assert set(rows["task"]) == {*TASKS, "mean"} and (rows["spearman"].abs() <= 1).all()
    page = (study / "results" / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "On Demo the cheap measure nearest to the values is" in page
    assert "Cheap measures and the effects of removing blocks" in page
    assert "Cheap measures and what sublayers are worth" in page
    assert (study / "results" / "figures" / "cheap_measures.pdf").is_file()


def test_nothing_is_measured_again_and_placement_changes_no_number(study):
    assert planned(study) == {}
    configure(study, **STUDY | {"models": {"demo": {**STUDY["models"]["demo"], "placement": "streamed"}}})
    assert "measure" not in planned(study)
    whole = {task: read_measures(measures_path(study, task)) for task in TASKS}
    make(study, "results/measures/demo/boolq.parquet", "--forcerun", "measure")
    for task, before in whole.items():
        streamed = read_measures(measures_path(study, task))
        for name in MEASURES.names:
            assert streamed.sublayers[name] == pytest.approx(before.sublayers[name], abs=1e-6)
    configure(study, **STUDY)


def test_a_damaged_file_is_set_aside_and_made_again(study):
    path = measures_path(study, "piqa")
    path.write_bytes(path.read_bytes()[:-40])
    said = make(study, "results/tables/cheap_measures.csv")
    assert "set aside results/measures/demo/piqa.parquet as piqa.parquet.rejected" in said
    assert len(read_measures(path).documents) == N_DOCUMENTS


def test_fewer_documents_are_measured_again(study):
    configure(study, **STUDY | {"documents": 5})
    assert planned(study)["measure"] == 1


def test_a_study_without_them_plans_none(study):
    configure(study, **{key: value for key, value in STUDY.items() if key != "cheap_measures"})
    jobs = planned(study, "results/tables/shares.csv")
    assert not {"measure", "cheap_measures"} & set(jobs)
    said = make(study, "results/measures/demo/boolq.parquet", succeeds=False)
    assert "there are no cheap measures: set cheap_measures: true" in said
