"""lm-eval's tasks as document sets: its own prompts, splits and metrics, from its data or a local file.

    build_documents("boolq", limit=300)
    build_documents("boolq", data=Path("boolq.jsonl"))              # no network needed
    build_documents("mine", include_path=Path("my_tasks"))          # a YAML task of one's own

Only multiple-choice tasks that lm-eval scores by acc or acc_norm are supported; everything else is refused
by name. Only the document step imports lm_eval or datasets.
"""

from __future__ import annotations

import importlib.metadata
import random
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask

from cornerstone.documents.document import Document, DocumentSet, Request, digest_documents
from cornerstone.documents.supported_tasks import (
    metrics_of,
    number_of_shots,
    scored_split,
    unsupported_reason,
)
from cornerstone.documents.task_data import TaskData, examples_split, load_data
from cornerstone.documents.task_fields import check_fields, field_reason
from cornerstone.documents.task_index import expand_task, find_definition, is_group, load_definition
from cornerstone.system.errors import CornerstoneError, one_line, shown

__all__ = ["build_documents", "supported_definition"]

FEWSHOT_SEED = 1234
"""What lm-eval's simple_evaluate draws few-shot examples with."""
MOST_CHOICES = 2**15 - 1
"""As many as the document file can number."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


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

    Raises CornerstoneError for a task that is unknown or not supported, and for data that cannot be had or
    do not fit the task: it names the data set or file, the row and the field.
    """
    for what, number in {"limit": limit, "sample": sample}.items():
        if number is not None and number < 1:
            raise CornerstoneError(
                f"task {task}: a {what} of {number} documents leaves none; give 1 or more, or null"
            )
    definition = supported_definition(task, include_path)
    shots = number_of_shots(definition, shots)
    loaded = load_data(task, definition, data)
    lm_task = _lm_task(task, loaded, shots)
    rows = sampled_rows(len(lm_task.eval_docs), sample, seed, task)[:limit]
    documents = _documents(task, lm_task, rows, loaded)
    return DocumentSet(
        task=name or task,
        version=str(lm_task.VERSION),
        split=scored_split(definition),
        metrics=metrics_of(definition),
        digest=digest_documents(documents),
        documents=documents,
        lm_eval_version=importlib.metadata.version("lm_eval"),
        source=loaded.source,
        available=len(lm_task.eval_docs),
    )


def supported_definition(task: str, include_path: Path | str | None = None) -> dict[str, Any]:
    """lm-eval's definition of the task, its functions included. Raises CornerstoneError unless supported.

    What can be refused is refused before the task's code is run.
    """
    entry = find_definition(task, include_path)
    if is_group(entry):
        members = expand_task(task, include_path)
        shown = ", ".join(members[:5]) + (", ..." if len(members) > 5 else "")
        raise CornerstoneError(
            f"{task} is a group of {len(members)} tasks: configure it as `group: {task}`, or name them ({shown})"
        )
    if reason := unsupported_reason(entry.cfg):
        raise CornerstoneError(
            f"task {task} is not supported: {reason}; choose a multiple-choice task scored by acc or acc_norm"
        )
    scored_split(entry.cfg)
    return load_definition(entry)


def sampled_rows(count: int, sample: int | None, seed: int | None, task: str = "this task") -> list[int]:
    """Rows of a split of `count`: the first `sample` of one random permutation of them all; None for all in order.

    A sample larger than the split is all of it, which is told on stderr.
    """
    rows = list(range(count))
    if sample is None:
        return rows
    if sample > count:
        print(
            f"{task}: a sample of {sample} was asked, there are {count} documents: all are taken",
            file=sys.stderr,
        )
    random.Random(seed).shuffle(rows)
    return rows[:sample]


class _LoadedTask(ConfigurableTask):
    """lm-eval's task on rows that are there already."""

    def __init__(self, config: dict[str, Any], splits: Mapping[str, datasets.Dataset]) -> None:
        self._splits = splits
        super().__init__(config=config)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        self.dataset = self._splits


def _lm_task(task: str, loaded: TaskData, shots: int) -> ConfigurableTask:
    definition, split = loaded.definition, scored_split(loaded.definition)
    check_fields(task, definition, loaded.splits[split], loaded.place, is_local=loaded.is_local)
    examples = examples_split(definition)
    if shots and examples not in (None, split):
        place = f"{loaded.source}, {examples}"
        check_fields(task, definition, loaded.splits[examples], place, is_local=loaded.is_local)
    config = {key: value for key, value in definition.items() if key not in ("tag", "group", "task_list")}
    try:
        lm_task = _LoadedTask(config, loaded.splits)
    except (
        Exception
    ) as error:  # the fields are there: what is left is the definition, and lm-eval's try of a row
        hint = "; is a choice empty?" if isinstance(error, IndexError) else ""
        raise CornerstoneError(
            f"task {task}: lm-eval can make no prompt of {loaded.place}, row 1 ({one_line(error)}{hint})"
        ) from error
    lm_task.set_config("num_fewshot", shots)
    lm_task.set_fewshot_seed(FEWSHOT_SEED)
    return lm_task


