"""How a task's rules read a row: errors name the field, and so do warnings of a null that would be written as "None".

    trouble_of(lm_task, row, rules_of(lm_task.config))      # None, or "no field 'passage' (or null); ..."

lm-eval is asked itself: a field that a template or function can do without may be missing. It does not notice two
things: a rule's bare name that is no field is taken for the text itself, and of a null a template writes "None".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, meta
from lm_eval.utils import env as template_environment

from cornerstone.documents.loaded_task import LoadedTask
from cornerstone.system.errors import CornerstoneError, one_line, shown

RULES = ("doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix")
"""A definition's keys that read a row, in the order of prompt, choices, answer."""
WORD_NONE = re.compile(r"\bnone\b", re.IGNORECASE)
NULL = "\0"
SHOWS_NULLS = template_environment.overlay(finalize=lambda value: NULL if value is None else value)
"""lm-eval's templates, in which a null that is written is told from the word."""
UNDEFINED = re.compile(r"'(\w+)' is undefined")


def rules_of(config: Any) -> dict[str, Any]:
    """The rules of a task's configuration, or of its few-shot examples', that are given."""
    rules = {key: getattr(config, key, None) for key in RULES}
    return {key: rule for key, rule in rules.items() if rule is not None}


def check_names(lm_task: LoadedTask, *, with_examples: bool) -> None:
    """Raise CornerstoneError where a rule is a bare name that no field has, or no template at all."""
    checked = rules_of(lm_task.config)
    if with_examples:
        checked |= rules_of(lm_task.fewshot_cfg)
    for key, rule in checked.items():
        if isinstance(rule, str) and _is_unknown_name(lm_task, key, rule):
            raise CornerstoneError(f"{lm_task.loaded.place}, row 1: {_missing(lm_task, rule)}")


def _is_unknown_name(lm_task: LoadedTask, key: str, rule: str) -> bool:
    choices = lm_task.config.doc_to_choice
    listed = list(choices.values()) if isinstance(choices, dict) else choices
    is_choice = isinstance(listed, list) and rule in listed
    is_name = key.startswith("doc_to_") and rule.isidentifier()
    return is_name and rule not in lm_task.features and not is_choice


def trouble_of(lm_task: LoadedTask, row: Mapping[str, Any], rules: Mapping[str, Any]) -> str | None:
    """What is wrong with a row, found by applying one rule after another; None where each works."""
    for key, rule in rules.items():
        try:
            value = _applied(lm_task, key, rule, row)
        except Exception as error:  # lm-eval's templates and the task's own functions
            return _reason(lm_task, error, rule, row)
        if key == "doc_to_text" and not isinstance(value, types := _prompt_types(lm_task)):
            wanted = "a text" if str in types else "the number of a choice"
            return f"its doc_to_text gives {shown(value)}; give {wanted}"
        if key == "doc_to_choice" and (trouble := trouble_of_choices(value)):
            return trouble
    return None


def _prompt_types(lm_task: LoadedTask) -> tuple[type, ...]:
    """What a doc_to_text may give: where choices are contexts, the number of one; of a first row nobody knows."""
    if not lm_task.is_made:
        return str, int
    return (int,) if lm_task.multiple_input else (str,)


def trouble_of_choices(choices: Any) -> str | None:
    """What is wrong with the choices of a row; None where they are texts that can be scored."""
    if not isinstance(choices, list | tuple):
        return f"its choices are {shown(choices)}; give a list of texts"
    for number, choice in enumerate(choices, 1):
        if not isinstance(choice, str):
            return f"choice {number} is {shown(choice)}, which is no text; put it in quotes"
        if not choice:
            return f"choice {number} is empty, so there is nothing to score; write it out"
    return None if choices else "it has no choices, so there is nothing to score; give some"


def _applied(lm_task: LoadedTask, key: str, rule: Any, row: Mapping[str, Any]) -> Any:
    """What lm-eval makes of a rule for a row."""
    if key in ("description", "gen_prefix"):
        return lm_task.resolve_field(row, rule)
    return getattr(lm_task, key)(row, rule)


def refusal(lm_task: LoadedTask, place: str, number: int, trouble: str) -> CornerstoneError:
    """The error for a row (`number` from 0) that has this trouble."""
    line = f"{place}, row {number + 1}: {trouble}"
    return CornerstoneError(line if trouble.startswith("no field") else f"task {lm_task.config.task}: {line}")


def _reason(lm_task: LoadedTask, error: Exception, rule: Any, row: Mapping[str, Any]) -> str:
    if isinstance(error, TemplateSyntaxError):
        key = next(key for key in RULES if getattr(lm_task.config, key, None) == rule)
        return f"its {key} is no template ({error})"
    undefined = UNDEFINED.fullmatch(str(error)) if isinstance(error, UndefinedError) else None
    if undefined:
        return _missing(lm_task, undefined[1])
    asked = _fields(rule, row)
    if isinstance(error, KeyError) and error.args and error.args[0] in asked and error.args[0] not in row:
        return _missing(lm_task, error.args[0])
    for field in asked:
        if field in row and row[field] is None:
            return _missing(lm_task, field)
    return field_reason(error)


