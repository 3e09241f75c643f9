"""Check that rows have the fields that a task reads: of a missing one lm-eval would make a nonsense prompt.

    check_fields("boolq", definition, rows, "boolq.jsonl", is_local=True)

lm-eval notices a field that is missing everywhere, at best; one that is missing in some rows comes to it as
None, and its templates write "None"; a template's bare name that is no field is taken for the text itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import datasets
import pyarrow.compute as pc
from jinja2 import TemplateSyntaxError, meta
from lm_eval.utils import env as template_environment

from cornerstone.system.errors import CornerstoneError, one_line

RULES = ("doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix")
"""A definition's keys that read a row, in the order of prompt, choices, answer."""


def check_fields(
    task: str, definition: Mapping[str, Any], rows: datasets.Dataset, place: str, *, is_local: bool
) -> None:
    """Raise CornerstoneError where rows lack a field that the task needs, or its process_docs fails on one.

    A null counts as missing in a local file, where that is what a field left out becomes. Elsewhere it is the
    data set's own: it is told on stderr where a template would write it out as "None", as lm-eval does.
    """
    process = definition.get("process_docs")
    if process is not None:
        rows = _processed(task, process, place, rows)
    needed = _needed_fields(definition, rows)
    for field, is_written in needed.items():
        is_there = field in rows.column_names
        row = _first_null(rows, field) if is_there else 0
        if row is None:
            continue
        if not is_there or is_local:
            raise CornerstoneError(
                f"{place}, row {row + 1}: no field {field!r} (or null); task {task} needs {', '.join(needed)}"
                + ("" if is_local else f", its data have {', '.join(rows.column_names)}")
            )
        if is_written:
            print(
                f"{place}, row {row + 1}: {field!r} is null, and lm-eval writes None for it", file=sys.stderr
            )


def _first_null(rows: datasets.Dataset, field: str) -> int | None:
    column = rows.select_columns([field]).with_format("arrow")[:][field]
    row = pc.index(pc.is_null(column), True).as_py() if column.null_count else -1
    return None if row < 0 else row


def _processed(
    task: str, process: Callable[..., Any], place: str, rows: datasets.Dataset
) -> datasets.Dataset:
    """The rows after the task's own process_docs; the first row that it fails on is named."""
    try:
        return process(rows)
    except Exception as error:  # the task's own code
        row, reason = _first_failing_row(process, rows)
        raise CornerstoneError(
            f"{place}, row {row}: {reason}; task {task} cannot read it, "
            f"its fields are {', '.join(rows.column_names)}"
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
            failing, reason = middle, field_reason(error)
    return failing, reason


def _needed_fields(definition: Mapping[str, Any], rows: datasets.Dataset) -> dict[str, bool]:
    """The fields that a task's templates and functions read, and whether a template writes them out as they are."""
    needed: dict[str, bool] = {}
    for key in RULES:
        rule = definition.get(key)
        if isinstance(rule, str):
            fields, is_written = _template_fields(key, rule, definition, rows.column_names), "{%" not in rule
        elif callable(rule):
            fields, is_written = _read_fields(rule, rows[0]), False
        else:
            continue
        needed |= {field: needed.get(field, False) or is_written for field in fields}
    return needed


def _template_fields(key: str, template: str, definition: Mapping[str, Any], columns: list[str]) -> list[str]:
    """A template is a field's bare name, or text with fields in braces."""
    if template in columns:
        return [template]
    choices = definition.get("doc_to_choice")
    is_choice = isinstance(choices, list) and template in choices
    if key.startswith("doc_to_") and template.isidentifier() and not is_choice:
        return [template]
    try:
        return sorted(meta.find_undeclared_variables(template_environment.parse(template)))
    except TemplateSyntaxError as error:
        raise CornerstoneError(f"task {definition['task']}: its {key} is no template ({error})") from error


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


def field_reason(error: Exception) -> str:
    """One line on an exception that a task's own code raised for a row."""
    if isinstance(error, KeyError) and error.args:
        return f"no field {error.args[0]!r}"
    return one_line(error)
