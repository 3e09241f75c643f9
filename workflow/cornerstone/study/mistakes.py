"""Mistakes of a configuration that a JSON schema cannot express, or that its checker cannot handle.

unreadable_values(raw)     # before the schema is asked
study_mistakes(filled)     # after it, with the defaults filled in
repeated_keys(text)        # of a file
"""

from __future__ import annotations

import datetime
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from cornerstone.figures import reserved_model_names
from cornerstone.shapley.players import SUBLAYERS, Setting, blocks_together, mistake_in
from cornerstone.study.places import place_mistakes
from cornerstone.study.schema import PATTERN_PHRASES, own_or_studys
from cornerstone.system.errors import UNWRITABLE, known_names, shortened, shown
from cornerstone.values.titles import MEAN

MOST_VALUES = 20_000
"""In a configuration; a few aliases of aliases in YAML stand for more than any memory holds."""
LARGEST_NUMBER = 1e15
MOST_LEVELS = 10
OF_LINES = "system_instruction"
"""The key whose text may have several lines."""
OF_PROMPTS = frozenset({"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"})
"""What a chat template knows from what it is asked to write."""
WITHOUT_GENERATION = ("exact", "pruning", "compare_removals", "cheap_measures")
"""Keys of what is there for tasks alone whose answers are given."""
MERGED = "tag:yaml.org,2002:merge"
"""The tag of a key that merges another mapping; several add up."""
ILL_REVISION = re.compile(r"\.\.|//|[/.]$|\.lock$")
"""What git allows in no branch or tag; ".." would lead out of the cache."""


def unreadable_values(raw: Any) -> Iterator[str]:
    """What the schema's checker cannot handle: keys that are not text, control characters, NaN, endless nesting."""
    waiting, seen = deque([("", raw, 0)]), 0
    while waiting:
        key, value, depth = waiting.popleft()
        where, seen = key or "the configuration", seen + 1
        if seen + len(waiting) > MOST_VALUES:
            yield f"the configuration has more than {MOST_VALUES:,} values: give fewer"
            return
        if depth > MOST_LEVELS:
            yield f"{where} is nested too deeply"
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                if mistake := _unreadable_key(name):
                    yield f"{where} has the key {shown(name)}{mistake}"
                else:
                    waiting.append((f"{key}.{shortened(name)}" if key else shortened(name), inner, depth + 1))
        elif isinstance(value, list | tuple | set):
            waiting.extend((key, inner, depth + 1) for inner in value)
        elif mistake := _unreadable_value(_in_one_line(value) if key.endswith(OF_LINES) else value):
            yield f"{where} is {mistake}"


def repeated_keys(text: str) -> Iterator[str]:
    """Keys that stand twice in one place of a file: YAML takes the last one, and loses what the first one says.

    Of a file that is no YAML, such as JSON with tabs, nothing: Snakemake has read it.
    """
    try:
        waiting, seen = deque([yaml.compose(text, yaml.SafeLoader)]), set()
    except yaml.YAMLError:
        return
    while waiting:
        node = waiting.popleft()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                waiting.append(value)
                if not isinstance(key, yaml.ScalarNode) or key.tag == MERGED:
                    continue
                line, named = key.start_mark.line + 1, (key.tag, key.value)
                if named in lines:
                    yield f"{shown(key.value)} stands twice, in lines {lines[named]} and {line}: leave one out"
                lines[named] = line


def _in_one_line(value: Any) -> Any:
    return re.sub(r"[\n\t]", " ", value) if isinstance(value, str) else value


def _unreadable_key(name: Any) -> str | None:
    if not isinstance(name, str):
        return ", which YAML does not read as text: put it in quotes"
    return ": give one line without control characters" if UNWRITABLE.search(name) else None


def _unreadable_value(value: Any) -> str | None:
    if isinstance(value, str) and UNWRITABLE.search(value):
        return f"{shown(value)}: give one line without control characters"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}: give a finite number"
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        return f"a number beyond {LARGEST_NUMBER:g}: give a smaller one"
    return None


