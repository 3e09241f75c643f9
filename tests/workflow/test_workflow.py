"""The whole workflow on a tiny study, run as people run it: by the command `snakemake`, in a clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.parquet import METADATA_KEY
from cornerstone.figures import figures_of
from cornerstone.shapley.coalitions import parse_removed
from cornerstone.study.jobs import jobs_of
from cornerstone.study.resolve import resolve
from tiny_study import N_DOCUMENTS, N_SUBLAYERS, STUDY, configure, make, planned, prepare

OF_TINY = figures_of(["tiny"], exact=[], with_pairs=["tiny"])
FIGURES = tuple(OF_TINY)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory) -> tuple[Path, str]:
    """A clone with a tiny study that was run once, and what that run said. Not to be changed: see `study`."""
    folder = prepare(tmp_path_factory.mktemp("workflow") / "study")
    return folder, make(folder, "all")


@pytest.fixture
def study(first_run, tmp_path) -> Path:
    """A copy of the finished study, to do with as one likes."""
    folder, _ = first_run
    shutil.copytree(folder, tmp_path / "study", symlinks=True)
    return tmp_path / "study"


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def evaluation(folder: Path, task: str, design: str) -> Path:
    return folder / "results" / "evaluations" / "tiny" / task / f"{design}.parquet"


def counts(path: Path) -> tuple[int, int]:
    """(coalition × document) pairs that the last run evaluated, and those it found done."""
    provenance = read_evaluation(path).provenance
    return provenance["evaluated_pairs"], provenance["reused_pairs"]


def test_the_study_runs_from_documents_to_figures_without_cores_given(first_run):
    folder, said = first_run
    results = folder / "results"
    assert "Provided cores: " in said
    for name in FIGURES:
        for ending in ("pdf", "png", "svg"):
            assert (results / "figures" / f"{name}.{ending}").stat().st_size > 1000
    scores = pd.read_csv(results / "tables" / "scores.csv")
    assert sorted(scores["task"]) == ["boolq", "piqa"]
    assert (scores["documents"] == N_DOCUMENTS).all()
    values = pd.read_csv(results / "values" / "tiny" / "boolq.csv")
    assert len(values) == N_SUBLAYERS
    assert "Tiny" in (results / "report.html").read_text()


def test_the_first_run_evaluates_every_pair_once(first_run):
    folder, _ = first_run
    for task in STUDY["tasks"]:
        assert counts(evaluation(folder, task, "ablation")) == ((N_SUBLAYERS + 1) * N_DOCUMENTS, 0)
        assert counts(evaluation(folder, task, "windows")) == ((N_SUBLAYERS - 1) * N_DOCUMENTS, 0)


def test_how_many_documents_are_enough_is_told_from_what_is_evaluated(first_run):
    folder, _ = first_run
    said = make(folder, "precision")
    assert "Documents for ±2" in said
    assert re.search(rf"Tiny +boolq +Value +{N_DOCUMENTS} of {N_DOCUMENTS} ", said), said


def test_each_job_leaves_a_log_and_a_row_of_what_it_took(first_run):
    folder, said = first_run
    results = folder / "results"
    jobs = {path.relative_to(results / "logs").with_suffix("") for path in (results / "logs").rglob("*.log")}
    rows = {path.relative_to(results / "benchmarks").with_suffix(""): path for path in results.rglob("*.tsv")}
    total = int(re.search(r"^total +(\d+)$", said, re.MULTILINE)[1])
    assert jobs == set(rows)
    assert len(rows) == total - 1  # all but `all`, which does nothing
    for path in rows.values():
        assert len(pd.read_csv(path, sep="\t")) == 1


def test_the_jobs_that_are_watched_are_those_that_ran(first_run):
    folder, _ = first_run
    logs = folder / "results" / "logs"
    jobs = jobs_of(resolve(STUDY))
    assert {job.name for job in jobs} == {
        str(path.relative_to(logs).with_suffix("")) for path in logs.rglob("*.log")
    }
    said = make(folder, "watch")
    assert f"Jobs: {len(jobs)} done; 100 % of " in said
    for task in STUDY["tasks"]:
        assert re.search(rf"^Tiny +{task} +done +100 % +100 % *$", said, re.MULTILINE), said


def test_what_is_configured_no_more_can_be_removed_by_the_printed_command(study):
    assert "Nothing is left over in results" in make(study, "stale")
    configure(study, tasks={"boolq": STUDY["tasks"]["boolq"]})
    said = make(study, "stale")
    (command,) = re.findall("^rm -r .*$", said, re.MULTILINE)
    assert (
        command == "rm -r results/evaluations/tiny/piqa"
    )  # the paper's study has documents of piqa there too
    subprocess.run(command, shell=True, cwd=study, check=True)
    assert "Nothing is left over in results" in make(study, "stale")
    assert not {"evaluate", "build_documents", "download_model"} & set(planned(study, "all"))


def test_a_second_run_does_nothing_and_says_so(first_run):
    folder, _ = first_run
    assert "Nothing to be done" in make(folder, "all")


def test_a_changed_colour_draws_the_figures_again_and_evaluates_nothing(study):
    style = study / "workflow" / "cornerstone" / "drawing" / "style.py"
    style.write_text(re.sub("#[0-9A-F]{6}", "#123456", style.read_text()))
    before = (study / "results" / "figures" / "pie_tiny.svg").read_text()
    jobs = planned(study, "all")
    assert jobs == {"draw": len(FIGURES), "report": 1, "all": 1, "total": len(FIGURES) + 2}
    make(study, "results/figures/pie_tiny.pdf")
    assert (study / "results" / "figures" / "pie_tiny.svg").read_text() != before


def test_a_title_changes_pictures_and_tables_only(study):
    configure(study, models={"tiny": {**STUDY["models"]["tiny"], "title": "Small"}})
    assert not {"evaluate", "build_documents", "download_model", "estimate_values"} & set(
        planned(study, "all")
    )


def test_another_score_is_arithmetic_only(study):
    configure(study, score="acc")
    jobs = planned(study, "all")
    assert jobs["estimate_values"] == jobs["removal_effects"] == 2
    assert not {"evaluate", "build_documents", "download_model"} & set(jobs)


@pytest.mark.slow
def test_where_the_weights_are_changes_no_result_and_is_told_in_the_log(study):
    output = evaluation(study, "boolq", "ablation")
    before = read_evaluation(output).table
    configure(study, models={"tiny": {**STUDY["models"]["tiny"], "placement": "streamed"}})
    assert set(planned(study, "all")) == {"report", "all", "total"}  # which shows the configuration
    shutil.rmtree(output.parent)
    make(study, str(output.relative_to(study)))
    pd.testing.assert_frame_equal(read_evaluation(output).table, before, rtol=0, atol=1e-4)
    log = (study / "results" / "logs" / "evaluate" / "tiny" / "boolq.log").read_text()
    lines = [line for line in log.splitlines() if re.match("streamed: |check: |planned: |happened: ", line)]
    of_each_design = ["check", "check", "planned", "happened"]
    assert [line.partition(":")[0] for line in lines] == ["streamed", *of_each_design, *of_each_design]


@pytest.mark.slow
def test_an_added_task_and_larger_windows_evaluate_only_what_is_new(study):
    configure(study, max_removed=3, tasks={**STUDY["tasks"], "winogrande": {"data": "winogrande.jsonl"}})
    jobs = planned(study, "all")
    assert (jobs["build_documents"], jobs["evaluate"]) == (
        1,
        3,
    )  # the new task, and larger windows of the others
    assert "download_model" not in jobs
    make(study, "results/values/tiny/boolq.csv", "results/evaluations/tiny/winogrande/ablation.parquet")
    runs_of_two, runs_of_three = N_SUBLAYERS - 1, N_SUBLAYERS - 2
    assert counts(evaluation(study, "boolq", "windows")) == (
        runs_of_three * N_DOCUMENTS,
        runs_of_two * N_DOCUMENTS,
    )
    assert counts(evaluation(study, "winogrande", "ablation")) == ((N_SUBLAYERS + 1) * N_DOCUMENTS, 0)


@pytest.mark.slow
def test_farther_pairs_evaluate_only_themselves_and_draw_a_heat_map_of_all(study):
    configure(study, pair_distance=2)
    jobs = planned(study, "all")
    follow = (
        "ablation/",
        "agreement/",
        "interactions/",
        "tables/",
        "values/",
    )  # what evaluations lead to
    redrawn = sum(figure.reads.startswith(follow) for figure, _ in OF_TINY.values())
    assert (jobs["evaluate"], jobs["removal_effects"], jobs["estimate_values"]) == (2, 2, 2)
    assert jobs["draw"] == redrawn
    assert "download_model" not in jobs
    table = study / "results" / "interactions" / "tiny" / "boolq.csv"
    neighbours, two_apart = N_SUBLAYERS - 1, N_SUBLAYERS - 2
    assert len(pd.read_csv(table)) == neighbours
    make(study, str(table.relative_to(study)))
    assert pd.read_csv(table)["distance"].value_counts().to_dict() == {1: neighbours, 2: two_apart}
    assert counts(evaluation(study, "boolq", "pairs")) == (two_apart * N_DOCUMENTS, 0)
    configure(study, pair_distance=3)
    make(study, str(evaluation(study, "boolq", "pairs").relative_to(study)))
    assert counts(evaluation(study, "boolq", "pairs")) == (
        (N_SUBLAYERS - 3) * N_DOCUMENTS,
        two_apart * N_DOCUMENTS,
    )


@pytest.mark.slow
def test_shards_are_evaluated_side_by_side_then_put_together_and_once_done_another_number_evaluates_nothing(
    study,
):
    output = evaluation(study, "boolq", "windows")
    before = read_evaluation(output).table
    shutil.rmtree(output.parent)
    target = str(output.relative_to(study))
    configure(study, shards={"tiny": 2})
    assert planned(study, target) == {"evaluate_shard": 2, "join_shards": 1, "total": 3}
    make(study, target)
    pd.testing.assert_frame_equal(read_evaluation(output).table, before, rtol=0, atol=1e-4)
    assert counts(output) == (0, (N_SUBLAYERS - 1) * N_DOCUMENTS)
    configure(study, shards={})
    make(study, target)
    assert counts(output)[0] == 0


@pytest.mark.slow
def test_another_estimator_evaluates_its_own_coalitions_and_estimates_anew(study):
    target = "results/values/tiny/boolq.csv"
    configure(study, score="logprob")
    make(study, target)
    before = pd.read_csv(study / "results" / "values" / "tiny" / "boolq.csv")
    configure(study, score="logprob", estimator="gaussian_process")
    assert planned(study, target) == {"evaluate": 1, "estimate_values": 1, "total": 2}
    make(study, target)
    values = pd.read_csv(study / "results" / "values" / "tiny" / "boolq.csv")
    assert values["unseen_sd"].notna().all() and before["unseen_sd"].isna().all()
    scores = read_evaluation(evaluation(study, "boolq", "informative")).table
    assert tuple(range(N_SUBLAYERS)) in {parse_removed(text) for text in scores["removed"].unique()}
    assert not np.allclose(values["value"], before["value"])
    configure(study, score="logprob", estimator="permutations")
    make(study, target)
    samples = pd.read_csv(study / "results" / "values" / "tiny" / "boolq.csv")["samples"]
    assert samples.sum() == pytest.approx(2 * N_SUBLAYERS, abs=N_SUBLAYERS)


EXACT = {"exact": ["tiny"], "tasks": {"boolq": STUDY["tasks"]["boolq"]}}


@pytest.mark.slow
def test_named_models_are_audited_from_their_exact_evaluations(study):
    configure(study, **EXACT)
    said = make(study, "results/tables/audit.csv", "results/figures/audit_tiny.svg")
    assert "Compare the estimators with the exact values of tiny on boolq" in said
    rows = read_evaluation(evaluation(study, "boolq", "exact")).table
    assert rows["removed"].nunique() == 2**N_SUBLAYERS
    audit = pd.read_csv(study / "results" / "tables" / "audit.csv")
    assert {"windows", "Gaussian process", "KernelSHAP"} < set(audit["estimator"])
    games = pd.read_csv(study / "results" / "tables" / "audit_games.csv")
    assert set(games["score"]) == {"acc", "logprob"}
    configure(study, estimator="exact", **EXACT)
    assert "evaluate" not in planned(study, "results/tables/values.csv")
    make(study, "results/values/tiny/boolq.csv")
    exact = pd.read_csv(study / "results" / "values" / "tiny" / "boolq.csv")["value"]
    positions = pd.read_csv(study / "results" / "audit_positions" / "tiny" / "boolq.csv")
    told = positions.query("score == 'acc' and estimator == 'windows'")["exact"]
    assert np.allclose(exact, told)


@pytest.mark.slow
def test_a_report_tells_how_far_to_trust_estimates_of_exact_evaluations_in_shards(study):
    configure(study, shards={"tiny": 2}, **EXACT)
    make(study, "results/report.html")
    rows = read_evaluation(evaluation(study, "boolq", "exact")).table
    assert rows["removed"].nunique() == 2**N_SUBLAYERS
    page = (study / "results" / "report.html").read_text()
    assert "How far to trust the order: the estimator in use (windows)" in page


def test_an_added_model_evaluates_only_itself(study):
    shutil.copytree(study / "models" / "tiny", study / "models" / "second")
    configure(study, models={**STUDY["models"], "second": {"folder": "models/second", "dtype": "bfloat16"}})
    jobs = planned(study, "all")
    assert (jobs["download_model"], jobs["evaluate"]) == (1, 2)
    assert "build_documents" not in jobs


@pytest.mark.slow
def test_results_that_are_none_are_set_aside_and_made_again(study):
    """Cut off, empty, another design's in its place, of a format to come."""
    names = {
        "boolq/windows": lambda path: os.truncate(path, path.stat().st_size // 2),
        "boolq/ablation": lambda path: os.truncate(path, 0),
        "piqa/windows": lambda path: path.write_bytes(evaluation(study, "piqa", "ablation").read_bytes()),
        "piqa/ablation": of_a_format_to_come,
    }
    paths = {name: evaluation(study, *name.split("/")) for name in names}
    before = {name: read_evaluation(path).table for name, path in paths.items()}
    for name, spoil in names.items():
        spoil(paths[name])
    would = make(study, "all", "--dry-run")
    assert all(f"would set aside results/evaluations/tiny/{name}.parquet" in would for name in names)
    assert not list(study.rglob("*.rejected"))
    said = make(study, "results/values/tiny/boolq.csv", "results/values/tiny/piqa.csv")
    for name, path in paths.items():
        assert f"set aside results/evaluations/tiny/{name}.parquet as {path.name}.rejected" in said
        pd.testing.assert_frame_equal(read_evaluation(path).table, before[name])
    assert "this Cornerstone reads" in said
    assert planned(study, "results/values/tiny/boolq.csv") == {}


def of_a_format_to_come(path):
    table = pq.read_table(path)
    note = json.loads(table.schema.metadata[METADATA_KEY])
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps({**note, "format": note["format"] + 1})})
    pq.write_table(table, path)


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_where_it_stopped(study):
    output = evaluation(study, "boolq", "ablation")
    before = read_evaluation(output).table
    shutil.rmtree(output.parent)
    library = study / "workflow" / "cornerstone"
    replace_in(
        library / "evaluations" / "plan.py", "SECONDS_BETWEEN_PARTS = 60.0", "SECONDS_BETWEEN_PARTS = 0.0"
    )
    with (library / "evaluations" / "parts.py").open("a") as file:
        file.write(KILL_AFTER_A_PART)
    target = str(output.relative_to(study))
    configure(study, memory_gb=0.0002)  # so that the work is done in several blocks
    said = make(study, target, succeeds=False, KILL_AFTER_A_PART="1")
    assert "Error in rule evaluate" in said
    assert not output.exists()
    make(study, target)
    evaluated, reused = counts(output)
    assert evaluated > 0
    assert reused > 0
    assert evaluated + reused == (N_SUBLAYERS + 1) * N_DOCUMENTS
    pd.testing.assert_frame_equal(read_evaluation(output).table, before, rtol=0, atol=1e-4)


KILL_AFTER_A_PART = """

import os
import signal

_write = Parts.write


def write_and_die(*arguments, **keywords):
    pairs = _write(*arguments, **keywords)
    if os.environ.get("KILL_AFTER_A_PART"):
        os.kill(os.getpid(), signal.SIGKILL)
    return pairs


Parts.write = write_and_die
"""


@pytest.mark.slow
def test_snakemakes_own_report_holds_every_figure(first_run, tmp_path):
    folder, _ = first_run
    make(folder, "all", "--report", str(tmp_path / "report.html"))
    report = (tmp_path / "report.html").read_text()
    for name in FIGURES:
        assert f"{name}.svg" in report
