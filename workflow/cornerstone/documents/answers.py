"""The right answers of a document, as lm-eval's process_results reads them.

gold_indices("task piqa: piqa.jsonl, row 1", lm_task, row, ["a cup", "a tool"])      # (0,)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from cornerstone.documents.loaded_task import LoadedTask
from cornerstone.system.errors import CornerstoneError, shown

ONE_FIELD = re.compile(r"\{\{-?\s*(\w+)\s*-?\}\}")
"""A template that is a single field."""
AS_TEXT = "name the field alone, without braces, for a choice's own text (doc_to_target: answer)"


def gold_indices(where: str, lm_task: LoadedTask, row: Any, choices: Sequence[str]) -> tuple[int, ...]:
    """The right choices: of an index, a list of them, or a choice's own text."""
    answer = lm_task.doc_to_text if lm_task.multiple_input else lm_task.doc_to_target
    gold = answer(row)
    if answer(row) != gold:
        raise CornerstoneError(
            f"{where}: its answer differs each time it is computed ({shown(gold)}); shuffle in process_docs"
        )
    lists = bool(lm_task.multiple_target)  # as the first document's answer is
    if not lm_task.multiple_input and isinstance(gold, list) != lists:
        raise CornerstoneError(
            f"{where}: the answer is {shown(gold)}, but the first document's is {'a' if lists else 'not a'}"
            " list, and lm-eval scores all documents alike; give a list in each document, or in none"
        )
    listed = gold if isinstance(gold, list) else [gold]
    indices = [_index(each, choices) for each in listed]
    if not indices or not all(index is not None and 0 <= index < len(choices) for index in indices):
        raise CornerstoneError(
            f"{where}: the answer is {shown(gold)}, but there are {len(choices)} choices: "
            f"it must be an index from 0 to {len(choices) - 1}, a list of them, or a choice's own text"
            f"{_digits_hint(lm_task, gold, choices)}"
        )
    return tuple(sorted(set(indices)))


def _index(gold: Any, choices: Sequence[str]) -> int | None:
    """The index of a choice, as lm-eval reads an answer; None where it is not one."""
    if isinstance(gold, str):
        return list(choices).index(gold) if gold in choices else None
    try:
        return operator.index(gold)
    except TypeError:
        return None


def _digits_hint(lm_task: LoadedTask, gold: Any, choices: Sequence[str]) -> str:
    """The hint for an answer of digits that is read as a text, or a text of digits that is read as an index."""
    rule = lm_task.config.doc_to_target
    if isinstance(gold, str) and gold.strip().isdigit():
        named = (
            f'doc_to_target: "{{{{{rule}}}}}"'
            if isinstance(rule, str) and rule.isidentifier()
            else "a number"
        )
        return f"; {shown(gold)} is a text here, which lm-eval takes for no index: write {named}"
    if isinstance(gold, int) and str(gold) in choices:
        return f"; lm-eval takes the digits that a template writes for an index: {AS_TEXT}"
    return ""


def check_digits(lm_task: LoadedTask, rows: dict[int, Any]) -> None:
    """Raise CornerstoneError where lm-eval takes answers that are choices' own texts, of digits, for indices."""
    rule = lm_task.config.doc_to_target
    found = (
        ONE_FIELD.fullmatch(rule.strip()) if isinstance(rule, str) and rule not in lm_task.features else None
    )
    if found is None or lm_task.multiple_input:
        return
    another = None
    for number, row in rows.items():
        answer, choices = row.get(found[1]), lm_task.doc_to_choice(row)
        if not isinstance(answer, str) or not answer.isdigit() or answer not in choices:
            return
        if choices[int(answer)] != answer:
            another = number if another is None else another
    if another is not None:
        raise CornerstoneError(
            f"task {lm_task.config.task}: {lm_task.loaded.place}, row {another + 1}: every answer is the text of a "
            f"choice, but lm-eval reads its digits as an index: {AS_TEXT}"
        )
