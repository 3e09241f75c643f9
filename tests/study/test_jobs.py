"""The jobs of a study are those of the rules: their files by Snakemake's own summary of a study with all there is."""

from __future__ import annotations

import pytest
import yaml

from cornerstone.study.jobs import benchmark_path, evaluation_jobs, jobs_of, log_path
from cornerstone.study.resolve import resolve
from odd_configurations import DEMO
from tiny_study import run

PLAIN = yaml.safe_load(DEMO)
FULL = {
    "exact": ["demo_llama"],
    "corrected": True,
    "cheap_measures": True,
    "pair_distance": 3,
    "estimator": "permutations",
}


MEAN = {
    "removal": "mean",
    "calibration": {"task": "arc_easy", "data": "resources/demo/documents/arc_challenge.jsonl"},
}
BOTH = {**MEAN, "removal": "zero", "compare_removals": True, "estimator": "permutations"}


@pytest.mark.parametrize(
    "more",
    [{}, FULL, {"shards": {"demo_llama": 3}}, MEAN, BOTH],
    ids=["plain", "full", "shards", "mean", "both removals"],
)
def test_they_make_the_files_that_the_rules_make(clone, tmp_path, more):
    configuration = PLAIN | more
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(configuration))
    said = run(clone, "--summary", "all", "--configfile", str(tmp_path / "study.yaml"))
    rows = [line.split("\t") for line in said.splitlines() if "\t" in line][1:]
    jobs = jobs_of(resolve(configuration))
    assert {row[0] for row in rows} == {str(path) for job in jobs for path in job.outputs}
    assert len({job.name for job in jobs}) == len(jobs)


def test_a_job_has_a_log_and_a_benchmark_of_its_name():
    study = resolve({**PLAIN, "results": "results/mine"})
    (job,) = evaluation_jobs(study, "demo_llama", "boolq")
    assert str(log_path(study, job)) == f"results/mine/logs/{job.name}.log"
    assert str(benchmark_path(study, job)) == f"results/mine/benchmarks/{job.name}.tsv"
    assert (job.rule, job.model, job.task) == ("evaluate", "demo_llama", "boolq")
