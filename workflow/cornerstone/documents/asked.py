"""From lm-eval's requests to documents: what is scored, checked before anything is evaluated.

documents, notes = documents_of(lm_task, [0, 1, 2])
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from cornerstone.documents.document import Document, Request
from cornerstone.documents.lm_task import LoadedTask, instances_of
from cornerstone.documents.task_fields import check_nulls, refusal, rules_of, trouble_of, trouble_of_choices
from cornerstone.system.errors import CornerstoneError, one_line, shown

MOST_CHOICES = 2**15 - 1
"""As many as the document file can number."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
ONE_FIELD = re.compile(r"\{\{-?\s*(\w+)\s*-?\}\}")
"""A template that is a single field."""


def documents_of(lm_task: LoadedTask, rows: Sequence[int]) -> tuple[tuple[Document, ...], list[str]]:
    """The documents of these rows, in their order, and lines that the user should know. Raises CornerstoneError."""
    try:
        instances = instances_of(lm_task, rows)
    except CornerstoneError:
        raise
    except Exception as error:  # lm-eval's templates and the task's own functions
        raise _first_failure(lm_task, set(rows), error) from error
    asked = {row: instances[row][0].doc for row in rows if row in instances}
    notes = check_nulls(lm_task, asked.items(), rules_of(lm_task.config), lm_task.loaded.place)
    if lm_task.config.num_fewshot:
        examples = enumerate(lm_task.sampler.df)
        notes += check_nulls(lm_task, examples, rules_of(lm_task.fewshot_cfg), lm_task.examples_place)
    documents = tuple(_document(lm_task, row, instances.get(row, [])) for row in rows)
    _check_digits(lm_task, asked)
    return documents, notes


def _first_failure(lm_task: LoadedTask, rows: set[int], error: Exception) -> CornerstoneError:
    """Which row lm-eval cannot make a request of, and why."""
    place, shots = lm_task.loaded.place, lm_task.config.num_fewshot
    for index, row in enumerate(lm_task.task_docs):
        if index in rows and (trouble := trouble_of(lm_task, row, rules_of(lm_task.config))):
            return refusal(lm_task, place, index, trouble)
    for index, row in enumerate(lm_task.sampler.df if shots else []):
        if trouble := trouble_of(lm_task, row, rules_of(lm_task.fewshot_cfg)):
            return refusal(lm_task, lm_task.examples_place, index, trouble)
    return CornerstoneError(
        f"task {lm_task.config.task}: lm-eval cannot build its {shots}-shot prompts of {place} ({one_line(error)})"
    )


def _document(lm_task: LoadedTask, index: int, instances: list[Any]) -> Document:
    """One row's requests, gold indices and choice lengths, as lm-eval's process_results reads them."""
    where = f"task {lm_task.config.task}: {lm_task.loaded.place}, row {index + 1}"
    if not instances:
        raise CornerstoneError(f"{where}: it has no choices, so there is nothing to score; give some")
    row = instances[0].doc
    choices = lm_task.doc_to_choice(row)
    if trouble := trouble_of_choices(choices):
        raise CornerstoneError(f"{where}: {trouble}")
    if len(choices) > MOST_CHOICES:
        raise CornerstoneError(f"{where}: it has {len(choices)} choices; give up to {MOST_CHOICES}")
    requests = tuple(Request(*instance.args) for instance in instances[: len(choices)])
    _check_requests(where, lm_task, choices, requests)
    gold = _gold_indices(where, lm_task, row, choices)
    return Document(
        index=index,
        requests=requests,
        gold=gold,
        choice_lengths=tuple(len(choice) for choice in choices),
    )


def _check_requests(
    where: str, lm_task: LoadedTask, choices: Sequence[str], requests: Sequence[Request]
) -> None:
    delimiter = lm_task.config.target_delimiter
    asked = [request.continuation for request in requests]
    if len(asked) != len(choices) or (
        not lm_task.multiple_input and asked != [f"{delimiter}{choice}" for choice in choices]
    ):
        raise CornerstoneError(
            f"{where}: its doc_to_choice gives other choices each time it is asked, so no answer belongs to them; "
            "shuffle in process_docs"
        )
    for number, request in enumerate(requests, 1):
        if not request.continuation.removeprefix(delimiter):
            raise CornerstoneError(
                f"{where}: choice {number} is empty, so there is nothing to score; write it out"
            )
    for text in (text for request in requests for text in (request.context, request.continuation)):
        if half := HALF_CHARACTER.search(text):
            raise CornerstoneError(
                f"{where}: {shown(text)} has {half[0]!a}, half a character, which no file can hold; mend it"
            )


def _gold_indices(where: str, lm_task: LoadedTask, row: Any, choices: Sequence[str]) -> tuple[int, ...]:
    """The right choices: of an index, a list of them, or a choice's own text."""
    answer = lm_task.doc_to_text if lm_task.multiple_input else lm_task.doc_to_target
    gold = answer(row)
    if answer(row) != gold:
        raise CornerstoneError(
            f"{where}: its answer is another each time it is asked ({shown(gold)}); shuffle in process_docs"
        )
    lists = bool(lm_task.multiple_target)  # as the first document's answer is
    if not lm_task.multiple_input and isinstance(gold, list) != lists:
        raise CornerstoneError(
            f"{where}: the answer is {shown(gold)}, and the first document's is {'a' if lists else 'no'}"
            " list, by which lm-eval scores all; give a list in each document, or in none"
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
    """As lm-eval compares it with the number of a choice; None for what is none."""
    if isinstance(gold, str):
        return list(choices).index(gold) if gold in choices else None
    if isinstance(gold, float):
        return int(gold) if gold.is_integer() else None
    try:
        return operator.index(gold)
    except TypeError:
        return None


def _digits_hint(lm_task: LoadedTask, gold: Any, choices: Sequence[str]) -> str:
    """What to write where digits are taken for a text, or a text of digits for an index."""
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


AS_TEXT = "name the field alone, without braces, for a choice's own text (doc_to_target: answer)"


def _check_digits(lm_task: LoadedTask, rows: dict[int, Any]) -> None:
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
            f"choice, and lm-eval takes its digits for an index: {AS_TEXT}"
        )
