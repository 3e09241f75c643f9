"""The check before each job: the engine is compared with the model's own forward on the job's longest documents.

It makes "any decoder" safe: a model that the engine cannot drive rightly is refused, never measured wrongly.
Tree rows that fail fall back to plain rows; plain rows that fail refuse the model.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch

from cornerstone.engine.block_arguments import widened
from cornerstone.engine.budget import CHUNK_TOKENS, first_budget, is_out_of_memory, memory_budget
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.masks import windows_in_depth
from cornerstone.engine.reference import reference_loglikelihoods
from cornerstone.engine.token_tree import Row, rows_of, tree_row
from cornerstone.engine.walk import Batch, Counts, Walk, make_batch
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalition_tree import coalition_tree
from cornerstone.shapley.coalitions import Removed, removed_text
from cornerstone.system.errors import CornerstoneError, one_line

log = logging.getLogger(__name__)

# How far two right computations of one log-likelihood (nats) may lie apart: absolutely, and relative to it.
# float32 differs by about 1e-5 with the batch alone; in 8 and 11 bits of mantissa a token's log-probability
# moves by hundredths, while a wrong mask or position is off by 0.6 and more.
TOLERANCES = {"float32": (1e-4, 2e-6), "float16": (0.05, 0.01), "bfloat16": (0.3, 0.03)}


@dataclass(frozen=True)
class RowKind:
    """How documents become rows.

    name:    "tree" or "plain".
    windows: each block's attention window for tree rows (tokens, None: all).
    pace:    seconds per (token × sublayer) of the model's own forward, one request at a time.
    """

    name: str
    windows: tuple[int | None, ...] | None
    pace: float


@dataclass(frozen=True)
class Comparison:
    """The worst disagreement between engine and model: nats, and as a multiple of what is tolerated."""

    difference: float
    excess: float
    where: str


def choose_rows(
    model: LanguageModel, decoder: Decoder, documents: Sequence[EncodedDocument], allowed: str = "auto"
) -> RowKind:
    """The cheapest kind of rows that passes the check on the documents: tree rows, else plain rows.

    allowed: "auto", or "tree" or "plain" to try that kind alone.
    Raises CornerstoneError naming the model and the difference when none passes, where the model itself
    gives no finite number, and where the documents do not fit the memory.
    """
    _refuse_unknown_tokens(model, documents)
    sample = extreme_documents(documents)
    try:
        if model.weights is not None:
            return _choose_rows_on_cut(model, decoder, sample, allowed)
        return _choose_rows(model, decoder, sample, allowed)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        named = ", ".join(str(document.index) for document in sample)
        raise CornerstoneError(
            f"{model.name}: the check of documents {named} does not fit the memory: free memory, or choose a "
            "smaller dtype or another device"
        ) from error


def _refuse_unknown_tokens(model: LanguageModel, documents: Sequence[EncodedDocument]) -> None:
    """A token beyond the embedding is an error of torch's on a CPU, and the end of the process on a GPU."""
    ends = [model.network.get_input_embeddings(), model.network.get_output_embeddings()]
    known = min(end.weight.shape[0] for end in ends if end is not None)
    for document in documents:
        token = max(max(part) for request in document.requests for part in (request.tokens, request.targets))
        if token >= known:
            raise CornerstoneError(
                f"{model.name}: document {document.index} has the token {token}, and the model's weights know those "
                f"below {known}: the tokenizer is another model's; put the model's own tokenizer.json and "
                "tokenizer_config.json in its folder"
            )


