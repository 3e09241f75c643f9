"""lm-eval's tasks as document sets: its own prompts, splits and metrics, from its data or a local file.

    build_documents("boolq", limit=300)
    build_documents("boolq", data=Path("boolq.jsonl"))    # no network needed

Only multiple-choice tasks that lm-eval scores by acc or acc_norm are supported; everything else is refused
by name. Nothing else in the library imports lm_eval or datasets.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
from jinja2 import TemplateSyntaxError, meta
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml  # no public way to a task's functions without its data
from lm_eval.utils import env as template_environment

from cornerstone.documents import Document, DocumentSet, Request, digest_documents
from cornerstone.errors import CornerstoneError

METRICS = ("acc", "acc_norm")
FEWSHOT_SEED = 1234
"""What lm-eval's simple_evaluate draws few-shot examples with."""
DATA_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}
"""How datasets reads a local file, by its ending."""


def build_documents(
    task: str,
    *,
    name: str | None = None,
    data: Path | str | None = None,
    shots: int | None = None,
    limit: int | None = None,
) -> DocumentSet:
    """A task's documents, in the order of its scored split, with the requests that lm-eval builds of them.

    task:  lm-eval's name; `name` is what the document set calls it (default: the same).
    data:  a local file (.jsonl, .json, .parquet, .csv) with the task's own fields, read in place of the
           scored split; all else is lm-eval's.
    shots: solved examples before each question; None for as many as the task asks for. With local data
           they are drawn from the same file, never the document that is asked, as lm-eval does for a task
           with one split.
    limit: only the first so many documents.

    Raises CornerstoneError for a task that is unknown or not supported, and for data that are missing,
    unreadable or do not fit the task: it names the file, the row and the field.
    """
    if limit is not None and limit < 1:
        raise CornerstoneError(
            f"task {task}: a limit of {limit} documents leaves none; give 1 or more, or null"
        )
    manager = task_manager(task)
    config = _supported_config(task, manager)
    source = _dataset_name(config) if data is None else _file_name(data)
    shots = _number_of_shots(task, config, shots)
    with tempfile.TemporaryDirectory(prefix="cornerstone-") as cache_folder:
        overrides = {} if data is None else _local_data(task, config, Path(data), cache_folder)
        lm_task = _load(task, manager, overrides, source)
        lm_task.set_config("num_fewshot", shots)
        lm_task.set_fewshot_seed(FEWSHOT_SEED)
        documents = _documents(task, lm_task, limit, source)
    return DocumentSet(
        task=name or task,
        version=str(lm_task.VERSION),
        split=_scored_split(config),
        metrics=_metrics(config),
        digest=digest_documents(documents),
        documents=documents,
        lm_eval_version=importlib.metadata.version("lm_eval"),
        source=source,
    )


def expand_task(name: str) -> list[str]:
    """The tasks that a name of lm-eval stands for: of a group or tag, its tasks; of a task, itself.

    Raises CornerstoneError where lm-eval does not know the name.
    """
    manager = task_manager(name)
    _check_known(name, manager)
    return sorted(set(_leaves(name, manager)))


@cache
def task_manager(name: str) -> TaskManager:
    """lm-eval's index, of the one folder that defines the task `name` if a file there says so.

    The whole index takes 7 s or more, for its 14,000 files are parsed; finding the file takes 0.3 s.
    """
    quoted = rb"([\"']?)" + re.escape(name.encode()) + rb"\1"
    line = re.compile(rb"^[\"']?task[\"']?:[ \t]*" + quoted + rb"[ \t]*\r?$", re.MULTILINE)
    for path in _definition_files():
        if line.search(path.read_bytes()):
            manager = TaskManager(include_defaults=False, include_path=path.parent)
            return manager if name in manager.all_subtasks else _whole_manager()
    return _whole_manager()


@cache
def _whole_manager() -> TaskManager:
    return TaskManager()


@cache
def _definition_files() -> list[Path]:
    """In lm-eval's own order, in which the first of two definitions counts."""
    return sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml"), key=Path.as_posix)


