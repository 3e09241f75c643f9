"""A task's rows: of its own data set, or of a local file in place of the scored split.

load_data("boolq", definition, folder).source                  # "aps/super_glue boolq @ 3de24cf8..."
load_data("boolq", definition, folder, "boolq.jsonl").source   # "boolq.jsonl (sha256 ...)": no network needed
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornerstone.documents.data_set import (
    commit_of,
    data_set_arguments,
    data_set_name,
    load_data_set,
    on_the_hub,
)
from cornerstone.documents.local_rows import read_rows
from cornerstone.documents.supported_tasks import scored_split
from cornerstone.system.errors import CornerstoneError, one_line

FILE_ENDINGS = (".jsonl", ".json", ".parquet", ".csv")


@dataclass(frozen=True)
class TaskData:
    """A task's rows.

    splits:     rows by the name of their split, as lm-eval would load them.
    source:     where the rows come from, with the commit or the file's sha256; provenance.
    place:      what an error calls the place of the scored split's rows.
    is_local:   whether they are of a local file, where a field that is left out reads as null.
    """

    splits: Mapping[str, Any]
    source: str
    place: str
    is_local: bool

    def place_of(self, split: str | None) -> str:
        """What an error calls the place of a split's rows."""
        return self.place if self.is_local or split is None else f"{self.source}, {split}"


def load_data(
    task: str,
    definition: Mapping[str, Any],
    folder: Path,
    data: Path | str | None = None,
    numbers: Collection[str] = (),
) -> TaskData:
    """The rows of a task, downloaded where they are not in the cache; those of local files are kept in `folder`.

    numbers: as of `read_rows`.

    Raises CornerstoneError for a data set that could not be fetched (see `explained_data_set`) or lacks the task's
    splits, and for a file that is missing, unreadable or empty.
    """
    if data is not None:
        path = Path(data)
        source = _file_name(path)
        splits = {scored_split(definition): read_rows(path, definition, folder, numbers)}
        return TaskData(splits, source, str(path), is_local=True)
    if definition.get("custom_dataset") is not None:
        splits, source = _load_custom(task, definition), f"the task's own {data_set_name(definition)}".strip()
    else:
        arguments = data_set_arguments(task, definition)
        if not on_the_hub(arguments):  # no copy that is kept of a file that was edited since
            arguments["cache_dir"] = str(folder / "data")
        splits = load_data_set(task, arguments)
        commit = commit_of(splits) if isinstance(splits, Mapping) else None
        source = data_set_name(definition) + (f" @ {commit}" if commit else "")
    _check_splits(task, definition, splits, source)
    return TaskData(splits, source, f"{source}, {scored_split(definition)}", is_local=False)


def of_local_file(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of a task of which a local file is the scored split, and no other split is there."""
    split = scored_split(definition)
    return {
        **definition,
        "training_split": None,
        "validation_split": None if definition.get("test_split") else split,
        **_fewshot_from(split, definition),
    }


def examples_split(definition: Mapping[str, Any]) -> str | None:
    """The split that lm-eval draws few-shot examples from; None where the task brings its own examples."""
    given = definition.get("fewshot_config") or {}
    if split := given.get("split", definition.get("fewshot_split")):
        return split
    if given.get("samples") is not None:
        return None
    splits = (definition.get(f"{name}_split") for name in ("training", "validation", "test"))
    return next(split for split in splits if split is not None)


def _load_custom(task: str, definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the task's own function makes, called as lm-eval calls it."""
    arguments = {**(definition.get("metadata") or {}), **(definition.get("dataset_kwargs") or {})}
    try:
        return definition["custom_dataset"](**arguments)
    except Exception as error:  # the task's own code
        raise CornerstoneError(f"task {task}: its custom_dataset fails ({one_line(error)})") from error


def _check_splits(task: str, definition: Mapping[str, Any], splits: Any, source: str) -> None:
    if not isinstance(splits, Mapping):
        raise CornerstoneError(
            f"task {task}: {source} is a {type(splits).__name__}; give a mapping from the names of splits to their rows"
        )
    uses = {scored_split(definition): "scored", examples_split(definition): "drawn from for examples"}
    for split, use in uses.items():
        if split is not None and split not in splits:
            raise CornerstoneError(
                f"task {task}: {source} has no split {split!r}, which is {use}: it has {', '.join(splits) or 'none'}"
            )
    rows = splits[scored_split(definition)]
    if hasattr(rows, "__len__") and len(rows) == 0:
        raise CornerstoneError(
            f"task {task}: {source} has no documents in its split {scored_split(definition)}"
        )


def _file_name(path: Path) -> str:
    if not path.is_file():
        raise CornerstoneError(
            f"{path} does not exist: give a file of documents (.jsonl, .json, .parquet or .csv)"
        )
    if path.suffix not in FILE_ENDINGS:
        raise CornerstoneError(f"{path} is not a file of documents: give one of {', '.join(FILE_ENDINGS)}")
    return f"{path} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def _fewshot_from(split: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Where examples come from when there is only the scored split, unless the task brings its own.

    lm-eval leaves out the asked document only where the examples' split (None for none named) is the
    test split (None for none): so `test` has to be named, and a scored `validation` must not be. The file's rows
    are those of the scored split, so a process_docs for another split's is left out.
    """
    given = definition.get("fewshot_config") or {}
    own_examples = given.get("samples") is not None
    named = split if definition.get("test_split") and not own_examples else None
    kept = {key: value for key, value in given.items() if key not in ("split", "process_docs")}
    return {"fewshot_split": named, "fewshot_config": kept or None}
