"""Generation: greedy answers of documents under many coalitions, by the model's own `generate`.

    result = generate(model, encode_documents(model.encoder, documents), ablation(len(model.sublayers)))
    result.texts[0]        # of the first document, one text per coalition

Rows of a batch are pairs of a document and a coalition. A row leaves the batch when its answer has ended, with a
stop word, with a token that ends the text, or at the limit; the others go on from their keys and values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from cornerstone.engine.answers import Answer, Row, Way, answers_of
from cornerstone.engine.budget import PrefixRoom, is_out_of_memory, memory_budget, working_bytes
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.generation_check import choose_way, prove_decoder
from cornerstone.engine.removals import ZERO, Removal
from cornerstone.engine.removed_rows import RemovedRows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.refusals import own_code
from cornerstone.loading.sublayers import first_parameter, text_config
from cornerstone.models.means import Means
from cornerstone.shapley.coalitions import ForEach, Removed
from cornerstone.system.errors import CornerstoneError

MOST_ROWS = {"cpu": 64, "mps": 64, "cuda": 512}
"""Rows of a batch: more gain next to nothing, and end later."""


@dataclass(frozen=True)
class GeneratedBlock:
    """Finished answers, one each: of a document (a position in the list) the coalition, alone in a list, and the
    answer."""

    documents: list[int]
    coalitions: list[list[Removed]]
    answers: list[Answer]

    @property
    def columns(self) -> dict[str, list[np.ndarray]]:
        """The answers by the names of their columns in a file, of one coalition and one choice each."""
        return {
            "answer": [np.array([[answer.text]], dtype=object) for answer in self.answers],
            "tokens": [np.array([[len(answer.tokens)]]) for answer in self.answers],
            "ended": [np.array([[answer.ended]]) for answer in self.answers],
        }


@dataclass(frozen=True)
class GenerationResult:
    """texts: by document, in the order of its coalitions. counts: what was computed."""

    coalitions: list[Removed] | ForEach
    answers: list[list[Answer]]
    counts: dict[str, int | float | str]

    @property
    def texts(self) -> list[list[str]]:
        return [[answer.text for answer in answers] for answers in self.answers]


@dataclass
class _Counts:
    """prompt_tokens and tokens: read and generated, without padding; answers that ended only at the limit."""

    prompt_tokens: int = 0
    tokens: int = 0
    answers: int = 0
    limited: int = 0
    batches: int = 0
    most_rows: int = 0


@torch.inference_mode()
def generate(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed] | ForEach,
    *,
    means: Means | None = None,
    memory_bytes: int | None = None,
    most_rows: int | None = None,
    on_block: Callable[[GeneratedBlock], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> GenerationResult:
    """The answer of every document under every coalition, or under each document's own.

    means:        what removed sublayers add on average, which stays then; None: nothing stays.
    memory_bytes: for keys, values and activations; default: from what is free.
    most_rows:    answers that are generated together; default: by the device, as the memory allows.
    on_block:     called with finished answers as they are there.
    on_progress:  called with (answers done, answers in all).

    Raises CornerstoneError for a model whose weights are streamed, one that cannot generate, one whose settings ask
    for more than greedy decoding, where the check finds other answers than the model's own, for an answer that does not
    fit the memory, and for logits that are no numbers (naming document and coalition).
    """
    _refuse(model)
    given = coalitions if isinstance(coalitions, ForEach) else list(dict.fromkeys(coalitions))
    lists = given.of if isinstance(given, ForEach) else [given] * len(documents)
    rows = [Row(n, document, one) for n, document in enumerate(documents) for one in lists[n]]
    removal = ZERO if means is None else Removal("mean", means)
    counts, found = _Counts(), {}
    started = time.monotonic()
    if rows:
        with (
            own_code(model.network, model.name),
            Decoder(model.network, model.blocks, removal=removal) as decoder,
        ):
            changes = prove_decoder(decoder, model, rows)
        with own_code(model.network, model.name):
            removed = RemovedRows(decoder)
            way = choose_way(model, removed, rows, changes)
        checked, before = time.monotonic(), removed.computed()
        with removed:
            generation = _Generation(model, removed, way, memory_bytes, most_rows, counts)
            for block in generation.run(rows):
                finished = zip(block.documents, block.coalitions, block.answers, strict=True)
                found |= {(position, own): answer for position, (own,), answer in finished}
                if on_block is not None:
                    on_block(block)
                if on_progress is not None:
                    on_progress(counts.answers, len(rows))
    answers = [[found[n, one] for one in lists[n]] for n in range(len(documents))]
    told = asdict(counts)
    if rows:
        told |= {
            "way": str(way),
            "sublayer_tokens": removed.computed() - before,
            "check_seconds": checked - started,
            "engine_seconds": time.monotonic() - checked,
        }
    return GenerationResult(given, answers, told)


def _refuse(model: LanguageModel) -> None:
    """Raise CornerstoneError for what cannot generate at all."""
    if model.weights is not None:
        raise CornerstoneError(
            f"{model.name}: its weights do not fit on {model.device_name}, and to stream them for every token of an "
            "answer would take days: choose a device with more memory, or dtype bfloat16"
        )
    if not getattr(model.network, "can_generate", bool)():
        raise CornerstoneError(
            f"{model.name}: {type(model.network).__name__} cannot generate: leave out the tasks that need it"
        )
    settings = model.network.generation_config
    if (settings.num_beams or 1) > 1:
        raise CornerstoneError(
            f"{model.name}: its generation_config.json asks for {settings.num_beams} beams, and answers are decoded "
            "greedily: remove num_beams there"
        )


class _Generation:
    """One call of `generate`: batches of rows, smaller ones after memory ran out."""

    def __init__(
        self,
        model: LanguageModel,
        removed: RemovedRows,
        way: Way,
        memory_bytes: int | None,
        most_rows: int | None,
        counts: _Counts,
    ) -> None:
        self.model, self.removed, self.way, self.counts = model, removed, way, counts
        self.memory_bytes = memory_bytes or memory_budget(model.device)
        self.most_rows = most_rows or MOST_ROWS[model.device.type]

    def run(self, rows: Sequence[Row]) -> Iterator[GeneratedBlock]:
        """The longest prompts first: what does not fit in memory shows at once."""
        for alike in groups_alike(rows, self.way):
            waiting = list(alike)
            while waiting:
                batch = waiting[: self._fitting(waiting)]
                answers = self._answers(batch)
                if answers is None:
                    self.most_rows = len(batch) // 2
                    continue
                waiting = waiting[len(batch) :]
                yield self._finished(batch, answers)

    def _answers(self, batch: Sequence[Row]) -> list[Answer] | None:
        """None where the memory ran out, and fewer rows may fit."""
        try:
            with own_code(self.model.network, self.model.name):
                return answers_of(self.model, self.removed, batch, self.way)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if len(batch) == 1:
            raise CornerstoneError(
                f"{self.model.name}: the answer to document {batch[0].document.index} does not fit in memory: free "
                "memory, or choose a smaller dtype or another device"
            )
        return None

    def _finished(self, batch: Sequence[Row], answers: Sequence[Answer]) -> GeneratedBlock:
        counts = self.counts
        counts.batches += 1
        counts.most_rows = max(counts.most_rows, len(batch))
        counts.answers += len(batch)
        counts.prompt_tokens += sum(len(row.tokens) for row in batch)
        counts.tokens += sum(len(answer.tokens) for answer in answers)
        counts.limited += sum(not answer.ended for answer in answers)
        return GeneratedBlock(
            [row.position for row in batch], [[row.removed] for row in batch], list(answers)
        )

    def _fitting(self, rows: Sequence[Row]) -> int:
        """How many of these rows fit in memory together, by the first, which is the longest."""
        if not self.way.side_by_side:
            return 1
        tokens = len(rows[0].tokens)
        network = self.model.network
        config, size = text_config(network), first_parameter(network).element_size()
        kept = len(self.model.blocks) * PrefixRoom.of(self.model, 0).kept * config.hidden_size * size
        of_row = (
            kept * (tokens + rows[0].document.generation.most_tokens)
            + working_bytes(self.model, tokens)
            + 3 * 4 * config.vocab_size
        )
        return max(1, min(self.most_rows, int(self.memory_bytes // of_row)))


def groups_alike(rows: Sequence[Row], way: Way) -> Iterator[list[Row]]:
    """Rows that may be in one batch, those with the longest prompts first."""
    groups: dict[tuple, list[Row]] = {}
    for row in sorted(rows, key=lambda row: -len(row.tokens)):
        settings = row.document.generation
        length = None if way.padded else len(row.tokens)
        groups.setdefault((length, settings.options, settings.until), []).append(row)
    yield from groups.values()
