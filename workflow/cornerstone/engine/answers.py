"""Answers of rows that are generated side by side, each without sublayers of its own.

    with RemovedRows(decoder) as removed:
        answers_of(model, removed, rows, WAYS[0])

The model's own `generate` decodes, with its generation settings, as lm-eval's HFLM calls it. A row ends where lm-eval
ends it alone: at a stop word, at a token that ends a text, or at the limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import (
    DynamicCache,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from cornerstone.documents.document import Generation
from cornerstone.engine.removed_rows import RemovedRows
from cornerstone.engine.roomy_cache import RoomyLayer, roomy_cache
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalitions import Removed, listed_sublayers
from cornerstone.system.errors import CornerstoneError

LOOKED_BACK = 2
"""Tokens more than a stop word has in which lm-eval looks for it."""
LEAVE_AT = 1 / 2
"""The rows that are left go on as a batch of their own when they are at most this part of the batch."""
FEWEST_TO_LEAVE = 8
SHORTEST_BEGINNING = 32
"""Tokens below which what all prompts begin with is not worth a forward of its own."""


@dataclass(frozen=True)
class Row:
    """One answer to generate: of the document at a position in the list, without these sublayers."""

    position: int
    document: EncodedDocument
    removed: Removed

    @property
    def tokens(self) -> tuple[int, ...]:
        """Of the prompt."""
        return self.document.requests[0].tokens


@dataclass(frozen=True)
class Answer:
    """text: up to the stop word, as lm-eval has it. tokens: those generated, of the stop word too.

    ended: by itself, before the limit.
    """

    text: str
    tokens: tuple[int, ...]
    ended: bool


@dataclass(frozen=True)
class Way:
    """How rows run: side by side or one by one; with padding before shorter prompts, or only prompts of one length
    together; whether rows whose answers have ended leave the batch; whether rows in the same state are computed once;
    and how many tokens all prompts begin with, which are then read once for all documents."""

    name: str
    side_by_side: bool = True
    padded: bool = True
    leaving: bool = True
    once: bool = False
    beginning: int = 0

    def __str__(self) -> str:
        return (
            f"{self.name}, the first {self.beginning} tokens of all prompts too"
            if self.beginning
            else self.name
        )


WAYS = (
    Way("side by side, equal states once", once=True),
    Way("side by side"),
    Way("side by side to the end", leaving=False),
    Way("prompts of one length side by side, equal states once", padded=False, leaving=False, once=True),
    Way("prompts of one length side by side", padded=False, leaving=False),
    Way("one by one", side_by_side=False, padded=False, leaving=False),
)
"""From the fastest on."""


@dataclass(frozen=True)
class Ends:
    """What ends an answer.

    words: stop words, each with the number of last tokens in which lm-eval looks for it; the text of the tokenizer's
           own end is one of them.
    tokens: those that end a text by the model's settings.
    """

    tokenizer: Any
    words: tuple[tuple[str, int], ...]
    tokens: frozenset[int]

    @classmethod
    def of(cls, model: LanguageModel, settings: Generation) -> Ends:
        tokenizer = model.encoder.tokenizer
        words = list(settings.until)
        if tokenizer.eos_token_id is not None:
            own = tokenizer.decode(tokenizer.eos_token_id, skip_special_tokens=False)
            words += [own] if own not in words else []
        looked = [
            (word, len(tokenizer.encode(word, add_special_tokens=False)) + LOOKED_BACK) for word in words
        ]
        ends = model.network.generation_config.eos_token_id
        listed = ends if isinstance(ends, list | tuple) else [ends]
        return cls(tokenizer, tuple(looked), frozenset(end for end in listed if end is not None))

    def have_come(self, tokens: Tensor) -> list[bool]:
        """Whether each of these texts (rows, tokens) has ended with its last token."""
        last = tokens[:, -1].tolist()
        ended = [token in self.tokens for token in last]
        if self.words:
            longest = max(looked for _, looked in self.words)
            for row, text in enumerate(self.tokenizer.batch_decode(tokens[:, -longest:])):
                found = [(word, looked) for word, looked in self.words if word in text]
                ended[row] |= any(word in self.tokenizer.decode(tokens[row, -n:]) for word, n in found)
        return ended

    def text(self, tokens: Sequence[int]) -> str:
        """The answer, up to the first stop word."""
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        for word, _ in self.words:
            text = text.split(word)[0] if word else text
        return text


class _Stopping(StoppingCriteria):
    """Notes where each row ends, and ends the batch when at most so many rows go on.

    lengths: of rows that have ended, the tokens generated; None: it goes on.
    """

    def __init__(self, ends: Ends, width: int, limits: Sequence[int], go_on: int) -> None:
        self.ends, self.width, self.limits, self.go_on = ends, width, limits, go_on
        self.lengths: list[int | None] = [None] * len(limits)
        self.by_itself = [False] * len(limits)

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        generated = input_ids[:, self.width :]
        length = generated.shape[1]
        alive = [row for row, own in enumerate(self.lengths) if own is None]
        for row, ended in zip(alive, self.ends.have_come(generated[alive]), strict=True):
            if ended or length >= self.limits[row]:
                self.lengths[row], self.by_itself[row] = length, ended
        left = self.lengths.count(None)
        if left <= self.go_on:
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        done = [length is not None for length in self.lengths]
        return torch.tensor(done, device=input_ids.device)


class _Numbers(LogitsProcessor):
    """Refuses logits that are no numbers: the largest of them would be any token."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if (ill := torch.isnan(scores).any(-1)).any():
            row = self.rows[int(ill.nonzero()[0])]
            raise CornerstoneError(
                f"the logits of the answer to document {row.document.index} are no numbers without sublayers "
                f"[{listed_sublayers(row.removed)}]: try dtype float32 or bfloat16"
            )
        return scores


