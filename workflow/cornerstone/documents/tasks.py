"""lm-eval's tasks as document sets: its own prompts, splits and metrics, from its data or a local file.

    build_documents("boolq", limit=300)
    build_documents("boolq", data=Path("boolq.jsonl"))              # no network needed
    build_documents("mine", include_path=Path("my_tasks"))          # a YAML task of one's own

What is supported is in `supported_tasks`; everything else is refused by name. Only the document step
imports lm_eval or datasets.
"""

from __future__ import annotations

import importlib.metadata
import random
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cornerstone.documents.asked import documents_of
from cornerstone.documents.csv_columns import columns_for_code_alone
from cornerstone.documents.document import GENERATED, TEXT, Document, DocumentSet, digest_documents
from cornerstone.documents.generated import Scorer
from cornerstone.documents.lm_task import Prompting, make_lm_task, runs_code
from cornerstone.documents.seeded import a_day_later, as_in_simple_evaluate, has_torch, same_random_state
from cornerstone.documents.supported_tasks import (
    SUPPORTED,
    number_of_shots,
    output_type_of,
    reported_of,
    scored_split,
    unsupported_reason,
)
from cornerstone.documents.task_data import TaskData, load_data
from cornerstone.documents.task_files import FileWatch, watched_files
from cornerstone.documents.task_index import Entry, expand_task, find_definition, is_group, load_definition
from cornerstone.system.errors import CornerstoneError

__all__ = ["build_documents", "scorer_of", "supported_definition"]


def build_documents(
    task: str,
    *,
    name: str | None = None,
    data: Path | str | None = None,
    shots: int | None = None,
    sample: int | None = None,
    seed: int | None = 1234,
    limit: int | None = None,
    include_path: Path | str | None = None,
    generate: bool = False,
    system_instruction: str | None = None,
    multiturn: bool | None = None,
) -> DocumentSet:
    """A task's documents with the requests that lm-eval builds of them, in the order of its scored split.

    task:  lm-eval's name; `name` is what the document set calls it (default: the same).
    data:  a local file (.jsonl, .json, .parquet, .csv) with the task's own fields, read in place of the
           scored split; all else is lm-eval's.
    shots: solved examples before each question; None for as many as the task asks for. With local data
           they are drawn from the same file, never the document that is asked, as lm-eval does for a task
           with one split.
    sample, seed: a random so many of the documents, in random order; of one seed, a larger sample begins
           with the smaller. A sampled document has the prompts that it has without.
    limit: only the first so many documents (of the sample, if there is one).
    include_path: a folder with tasks of one's own, which go before lm-eval's of the same name.
    generate: whether its answers are to be generated: the study plans other jobs for them.
    system_instruction, multiturn: how the questions are asked. Unless multiturn is None, in messages too (`Prompting`).

    What a task's own code draws at random is what it draws in lm-eval's simple_evaluate of the whole task; code
    that makes other documents each time is refused.

    Raises CornerstoneError for a task that is unknown or not supported, and for data that could not be fetched or
    do not fit the task: it names the data set or file, the row and the field.
    """
    for what, number in {"limit": limit, "sample": sample}.items():
        if number is not None and number < 1:
            raise CornerstoneError(
                f"task {task}: a {what} of {number} documents leaves none; give 1 or more, or null"
            )
    entry = _supported(task, include_path)
    generates = output_type_of(entry.cfg) == GENERATED
    if generate and not generates:
        raise CornerstoneError(
            f"task {task} has no answers to generate: leave generate: true out of its entry in the configuration"
        )
    if generates and not generate:
        raise CornerstoneError(
            f"task {task} has answers to generate: say generate: true in its entry of the configuration; a "
            "calibration needs a task whose answers are given"
        )

    @cache  # told once, though the documents are built more than once
    def rows_of(count: int) -> list[int]:
        return sampled_rows(count, sample, seed, task)[:limit]

    with watched_files() as watch:
        with tempfile.TemporaryDirectory(prefix="cornerstone-", ignore_cleanup_errors=True) as folder:
            build = _Build(
                task, entry, data, shots, rows_of, Path(folder), watch, Prompting(system_instruction)
            )
            built = _built(build)
            if multiturn is not None and output_type_of(entry.cfg) != TEXT:
                built = _with_messages(build, built, multiturn)
        # The folder is gone: what was read there is none of the user's.
        yaml = Path(entry.yaml_path).parent if entry.yaml_path else None
        files = watch.digests(entry.cfg or {}, yaml)
    _tell(task, built, watch)
    document_set = DocumentSet(
        task=name or task,
        version=built.version,
        split=scored_split(entry.cfg),
        output_type=output_type_of(entry.cfg),
        metrics=reported_of(entry.cfg),
        digest=digest_documents(built.documents),
        documents=built.documents,
        lm_eval_version=importlib.metadata.version("lm_eval"),
        source=built.source,
        available=built.available,
        files=files,
        lists_targets=built.lists_targets,
    )
    if generate:
        Scorer(load_definition(entry), document_set).check()
    return document_set


def scorer_of(task: str, document_set: DocumentSet, include_path: Path | str | None = None) -> Scorer:
    """What scores generated answers to a task's documents. Raises CornerstoneError unless the task is supported."""
    return Scorer(supported_definition(task, include_path), document_set)


def supported_definition(task: str, include_path: Path | str | None = None) -> dict[str, Any]:
    """lm-eval's definition of the task, its functions included. Raises CornerstoneError unless supported.

    What can be refused is refused before the task's code is run.
    """
    return load_definition(_supported(task, include_path))