def _generation_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """What no study has of answers that are generated."""
    tasks = filled["tasks"]
    for name, keys in tasks.items():
        if keys["metric"] and not keys["generate"]:
            yield f"tasks.{name} has a metric, which is of tasks with generate: true: leave it out"
        if keys["same_items_as"]:
            yield from _both_ways_mistakes(filled, name, keys["same_items_as"])
    generating = [name for name, keys in tasks.items() if keys["generate"]]
    for key in WITHOUT_GENERATION if generating else ():
        if filled[key]:
            yield (
                f"{key} needs the log-likelihoods of given answers, and tasks.{generating[0]} has generate: true: "
                "leave one of them out"
            )


def _both_ways_mistakes(filled: dict[str, Any], name: str, given: str) -> Iterator[str]:
    """Of a task that asks the items of another one, whose answers are given."""
    tasks, key = filled["tasks"], f"tasks.{name}.same_items_as"
    if not tasks[name]["generate"]:
        yield f"tasks.{name} has same_items_as, which is of tasks with generate: true: leave it out"
    elif given not in tasks:
        yield f"{key} is {shown(given)}, which is not a task of this study: it has {known_names(given, tasks)}"
    elif tasks[given]["generate"]:
        yield f"{key} is {shown(given)}, whose answers are generated too: name a task of given answers"
    else:
        for what in ("data", "documents"):
            one, other = (shown(tasks[task][what]) for task in (name, given))
            if one != other:
                yield (
                    f"{what} of tasks.{name} is {one}, and {other} of tasks.{given}, whose items are to be the same "
                    "(same_items_as): give both the same"
                )
        if filled["sample"] or tasks[name]["sample"] or tasks[given]["sample"]:
            yield f"{key} is {shown(given)}, and a sample draws other items for each task: give documents in its place"


def _chat_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """What only models with a chat template can have."""
    date = filled["chat_template_date"]
    if date is not None and not _is_day(date):
        yield f"chat_template_date is {shown(date)}: give a day of the calendar, YYYY-MM-DD"
    templates = []
    for name, keys in filled["models"].items():
        templates.append(own_or_studys(keys, filled, "apply_chat_template"))
        yield from _given_mistakes(f"models.{name}.", keys["chat_template_args"], templates[-1])
    if any(templates):
        return
    of_tasks = [(f"tasks.{name}.", keys) for name, keys in filled["tasks"].items()]
    for where, keys in [("", filled), *of_tasks]:
        if keys["fewshot_as_multiturn"]:
            yield (
                f"{where}fewshot_as_multiturn is true, and no model has a chat template: give one apply_chat_template: "
                "true, or leave fewshot_as_multiturn out"
            )
    if date is not None:
        yield "chat_template_date is given, and no model has apply_chat_template: leave it out"


def _given_mistakes(where: str, given: dict[str, Any], template: bool | str) -> Iterator[str]:
    """What a chat template cannot be given by the configuration."""
    if given and not template:
        yield f"{where}chat_template_args is given, and the model has no apply_chat_template: leave it out"
    for name in sorted(OF_PROMPTS & given.keys()):
        yield f"{where}chat_template_args.{name}: it is told by each document's messages: leave it out"
    if given.get("enable_thinking"):
        yield (
            f"{where}chat_template_args.enable_thinking is {shown(given['enable_thinking'])}: an answer is read where "
            "the prompt ends, and a thinking model's thoughts would stand there: give false"
        )


def _is_day(date: str) -> bool:
    try:
        return bool(datetime.date.fromisoformat(date))
    except ValueError:
        return False


