"""From a parsed configuration to the study that it configures.

study = resolve(yaml.safe_load(Path("config/demo.yaml").read_text()))
study.model("demo_llama").folder    # "resources/demo/models/demo_llama"
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig, PruningConfig, Resources, TaskConfig
from cornerstone.study.mistakes import study_mistakes, unreadable_values
from cornerstone.study.schema import (
    NAME_PHRASE,
    fill_defaults,
    own_or_studys,
    read_texts,
    schema,
    schema_mistakes,
)
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.registry import check_names, load_extension

MOST_MISTAKES = 10
"""In one error."""
OF_STUDY = ("seed", "sample", "system_instruction", "fewshot_as_multiturn")
"""Keys of a task that are the study's where the task has none of its own."""
ExpandGroup = Callable[[str, str | None], list[str]]
"""From the name of a group and a folder of tasks of one's own (or None) to the names of the group's tasks."""


def resolve(raw: Mapping[str, Any], expand_group: ExpandGroup | None = None) -> StudyConfig:
    """Check a parsed configuration and fill its defaults; `raw` is left as it is.

    expand_group: asked only where a task is a group (`task_index.expand_task`, which needs lm-eval).
    Raises CornerstoneError with every mistake in one line: the key, what was given, what was needed.
    """
    mistakes = list(unreadable_values(raw))  # what the schema's language cannot say, or chokes on
    if not mistakes:
        raw = read_texts(raw)
        mistakes = list(unreadable_values(raw))
    if not mistakes:
        _load_extensions(raw)  # before the schema, which knows the names that are registered
    mistakes = mistakes or schema_mistakes(raw)
    filled = {} if mistakes else fill_defaults(raw)
    if not mistakes:
        filled["tasks"] = dict(_expanded(filled["tasks"], expand_group))
        mistakes = list(study_mistakes(filled))
    if mistakes:
        more = f"; and {len(mistakes) - MOST_MISTAKES} more mistakes" if len(mistakes) > MOST_MISTAKES else ""
        raise CornerstoneError("config: " + "; ".join(mistakes[:MOST_MISTAKES]) + more)
    filled["results"] = posixpath.normpath(filled["results"])  # as Snakemake would name targets in it
    filled["exact"] = tuple(dict.fromkeys(filled["exact"]))
    filled["extensions"] = tuple(dict.fromkeys(filled["extensions"]))
    filled["pruning"] = filled["pruning"] and PruningConfig(**filled["pruning"])
    models, tasks, calibration = (filled.pop(key) for key in ("models", "tasks", "calibration"))
    return StudyConfig(
        **filled,
        models=tuple(_model(name, keys, filled) for name, keys in models.items()),
        tasks=tuple(_task(name, keys, filled) for name, keys in tasks.items()),
        calibration=_calibration(calibration, filled),
    )


def _load_extensions(raw: Any) -> None:
    """Run the user's own files. Whatever else stands there is for the schema to refuse."""
    files = raw.get("extensions") if isinstance(raw, Mapping) else None
    own = (
        [file for file in files if isinstance(file, str) and file] if isinstance(files, list | tuple) else []
    )
    for file in own:
        load_extension(file)
    if own:
        check_names()


def _expanded(
    tasks: dict[str, dict[str, Any]], expand_group: ExpandGroup | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tasks, with a group's tasks in the place of the group; a task that is named too keeps its settings.

    A task of two groups is there once. Raises CornerstoneError where these say different things of it.
    """
    first: dict[str, str] = {}
    for name, keys in tasks.items():
        if keys["group"] is None:
            yield name, keys
            continue
        fixed = [key for key in ("task", "title", "data") if keys[key] is not None]
        if fixed:
            raise CornerstoneError(
                f"config: tasks.{name} is a group and has {' and '.join(fixed)}, which belongs to a single task: "
                "leave it out"
            )
        if expand_group is None:
            raise CornerstoneError(
                f"config: tasks.{name} is a group, and no function that expands groups was given"
            )
        for member in expand_group(keys["group"], keys["include_path"]):
            if not re.fullmatch(schema()["$defs"]["name"]["pattern"], member):
                raise CornerstoneError(
                    f"config: tasks.{name}: its task {member!r} has a name that no file can have: {NAME_PHRASE}"
                )
            if member in tasks and tasks[member]["group"] is None:
                continue
            other = first.setdefault(member, name)
            if tasks[other] | {"group": None} != keys | {"group": None}:
                raise CornerstoneError(
                    f"config: {member} is a task of tasks.{other} and of tasks.{name}, which have other settings: give "
                    "it an entry of its own"
                )
            if other == name:
                yield member, keys


def _model(name: str, keys: dict[str, Any], of_study: Mapping[str, Any]) -> ModelConfig:
    fixed = {
        "name": name,
        "title": keys["title"] or name,
        "revision": keys["revision"] or ("main" if keys["hub"] else None),
        "apply_chat_template": own_or_studys(keys, of_study, "apply_chat_template"),
    }
    return ModelConfig(**{**keys, **fixed, "resources": Resources(**keys["resources"])})


def _calibration(keys: dict[str, Any], of_study: Mapping[str, Any]) -> TaskConfig | None:
    if keys["task"] is None:
        return None
    return _task("calibration", {**keys, "title": None, "group": None}, {**of_study, "sample": None})


def _task(name: str, keys: dict[str, Any], of_study: Mapping[str, Any]) -> TaskConfig:
    """Of its own keys and, where these are left out, the study's."""
    inherited = {key: own_or_studys(keys, of_study, key) for key in OF_STUDY}
    fixed = {"name": name, "task": keys["task"] or name, "title": keys["title"] or name}
    return TaskConfig(**{**keys, **fixed, **inherited})
