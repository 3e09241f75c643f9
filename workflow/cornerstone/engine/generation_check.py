"""The check before answers are generated: those of rows side by side are held against the model's own, one at a time.

A model may mistake padding, or keep its past in a form that no row can leave. So ways to run are tried from the
fastest on; where none gives the model's own answers, the model is refused.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from transformers import GenerationConfig

from cornerstone.engine.answers import (
    SHORTEST_BEGINNING,
    WAYS,
    Row,
    Way,
    answers_of,
    common_beginning,
    most_tokens,
    padding_token,
    rows_are_apart,
)
from cornerstone.engine.budget import is_out_of_memory
from cornerstone.engine.decoder import Decoder, logits_of
from cornerstone.engine.reference import sublayers_removed
from cornerstone.engine.removals import Removal
from cornerstone.engine.removed_rows import RemovedRows
from cornerstone.engine.samples import lengths_of_change
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.refusals import Reason, refused
from cornerstone.loading.sublayers import kinds_of_blocks, one_of_each_kind
from cornerstone.system.errors import one_line

log = logging.getLogger(__name__)

CHECKED_TOKENS = 24
"""Of each answer; of every other one a quarter, so that rows leave the batch."""
CHECKED_ROWS = 12
NEARLY_EVEN = 1e-4
"""Nats by which the two most likely tokens differ at most where rounding may choose between them, in float32."""
OF_PLACES = (
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_length",
    "min_new_tokens",
    "begin_suppress_tokens",
    "encoder_repetition_penalty",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
)
"""Settings of generation that count tokens, padding too, or begin anew where a batch goes on."""


def prove_decoder(decoder: Decoder, model: LanguageModel, rows: Sequence[Row]) -> bool:
    """Whether the model's positions are others in long texts. Raises CornerstoneError where a sublayer is not whole."""
    decoder.prove_players(one_of_each_kind(kinds_of_blocks(model.network, model.blocks)))
    return bool(lengths_of_change(decoder, _lengths(model, rows)))


def choose_way(model: LanguageModel, removed: RemovedRows, rows: Sequence[Row], changes: bool) -> Way:
    """The fastest way that gives the model's own answers on some of the rows.

    changes: whether the model's positions are others in long texts.

    Raises CornerstoneError naming the model where none does.
    """
    removal = removed.removal
    sample = _sample(rows)
    found = [_own_answer(model, row, removal) for row in sample]
    wanted, apart = [tokens for tokens, _ in found], all(apart for _, apart in found)
    failures = []
    with removed:
        for way in _ways(model, rows, apart, changes):
            try:
                answers = _answers(model, removed, sample, way)
            # A model's own code may fail on batches in as many ways as there are models.
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                failures.append(f"{way}: {one_line(error)}")
                continue
            parted = [
                (row, own, place)
                for row, own, other in zip(sample, wanted, answers, strict=True)
                if (place := _parts_at(own, other)) is not None
            ]
            removed.set([()])
            wrong = [
                (row, gap)
                for row, own, place in parted
                if (gap := _gap(model, row, own[:place], removal)) > 0
            ]
            if not wrong:
                log.info(
                    "check: %s, %d of %d answers are the model's own, %d part where two tokens are nearly even",
                    *(way, len(sample) - len(parted), len(sample), len(parted)),
                )
                return way
            row, gap = max(wrong, key=lambda pair: pair[1])
            failures.append(f"{way}: the answer to document {row.document.index} parts by {gap:.2g} nats")
            log.info("check: %s cannot use %s", model.name, failures[-1])
    raise refused(model.network, Reason.DISAGREES, "; ".join(failures))


def _lengths(model: LanguageModel, rows: Sequence[Row]) -> list[int]:
    """Of the shortest prompt, the longest, and that with its answer, ascending."""
    longest = max(rows, key=lambda row: len(row.tokens))
    whole = len(longest.tokens) + most_tokens(model, longest.document)
    lengths = {
        min(len(row.tokens) for row in rows),
        len(longest.tokens),
        min(whole, model.encoder.max_length),
    }
    return sorted(lengths)