def _choose_rows_on_cut(
    model: LanguageModel, decoder: Decoder, sample: Sequence[EncodedDocument], allowed: str
) -> RowKind:
    """As `_choose_rows`, on the model cut to the blocks that are held in memory: the model's own forward would
    stream all others, once for each request and coalition."""
    numbers = sorted(model.weights.held)
    log.info(
        "check: on %d of %d blocks (%s), which have each kind of block; the others pass the hidden state on",
        len(numbers),
        len(model.blocks),
        ", ".join(map(str, numbers)),
    )
    cut = replace(model, blocks=tuple(model.blocks[number] for number in numbers), weights=None)
    with decoder.cut_to(numbers), Decoder(cut.network, cut.blocks, removal=decoder.removal) as small:
        kind = _choose_rows(cut, small, sample, allowed)
        # A quarter of what the job gives a block at once runs about as well, and takes less long.
        pace = measured_pace(small, kind, sample[:1], CHUNK_TOKENS[model.device.type] // 4)
    return row_kind(decoder, sample, kind.name, pace)


def measured_pace(
    decoder: Decoder, kind: RowKind, documents: Sequence[EncodedDocument], chunk_tokens: int
) -> float:
    """Seconds per (token × sublayer) of blocks that get so many tokens at once, or as many as the memory takes."""
    batch = make_batch(decoder, rows_of(documents, kind.name), {0: 0}, kind.windows)
    copies = max(1, chunk_tokens // (batch.shape[0] * batch.shape[1]))
    while True:
        try:
            return _pace_of(decoder, batch, copies)
        except (RuntimeError, MemoryError) as error:
            if copies == 1 or not is_out_of_memory(error):
                raise
        copies //= 2  # only here, for the exception holds the frames, and they the tensors


def _pace_of(decoder: Decoder, batch: Batch, copies: int) -> float:
    hidden, arguments = torch.cat([batch.hidden] * copies), widened(batch.arguments, copies)
    seconds = []
    for number in [0, *range(len(decoder.blocks))]:  # the first time warms up
        started = time.monotonic()
        decoder.run_block(number, hidden, arguments[number])
        if hidden.is_cuda:
            torch.cuda.synchronize(hidden.device)
        seconds.append(time.monotonic() - started)
    sublayers = sum(len(block.sublayers) for block in decoder.blocks)
    return sum(seconds[1:]) / (copies * batch.tokens * sublayers)


def _choose_rows(
    model: LanguageModel, decoder: Decoder, sample: Sequence[EncodedDocument], allowed: str
) -> RowKind:
    coalitions = check_coalitions(model)
    started = time.monotonic()
    wanted = [
        [reference_loglikelihoods(model, document, c, decoder.removal) for c in coalitions]
        for document in sample
    ]
    _refuse_non_finite(model, sample, coalitions, wanted)
    tokens = sum(len(request.tokens) for document in sample for request in document.requests)
    pace = (time.monotonic() - started) / (tokens * len(coalitions) * len(model.sublayers))
    failures = []
    for name in ("tree", "plain") if allowed == "auto" else (allowed,):
        try:
            kind = row_kind(decoder, sample, name, pace)
            comparison = compare(model, decoder, kind, sample, coalitions, wanted)
        # A model may refuse our masks in as many ways as there are models.
        except (ValueError, RuntimeError, TypeError, LookupError) as error:
            if is_out_of_memory(error):
                raise
            failures.append(f"{name} rows: {one_line(error)}")
        else:
            if comparison.excess <= 1:
                log.info("check: %s rows agree with the model to %.1e nats", name, comparison.difference)
                return kind
            failures.append(f"{name} rows: off by {comparison.difference:.3g} nats at {comparison.where}")
        log.info("check: %s cannot use %s", model.name, failures[-1])
    raise CornerstoneError(
        f"{model.name} ({type(model.network).__name__}) cannot be measured: the engine disagrees with the "
        f"model's own forward ({'; '.join(failures)}); choose a model of another family"
    )


def _refuse_non_finite(model, documents, coalitions, wanted) -> None:
    for document, by_coalition in zip(documents, wanted, strict=True):
        for coalition, numbers in zip(coalitions, by_coalition, strict=True):
            for choice, number in enumerate(numbers):
                if not math.isfinite(number):
                    raise non_finite(model, document, choice, coalition, number)


def non_finite(
    model: LanguageModel, document: EncodedDocument, choice: int, removed: Removed, number: float
) -> CornerstoneError:
    """The error that names a log-likelihood which is NaN or infinite."""
    return CornerstoneError(
        f"{model.name}: the log-likelihood of document {document.index}, choice {choice}, without sublayers "
        f"[{removed_text(removed)}] is {number}: the weights or the dtype {model.dtype} overflow; try dtype "
        "float32 or bfloat16"
    )


def row_kind(decoder: Decoder, documents: Sequence[EncodedDocument], name: str, pace: float) -> RowKind:
    """A kind of rows and what it needs to know of the model. Raises ValueError where it cannot be."""
    if name == "plain":
        return RowKind(name, None, pace)
    deepest = max(len(request.tokens) for document in documents for request in document.requests)
    return RowKind(name, tuple(windows_in_depth(decoder, deepest)), pace)


def extreme_documents(documents: Sequence[EncodedDocument]) -> list[EncodedDocument]:
    """The documents with the longest row, the deepest row, the deepest row that is a real tree, and, for what
    padding might do, the shortest row."""
    rows = [tree_row(position, document) for position, document in enumerate(documents)]
    chosen = [
        max(rows, key=lambda row: len(row.tokens)),
        max(rows, key=lambda row: max(row.depths)),
        max(rows, key=lambda row: (not row.is_path, max(row.depths))),
        min(rows, key=lambda row: len(row.tokens)),
    ]
    return [documents[position] for position in dict.fromkeys(row.document for row in chosen)]


def check_coalitions(model: LanguageModel) -> list[Removed]:
    """The full model and, in a block of each kind, one attention, one FFN and the whole block removed.

    And the first sublayer: then every later block runs several states at once, as in the job.
    """
    last = model.sublayers[-1].block  # of a cut, not its number of blocks
    layer_types = getattr(model.network.config, "layer_types", None) or [None] * (last + 1)
    by_kind: dict[tuple, list[Removed]] = {}
    for block in model.blocks:
        kind = (*map(type, block.modules), layer_types[block.sublayers[0].block])
        by_kind.setdefault(kind, []).append(tuple(sublayer.index for sublayer in block.sublayers))
    coalitions: list[Removed] = [()]
    for blocks in by_kind.values():
        indices = blocks[len(blocks) // 2]
        coalitions += [*((index,) for index in indices), indices]
    return list(dict.fromkeys([*coalitions, (0,)]))


def compare(
    model: LanguageModel,
    decoder: Decoder,
    kind: RowKind,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed],
    wanted: Sequence[Sequence[Sequence[float]]],
) -> Comparison:
    """Compare the engine's log-likelihoods with wanted[document][coalition][choice].

    The documents run as one batch, as in the job: padding and neighbours must not be felt. Those without
    branches also run alone, for they then get the model's own masks.
    """
    absolute, relative = TOLERANCES[model.dtype]
    tree = coalition_tree(coalitions, [tuple(s.index for s in block.sublayers) for block in model.blocks])
    worst = Comparison(0.0, 0.0, "")
    paths = [n for n, document in enumerate(documents) if tree_row(n, document).is_path]
    for numbers in dict.fromkeys([tuple(range(len(documents))), tuple(paths)]):
        batch = [documents[number] for number in numbers]
        got = _engine_loglikelihoods(model, decoder, kind, batch, tree) if batch else []
        for number, document, ours_of in zip(numbers, batch, got, strict=True):
            for coalition, row in zip(coalitions, wanted[number], strict=True):
                for ours, theirs in zip(ours_of[coalition], row, strict=True):
                    difference = abs(ours - theirs) if math.isfinite(ours) else math.inf
                    excess = difference / (absolute + relative * abs(theirs))
                    if excess > worst.excess:
                        where = f"document {document.index} without [{removed_text(coalition)}]"
                        worst = Comparison(difference, excess, where)
    return worst


def _engine_loglikelihoods(model, decoder, kind, documents, tree) -> list[dict[Removed, list[float]]]:
    """Per document, each coalition's log-likelihoods; in ever smaller pieces where memory runs out, one
    document after another at last."""
    rows: list[Row] = rows_of(documents, kind.name)
    budget = first_budget(model, tree, memory_budget(model.device), sum(len(row.tokens) for row in rows))
    while True:
        try:
            return _walked(decoder, kind, documents, rows, tree, budget)
        except (RuntimeError, MemoryError) as error:
            smaller = budget.halved(1, 0) if is_out_of_memory(error) else None
            if smaller is None and (len(documents) == 1 or not is_out_of_memory(error)):
                raise
        if smaller is None:
            alone = [_engine_loglikelihoods(model, decoder, kind, [one], tree) for one in documents]
            return [found for (found,) in alone]
        # Only here, for the exception holds the frames, and they the tensors.
        budget = smaller


def _walked(decoder, kind, documents, rows, tree, budget) -> list[dict[Removed, list[float]]]:
    starts = [0, *accumulate(document.n_choices for document in documents)]
    batch = make_batch(decoder, rows, dict(enumerate(starts)), kind.windows)
    found: list[dict[Removed, list[float]]] = [{} for _ in documents]
    for coalitions, loglikelihoods in Walk(decoder, [batch], tree, budget, Counts()).run():
        for coalition, numbers in zip(coalitions, loglikelihoods.tolist(), strict=True):
            for start, document, found_of in zip(starts[:-1], documents, found, strict=True):
                found_of[coalition] = numbers[start : start + document.n_choices]
    return found