def _check_known(name: str, manager: TaskManager) -> None:
    if name not in manager.all_tasks:
        near = difflib.get_close_matches(name.lower(), manager.all_tasks, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`lm-eval ls tasks` lists the known ones"
        raise CornerstoneError(
            f"lm-eval {importlib.metadata.version('lm_eval')} has no task {name!r}: {hint}"
        )


def _leaves(name: str, manager: TaskManager) -> Iterator[str]:
    if name in manager.all_subtasks:
        yield name
    elif name in manager.all_tags:
        yield from manager.task_index[name].tags
    else:
        yield from _members(manager.task_index[name].cfg, manager)


def _members(group: dict[str, Any], manager: TaskManager) -> Iterator[str]:
    """Of a group's definition: its members are names, or mappings that name a task or a group in turn."""
    for member in group.get("task", []):
        name = member if isinstance(member, str) else member.get("group", member.get("task"))
        if isinstance(name, str) and name in manager.task_index:
            yield from _leaves(name, manager)
        elif isinstance(member, dict) and "group" in member:
            yield from _members(member, manager)


def _supported_config(task: str, manager: TaskManager) -> dict[str, Any]:
    """lm-eval's definition of the task, its functions included. Raises CornerstoneError unless supported.

    The index has the functions by name only, which is enough to refuse a task without running its code.
    """
    _check_known(task, manager)
    if task not in manager.all_subtasks:
        members = expand_task(task)
        shown = ", ".join(members[:5]) + (", ..." if len(members) > 5 else "")
        raise CornerstoneError(f"{task} is a group of {len(members)} tasks: name them one by one ({shown})")
    entry = manager.task_index[task]
    reason = _unsupported_reason(entry.cfg)
    if reason:
        raise CornerstoneError(
            f"task {task} is not supported: {reason}; choose a multiple-choice task scored by acc or acc_norm"
        )
    try:
        return load_yaml(entry.yaml_path)
    except Exception as error:  # importing the task's functions runs their module, which may need packages
        raise CornerstoneError(
            f"task {task}: lm-eval cannot load its functions ({_reason(error)})"
        ) from error


def _unsupported_reason(config: dict[str, Any]) -> str | None:
    output_type = config.get("output_type", "generate_until")  # lm-eval's default
    if "class" in config:
        return "it is a Python class of its own"
    if output_type != "multiple_choice":
        return f"it is not multiple choice (its output type is {output_type})"
    if config.get("process_results") is not None:
        return "it scores by its own process_results"
    if config.get("doc_to_image") is not None or config.get("doc_to_audio") is not None:
        return "it shows images or sounds"
    if config.get("use_prompt") is not None or config.get("doc_to_choice") is None:
        return "it does not list its choices"
    if not _metrics(config):
        named = [str(metric["metric"]) for metric in config["metric_list"]]
        if set(named) & set(METRICS):
            return f"it averages {', '.join(named)} in a way of its own"
        return f"its only metrics are {', '.join(named)}"
    return None


def _metrics(config: dict[str, Any]) -> tuple[str, ...]:
    """Those of METRICS that the task reports as a plain mean over documents."""
    listed = config.get("metric_list")
    if listed is None:  # lm-eval's default for multiple choice
        return METRICS
    means = [metric["metric"] for metric in listed if metric.get("aggregation", "mean") == "mean"]
    return tuple(metric for metric in METRICS if metric in means)


def _scored_split(config: dict[str, Any]) -> str:
    """The split that lm-eval scores: `test` where there is one, else `validation`."""
    split = config.get("test_split") or config.get("validation_split")
    if split is None:
        raise CornerstoneError(
            f"task {config['task']} is not supported: it names no test or validation split"
        )
    return split


def _number_of_shots(task: str, config: dict[str, Any], shots: int | None) -> int:
    fixed = config.get("num_fewshot")
    if fixed == 0 and shots:  # lm-eval would ignore the wish, and go on
        raise CornerstoneError(
            f"task {task}: lm-eval fixes it at 0 shots, but {shots} were asked; leave shots out"
        )
    return (fixed or 0) if shots is None else shots


def _dataset_name(config: dict[str, Any]) -> str:
    parts = (config.get("dataset_path"), config.get("dataset_name"))
    return " ".join(str(part) for part in parts if part)


def _file_name(data: Path | str) -> str:
    path = Path(data)
    if not path.is_file():
        raise CornerstoneError(
            f"{path} does not exist: give a file of documents (.jsonl, .json, .parquet or .csv)"
        )
    return f"{path} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def _load(task: str, manager: TaskManager, overrides: dict[str, Any], source: str) -> ConfigurableTask:
    """lm-eval's task with its data. A group of one member is lm-eval's way to override a stock definition."""
    try:
        loaded = manager.load({"group": "cornerstone", "task": [{"task": task, **overrides}]})
    except Exception as error:  # whatever datasets, the hub or the task's own code raise
        if overrides:  # the file can be read, its fields are there: what is left is lm-eval's try of a row
            hint = "; is a choice empty?" if isinstance(error, IndexError) else ""
            trouble = f"lm-eval can make no prompt of {source}, row 1 ({_reason(error)}{hint})"
        else:
            hint = "without a network, give the task a local file as its `data`"
            trouble = f"cannot load {source} ({_reason(error)}); {hint}"
        raise CornerstoneError(f"task {task}: {trouble}") from error
    return loaded["tasks"][task]


def _local_data(task: str, config: dict[str, Any], path: Path, cache_folder: str) -> dict[str, Any]:
    """What to override in a stock definition so that it reads `path` in place of its scored split.

    The cache folder is for this build alone, so that no stale copy of a changed file is read.
    """
    if path.suffix not in DATA_BUILDERS:
        raise CornerstoneError(f"{path} is no file of documents: give one of {', '.join(DATA_BUILDERS)}")
    split = _scored_split(config)
    source = {
        "dataset_path": DATA_BUILDERS[path.suffix],
        "dataset_kwargs": {
            "data_files": {split: str(path.resolve())},
            "cache_dir": cache_folder,
            "keep_in_memory": True,
        },
    }
    _check_rows(task, config, path, _read_rows(path, split, source))
    return {
        **source,
        "dataset_name": None,
        "custom_dataset": None,
        "training_split": None,
        "validation_split": None if config.get("test_split") else split,
        **_fewshot_from(split, config),
    }


def _fewshot_from(split: str, config: dict[str, Any]) -> dict[str, Any]:
    """Where examples come from when there is only the scored split, unless the task brings its own.

    lm-eval leaves out the asked document only where the examples' split (None for none named) is the
    test split (None for none): so `test` has to be named, and a scored `validation` must not be.
    """
    given = config.get("fewshot_config") or {}
    own_examples = given.get("samples") is not None
    named = split if config.get("test_split") and not own_examples else None
    without_split = {key: value for key, value in given.items() if key != "split"}
    return {"fewshot_split": named, "fewshot_config": without_split or None}


def _read_rows(path: Path, split: str, source: dict[str, Any]) -> datasets.Dataset:
    try:
        rows = datasets.load_dataset(source["dataset_path"], **source["dataset_kwargs"])[split]
    except Exception as error:  # datasets wraps what its readers raise, and each reader raises its own
        raise CornerstoneError(f"cannot read {path} ({_reason(error)}): give one document a line") from error
    if len(rows) == 0:
        raise CornerstoneError(f"{path} has no documents: give one a line")
    return rows


def _check_rows(task: str, config: dict[str, Any], path: Path, rows: datasets.Dataset) -> None:
    """Raise CornerstoneError where a row lacks a field that the task needs.

    lm-eval notices a field that is missing everywhere, at best; one that is missing in some rows comes to
    it as None, and its templates write "None" into the prompt.
    """
    process = config.get("process_docs")
    if process is not None:
        rows = _processed(task, process, path, rows)
    needed = _needed_fields(config, rows)
    for field in needed:
        values = rows[field] if field in rows.column_names else [None]
        row = next((row for row, value in enumerate(values, start=1) if value is None), None)
        if row is not None:
            raise CornerstoneError(
                f"{path}, row {row}: no field {field!r} (or null); task {task} needs {', '.join(needed)}"
            )


def _processed(
    task: str, process: Callable[..., Any], path: Path, rows: datasets.Dataset
) -> datasets.Dataset:
    """The rows after the task's own process_docs; the first row that it fails on is named."""
    try:
        return process(rows)
    except Exception as error:  # the task's own code
        row, reason = _first_failing_row(process, rows)
        raise CornerstoneError(
            f"{path}, row {row}: {reason}; task {task} cannot read it, "
            f"the file's fields are {', '.join(rows.column_names)}"
        ) from error


def _first_failing_row(process: Callable[..., Any], rows: datasets.Dataset) -> tuple[int, str]:
    """By halving: the number of the first row (from 1) with which process_docs fails, and why."""
    sound, failing, reason = 0, len(rows), ""  # the first `sound` rows pass, the first `failing` do not
    while failing - sound > 1 or not reason:
        middle = (sound + failing + 1) // 2
        try:
            process(rows.select(range(middle)))
            sound = middle
        except Exception as error:  # the task's own code
            failing, reason = middle, _field_reason(error)
    return failing, reason


def _needed_fields(config: dict[str, Any], rows: datasets.Dataset) -> list[str]:
    """The fields that a task's templates and functions read, in the order of prompt, choices, answer."""
    needed: dict[str, None] = {}
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix"):
        rule = config.get(key)
        if isinstance(rule, str):
            needed |= dict.fromkeys(_template_fields(key, rule, config, rows.column_names))
        elif callable(rule):
            needed |= dict.fromkeys(_read_fields(rule, rows[0]))
    return list(needed)


def _template_fields(key: str, template: str, config: dict[str, Any], columns: list[str]) -> list[str]:
    """A template is a field's bare name, or text with fields in braces.

    A bare name that is no column is taken by lm-eval for the text itself: without this check, every
    prompt of openbookqa would be "question_stem".
    """
    if template in columns:
        return [template]
    choices = config.get("doc_to_choice")
    is_choice = isinstance(choices, list) and template in choices
    if key.startswith("doc_to_") and template.isidentifier() and not is_choice:
        return [template]
    try:
        return sorted(meta.find_undeclared_variables(template_environment.parse(template)))
    except TemplateSyntaxError as error:
        raise CornerstoneError(
            f"task {config['task']}: lm-eval's own {key} is no template ({error})"
        ) from error


class _RecordingRow(dict):
    """A row that remembers which of its fields were asked for, whether it has them or not."""

    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row)
        self.asked: dict[str, None] = {}

    def __getitem__(self, field: str) -> Any:
        self.asked[field] = None
        return super().__getitem__(field)

    def get(self, field: str, default: Any = None) -> Any:
        self.asked[field] = None
        return super().get(field, default)


