"""The paths that a study reads and writes: whether they exist, and whether they overlap.

check_places(study)     # the results have a place; local data and tasks are where the study says
check_models(study)     # local models are whole
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cornerstone.models.chat_template import chosen_template, template_files
from cornerstone.models.facts import labels_of_folder
from cornerstone.models.folder import check_model_folder
from cornerstone.models.manifest import read_manifest
from cornerstone.shapley.coalitions import check_max_removed
from cornerstone.shapley.designs import check_exact
from cornerstone.shapley.players import players_of
from cornerstone.shapley.removal_orders import deepest_removal
from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig, TaskConfig
from cornerstone.study.targets import RESULT_FOLDERS
from cornerstone.system.errors import CornerstoneError, shortened, shown

MOST_NAME_BYTES = 255


def check_places(study: StudyConfig) -> None:
    """Raise CornerstoneError unless the results have a place, and local data and tasks are where the study says."""
    taken = _nearest_existing(study.results)
    if not os.path.isdir(taken):
        raise CornerstoneError(f"results is {study.results}, but {taken} is a file: give a folder")
    if taken != study.results and not os.access(taken, os.W_OK | os.X_OK):
        raise CornerstoneError(
            f"results is {study.results}, and {taken} is not writable: give a folder of yours"
        )
    named = [(f"tasks.{task.name}", task) for task in study.tasks]
    if study.calibration is not None:
        named.append(("calibration", study.calibration))
    for key, task in named:
        if task.data is not None and not (os.path.isfile(task.data) and os.access(task.data, os.R_OK)):
            raise CornerstoneError(
                f"{key}.data: {_state_of(task.data)}: give a file of documents, relative to the "
                "working directory"
            )
        if task.include_path is not None and not os.path.isdir(task.include_path):
            raise CornerstoneError(
                f"{key}.include_path: {_state_of(task.include_path)}: give a folder with YAML tasks of "
                "your own"
            )


def _nearest_existing(path: str) -> str:
    """The path itself or the nearest existing folder above it; at last "." for a relative path."""
    while not os.path.lexists(path):
        path = posixpath.dirname(path) or "."
    return path


def _state_of(path: str) -> str:
    """What is wrong with a place that should be a file that can be read, or a folder."""
    if not os.path.exists(path):
        return f"{path} does not exist"
    if os.path.isfile(path):
        return f"{path} is a file" if os.access(path, os.R_OK) else f"{path} may not be read"
    return f"{path} is a folder"


def check_models(study: StudyConfig) -> None:
    """Raise CornerstoneError unless the local models are whole and have the players that are asked for.

    Models on the hub are checked once they are downloaded.
    """
    for model in study.models:
        if model.folder is None:
            continue
        try:
            check_model_folder(model.folder, model.allow_remote_code)
            if template := study.template_of(model.name):
                chosen_template(model.folder, **template)
            players = players_of(study.players, labels_of_folder(model.folder))
            check_max_removed(len(players), study.max_removed, players.noun)
            if "exact" in study.designs_of(model.name):
                check_exact(len(players), players.noun)
            if study.pruning:
                deepest_removal(study.pruning.most_removed, len(players), players.noun)
        except CornerstoneError as error:
            raise CornerstoneError(f"models.{model.name}: {error}") from error


def configured_manifest(study: StudyConfig, model: str) -> dict[str, Any]:
    """A model's manifest, with the chat template that is configured now, whatever it was made with.

    Raises CornerstoneError where there is no manifest of the model that is configured now, or no such template.
    """
    manifest, template = read_manifest(study.manifest_path(model)), study.template_of(model)
    hub, folder = study.model(model).hub, study.model(model).folder
    if manifest.get("hub") != hub or (
        folder and os.path.realpath(manifest["folder"]) != os.path.realpath(folder)
    ):
        raise CornerstoneError(
            f"{study.manifest_path(model)} is not of {hub or folder}, which is configured now"
        )
    return manifest | {"chat_template": template and chosen_template(manifest["folder"], **template)}


def model_files(model: ModelConfig) -> list[str]:
    """A local model's files, as inputs of a rule: a changed one makes a new manifest."""
    folder = Path(model.folder or "")
    templates = template_files(folder) if model.apply_chat_template else []
    return _as_inputs({*folder.iterdir(), *templates}) if model.folder else []


def own_task_files(task: TaskConfig) -> list[str]:
    """The files of a folder of one's own tasks, as inputs of a rule: an edited one makes new documents."""
    paths = Path(task.include_path).rglob("*") if task.include_path else []
    return _as_inputs(path for path in paths if path.parent.name != "__pycache__")


def _as_inputs(paths: Iterable[Path]) -> list[str]:
    """The files among these, less those in whose names Snakemake would put something else."""
    return sorted(str(path) for path in paths if path.is_file() and not set("{}<>") & set(str(path)))


def place_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """Mistakes of paths: out of the working directory, impossible names, and places that overlap."""
    results = filled["results"]
    yield from _results_mistakes(results)
    for name, keys in filled["tasks"].items():
        yield from _task_place_mistakes(f"tasks.{name}", keys, results)
    yield from _task_place_mistakes("calibration", filled["calibration"], results)
    for name, keys in filled["models"].items():
        folder = keys["folder"]
        if folder is not None and (_is_in(results, folder) or _is_made(folder, results)):
            yield f"models.{name}.folder is {shown(folder)}, where the study writes its own files: move it elsewhere"


def _results_mistakes(results: str) -> Iterator[str]:
    if results.startswith("~"):
        yield f"results is {shown(results)}, and ~ is the name of a folder here: write your home folder out"
    if posixpath.normpath(results).split("/")[0] == "..":
        yield (
            f"results is {shown(results)}, which leads out of the working directory: give a folder in it, or an "
            "absolute path"
        )
    elif _is_in(os.getcwd(), results):
        yield f"results is {shown(results)}, which holds the working directory: give a folder of its own"
    if any(len(os.fsencode(part)) > MOST_NAME_BYTES for part in results.split("/")):
        yield f"results is {shown(results)}: no name in it may be longer than {MOST_NAME_BYTES} bytes"


def _task_place_mistakes(key: str, task: dict[str, Any], results: str) -> Iterator[str]:
    folder, data = task["include_path"], task["data"]
    if folder is not None and (_is_in(os.getcwd(), folder) or _is_in(results, folder)):
        yield (
            f"{key}.include_path is {shortened(folder)}, which holds the results too: "
            "give your tasks a folder of their own"
        )
    if data is not None and _is_made(data, results):
        yield f"{key}.data is {shown(data)}, where the study writes its own files: move it elsewhere"


def _is_in(path: str, folder: str) -> bool:
    """Whether a path is the folder or in it, links followed."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_made(path: str, results: str) -> bool:
    """Whether a path is in one of the folders that a study writes to."""
    return any(_is_in(path, os.path.join(results, folder)) for folder in RESULT_FOLDERS)
