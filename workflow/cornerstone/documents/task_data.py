"""A task's rows: of its own data set, or of a local file in place of the scored split.

load_data("boolq", definition).source                  # "aps/super_glue boolq @ 3de24cf8..."
load_data("boolq", definition, "boolq.jsonl").source   # "boolq.jsonl (sha256 ...)": no network needed
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from cornerstone.documents.data_set import commit_of, data_set_arguments, data_set_name, load_data_set
from cornerstone.documents.supported_tasks import scored_split
from cornerstone.system.errors import CornerstoneError, one_line

DATA_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}
"""How datasets reads a local file, by its ending."""


@dataclass(frozen=True)
class TaskData:
    """A task's rows, and the definition that fits them.

    splits:     rows by the name of their split.
    definition: the task's own, changed where a local file stands in for the scored split.
    source:     where the rows come from, with the commit or the file's sha256; provenance.
    place:      what an error calls the place of the scored split's rows.
    is_local:   whether they are of a local file, where a field that is left out reads as null.
    """

    splits: Mapping[str, datasets.Dataset]
    definition: Mapping[str, Any]
    source: str
    place: str
    is_local: bool


def load_data(task: str, definition: Mapping[str, Any], data: Path | str | None = None) -> TaskData:
    """The rows of a task, downloaded where they are not in the cache.

    Raises CornerstoneError for a data set that cannot be had (see `explained_data_set`) or lacks the task's
    splits, and for a file that is missing, unreadable or empty.
    """
    if data is not None:
        return _load_file(definition, Path(data))
    if definition.get("custom_dataset") is not None:
        splits, source = _load_custom(task, definition), f"the task's own {data_set_name(definition)}".strip()
    else:
        splits = load_data_set(task, data_set_arguments(task, definition))
        commit = commit_of(splits) if isinstance(splits, Mapping) else None
        source = data_set_name(definition) + (f" @ {commit}" if commit else "")
    _check_splits(task, definition, splits, source)
    return TaskData(splits, definition, source, f"{source}, {scored_split(definition)}", is_local=False)


def examples_split(definition: Mapping[str, Any]) -> str | None:
    """The split that lm-eval draws few-shot examples from; None where the task brings its own examples."""
    given = definition.get("fewshot_config") or {}
    if split := given.get("split", definition.get("fewshot_split")):
        return split
    if given.get("samples") is not None:
        return None
    splits = (definition.get(f"{name}_split") for name in ("training", "validation", "test"))
    return next(split for split in splits if split is not None)


def _load_custom(task: str, definition: Mapping[str, Any]) -> Mapping[str, datasets.Dataset]:
    """What the task's own function makes, called as lm-eval calls it."""
    arguments = {**(definition.get("metadata") or {}), **(definition.get("dataset_kwargs") or {})}
    try:
        return definition["custom_dataset"](**arguments)
    except Exception as error:  # the task's own code
        raise CornerstoneError(f"task {task}: its custom_dataset fails ({one_line(error)})") from error


def _check_splits(task: str, definition: Mapping[str, Any], splits: Any, source: str) -> None:
    uses = {scored_split(definition): "scored", examples_split(definition): "drawn from for examples"}
    for split, use in uses.items():
        known = list(splits) if isinstance(splits, Mapping) else []
        if split is not None and not isinstance(splits[split] if split in known else None, datasets.Dataset):
            raise CornerstoneError(
                f"task {task}: {source} has no split {split!r}, which is {use}: it has {', '.join(known) or 'none'}"
            )
    if len(splits[scored_split(definition)]) == 0:
        raise CornerstoneError(
            f"task {task}: {source} has no documents in its split {scored_split(definition)}"
        )


def _load_file(definition: Mapping[str, Any], path: Path) -> TaskData:
    """A local file as the scored split, and the definition with no other split."""
    source = _file_name(path)
    split = scored_split(definition)
    overrides = {
        "training_split": None,
        "validation_split": None if definition.get("test_split") else split,
        **_fewshot_from(split, definition),
    }
    splits = {split: _read_rows(path)}
    return TaskData(splits, {**definition, **overrides}, source, str(path), is_local=True)


def _file_name(path: Path) -> str:
    if not path.is_file():
        raise CornerstoneError(
            f"{path} does not exist: give a file of documents (.jsonl, .json, .parquet or .csv)"
        )
    if path.suffix not in DATA_BUILDERS:
        raise CornerstoneError(f"{path} is no file of documents: give one of {', '.join(DATA_BUILDERS)}")
    return f"{path} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def _read_rows(path: Path) -> datasets.Dataset:
    """All rows, in memory. The cache is for this file alone, so that no stale copy of a changed one is read."""
    with tempfile.TemporaryDirectory(prefix="cornerstone-") as cache_folder:
        try:
            rows = datasets.load_dataset(
                DATA_BUILDERS[path.suffix],
                data_files=str(path.resolve()),
                split="train",
                cache_dir=cache_folder,
                keep_in_memory=True,
            )
        except Exception as error:  # datasets wraps what its readers raise, and each reader raises its own
            while error.__cause__ is not None:
                error = error.__cause__
            raise CornerstoneError(
                f"cannot read {path} ({one_line(error)}): give one document a line"
            ) from error
    if len(rows) == 0:
        raise CornerstoneError(f"{path} has no documents: give one a line")
    return rows


def _fewshot_from(split: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Where examples come from when there is only the scored split, unless the task brings its own.

    lm-eval leaves out the asked document only where the examples' split (None for none named) is the
    test split (None for none): so `test` has to be named, and a scored `validation` must not be.
    """
    given = definition.get("fewshot_config") or {}
    own_examples = given.get("samples") is not None
    named = split if definition.get("test_split") and not own_examples else None
    without_split = {key: value for key, value in given.items() if key != "split"}
    return {"fewshot_split": named, "fewshot_config": without_split or None}