def _read_fields(function: Callable[[Any], Any], row: dict[str, Any]) -> list[str]:
    recording = _RecordingRow(row)
    try:
        function(recording)
    except Exception:  # whatever is wrong with the row, what was asked of it is known
        return list(recording.asked)
    return [field for field in recording.asked if field in row]  # .get with a default may go without


def _documents(task: str, lm_task: ConfigurableTask, limit: int | None, source: str) -> tuple[Document, ...]:
    try:
        lm_task.build_all_requests(limit=limit)
    except Exception as error:  # lm-eval's templates and the task's own functions
        raise CornerstoneError(f"task {task}: {_first_failure(lm_task, limit, source, error)}") from error
    grouped = groupby(lm_task.instances, key=lambda instance: instance.doc_id)
    documents = []
    for index, instances in grouped:
        where = f"task {task}: {source}, row {index + 1}"
        documents.append(_document(where, index, lm_task, list(instances)))
    return tuple(documents)


def _first_failure(lm_task: ConfigurableTask, limit: int | None, source: str, error: Exception) -> str:
    """Which row lm-eval cannot make a request of, and why."""
    for index, row in lm_task.doc_iterator(limit=limit):
        try:
            context = lm_task.fewshot_context(row, 0, gen_prefix=lm_task.doc_to_prefix(row))
            lm_task.construct_requests(row, context, metadata=(lm_task.config.task, index, 1))
        except Exception as row_error:
            return f"{source}, row {index + 1}: {_field_reason(row_error)}"
    return (
        f"lm-eval cannot build its {lm_task.config.num_fewshot}-shot prompts of {source} ({_reason(error)})"
    )


