"""The jobs of a study, each with the files that it makes and the place of its log.

    for job in jobs_of(study):
        job.name        # "evaluate/demo_llama/boolq": its log is {results}/logs/{name}.log
        job.outputs     # (Path("results/demo/evaluations/demo_llama/boolq/ablation.parquet"), …)

What workflow/rules/ say, for those who look at a study without planning it; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from cornerstone.drawing.style import FORMATS
from cornerstone.study.config import StudyConfig
from cornerstone.tables import tables_of


@dataclass(frozen=True)
class Job:
    """A job. name: its rule and wildcards, as its log and its benchmark are called, without ending.

    model, task: of an evaluation. What is done before a model's first evaluation has the model alone; other jobs have
                 neither.
    """

    name: str
    outputs: tuple[Path, ...]
    model: str | None = None
    task: str | None = None

    @property
    def rule(self) -> str:
        return self.name.partition("/")[0]


def log_path(study: StudyConfig, job: Job) -> Path:
    return Path(study.results, "logs", f"{job.name}.log")


def benchmark_path(study: StudyConfig, job: Job) -> Path:
    """Written when the job has succeeded."""
    return Path(study.results, "benchmarks", f"{job.name}.tsv")


def jobs_of(study: StudyConfig) -> list[Job]:
    """Every job of `snakemake all`, in the order of the way of the data."""
    return [*_inputs(study), *_evaluations(study), *_values(study), *_tables(study), *_pages(study)]


def evaluation_jobs(study: StudyConfig, model: str, task: str) -> Iterator[Job]:
    """The jobs that evaluate a model on a task.

    One for all designs, or one for each shard and one that joins them; one for all coalitions; one for another removal.
    """
    name, shards = f"{model}/{task}", study.shards_of(model)
    rule = "generate" if study.task(task).generate else "evaluate"
    outputs = tuple(study.work_path(model, task, design) for design in study.shared_designs)
    for number in range(1, shards + 1) if shards > 1 else ():
        shard = f"{number}-of-{shards}"
        notes = tuple(output.with_suffix(".shards") / f"{shard}.json" for output in outputs)
        yield Job(f"{rule}/{name}.{shard}", notes, model, task)
    yield Job(f"{rule}/{name}", outputs, model, task)
    if study.task(task).generate:
        scored = tuple(study.evaluation_path(model, task, design) for design in study.shared_designs)
        yield Job(f"score_answers/{name}", scored, model, task)
    if model in study.exact_models:
        yield Job(f"evaluate_exact/{name}", (study.evaluation_path(model, task, "exact"),), model, task)
    if study.pruning:
        if study.is_greedy:
            yield Job(f"rank_greedily/{name}", (study.greedy_path(model, task),), model, task)
        yield Job(f"rank_sublayers/{name}", (study.orders_path(model, task),))
        yield Job(f"evaluate_pruning/{name}", (study.evaluation_path(model, task, "pruning"),), model, task)
    if study.other_removal is not None:
        yield _other_removal(study, model, task)


def _other_removal(study: StudyConfig, model: str, task: str) -> Job:
    """What values need, evaluated with the other removal."""
    designs = study.value_designs
    outputs = tuple(study.evaluation_path(model, task, design, study.other_removal) for design in designs)
    return Job(f"evaluate_other_removal/{model}/{task}", outputs, model, task)


def _inputs(study: StudyConfig) -> Iterator[Job]:
    """What is evaluated: models, documents, and which of these a model can score."""
    for model in study.model_names:
        yield Job(f"download_model/{model}", (study.manifest_path(model),))
    for task in study.task_names:
        yield Job(f"build_documents/{task}", (study.documents_path(task),))
    if study.uses_means:
        yield Job("build_calibration", (study.calibration_path,))
        for model in study.model_names:
            yield Job(f"means/{model}", (study.means_path(model),), model)
    for model in study.model_names:
        found = tuple(study.unscorable_path(model, task) for task in study.task_names)
        yield Job(f"find_unscorable/{model}", found, model)
        yield Job(f"accept_documents/{model}", (Path(study.results, "unscorable", f"{model}.json"),), model)


def _evaluations(study: StudyConfig) -> Iterator[Job]:
    for model, task in product(study.model_names, study.task_names):
        yield from evaluation_jobs(study, model, task)
    for model in study.model_names if study.cheap_measures else ():
        outputs = tuple(study.measures_path(model, task) for task in study.task_names)
        yield Job(f"measure/{model}", outputs)


def _values(study: StudyConfig) -> Iterator[Job]:
    of_all = list(product(study.model_names, study.task_names))
    yield from _csv_jobs(study, "estimate_values", ["values"], of_all)
    yield from _csv_jobs(study, "removal_effects", ["ablation", "joint", "interactions", "agreement"], of_all)
    if study.compare_removals:
        yield from _csv_jobs(study, "compare_removals", ["removals"], of_all)
    for model in study.model_names if study.pruning else ():
        curves = (Path(study.results, "pruning", model, f"{task}.csv") for task in study.task_names)
        yield Job(f"pruning_curves/{model}", (*curves, Path(study.results, "pruning_areas", f"{model}.csv")))
    exact = list(product(study.exact, study.task_names))
    yield from _csv_jobs(study, "audit_estimators", ["audit", "audit_positions"], exact)


def _csv_jobs(
    study: StudyConfig, rule: str, folders: list[str], pairs: Iterable[tuple[str, str]]
) -> Iterator[Job]:
    """A job of each model and task, which writes a file into each folder."""
    for model, task in pairs:
        yield Job(
            f"{rule}/{model}/{task}",
            tuple(Path(study.results, folder, model, f"{task}.csv") for folder in folders),
        )


def _tables(study: StudyConfig) -> Iterator[Job]:
    for part in study.parts:
        names = (name for table in tables_of(part) for name in table.files)
        yield Job(part.rule, tuple(Path(study.results, "tables", name) for name in names))


def _pages(study: StudyConfig) -> Iterator[Job]:
    for name in study.figures:
        files = tuple(Path(study.results, "figures", f"{name}.{ending}") for ending in FORMATS)
        yield Job(f"draw/{name}", files)
    yield Job("report", (Path(study.results, "report.html"),))
