"""Find the definitions of lm-eval's tasks and groups by name, without parsing its 14,000 files.

    find_definition("boolq").yaml_path            # .../lm_eval/tasks/super_glue/boolq/default.yaml
    expand_task("mmlu_stem")                      # ["mmlu_abstract_algebra", "mmlu_anatomy", ...]
    expand_task("mine", "my_tasks")               # of a folder with tasks of one's own

lm-eval's own index takes 7 s or more. Here a name is first looked for in the files' text, and only files
that may define it, or that bear it as a tag, are parsed: 0.3 s. What is not found so is asked of the index.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind, TaskIndex  # what lm-eval's index is made with
from lm_eval.tasks._yaml_loader import load_yaml  # no public way to a task's functions without its data

from cornerstone.documents.supported_tasks import unsupported_reason
from cornerstone.system.errors import CornerstoneError, one_line

STOCK_FOLDER = Path(lm_eval.tasks.__file__).parent
IGNORED_FOLDERS = ("__pycache__", ".ipynb_checkpoints")
"""As lm-eval's index does."""
NO_DEFINITIONS = {".py", ".md", ".json", ".jsonl", ".txt", ".tsv", ".sh", ".jpg", ".lark"}
WORD = rb"(?<![^\s\"'\[,])%b(?![^\s\"'\],#])"
"""A name that stands alone."""
INCLUDE = re.compile(rb"^[\"']?include[\"']?[ \t]*:[ \t]*[\"']?([^\"'\s#]+)", re.MULTILINE)
OWN_KEYS = {"group", "task", "tag", "group_alias", "task_alias", "aggregate_metric_list", "metadata"}
"""Of a group and its members: what does not change the tasks themselves."""

TASK_KEYS = {"dataset_path", "custom_dataset", "output_type", "doc_to_text", "doc_to_target", "doc_to_choice"}
"""Of a task, and of no group."""

Find = Callable[[str], Entry | None]
"""From a name to lm-eval's definition of it: a task's or group's `cfg` with functions by name, a tag's `tags`."""


def find_definition(name: str, include_path: Path | str | None = None) -> Entry:
    """lm-eval's definition of a task, group or tag; what a folder of one's own defines goes first.

    Raises CornerstoneError where there is no such folder, no such name (with the nearest ones), or a YAML
    file in the folder that cannot be read and may be the one.
    """
    return _known(name, _finder(include_path), include_path)


def expand_task(name: str, include_path: Path | str | None = None) -> list[str]:
    """The tasks that a name stands for, sorted: of a group or tag, its tasks; of a task, itself.

    Raises CornerstoneError as `find_definition` does, and for a group of which a task is not supported or
    is changed by the group.
    """
    find = _finder(include_path)
    members = {member.name: member for member in _members(_known(name, find, include_path), find, name)}
    reasons = {task: unsupported_reason(member.cfg) for task, member in members.items()}
    refused = {task: reason for task, reason in reasons.items() if reason}
    if refused and set(members) != {name}:
        raise CornerstoneError(_unsupported_members(name, refused, len(members)))
    return sorted(members)


def is_group(entry: Entry) -> bool:
    """Whether a definition stands for tasks rather than being one."""
    return entry.kind in (Kind.GROUP, Kind.TAG)


def load_definition(entry: Entry) -> dict[str, Any]:
    """A task's definition with its functions, which runs the Python files that it names.

    Its metadata are those that lm-eval gives it, and hands to a custom_dataset.
    """
    try:
        definition = load_yaml(entry.yaml_path)
    except Exception as error:  # a module of the task's own may need packages, or have mistakes
        raise CornerstoneError(
            f"task {entry.name}: the functions that {entry.yaml_path} names cannot be loaded ({one_line(error)})"
        ) from error
    metadata = definition.get("metadata", {})
    metadata = metadata if isinstance(metadata, dict) else {"_metadata": metadata}
    return {**definition, "metadata": {**metadata, "config_source": str(entry.yaml_path)}}


def _known(name: str, find: Find, include_path: Path | str | None) -> Entry:
    entry = find(name)
    if entry is None:
        raise CornerstoneError(_unknown(name, include_path))
    return entry


def _finder(include_path: Path | str | None) -> Find:
    """A search that remembers what it has found."""
    own, broken = ({}, []) if include_path is None else _own_index(Path(include_path))
    found: dict[str, Entry | None] = {}

    def find(name: str) -> Entry | None:
        if name in own:
            return own[name]
        if broken:  # it might be the one that defines the name
            raise CornerstoneError(f"include_path: cannot read {broken[0]}: correct it, or move it away")
        if name not in found:
            found[name], nearby = _find_stock(name)
            for task, entry in nearby.items():  # of a tag, these are its tasks
                if entry.kind in (Kind.TASK, Kind.PY_TASK):
                    found.setdefault(task, entry)
        return found[name]

    return find


def _own_index(folder: Path) -> tuple[dict[str, Entry], list[str]]:
    """What a folder of one's own defines, and its YAML files that cannot be read, each with the reason."""
    if not folder.is_dir():
        raise CornerstoneError(f"include_path {folder} is not a folder: give one with YAML tasks of your own")
    index, broken = _index(_yaml_files(folder))
    if not index and not broken:
        raise CornerstoneError(f"include_path {folder} has no task: put a YAML file with `task: NAME` there")
    return index, broken


