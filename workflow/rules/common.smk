# The study that is configured, checked before anything runs, and the few functions that the rules share.

import math
import os
import re
from dataclasses import asdict
from itertools import product

from snakemake_interface_executor_plugins.settings import ExecMode

from cornerstone.study.config import (
    check_models,
    check_places,
    check_targets,
    resolve,
)
from cornerstone.shapley.designs import DESIGN_OF_ESTIMATOR, DESIGNS, PAIR_DESIGNS
from cornerstone.system.errors import CornerstoneError
from cornerstone.documents.document import check_documents_file
from cornerstone.evaluations.evaluation import Expected, count_rejected, set_aside_if_bad, set_aside_unless
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.models.manifest import read_manifest
from cornerstone.tables.written import audit_tables, study_tables

ASKING = {"estimate", "overview", "precision"}
DRY_RUN = re.compile(r"-[a-zA-Z]*n[a-zA-Z]*|--dry-?run")
LOOKING_ONLY = {
    *(
        "--lint",
        "--unlock",
        "--report",
        "--summary",
        "-S",
        "--detailed-summary",
        "-D",
        "--list-rules",
        "--list",
        "-l",
    ),
    *("--dag", "--rulegraph", "--filegraph", "--cleanup-metadata", "--containerize", "--archive"),
}
LOCKS = Path(".snakemake", "locks")
SMALL_MODEL_BYTES = 100e6


def expand_group(group, include_path):
    """The tasks of a group of lm-eval's; lm-eval is imported only by a study that has one."""
    try:
        from cornerstone.documents.task_index import expand_task
    except ImportError as error:
        raise CornerstoneError(
            f"config: the task group {group} can only be looked up where lm-eval is installed beside Snakemake "
            f"({error}): install it (pip install lm_eval datasets), or name the group's tasks one by one"
        ) from error

    return expand_task(group, include_path)


def configured_study():
    """The checked configuration; a mistake in it or in a target ends the run in one line."""
    try:
        study = resolve(config, expand_group)
        if workflow.exec_mode == ExecMode.DEFAULT:  # the driver; its jobs parse this file too
            check_targets(study, sys.argv[1:])
            check_places(study)
            if "train_demo_models" not in sys.argv:  # which makes the models
                check_models(study)
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
    return study


def is_dry_run():
    return any(map(DRY_RUN.fullmatch, sys.argv[1:]))


def answer_question():
    """Answer `snakemake estimate`, `overview` or `precision` here and end: beside a run that works in this folder.

    As a job it would take that run's lock away when it ends. Where this environment lacks the packages for it, the
    rule of the same name answers in its own.
    """
    asked = ASKING & set(sys.argv[1:])
    if workflow.exec_mode != ExecMode.DEFAULT or len(asked) != 1 or "all" in sys.argv or is_dry_run():
        return
    try:
        from cornerstone.study.questions import answer

        answer(asked.pop(), study)
    except ImportError as error:
        if any(LOCKS.glob("*")) and "--nolock" not in sys.argv:
            sys.exit(f"Cornerstone: add --nolock: another Snakemake works in this folder ({error})")
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")
    else:
        sys.exit(0)


def explain_lock():
    """Snakemake itself refuses what another one works on: say in one line what to type."""
    looking_only = set(sys.argv) & LOOKING_ONLY or is_dry_run()
    if workflow.exec_mode == ExecMode.DEFAULT and not looking_only and any(LOCKS.glob("*")):
        print(
            "Cornerstone: another Snakemake works in this folder, or was killed here. If this one is refused, let the "
            "other work; or, once it and its jobs (squeue --me) are gone, type: snakemake --unlock, then the same command "
            "with --rerun-incomplete",
            file=sys.stderr,
        )


