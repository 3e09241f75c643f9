"""The data set that a task of lm-eval names: loading it with `datasets`, and errors in plain words.

    arguments = data_set_arguments("boolq", definition)
    splits = load_data_set("boolq", arguments)        # from the hub, or the Hugging Face cache
    commit_of(splits)                                 # "3de24cf8022e94f4ee4b9d55a6f539891524d646"

HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to datasets. No code of a data set is
run, and nothing is unpickled (datasets refuses both, and is never asked to do otherwise).
"""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import datasets
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from cornerstone.system.errors import CornerstoneError, one_line
from cornerstone.system.hub import HubUnreachable, explained, is_transient, no_room, page_of, persistently

FILE_BUILDERS = ("arrow", "csv", "json", "parquet", "text", "xml")
"""What a task may name in place of a data set, to read files of its own."""
UNUSABLE = {
    "streaming": "and lm-eval needs rows that can be counted",
    "split": "and lm-eval takes the splits by their names (test_split and the like)",
}
"""Of dataset_kwargs: what makes datasets give something else than splits of rows."""
UNREACHED = "Couldn't reach"
"""How datasets begins when it gets no answer, after tries of its own (23 s), or may not ask."""
UNLIKE_FILES = re.compile(r"Couldn't cast\n.*because column names don't match", re.DOTALL)
LOCAL_FILE = "or give the task a local file as its `data`"