def _documents(
    task: str, lm_task: ConfigurableTask, rows: Sequence[int], loaded: TaskData
) -> tuple[Document, ...]:
    """The documents of these rows, in their order."""
    try:
        instances = _instances(lm_task, rows)
    except Exception as error:  # lm-eval's templates and the task's own functions
        raise CornerstoneError(
            f"task {task}: {_first_failure(lm_task, set(rows), loaded.place, error)}"
        ) from error
    return tuple(
        _document(f"task {task}: {loaded.place}, row {row + 1}", row, lm_task, instances.get(row, []))
        for row in rows
    )


def _instances(lm_task: ConfigurableTask, rows: Sequence[int]) -> dict[int, list[Any]]:
    """lm-eval's requests by row.

    It draws the examples of one document after those of another: with examples, all documents up to the last
    row are built. Without, lm-eval itself picks the rows; it numbers them anew.
    """
    built = range(max(rows) + 1) if lm_task.config.num_fewshot else sorted(rows)
    if len(built) == built[-1] + 1:
        lm_task.build_all_requests(limit=len(built))
    else:
        lm_task.build_all_requests(samples=set(built))  # a set, for lm-eval looks every row up in it
    grouped = groupby(lm_task.instances, key=lambda instance: instance.doc_id)
    return {built[number]: list(group) for number, group in grouped}


def _first_failure(lm_task: ConfigurableTask, rows: set[int], place: str, error: Exception) -> str:
    """Which row lm-eval cannot make a request of, and why."""
    for index, row in lm_task.doc_iterator():
        if index not in rows:
            continue
        try:
            context = lm_task.fewshot_context(row, 0, gen_prefix=lm_task.doc_to_prefix(row))
            lm_task.construct_requests(row, context, metadata=(lm_task.config.task, index, 1))
        except Exception as row_error:
            return f"{place}, row {index + 1}: {field_reason(row_error)}"
    return (
        f"lm-eval cannot build its {lm_task.config.num_fewshot}-shot prompts of {place} ({one_line(error)})"
    )


def _document(where: str, index: int, lm_task: ConfigurableTask, instances: list[Any]) -> Document:
    """One row's requests, gold indices and choice lengths, as lm-eval's process_results reads them."""
    if not instances:
        raise CornerstoneError(f"{where}: it has no choices, so there is nothing to score; give some")
    row = instances[0].doc
    choices = lm_task.doc_to_choice(row)
    if not isinstance(choices, list | tuple):
        raise CornerstoneError(f"{where}: its choices are {shown(choices)}; give a list of texts")
    requests = tuple(Request(*instance.args) for instance in instances[: len(choices)])
    _check_texts(where, choices, requests)
    delimiter = lm_task.config.target_delimiter
    for choice, request in enumerate(requests):
        if not choices[choice] or not request.continuation.removeprefix(delimiter):
            raise CornerstoneError(
                f"{where}: choice {choice + 1} is empty, so there is nothing to score; write it out"
            )
    gold = lm_task.doc_to_text(row) if lm_task.multiple_input else lm_task.doc_to_target(row)
    return Document(
        index=index,
        requests=requests,
        gold=_gold_indices(where, gold, choices),
        choice_lengths=tuple(len(choice) for choice in choices),
    )


def _check_texts(where: str, choices: list[Any], requests: tuple[Request, ...]) -> None:
    if len(choices) > MOST_CHOICES:
        raise CornerstoneError(f"{where}: it has {len(choices)} choices; give up to {MOST_CHOICES}")
    for number, choice in enumerate(choices, 1):
        if not isinstance(choice, str):
            raise CornerstoneError(
                f"{where}: choice {number} is {shown(choice)}, which is no text; put it in quotes"
            )
    for text in (text for request in requests for text in (request.context, request.continuation)):
        if half := HALF_CHARACTER.search(text):
            raise CornerstoneError(
                f"{where}: {shown(text)} has {half[0]!a}, half a character, which no file can hold; mend it"
            )


def _gold_indices(where: str, gold: Any, choices: list[str]) -> tuple[int, ...]:
    """The right choices: an index, a list of them, or a choice's own text."""
    if isinstance(gold, str) and gold in choices:
        gold = choices.index(gold)
    indices = gold if isinstance(gold, list) else [gold]
    if not indices or not all(isinstance(index, int) and 0 <= index < len(choices) for index in indices):
        raise CornerstoneError(
            f"{where}: the answer is {shown(gold)}, but there are {len(choices)} choices: "
            f"it must be an index from 0 to {len(choices) - 1}, a list of them, or a choice's own text"
        )
    return tuple(sorted({int(index) for index in indices}))