def _yaml_files(folder: Path) -> list[Path]:
    """In lm-eval's own order, in which the first of two definitions counts."""
    files = (path for path in folder.rglob("*.yaml") if not set(path.parts) & set(IGNORED_FOLDERS))
    return sorted(files, key=Path.as_posix)


def _index(files: Iterable[Path]) -> tuple[dict[str, Entry], list[str]]:
    """lm-eval's definitions of these files, and the files that cannot be read, each with the reason."""
    index: dict[str, Entry] = {}
    broken = []
    for path in files:
        try:
            config = load_yaml(path, resolve_func=False)
            if isinstance(config.get("task"), str) and "group" in config and config.keys() & TASK_KEYS:
                raise ValueError(
                    f"task {config['task']} has `group:`, an older lm-eval's word: write `tag:` in its place"
                )
            if config.keys() & {"task", "group", "class"}:  # else a template, to be included
                TaskIndex.process_cfg(config, path, index)
        except Exception as error:  # of the YAML reader, of an `include`, or a name that is none
            broken.append(f"{path} ({' '.join(str(error).split())[:300]})")
    return index, broken


@cache
def _find_stock(name: str) -> tuple[Entry | None, dict[str, Entry]]:
    """lm-eval's definition of `name`, and all definitions that were parsed to find it."""
    index, _ = _index(_files_with(name))
    if name not in index:
        index = _whole_index()
    return index.get(name), index


def _files_with(name: str) -> list[Path]:
    """The stock YAML files that may define `name` or bear it as a tag, themselves or by what they include."""
    word = name.encode()
    before = rb"^(?:[\"']?(?:task|group|tag)[\"']?[ \t]*:.*|[ \t]*-[ \t]*)"
    bears = re.compile(before + WORD % re.escape(word), re.MULTILINE)
    files = {path for path, text in _stock_texts().items() if word in text and bears.search(text)}
    new = files
    while new:
        new = {path for file in new for path in _stock_including().get(file, ())} - files
        files = files | new
    return sorted((Path(path) for path in files if path.endswith(".yaml")), key=Path.as_posix)


@cache
def _stock_texts() -> dict[str, bytes]:
    """All stock files that define tasks or may be included by one that does, by path: a text, as a Path of each file
    costs more time than reading it."""
    texts = {}
    for folder, folders, files in os.walk(STOCK_FOLDER):
        folders[:] = [name for name in folders if name not in IGNORED_FOLDERS]
        for path in (os.path.join(folder, file) for file in files):
            if os.path.splitext(path)[1] not in NO_DEFINITIONS:
                with open(path, "rb") as file:
                    texts[path] = file.read()
    return texts


@cache
def _stock_including() -> dict[str, list[str]]:
    """By stock file those that include it."""
    including: dict[str, list[str]] = {}
    for path, text in _stock_texts().items():
        for name in INCLUDE.findall(text) if b"include" in text else ():
            included = os.path.normpath(os.path.join(os.path.dirname(path), name.decode()))
            including.setdefault(included, []).append(path)
    return including


@cache
def _whole_index() -> dict[str, Entry]:
    return TaskManager().task_index


def _members(entry: Entry, find: Find, asked: str) -> Iterator[Entry]:
    """The tasks of a definition; `asked` is the name that the user gave."""
    if entry.kind is Kind.TAG:
        for task in entry.tags:
            yield from _members(find(task), find, asked)
    elif entry.kind is Kind.GROUP:
        yield from _group_members(entry.cfg, find, asked)
    else:
        yield entry


def _group_members(group: dict[str, Any], find: Find, asked: str) -> Iterator[Entry]:
    """Of a group's definition: its members are names, or mappings that name a task or a group in turn."""
    _check_leaves_tasks_alone(group, asked)
    members = group.get("task")
    for member in members if isinstance(members, list) else [members]:
        mapping = {"task": member} if isinstance(member, str) else member or {}
        name = mapping.get("group", mapping.get("task"))
        entry = find(name) if isinstance(name, str) else None
        if entry is None and "group" in mapping:  # defined on the spot
            yield from _group_members(mapping, find, asked)
            continue
        if entry is None or {"group", "task"} <= mapping.keys():
            raise CornerstoneError(_own_making(asked, f"a task that it defines itself ({name or mapping})"))
        _check_leaves_tasks_alone(mapping, asked)
        yield from _members(entry, find, asked)


def _check_leaves_tasks_alone(group: dict[str, Any], asked: str) -> None:
    if changed := sorted(group.keys() - OWN_KEYS):
        raise CornerstoneError(_own_making(asked, f"{', '.join(changed)} of its own for its tasks"))


def _own_making(group: str, what: str) -> str:
    return (
        f"group {group} is not supported: it has {what}; name its tasks one by one, with settings of your own"
    )


def _unsupported_members(group: str, refused: dict[str, str], count: int) -> str:
    shown = [f"{task} ({reason})" for task, reason in sorted(refused.items())]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return (
        f"group {group} is not supported: of its {count} tasks, {len(refused)} cannot be measured: "
        f"{'; '.join(shown[:5])}{more}; name the others one by one"
    )


def _unknown(name: str, include_path: Path | str | None) -> str:
    own = [] if include_path is None else list(_own_index(Path(include_path))[0])
    near = difflib.get_close_matches(name.lower(), [*own, *_whole_index()], n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`lm-eval ls tasks` lists the known ones"
    version = importlib.metadata.version("lm_eval")
    where = f"neither {include_path} nor lm-eval {version} has" if own else f"lm-eval {version} has no"
    return f"{where} {'a ' if own else ''}task {name!r}: {hint}"