def _ways(model: LanguageModel, rows: Sequence[Row], apart: bool, changes: bool) -> Iterator[Way]:
    """Those that its settings allow; its keys and values, out of which rows can be taken or not (`apart`); and its
    positions, which are others in long texts or not (`changes`): then with the longest of a batch, so that prompts of
    other lengths do not go with it."""
    plain = GenerationConfig()
    settings = model.network.generation_config
    counts_places = any(getattr(settings, name, None) != getattr(plain, name, None) for name in OF_PLACES)
    counts_places |= changes or any(name in rows[0].document.generation.options for name in OF_PLACES)
    beginning = 0 if changes else common_beginning(row.document for row in rows)
    for way in WAYS:
        if (counts_places and way.padded) or (not apart and (way.leaving or way.once)):
            continue
        if way.once and beginning >= SHORTEST_BEGINNING:
            yield replace(way, beginning=beginning)
        yield way


def _sample(rows: Sequence[Row]) -> list[Row]:
    """Rows with the shortest and the longest prompts, of the fewest and of the most sublayers removed.

    All have the settings of the first.
    """
    settings = rows[0].document.generation
    alike = [row for row in rows if row.document.generation == settings]
    by_length = sorted(alike, key=lambda row: (len(row.tokens), row.position, len(row.removed), row.removed))
    documents = list(dict.fromkeys(row.position for row in by_length))
    chosen = dict.fromkeys([*documents[:2], *documents[-2:]])
    found = []
    for position in chosen:
        own = sorted((row for row in alike if row.position == position), key=lambda row: len(row.removed))
        found += [own[0], own[len(own) // 2], own[-1]]
    return list({(row.position, row.removed): row for row in found}.values())[:CHECKED_ROWS]


def _own_answer(model: LanguageModel, row: Row, removal: Removal) -> tuple[list[int], bool]:
    """The tokens of the answer by the model's own generate, alone, with hooks for what is removed; and whether rows can
    be taken out of the keys and values.

    Without keys and values where a mean stays: that of a text's first token is told by its place.
    """
    prompt = torch.tensor([row.tokens], device=model.device)
    with sublayers_removed(model, row.removed, removal):
        output = model.network.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=min(CHECKED_TOKENS, most_tokens(model, row.document)),
            pad_token_id=padding_token(model),
            use_cache=removal.means is None,
            do_sample=False,
            return_dict_in_generate=True,
            **json.loads(row.document.generation.options),
        )
    apart = removal.means is not None or rows_are_apart(output.past_key_values)
    return output.sequences[0, len(row.tokens) :].tolist(), apart


def _answers(
    model: LanguageModel, removed: RemovedRows, rows: Sequence[Row], way: Way
) -> list[tuple[int, ...]]:
    batches = [[row] for row in rows]
    if way.side_by_side:
        lengths = sorted({None if way.padded else len(row.tokens) for row in rows}, key=str)
        batches = [[row for row in rows if length in (None, len(row.tokens))] for length in lengths]
    found = {}
    for batch in batches:
        shorter = [CHECKED_TOKENS // (1 + 3 * (place % 2)) for place in range(len(batch))]
        answers = answers_of(model, removed, batch, way, shorter)
        found |= {id(row): answer.tokens for row, answer in zip(batch, answers, strict=True)}
    return [found[id(row)] for row in rows]


def _parts_at(own: Sequence[int], other: Sequence[int]) -> int | None:
    """Where two answers part; None where one is the beginning of the other, which a stop word may have ended."""
    return next((n for n, (one, two) in enumerate(zip(own, other, strict=False)) if one != two), None)


def _gap(model: LanguageModel, row: Row, tokens: Sequence[int], removal: Removal) -> float:
    """Nats between the two most likely tokens after these of the answer; 0 where rounding may choose between them."""
    text = torch.tensor([[*row.tokens, *tokens]], device=model.device)
    with sublayers_removed(model, row.removed, removal):
        logits = logits_of(model.network, model.network(input_ids=text, use_cache=False))[0, -1].float()
    first, second = logits.topk(2).values.tolist()
    rounding = 4 * torch.finfo(getattr(torch, model.dtype)).eps * float(logits.abs().max())
    return 0.0 if first - second < max(NEARLY_EVEN, rounding) else first - second