def set_aside_bad_evaluations():
    """Set aside what is no evaluation of this study, so that it is made again: Snakemake opens no output.

    Only by the driver before its jobs are planned, and not by one that only looks, or that another one works beside.
    """
    if workflow.exec_mode != ExecMode.DEFAULT or set(sys.argv) & LOOKING_ONLY or any(LOCKS.glob("*")):
        return
    try:
        set_aside_bad_results()
    except CornerstoneError as error:
        sys.exit(f"Cornerstone: {error}")


def set_aside_bad_results():
    for model in study.model_names:
        set_aside_unless(read_manifest, Path(study.results, "models", f"{model}.json"), dry_run=is_dry_run())
    for task in study.task_names:
        set_aside_unless(
            check_documents_file, Path(study.results, "documents", f"{task}.parquet"), dry_run=is_dry_run()
        )
    for model, task, design in all_evaluations():
        expected = Expected(
            path=Path(study.results, "evaluations", model, task, f"{design}.parquet"),
            model=model,
            task=task,
            design=design,
            manifest=Path(study.results, "models", f"{model}.json"),
            documents=Path(study.results, "documents", f"{task}.parquet"),
        )
        set_aside_if_bad(expected, dry_run=is_dry_run())


def all_evaluations():
    """(model, task, design) of every evaluation of the study."""
    return [
        (model, task, design)
        for model, task in product(study.model_names, study.task_names)
        for design in study.designs_of(model)
    ]


def table_evaluations():
    """Those that tables are made of: not the many of the design exact, unless the values come from it."""
    return [one for one in all_evaluations() if one[2] != "exact" or study.estimator == "exact"]


def rejected(wildcards):
    """How many evaluations were set aside: one more makes the rules that read them run again.

    Of wildcards only: Snakemake does not compare parameters that are worked out from inputs.
    """
    folder = Path(study.results, "evaluations", wildcards.model, wildcards.task)
    return sum(count_rejected(folder / f"{design}.parquet") for design in DESIGNS)


def library(*modules):
    """Files of the library whose edits count as changed inputs, as paths from the working directory."""
    folder = Path(workflow.basedir) / "workflow" / "cornerstone"
    return [os.path.relpath(path) for module in modules for path in sorted(folder.glob(module))]


def table_files(tables, ending):
    """The files of tables that end so: "csv" of each, "md" of those that people read."""
    return [f"<results>/tables/{name}" for table in tables for name in table.files if name.endswith(ending)]


def value_evaluations(wildcards):
    """The evaluations that the values of a model on a task are estimated from."""
    designs = ["ablation", DESIGN_OF_ESTIMATOR[study.estimator]]
    path = "<results>/evaluations/{model}/{task}/{design}.parquet"
    return expand(path, model=wildcards.model, task=wildcards.task, design=designs)


def pair_evaluations(wildcards):
    """The evaluations of a model on a task whose pairs have interactions: all of some distance, none by chance."""
    designs = [
        design for design in study.designs_of(wildcards.model) if design in {"ablation", *PAIR_DESIGNS}
    ]
    path = "<results>/evaluations/{model}/{task}/{design}.parquet"
    return expand(path, model=wildcards.model, task=wildcards.task, design=designs)


def of_all(path):
    """`path` for every model and task of the study."""
    return expand(path, model=study.model_names, task=study.task_names)


def of_exact(path):
    """`path` for every model whose exact values are worked out, and every task."""
    return expand(path, model=study.exact, task=study.task_names)


def of_tasks(path):
    """`path` for every task; {model} stays a wildcard."""
    return expand(path, task=study.task_names, allow_missing=True)


def all_figures(ending):
    """Every figure of the study, in the order of the report."""
    kinds = dict.fromkeys(kind for model in study.model_names for kind in study.figure_kinds_of(model))
    of_models = [
        f"{kind}_{model}"
        for kind in kinds
        for model in study.model_names
        if kind in study.figure_kinds_of(model)
    ]
    return [
        f"<results>/figures/{name}.{ending}"
        for name in ("ablation_scheme", "pie_all", "totals_all", *of_models)
    ]


