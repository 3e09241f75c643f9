"""From lm-eval's requests to documents, checked before anything is evaluated.

documents, notes = documents_of(lm_task, [0, 1, 2], Prompting())
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import Any

from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

from cornerstone.documents.answers import check_digits, gold_indices
from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT, Document, Generation, Request
from cornerstone.documents.lm_task import Prompting, built_rows, instances_of
from cornerstone.documents.loaded_task import LoadedTask
from cornerstone.documents.supported_tasks import metrics_of
from cornerstone.documents.task_fields import check_nulls, refusal, rules_of, trouble_of, trouble_of_choices
from cornerstone.system.errors import CornerstoneError, one_line, shown

MOST_TOKENS = 256
"""Of an answer, where its task has no limit: lm-eval's (HFLM.max_gen_toks)."""
OF_SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p")
"""Arguments of generate without effect where the most likely token is taken."""
MOST_CHOICES = 2**15 - 1
"""As many as the document file can number."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def documents_of(
    lm_task: LoadedTask, rows: Sequence[int], prompting: Prompting
) -> tuple[tuple[Document, ...], list[str]]:
    """The documents of these rows, in their order, and lines that the user should know. Raises CornerstoneError."""
    try:
        instances = instances_of(lm_task, rows, prompting)
    except CornerstoneError:
        raise
    except Exception as error:  # lm-eval's templates and the task's own functions
        raise _first_failure(lm_task, built_rows(lm_task, rows), error) from error
    asked = {row: instances[row][0].doc for row in rows if row in instances}
    notes = check_nulls(lm_task, asked.items(), rules_of(lm_task.config), lm_task.loaded.place)
    if lm_task.config.num_fewshot:
        examples = enumerate(lm_task.sampler.df)
        notes += check_nulls(lm_task, examples, rules_of(lm_task.fewshot_cfg), lm_task.examples_place)
    delimiter = prompting.delimiter_of(lm_task)
    documents = tuple(_document(lm_task, row, instances.get(row, []), delimiter) for row in rows)
    if lm_task.OUTPUT_TYPE == CHOICES:
        check_digits(lm_task, asked)
    return documents, notes


def _first_failure(lm_task: LoadedTask, rows: Iterable[int], error: Exception) -> CornerstoneError:
    """Which of these rows lm-eval cannot make a request of, and why."""
    place, shots = lm_task.loaded.place, lm_task.config.num_fewshot
    for index in rows:
        if trouble := trouble_of(lm_task, lm_task.task_docs[index], rules_of(lm_task.config)):
            return refusal(lm_task, place, index, trouble)
    for index, row in enumerate(lm_task.sampler.df if shots else []):
        if trouble := trouble_of(lm_task, row, rules_of(lm_task.fewshot_cfg)):
            return refusal(lm_task, lm_task.examples_place, index, trouble)
    return CornerstoneError(
        f"task {lm_task.config.task}: lm-eval cannot build its {shots}-shot prompts from {place} ({one_line(error)})"
    )


def _document(lm_task: LoadedTask, index: int, instances: list[Any], delimiter: str) -> Document:
    """One row's requests and what its scores need, as lm-eval's process_results reads them.

    delimiter: that lm-eval puts before a choice.
    """
    where = f"task {lm_task.config.task}: {lm_task.loaded.place}, row {index + 1}"
    if not instances:
        raise CornerstoneError(f"{where}: it has no choices, so there is nothing to score; give some")
    choices = partial(_with_choices, delimiter)
    of_type = {CHOICES: choices, TARGET: _with_target, TEXT: _whole_text, GENERATED: _generated}
    return of_type[lm_task.OUTPUT_TYPE](where, lm_task, index, instances)


def _with_target(where: str, lm_task: LoadedTask, index: int, instances: list[Any]) -> Document:
    request = Request(*instances[0].args)
    if not isinstance(request.continuation, str) or not request.continuation:
        raise CornerstoneError(f"{where}: its target is {shown(request.continuation)}; give a text")
    _check_characters(where, [request])
    return Document(index, (request,), (0,), (len(request.continuation),))


def _whole_text(where: str, lm_task: LoadedTask, index: int, instances: list[Any]) -> Document:
    (text,) = instances[0].args
    if not isinstance(text, str) or not text:
        raise CornerstoneError(f"{where}: its text is {shown(text)}; leave this row out, or give it a text")
    request = Request("", text)
    _check_characters(where, [request])
    sizes = _sizes(where, lm_task, instances[0].doc)
    words = sizes.get("word_perplexity") or lm_task.count_words(text)
    size = sizes.get("bits_per_byte") or sizes.get("byte_perplexity") or lm_task.count_bytes(text)
    return Document(index, (request,), (0,), (len(text),), words, size)


def _generated(where: str, lm_task: LoadedTask, index: int, instances: list[Any]) -> Document:
    prompt, asked = instances[0].args
    if not isinstance(prompt, str) or not prompt:
        raise CornerstoneError(f"{where}: its prompt is {shown(prompt)}; give a text")
    settings = normalize_gen_kwargs(asked, MOST_TOKENS)
    until = handle_stop_sequences(settings.pop("until", None), eos=None)
    generation = Generation(tuple(until), settings.pop("max_gen_toks"), _options(where, settings))
    request = Request(prompt, "")
    _check_characters(where, [request])
    return Document(index, (request,), (0,), (0,), generation=generation, row=_kept(where, instances[0].doc))


def _options(where: str, settings: Mapping[str, Any]) -> str:
    """The arguments of generate that matter where no token is drawn, as JSON."""
    options = {name: value for name, value in settings.items() if name not in OF_SAMPLING}
    try:
        return json.dumps(options, sort_keys=True)
    except TypeError as error:
        raise CornerstoneError(
            f"{where}: its generation_kwargs are {shown(options)}; give plain values"
        ) from error


def _kept(where: str, row: Mapping[str, Any]) -> str:
    """A row for the document file: the metrics need it."""
    try:
        return json.dumps(row)
    except (TypeError, ValueError) as error:
        raise CornerstoneError(
            f"{where}: its metrics need the row, and no document file can keep it ({one_line(error)}); leave what is "
            "no text, number or list out in process_docs"
        ) from error


def _sizes(where: str, lm_task: LoadedTask, row: Any) -> dict[str, int]:
    """By metric, the words or bytes that its process_results divides a text's log-likelihood by."""
    one, other = (lm_task.process_results(row, (number,)) for number in (-1.0, -2.0))
    sizes = {}
    for metric in metrics_of(lm_task.config.to_dict()):
        first, second = one.get(metric), other.get(metric)
        match first, second:
            case ((-1.0, Integral() as size), (-2.0, Integral() as again)) if size == again > 0:
                sizes[metric] = int(size)
            case _:
                raise CornerstoneError(
                    f"{where}: its process_results gives {shown(first)} as {metric} where the log-likelihood is −1; "
                    "give the log-likelihood and a whole number to divide it by"
                )
    if len({sizes[metric] for metric in ("byte_perplexity", "bits_per_byte") if metric in sizes}) > 1:
        raise CornerstoneError(
            f"{where}: its process_results counts different bytes for byte_perplexity and bits_per_byte; give both one"
        )
    return sizes


