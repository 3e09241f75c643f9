"""How large a task will be, before its data are downloaded: from the metadata of its data set alone.

expected_size("boolq", limit=300)    # TaskSize(documents=300, characters=754.2)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from lm_eval.models.utils import normalize_gen_kwargs

from cornerstone.documents.asked import MOST_TOKENS
from cornerstone.documents.data_set import data_set_arguments, load_builder, on_the_hub
from cornerstone.documents.document import GENERATED, TEXT, Document
from cornerstone.documents.prefixes import shared_prefixes
from cornerstone.documents.supported_tasks import number_of_shots, output_type_of, scored_split
from cornerstone.documents.tasks import build_documents, supported_definition


@dataclass(frozen=True)
class TaskSize:
    """The size of a task; each number is None where the data set's card does not have it.

    documents:  how many are evaluated.
    characters: of one document's prompt and choices, on average.
    choices:    the characters of its choices alone, which are scored; of a whole text, all of it.
    shared:     the characters with which others begin too, on average over all documents.
    sharing:    how many documents begin alike, on average over those that do; 1 where none do.
    answer:     the limit of an answer that is generated, in tokens; None where answers are given.
    """

    documents: int | None
    characters: float | None
    choices: float | None = None
    shared: float = 0.0
    sharing: float = 1.0
    answer: int | None = None


def expected_size(
    task: str,
    *,
    name: str | None = None,
    data: Path | str | None = None,
    shots: int | None = None,
    sample: int | None = None,
    limit: int | None = None,
    include_path: Path | str | None = None,
    system_instruction: str | None = None,
) -> TaskSize:
    """The size of what `build_documents` would build; no data file of the hub is fetched.

    Of a data set on the hub, the characters are the split's bytes by its rows: with the fields that no prompt
    shows, and without the words that the prompt adds. Expect that within a factor of two. A few-shot example
    counts as a whole document, though it shows one choice only: expect a factor of three, on the large side.
    Of local files the documents are built and counted, as plain prompts: what a chat template adds is not counted.

    Raises CornerstoneError as `build_documents` does.
    """
    definition = supported_definition(task, include_path)
    if data is None and definition.get("custom_dataset") is not None:
        return TaskSize(None, None)
    if data is not None or not on_the_hub(data_set_arguments(task, definition)):
        built = build_documents(
            task,
            name=name,
            data=data,
            shots=shots,
            sample=sample,
            limit=limit,
            include_path=include_path,
            generate=output_type_of(definition) == GENERATED,
            system_instruction=system_instruction,
        )
        return _size_of(built.documents)
    split = _split_on_card(task, definition)
    if split is None or not split.num_examples:
        return TaskSize(None, None)
    documents = min(count for count in (split.num_examples, sample, limit) if count is not None)
    of_texts = output_type_of(definition) == TEXT  # in which lm-eval shows no examples
    texts = 1 if of_texts else 1 + number_of_shots(definition, shots)
    characters = split.num_bytes / split.num_examples * texts if split.num_bytes else None
    if of_texts:
        return TaskSize(documents, characters, characters)
    if characters is not None:
        characters += len(system_instruction or "")
    if output_type_of(definition) == GENERATED:
        settings = normalize_gen_kwargs(definition.get("generation_kwargs") or {}, MOST_TOKENS)
        return TaskSize(documents, characters, 0.0, answer=settings["max_gen_toks"])
    fixed = (definition.get("fewshot_config") or {}).get("sampler") == "first_n"
    if characters is None or not fixed or texts == 1:
        return TaskSize(documents, characters)
    return TaskSize(documents, characters, shared=characters * (texts - 1) / texts, sharing=documents)


def _split_on_card(task: str, definition: Mapping[str, Any]) -> datasets.SplitInfo | None:
    """What the data set's card says of the scored split."""
    splits = load_builder(task, data_set_arguments(task, definition)).info.splits
    return (splits or {}).get(scored_split(definition))


def _size_of(documents: tuple[Document, ...]) -> TaskSize:
    totals = (sum(map(count, documents)) / len(documents) for count in (_characters, _of_choices))
    prefixes = shared_prefixes(documents)
    alike = sum(len(prefix.documents) for prefix in prefixes)
    return TaskSize(
        len(documents),
        *totals,
        shared=sum(len(prefix.documents) * prefix.characters for prefix in prefixes) / len(documents),
        sharing=alike / len(prefixes) if prefixes else 1.0,
        answer=max((one.generation.most_tokens for one in documents if one.generation), default=None),
    )


def _characters(document: Document) -> int:
    """Of each context once, and of every choice."""
    contexts = {request.context for request in document.requests}
    return sum(map(len, contexts)) + _of_choices(document)


def _of_choices(document: Document) -> int:
    return sum(len(request.continuation) for request in document.requests)