def _supported(task: str, include_path: Path | str | None) -> Entry:
    entry = find_definition(task, include_path)
    if is_group(entry):
        members = expand_task(task, include_path)
        shown = ", ".join(members[:5]) + (", ..." if len(members) > 5 else "")
        raise CornerstoneError(
            f"{task} is a group of {len(members)} tasks: configure it as `group: {task}`, or name them ({shown})"
        )
    if reason := unsupported_reason(entry.cfg):
        raise CornerstoneError(f"task {task} is not supported: {reason}; {SUPPORTED}")
    scored_split(entry.cfg)
    return entry


def sampled_rows(count: int, sample: int | None, seed: int | None, task: str = "this task") -> list[int]:
    """Rows of a split of `count`: the first `sample` of one random permutation of them all; None for all in order.

    A sample larger than the split is all of it, which is told on stderr.
    """
    rows = list(range(count))
    if sample is None:
        return rows
    if sample > count:
        print(
            f"{task}: a sample of {sample} was requested, but there are {count} documents: all are used",
            file=sys.stderr,
        )
    random.Random(seed).shuffle(rows)
    return rows[:sample]


# Building, once or, where a task's own code runs, until it is known to give the same again


@dataclass(frozen=True)
class _Build:
    """What documents are built from. rows_of: number of documents -> the rows that are wanted. numbers: as of
    `read_rows`."""

    task: str
    entry: Entry
    data: Path | str | None
    shots: int | None
    rows_of: Callable[[int], list[int]]
    folder: Path
    watch: FileWatch
    prompting: Prompting
    numbers: Collection[str] = ()


@dataclass(frozen=True)
class _Built:
    """The documents of a build; notes: lines for the user. rows: of the data set, for another build."""

    documents: tuple[Document, ...]
    version: str
    source: str
    available: int
    notes: list[str]
    runs_code: bool
    lists_targets: bool
    rows: TaskData | None


def _with_messages(build: _Build, built: _Built, multiturn: bool) -> _Built:
    """The documents with their messages: lm-eval's of a run of its own, in which code draws the same random numbers."""
    prompting = replace(build.prompting, multiturn=multiturn)
    in_chat = _built(replace(build, prompting=prompting), built.rows).documents
    pairs = zip(built.documents, in_chat, strict=True)
    return replace(built, documents=tuple(replace(plain, chat=chat.requests) for plain, chat in pairs))


def _built(build: _Build, rows: TaskData | None = None) -> _Built:
    """Raises CornerstoneError where the task's code makes other documents of the same rows."""
    knew_torch = has_torch()
    built = _build_once(build, rows)
    if not built.runs_code:
        return built
    if has_torch() and not knew_torch:  # its generator had no seed of ours
        built = _build_once(build, built.rows)
    with a_day_later():
        again = _build_once(build, built.rows)
    for one, other in zip(built.documents, again.documents, strict=False):
        if one != other:
            raise _changing(build.task, f"document {one.index} differs")
    if len(built.documents) != len(again.documents):
        raise _changing(build.task, f"{len(built.documents)} documents, then {len(again.documents)}")
    if build.data is not None and Path(build.data).suffix == ".csv" and rows is None:
        _check_types(build, built)
    return built


def _check_types(build: _Build, built: _Built) -> None:
    """Raise CornerstoneError where a task's code makes other documents of a CSV file's numbers than of its texts: the
    file does not say which they are."""
    for field in columns_for_code_alone(Path(build.data), build.entry.cfg):
        try:
            typed = _build_once(replace(build, numbers=(field,)), None)
        except CornerstoneError:
            continue  # the code needs texts
        if typed.documents != built.documents:
            raise CornerstoneError(
                f"task {build.task}: its code makes other documents of numbers than of texts in {field!r}, and the "
                f"cells of {build.data} are texts: write it as JSON Lines"
            )


def _changing(task: str, how: str) -> CornerstoneError:
    return CornerstoneError(
        f"task {task}: its code makes different documents each time it runs ({how}): seed its random generator"
    )


def _build_once(build: _Build, rows: TaskData | None) -> _Built:
    kept = Path(tempfile.mkdtemp(dir=build.folder))
    with as_in_simple_evaluate(kept):
        definition = load_definition(build.entry)
        shots = number_of_shots(definition, build.shots)
        own = definition.get("custom_dataset") is not None and build.data is None
        if own:
            loaded = load_data(build.task, definition, kept)
        else:
            with same_random_state(), build.watch.downloading():
                loaded = rows or load_data(build.task, definition, kept, build.data, build.numbers)
        lm_task = make_lm_task(build.task, definition, loaded, shots)
        available = len(lm_task.task_docs)
        documents, notes = documents_of(lm_task, build.rows_of(available), build.prompting)
    return _Built(
        documents=documents,
        version=str(lm_task.VERSION),
        source=loaded.source,
        available=available,
        notes=notes,
        runs_code=runs_code(definition),
        lists_targets=bool(lm_task.multiple_target),
        rows=None if own else loaded,
    )


def _tell(task: str, built: _Built, watch: FileWatch) -> None:
    """Print on stderr what the user should know about the documents that were built."""
    notes = list(built.notes)
    if watch.unwatched:
        notes.append(
            f"{task}: its code {' and '.join(watch.unwatched)}: what is read only so is not watched, and after a "
            "change of it the documents have to be made again by hand (--forcerun build_documents)"
        )
    for note in notes:
        print(note, file=sys.stderr)