def answers_of(
    model: LanguageModel,
    removed: RemovedRows,
    rows: Sequence[Row],
    way: Way,
    shorter: Sequence[int] | None = None,
) -> list[Answer]:
    """The answers of rows that run together; `shorter` cuts each shorter than its task does."""
    settings = rows[0].document.generation
    ends = Ends.of(model, settings)
    limits = [most_tokens(model, row.document) for row in rows]
    limits = limits if shorter is None else list(map(min, limits, shorter))
    token_ids, mask = _padded(model, rows, way.beginning)
    width, first = token_ids.shape[1], (mask == 1) & (mask.cumsum(1) == 1)
    alive, cache = list(range(len(rows))), None
    answers: list[Any] = [None] * len(rows)
    removed.once = way.once
    if way.once:
        cache = roomy_cache(model)
    if way.beginning:
        _read_beginning(model, removed, rows, way.beginning, cache)
    removed.set([row.removed for row in rows], first[:, way.beginning :], [row.position for row in rows])
    while alive:
        go_on = int(len(alive) * LEAVE_AT) if way.leaving and len(alive) >= FEWEST_TO_LEAVE else 0
        stopping = _Stopping(ends, width, [limits[row] for row in alive], go_on)
        numbers = _Numbers([rows[row] for row in alive])
        output = _generate(model, settings, token_ids, mask, cache, stopping, numbers)
        for place, (row, length) in enumerate(zip(alive, stopping.lengths, strict=True)):
            if length is not None:
                tokens = output.sequences[place, width : width + length].tolist()
                answers[row] = Answer(ends.text(tokens), tuple(tokens), stopping.by_itself[place])
        staying = [place for place, length in enumerate(stopping.lengths) if length is None]
        if not staying:
            break
        alive = [alive[place] for place in staying]
        chosen = torch.tensor(staying, device=token_ids.device)
        token_ids = output.sequences[chosen]
        mask = pad(mask[chosen], (0, token_ids.shape[1] - mask.shape[1]), value=1)
        cache = output.past_key_values
        cache.batch_select_indices(chosen)
        removed.set([rows[row].removed for row in alive])
    return answers