def _document(where: str, index: int, lm_task: ConfigurableTask, instances: list[Any]) -> Document:
    """One row's requests, gold indices and choice lengths, as lm-eval's process_results reads them."""
    row = instances[0].doc
    choices = lm_task.doc_to_choice(row)
    requests = tuple(Request(*instance.args) for instance in instances[: len(choices)])
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


def _gold_indices(where: str, gold: Any, choices: list[str]) -> tuple[int, ...]:
    """The right choices: an index, a list of them, or a choice's own text."""
    if isinstance(gold, str) and gold in choices:
        gold = choices.index(gold)
    indices = gold if isinstance(gold, list) else [gold]
    if not indices or not all(isinstance(index, int) and 0 <= index < len(choices) for index in indices):
        raise CornerstoneError(
            f"{where}: the answer is {gold!r}, but there are {len(choices)} choices: "
            f"it must be an index from 0 to {len(choices) - 1}, a list of them, or a choice's own text"
        )
    return tuple(sorted({int(index) for index in indices}))


def _field_reason(error: Exception) -> str:
    if isinstance(error, KeyError) and error.args:
        return f"no field {error.args[0]!r}"
    return _reason(error)


def _reason(error: BaseException) -> str:
    """What an exception says, on one line; datasets wraps the real reason several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