def study_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """Mistakes that the schema cannot express, a phrase each; `filled` has every default."""
    for kind in ("models", "tasks"):
        if not filled[kind]:
            yield f"{kind} is empty: name at least one"
        yield from _name_clashes(kind, list(filled[kind]))
    reserved = reserved_model_names()
    for name, keys in filled["models"].items():
        yield from _model_mistakes(f"models.{name}", keys)
        if name in reserved:
            yield f"models.{name}: this name is reserved for another figure; choose another"
    if MEAN in filled["tasks"]:
        yield f"tasks.{MEAN}: in tables this name is the mean over tasks; choose another"
    yield from _calibration_mistakes(filled)
    yield from _generation_mistakes(filled)
    yield from _chat_mistakes(filled)
    yield from place_mistakes(filled)
    yield from _players_mistakes(filled["players"])
    players = filled["players"]
    if filled["cheap_measures"] and players != SUBLAYERS and blocks_together(players) is None:
        yield (
            f"cheap_measures is true, and players is {shown(players)}: these measures are of sublayers, blocks and "
            "neighbouring blocks (2 blocks); choose one of these, or leave out cheap_measures"
        )
    for where, names in (("shards.", filled["shards"]), ("exact: ", filled["exact"])):
        for name in map(shortened, [name for name in names if name not in filled["models"]]):
            yield f"{where}{name} is not a model of this study: it has {known_names(name, filled['models'])}"


def _name_clashes(kind: str, names: list[str]) -> Iterator[str]:
    """Names that differ only in case, and so are one file where case is ignored (macOS)."""
    earlier: dict[str, str] = {}
    for name in names:
        if (other := earlier.setdefault(name.lower(), name)) != name:
            yield f"{kind} {other} and {name} differ only in capitals: rename one"


def _model_mistakes(key: str, model: dict[str, Any]) -> Iterator[str]:
    places = [place for place in ("hub", "folder") if model[place] is not None]
    if not places:
        yield f"{key} has neither hub nor folder: give one of them, to say where the model is"
    if len(places) == 2:
        yield f"{key} has both hub and folder: give only one of them"
    if places == ["folder"] and model["revision"] is not None:
        yield f"{key} has a revision, which only a model on the hub has: leave it out"
    if model["hub"] is not None and not _is_repository(model["hub"]):
        yield f"{key}.hub is {shown(model['hub'])}: {PATTERN_PHRASES['hub']}"
    if model["revision"] is not None and ILL_REVISION.search(model["revision"]):
        yield f"{key}.revision is {shown(model['revision'])}: {PATTERN_PHRASES['revision']}"
    if (gpus := model["resources"]["gpu"]) > 1:
        yield (
            f"{key}.resources.gpu is {gpus}: an evaluation runs on one GPU; give 1, and its tasks and designs "
            "run side by side on several"
        )


def _players_mistakes(players: Setting) -> Iterator[str]:
    """Of sets by name, before a model is known; a text was checked by the schema."""
    if isinstance(players, str):
        return
    if len(players) < 2:
        yield f"players names {len(players)} of them: give two or more"
    for name, text in players.items():
        if mistake := mistake_in(name, text):
            yield mistake


def _calibration_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """Means need documents of their own."""
    keys = filled["calibration"]
    example = "calibration: {task: wikitext, documents: 128}"
    if keys["task"] is None:
        asking = ["removal is mean"] * (filled["removal"] == "mean")
        asking += ["compare_removals is true"] * filled["compare_removals"]
        if asking:
            yield f"{' and '.join(asking)}, which needs calibration documents: name their task, as in {example}"
        elif any(value is not None for value in keys.values()):
            yield f"calibration has no task: name the task of its documents, as in {example}"
        return
    for name, task in filled["tasks"].items():
        same = all(task[key] == keys[key] for key in ("data", "include_path"))
        if same and (task["task"] or name) == keys["task"]:
            yield (
                f"calibration has the documents of tasks.{name}, which are scored: name another task, or a file of "
                "other documents of it (data)"
            )


def _is_repository(name: str) -> bool:
    """Whether an id could be one of the hub's: what huggingface_hub's validate_repo_id accepts."""
    parts = name.split("/")
    return not re.search(r"--|\.\.|\.git$", name) and all(
        re.fullmatch(r"\w|\w[\w.-]{,94}\w", part, re.ASCII) for part in parts
    )
