"""Check that the study has the targets on the command line, such as results/figures/pie_llama3_8b.pdf.

check_targets(study, ["results/figures/pie_llama3_8b.pdf"])
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable

from cornerstone.drawing.style import FORMATS
from cornerstone.figures import NO_PAIRS, Scope, figure_of
from cornerstone.models.facts import labels_of_folder
from cornerstone.models.pruned_folder import check_number
from cornerstone.shapley.designs import DESIGNS
from cornerstone.shapley.estimators import choosable
from cornerstone.shapley.players import BLOCKS, SUBLAYERS, noun_of, players_of
from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError, known_names
from cornerstone.system.text import counted
from cornerstone.values.least_important import check_prunable, prunable_parts, ranking_of


def check_targets(study: StudyConfig, targets: Iterable[str]) -> None:
    """Raise CornerstoneError for the first target that looks like one of ours but cannot be made.

    A target is what is asked for on the command line, such as results/figures/pie_llama3_8b.pdf. Names of
    rules and files elsewhere are nobody's mistake here.
    """
    results = posixpath.normpath(study.results)
    for target in targets:
        path = posixpath.normpath(target)
        try:
            if path.startswith(results + "/"):
                _check_result(study, path.removeprefix(results + "/"))
            elif path.startswith("results/") and path.split("/")[1] in (*_FOLDER_CHECKS, "report.html"):
                raise CornerstoneError(
                    f"this configuration writes to {results}/; choose another with --configfile"
                )
        except CornerstoneError as error:
            raise CornerstoneError(f"cannot make {target}: {error}") from error


def _check_result(study: StudyConfig, path: str) -> None:
    """Check a path below the results folder; see check_targets."""
    folder, _, rest = path.partition("/")
    if folder in _FOLDER_CHECKS and rest:
        _FOLDER_CHECKS[folder](study, rest)
    elif rest.partition("/")[0] in _FOLDER_CHECKS or difflib.get_close_matches(folder, _FOLDER_CHECKS):
        folders = known_names(folder, [f"{name}/" for name in _FOLDER_CHECKS])
        raise CornerstoneError(
            f"this configuration has no {folder}/ in {study.results}/ (choose another with --configfile); "
            f"it has report.html and {folders}"
        )


def _check_figure(study: StudyConfig, name: str) -> None:
    stem, _, ending = name.rpartition(".")
    if not stem or ending not in FORMATS:
        raise CornerstoneError(f"a figure ends in one of {', '.join('.' + known for known in FORMATS)}")
    figure, model = figure_of(stem)
    if figure.scope is not Scope.STUDY:
        study.model(model)
    if stem not in study.figures:
        if figure.scope is Scope.EXACT:
            raise CornerstoneError(f"there is no figure {stem}: name {model} in the configuration's exact")
        if figure.asked_by is not None and figure.asked_by not in study.asked:
            if figure.asked_by == "scored_tasks":
                raise CornerstoneError(
                    f"there is no figure {stem}: it compares log-likelihoods of given answers, and all tasks have "
                    "generate: true"
                )
            if figure.asked_by == "both_ways":
                raise CornerstoneError(
                    f"there is no figure {stem}: give same_items_as in a task that generates"
                )
            raise CornerstoneError(f"there is no figure {stem}: give {figure.asked_by} in the configuration")
        raise CornerstoneError(NO_PAIRS)


def _check_table(study: StudyConfig, name: str) -> None:
    if name not in study.table_files:
        raise CornerstoneError(f"unknown table {name!r}: there are {known_names(name, study.table_files)}")


def _check_model_task_csv(study: StudyConfig, path: str) -> None:
    model, task = _split_result(path, "{model}/{task}.csv", ".csv", parts=2)
    study.model(model)
    study.task(task)


def _check_exact_csv(study: StudyConfig, path: str) -> None:
    _check_model_task_csv(study, path)
    model = path.partition("/")[0]
    if model not in study.exact:
        raise CornerstoneError(f"there is no audit of {model}: name it in the configuration's exact")


def _check_pruning_csv(study: StudyConfig, path: str) -> None:
    _check_model_task_csv(study, path)
    _check_pruning(study)


def _check_pruning_areas(study: StudyConfig, path: str) -> None:
    (model,) = _split_result(path, "{model}.csv", ".csv", parts=1)
    study.model(model)
    _check_pruning(study)


def _check_orders(study: StudyConfig, path: str) -> None:
    model, task = _split_result(path, "{model}/{task}.json", ".json", parts=2)
    study.model(model)
    study.task(task.removesuffix(".greedy"))
    _check_pruning(study)


def _check_pruning(study: StudyConfig) -> None:
    if study.pruning is None:
        raise CornerstoneError("nothing is pruned: give pruning: {} in the configuration")


def _check_removals_csv(study: StudyConfig, path: str) -> None:
    _check_model_task_csv(study, path)
    if not study.compare_removals:
        raise CornerstoneError("no two removals are compared: set compare_removals: true")


def _check_evaluation(study: StudyConfig, path: str) -> None:
    if note := re.fullmatch(r"([^/]+/[^/]+/[^/]+)\.shards/(\d+)-of-(\d+)\.json", path):  # of `evaluate_shard`
        shards = study.shards_of(path.partition("/")[0])
        if int(note[3]) != shards or not 1 <= int(note[2]) <= shards or shards == 1:
            raise CornerstoneError(f"its evaluation is of {counted(shards, 'shard')}")
        path = f"{note[1]}.parquet"
    model, task, design = _split_result(path, "{model}/{task}/{design}.parquet", ".parquet", parts=3)
    study.model(model)
    study.task(task)
    there = study.designs_of(model)
    if study.other_removal is not None:
        there += tuple(f"{name}.{study.other_removal}" for name in study.value_designs)
    if design not in there:
        why = _when_there_is(design)
        raise CornerstoneError(f"unknown design {design!r}: there are {known_names(design, there)}{why}")


def _check_generation(study: StudyConfig, path: str) -> None:
    _check_evaluation(study, path)
    task = path.split("/")[1]
    if not study.task(task).generate:
        raise CornerstoneError(f"{task} generates no answers: give generate: true in its entry")


def _when_there_is(design: str) -> str:
    """In which studies there is a design, for one that a study has not."""
    if design not in DESIGNS:
        return ""
    takers = [estimator.name for estimator in choosable() if design in estimator.designs]
    return f", {design} {DESIGNS[design].when or 'with estimator: ' + ' or '.join(takers)}"


def _check_measures(study: StudyConfig, path: str) -> None:
    model, task = _split_result(path, "{model}/{task}.parquet", ".parquet", parts=2)
    study.model(model)
    study.task(task)
    _check_has_measures(study)


def _check_documents(study: StudyConfig, path: str) -> None:
    (task,) = _split_result(path, "{task}.parquet", ".parquet", parts=1)
    study.task(task)


def _check_manifest(study: StudyConfig, path: str) -> None:
    (model,) = _split_result(path, "{model}.json", ".json", parts=1)
    study.model(model)


def _check_means(study: StudyConfig, path: str) -> None:
    if not study.uses_means:
        raise CornerstoneError(
            "there are no means in this study: they are made with removal: mean or compare_removals"
        )
    if path != "documents.parquet":
        (model,) = _split_result(path, "documents.parquet or {model}.npz", ".npz", parts=1)
        study.model(model)


def _check_unscorable(study: StudyConfig, path: str) -> None:
    if path.count("/"):
        model, task = _split_result(path, "{model}/{task}.json", ".json", parts=2)
        study.task(task)
    else:
        (model,) = _split_result(path, "{model}.json", ".json", parts=1)
    study.model(model)


def _check_has_measures(study: StudyConfig) -> None:
    if not study.cheap_measures:
        raise CornerstoneError("there are no cheap measures: set cheap_measures: true in the configuration")


def _check_pruned(study: StudyConfig, path: str) -> None:
    model, _, name = path.partition("/")
    parts = re.fullmatch(r"(?P<ranking>.+?)-(?P<count>\d+)(?P<unit>-sublayers)?", name)
    if parts is None:
        raise CornerstoneError(
            "folders there are named {model}/{ranking}-{number of blocks}, or …-sublayers for single sublayers"
        )
    folder, of_blocks = study.model(model).folder, parts["unit"] is None
    check_prunable(study.players, of_blocks=of_blocks)
    if ranking_of(parts["ranking"]).is_measure:
        _check_has_measures(study)
    there = None  # what the hub has is known once it is here
    if folder is not None:
        players = players_of(study.players, labels_of_folder(folder))
        there = len(prunable_parts(players, of_blocks=of_blocks))
    removed = BLOCKS if of_blocks and study.players == SUBLAYERS else study.players
    check_number(int(parts["count"]), there, f"{noun_of(removed)}s")


def _split_result(path: str, pattern: str, ending: str, parts: int) -> list[str]:
    names = path.removesuffix(ending).split("/")
    if not path.endswith(ending) or len(names) != parts:
        raise CornerstoneError(f"files there are named {pattern}")
    return names


_FOLDER_CHECKS = {
    "figures": _check_figure,
    "tables": _check_table,
    "values": _check_model_task_csv,
    "ablation": _check_model_task_csv,
    "joint": _check_model_task_csv,
    "agreement": _check_model_task_csv,
    "pruning": _check_pruning_csv,
    "pruning_areas": _check_pruning_areas,
    "rankings": _check_orders,
    "audit": _check_exact_csv,
    "audit_positions": _check_exact_csv,
    "interactions": _check_model_task_csv,
    "removals": _check_removals_csv,
    "evaluations": _check_evaluation,
    "generations": _check_generation,
    "measures": _check_measures,
    "documents": _check_documents,
    "unscorable": _check_unscorable,
    "means": _check_means,
    "models": _check_manifest,
    "pruned": _check_pruned,
    "logs": lambda study, path: None,
    "benchmarks": lambda study, path: None,
}
RESULT_FOLDERS = tuple(_FOLDER_CHECKS)
"""Folders that a study writes to, in its folder of results."""