def as_input(paths):
    """The files among these as inputs of a rule, less those in whose names Snakemake would put something else."""
    return sorted(str(path) for path in paths if path.is_file() and not set("{}<>") & set(str(path)))


def model_files(wildcards):
    """A local model's files: a changed one makes a new manifest."""
    folder = study.model(wildcards.model).folder
    return as_input(Path(folder).iterdir()) if folder else []


def own_task_files(wildcards):
    """A folder with tasks of the user's own: an edited file of it makes new documents."""
    folder = study.task(wildcards.task).include_path
    paths = Path(folder).rglob("*") if folder else []
    return as_input(path for path in paths if path.parent.name != "__pycache__")


def sampling_seed(wildcards):
    """None where nothing is drawn: another seed then changes nothing."""
    task = study.task(wildcards.task)
    return task.seed if task.sample else None


def given_resource(name):
    """What the command line says there is of a resource; None where it does not."""
    told = workflow.global_resources.get(name)
    return getattr(told, "value", told)


def evaluate_threads(wildcards):
    """On a cluster the model's own number. Here every core; an equal part where several GPUs are given; one for a
    small local model: jobs of small models go faster side by side.
    """
    cores = given_resource("_cores")  # workflow.cores fails on a cluster, where there are none
    if cores is None:
        return study.model(wildcards.model).resources.cpus
    folder = study.model(wildcards.model).folder
    weights = Path(folder).glob("*.safetensors") if folder else []
    small = folder and sum(path.stat().st_size for path in weights) < SMALL_MODEL_BYTES
    return 1 if small else max(1, cores // (given_resource("gpu") or 1))


def shard_notes(wildcards):
    """What says that a model's shards are evaluated."""
    shards = study.shards_of(wildcards.model)
    note = "<results>/evaluations/{model}/{task}/{design}.shards/{shard}-of-{shards}.json"
    return [note.format(**wildcards, shard=number, shards=shards) for number in range(1, shards + 1)]


def evaluate_runtime(wildcards, attempt):
    """More time with each attempt, within what the partitions allow."""
    minutes = attempt * study.model(wildcards.model).resources.runtime
    return minutes if study.max_runtime is None else min(minutes, study.max_runtime)


def names(known):
    """What a wildcard may be: one of these, or nothing at all where there are none."""
    return "|".join(map(re.escape, known)) or "(?!)"


def device(wildcards):
    return study.model(wildcards.model).device


def placement(wildcards):
    return study.model(wildcards.model).placement


def memory_of_scores(wildcards):
    """MB to read evaluations with; all coalitions and far pairs are up to 10^8 rows."""
    many = study.exact or study.estimator == "exact" or len(study.pair_distances) > 1
    return 16_000 if many else 8_000


def memory_bytes(wildcards):
    """0: what is free when the job starts."""
    return math.ceil(1e9 * (study.memory_gb or 0))


def max_removed(wildcards):
    return None if wildcards.design in ("ablation", "pairs", "exact") else study.max_removed


def pair_distances(wildcards):
    return list(study.pair_distances) if wildcards.design == "pairs" else None


study = configured_study()
answer_question()
explain_lock()
set_aside_bad_evaluations()
TITLES = {
    "models": {model.name: model.title for model in study.models},
    "tasks": {task.name: task.title for task in study.tasks},
}
WHOLE_MODELS = names(model for model in study.model_names if study.shards_of(model) == 1)
SHARDED_MODELS = names(model for model in study.model_names if study.shards_of(model) > 1)
FIGURE_CODE = library(
    "figures/*.py",
    "tables/results.py",
    "values/units.py",
    "values/agreement.py",
    "statistics/collapse.py",
    "tables/totals.py",
    "values/pairs.py",
    "statistics/ranks.py",
)


wildcard_constraints:
    model="|".join(map(re.escape, study.model_names)),
    task="|".join(map(re.escape, study.task_names)),
    design="|".join(DESIGNS),
    shard="[0-9]+",
    shards="[0-9]+",