def data_set_arguments(task: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of datasets.load_dataset that a task asks for, without trust_remote_code.

    Raises CornerstoneError where its definition names no data set, or asks for rows in a form that lm-eval cannot
    make a task of.
    """
    path = definition.get("dataset_path")
    if not isinstance(path, str):
        raise CornerstoneError(f"task {task} names no data set: give its definition a dataset_path")
    more = {**(definition.get("dataset_kwargs") or {})}
    more.pop("trust_remote_code", None)
    for key, unusable in UNUSABLE.items():
        if more.get(key):
            raise CornerstoneError(
                f"task {task}: its dataset_kwargs have {key}: {more[key]}, {unusable}; leave {key} out"
            )
    return {"path": path, "name": definition.get("dataset_name"), **more}


def data_set_name(definition: Mapping[str, Any]) -> str:
    """Such as "allenai/ai2_arc ARC-Easy", or "json my_tasks/rows.jsonl"."""
    files = (definition.get("dataset_kwargs") or {}).get("data_files")
    parts = (definition.get("dataset_path"), definition.get("dataset_name"), *_texts(files))
    return " ".join(str(part) for part in parts if part)


def on_the_hub(arguments: Mapping[str, Any]) -> bool:
    """Whether the data set is on the hub, and no files or folder of the task's own."""
    return arguments["path"] not in FILE_BUILDERS and not Path(arguments["path"]).exists()


def load_data_set(task: str, arguments: Mapping[str, Any]) -> datasets.DatasetDict:
    """The data set's splits, downloaded where they are not in the cache; what a bad connection breaks off is
    tried again. Raises CornerstoneError as `explained_data_set` does."""

    def load() -> datasets.DatasetDict:
        with _unreachable_at_once(arguments):
            return datasets.load_dataset(**arguments)

    with explained_data_set(task, arguments):
        return persistently(load, f"task {task}: loading {arguments['path']}")


def load_builder(task: str, arguments: Mapping[str, Any]) -> datasets.DatasetBuilder:
    """The hub's metadata of the data set, without its data. Raises CornerstoneError."""
    with explained_data_set(task, arguments), _unreachable_at_once(arguments):
        return datasets.load_dataset_builder(**arguments)


@contextmanager
def explained_data_set(task: str, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Turn what datasets raises in the block into a CornerstoneError that says what to do.

    Covers a data set that is unknown, gated, made by a script, without the configuration or any data; a token
    that is refused; no network; a full disk.
    """
    try:
        yield
    except Exception as error:  # what it wraps may show the headers of a request, so the chain ends here
        raise CornerstoneError(f"task {task}: {_explanation(error, arguments)}") from None


def commit_of(splits: Mapping[str, datasets.Dataset]) -> str | None:
    """The commit (40 hex digits) of the hub's data set; None where its rows are no hub's.

    datasets names the folder in its cache after it.
    """
    for rows in splits.values():
        for file in rows.cache_files:
            folder = Path(file["filename"]).parent.name
            if re.fullmatch(r"[0-9a-f]{40}", folder):
                return folder
    return None


@contextmanager
def _unreachable_at_once(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Do not retry where `datasets` has already retried without success."""
    try:
        yield
    except ConnectionError as error:
        if UNREACHED not in str(error):
            raise
        raise HubUnreachable(_unreachable(arguments["path"])) from None


def _unreachable(name: str) -> str:
    return (
        f"data set {name} is not in the Hugging Face cache {datasets.config.HF_DATASETS_CACHE}, and "
        f"{constants.ENDPOINT} cannot be asked for it (no network, or HF_HUB_OFFLINE is set): fix that, {LOCAL_FILE}"
    )


def _explanation(error: Exception, arguments: Mapping[str, Any]) -> str:
    name, text = arguments["path"], str(error)
    if isinstance(error, CornerstoneError):
        return text
    if is_full_disk(error):
        return str(no_room(f"data set {name} does not fit")) if on_the_hub(arguments) else no_room_for(name)
    if "scripts are no longer supported" in text:
        return (
            f"data set {name} is made by a script, which is never run: {_ask_for_parquet(name)}, {LOCAL_FILE}"
        )
    if wrong := re.search(r"BuilderConfig '(.*?)' not found. Available: \[(.*)\]", text, re.DOTALL):
        return f"data set {name} has no configuration {wrong[1]!r}: it has {_one_of(wrong[2])}"
    if wrong := re.search(r"for config '(.*?)'\s*Available configs in the cache: \[(.*)\]", text, re.DOTALL):
        return f"{_unreachable(f'{name} {wrong[1]}')}; the cache has {_one_of(wrong[2])}"
    if isinstance(error, DataFilesNotFoundError | EmptyDatasetError):
        return f"data set {name} has no data files that can be read: {_ask_for_parquet(name)}, {LOCAL_FILE}"
    if wrong := UNLIKE_FILES.search("\n".join(str(cause) for cause in _chain(error))):
        reason = " ".join(wrong[0].split())
        return f"cannot load data set {name} ({reason}): give its files the same fields, {LOCAL_FILE}"
    if on_the_hub(arguments) and (trouble := _refusal(error, arguments)):
        return trouble
    return f"cannot load data set {name} ({_innermost(error)}); fix that, {LOCAL_FILE}"


def _refusal(error: Exception, arguments: Mapping[str, Any]) -> str | None:
    """What the hub itself says, if it refuses: datasets does not pass on the reason, so ask for any file."""
    name, revision = arguments["path"], arguments.get("revision")
    try:
        with explained(name, revision or "main", "dataset"):
            if is_transient(error):
                raise error
            if isinstance(error, DatasetNotFoundError | HfHubHTTPError):
                with suppress(EntryNotFoundError):
                    get_hf_file_metadata(hf_hub_url(name, "data", repo_type="dataset", revision=revision))
    except CornerstoneError as refusal:
        return str(refusal)
    return None


def no_room_for(what: str) -> str:
    """What a full disk is told as, where a copy is made for the time of a job."""
    return (
        f"a copy of {what} does not fit into the temporary folder {tempfile.gettempdir()}: make room there, or set "
        "TMPDIR to a folder on another disk"
    )


def is_full_disk(error: BaseException) -> bool:
    """Whether there was no room for something, whatever wraps the error that says so."""
    return any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        or "Not enough disk space" in str(cause)
        for cause in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _innermost(error: BaseException) -> str:
    """datasets wraps the real reason several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)


def _ask_for_parquet(name: str) -> str:
    return f"name one that holds parquet files (see {page_of(name, 'dataset')})"


def _one_of(listed: str) -> str:
    return ", ".join(name.strip(" '\"") for name in listed.split(","))


def _texts(files: Any) -> list[str]:
    """File names of datasets' `data_files`: one, a list, or a mapping of splits to either."""
    if isinstance(files, Mapping):
        return [text for inner in files.values() for text in _texts(inner)]
    if isinstance(files, list | tuple):
        return [text for inner in files for text in _texts(inner)]
    return [] if files is None else [str(files)]