def rows_are_apart(cache: Any) -> bool:
    """Whether rows can be taken out of the keys and values that generate gives back: they hold nothing else."""
    return type(cache) is DynamicCache and all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers
    )


def most_tokens(model: LanguageModel, document: EncodedDocument) -> int:
    """The limit of an answer: the task's, or the model's own where its settings have one, which generate then takes."""
    return model.network.generation_config.max_new_tokens or document.generation.most_tokens


def common_beginning(documents: Iterable[EncodedDocument]) -> int:
    """How many tokens all prompts begin with, of which each has more."""
    prompts = [document.requests[0].tokens for document in documents]
    first, last = min(prompts), max(prompts)  # all others are between them
    alike = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return min(alike, *(len(prompt) - 1 for prompt in prompts))


def _read_beginning(
    model: LanguageModel, removed: RemovedRows, rows: Sequence[Row], length: int, cache: DynamicCache
) -> None:
    """Put the keys and values of the tokens that all prompts begin with into the cache, for each row.

    Raises ValueError where padding would come between tokens whose distance counts.
    """
    place_of = {
        coalition: place for place, coalition in enumerate(dict.fromkeys(row.removed for row in rows))
    }
    token_ids = torch.tensor([rows[0].tokens[:length]], device=model.device).expand(len(place_of), -1)
    first = torch.zeros_like(token_ids, dtype=torch.bool)
    first[:, 0] = True
    removed.set(list(place_of), first, [0] * len(place_of))
    is_sliding = any(type(layer) is not RoomyLayer for layer in cache.layers)
    if is_sliding and len({len(row.tokens) for row in rows}) > 1:
        raise ValueError("its attention has windows, and prompts have other lengths")
    # Without the head: its logits of all tokens would need much memory.
    model.network.base_model(input_ids=token_ids, past_key_values=cache, use_cache=True)
    removed.passed()
    cache.batch_select_indices(torch.tensor([place_of[row.removed] for row in rows], device=model.device))


def _padded(model: LanguageModel, rows: Sequence[Row], beginning: int) -> tuple[Tensor, Tensor]:
    """The prompts' tokens (rows, longest), and which of them are no padding; this comes before the shorter ones, after
    the tokens that all begin with."""
    width = max(len(row.tokens) for row in rows)
    padding = [padding_token(model)]
    lacking = [width - len(row.tokens) for row in rows]
    token_ids = [
        [*row.tokens[:beginning], *padding * few, *row.tokens[beginning:]]
        for row, few in zip(rows, lacking, strict=True)
    ]
    mask = [[1] * beginning + [0] * few + [1] * (width - beginning - few) for few in lacking]
    return torch.tensor(token_ids, device=model.device), torch.tensor(mask, device=model.device)


def padding_token(model: LanguageModel) -> int:
    """Which token stands where there is none; no row attends to it."""
    tokenizer = model.encoder.tokenizer
    known = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
    return next(token for token in known if token is not None)


def _generate(
    model: LanguageModel,
    settings: Generation,
    token_ids: Tensor,
    mask: Tensor,
    cache: Any,
    stopping: _Stopping,
    numbers: _Numbers,
) -> Any:
    before = token_ids.shape[1] - stopping.width
    return model.network.generate(
        input_ids=token_ids,
        attention_mask=mask,
        max_new_tokens=max(stopping.limits) - before,
        stopping_criteria=StoppingCriteriaList([stopping]),
        logits_processor=LogitsProcessorList([numbers]),
        pad_token_id=padding_token(model),
        use_cache=True,
        do_sample=False,
        return_dict_in_generate=True,
        **({} if cache is None else {"past_key_values": cache}),
        **json.loads(settings.options),
    )