def _with_choices(
    delimiter: str, where: str, lm_task: LoadedTask, index: int, instances: list[Any]
) -> Document:
    row = instances[0].doc
    choices = lm_task.doc_to_choice(row)
    if trouble := trouble_of_choices(choices):
        raise CornerstoneError(f"{where}: {trouble}")
    if len(choices) > MOST_CHOICES:
        raise CornerstoneError(f"{where}: it has {len(choices)} choices; give up to {MOST_CHOICES}")
    requests = tuple(Request(*instance.args) for instance in instances[: len(choices)])
    _check_requests(where, lm_task, choices, requests, delimiter)
    gold = gold_indices(where, lm_task, row, choices)
    return Document(
        index=index,
        requests=requests,
        gold=gold,
        choice_lengths=tuple(len(choice) for choice in choices),
    )


def _check_requests(
    where: str, lm_task: LoadedTask, choices: Sequence[str], requests: Sequence[Request], delimiter: str
) -> None:
    asked = [request.continuation for request in requests]
    if len(asked) != len(choices) or (
        not lm_task.multiple_input and asked != [f"{delimiter}{choice}" for choice in choices]
    ):
        raise CornerstoneError(
            f"{where}: its doc_to_choice gives different choices each time it is called, so its answer may not "
            "belong to them; shuffle in process_docs"
        )
    for number, request in enumerate(requests, 1):
        if not request.continuation.removeprefix(delimiter):
            raise CornerstoneError(
                f"{where}: choice {number} is empty, so there is nothing to score; write it out"
            )
    _check_characters(where, requests)


def _check_characters(where: str, requests: Sequence[Request]) -> None:
    for text in (text for request in requests for text in (request.context, request.continuation)):
        if half := HALF_CHARACTER.search(text):
            raise CornerstoneError(
                f"{where}: {shown(text)} has {half[0]!a}, half a character, which no file can hold; correct it"
            )