def _missing(lm_task: LoadedTask, field: str) -> str:
    """The message that a field is missing, with the fields that the task reads and those of the row."""
    rules = rules_of(lm_task.config).values()
    asked = dict.fromkeys(name for rule in rules for name in _fields(rule, lm_task.task_docs[0]))
    owner = "the file has" if lm_task.loaded.is_local else "its data have"
    known = lm_task.loaded.splits.get(lm_task.config.test_split or lm_task.config.validation_split)
    columns = getattr(known, "column_names", None) or lm_task.features
    return (
        f"no field {field!r} (or null); task {lm_task.config.task} needs {', '.join(asked) or field}, "
        f"{owner} {', '.join(columns)}"
    )


def _fields(rule: Any, row: Mapping[str, Any]) -> list[str]:
    """The fields that a template names, or that a function asks a row for."""
    if callable(rule):
        recording = _RecordingRow(row)
        with suppress(Exception):  # whatever is wrong with the row, what was asked of it is known
            rule(recording)
        return list(recording.asked)
    if not isinstance(rule, str):
        return []
    if rule in row or rule.isidentifier():
        return [rule]
    with suppress(TemplateSyntaxError):
        return sorted(meta.find_undeclared_variables(template_environment.parse(rule)))
    return []


class _RecordingRow(dict):
    """A row that remembers which of its fields were asked for, whether it has them or not."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self.asked: dict[str, None] = {}

    def __getitem__(self, field: str) -> Any:
        self.asked[field] = None
        return super().__getitem__(field)

    def get(self, field: str, default: Any = None) -> Any:
        self.asked[field] = None
        return super().get(field, default)


def field_reason(error: Exception) -> str:
    """One line on an exception that a task's own code raised for a row."""
    if isinstance(error, KeyError) and error.args:
        return f"no field {error.args[0]!r}"
    return one_line(error)


# Nulls that are written out


def check_nulls(
    lm_task: LoadedTask, rows: Iterable[tuple[int, Mapping[str, Any]]], rules: Mapping[str, Any], place: str
) -> list[str]:
    """Lines on fields that are null where a rule writes "None" for it, the first row of each.

    rows: with their numbers, from 0. In a local file a null is what a field left out becomes: there the first raises
    CornerstoneError. Elsewhere it is the data set's own, and lm-eval's prompt is kept.
    """
    told: dict[str, str] = {}
    for number, row in rows:
        for path in _nulls(row):
            field = ".".join(map(str, path))
            if not any(_is_written(lm_task, key, rule, row, path) for key, rule in rules.items()):
                continue
            if lm_task.loaded.is_local:
                raise CornerstoneError(f"{place}, row {number + 1}: {_missing(lm_task, field)}")
            told.setdefault(
                field, f"{place}, row {number + 1}: {field!r} is null, and lm-eval writes None for it"
            )
    return list(told.values())


def _nulls(row: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str | int, ...]]:
    """The names, and places in lists, that lead to each null of a row."""
    for name, value in enumerate(row) if isinstance(row, list) else row.items():
        if value is None:
            yield (name,)
        elif isinstance(value, Mapping | list):
            yield from ((name, *path) for path in _nulls(value))


def _is_written(
    lm_task: LoadedTask, key: str, rule: Any, row: Mapping[str, Any], path: tuple[str | int, ...]
) -> bool:
    """Whether a rule writes "None" for a null: with an empty text in its place, it would write one less.

    A rule that has the word itself says what stands for a null: of a template it is seen whether a null is written,
    and a function is taken to mean it.
    """
    if isinstance(rule, str) and rule in lm_task.features:
        return path == (rule,) and key.startswith("doc_to_")
    with suppress(Exception):  # what fails is told by lm-eval itself
        if _has_the_word(rule):
            return isinstance(rule, str) and _nulls_in(rule, row) > _nulls_in(rule, _emptied(row, path))
        written, emptied = (str(_applied(lm_task, key, rule, each)) for each in (row, _emptied(row, path)))
        return written.lower().count("none") > emptied.lower().count("none")
    return False


def _nulls_in(template: str, row: Mapping[str, Any]) -> int:
    return SHOWS_NULLS.from_string(template).render(**row).count(NULL)


def _has_the_word(rule: Any) -> bool:
    """Whether "None" stands in a template or in the texts of a function."""
    texts = [rule] if isinstance(rule, str) else getattr(getattr(rule, "__code__", None), "co_consts", ())
    told = getattr(rule, "__doc__", None)
    return any(WORD_NONE.search(text) for text in texts if isinstance(text, str) and text != told)


def _emptied(row: Any, path: tuple[str | int, ...]) -> Any:
    """A row, or what is in it, with an empty text in the place of what the path leads to."""
    if not path:
        return ""
    name, *more = path
    inner = _emptied(row[name], tuple(more))
    return [*row[:name], inner, *row[name + 1 :]] if isinstance(row, list) else {**row, name: inner}
