"""The check before each job: the engine is compared with the model's own forward on the job's own documents.

It makes "any decoder" safe: a model that the engine cannot drive rightly is refused, never measured wrongly.
Whatever the job's dtype, it runs in float32, where no rounding hides a wrong mask or position. Kinds of rows are
tried from the cheapest on; when none agrees with the model, the model is refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import torch

from cornerstone.engine.batches import Batch, Requests, make_batch
from cornerstone.engine.block_arguments import widened
from cornerstone.engine.budget import CHUNK_TOKENS, is_out_of_memory
from cornerstone.engine.comparison import Sample, compare, reference_sample
from cornerstone.engine.decoder import Decoder, logits_of
from cornerstone.engine.masks import windows_in_depth
from cornerstone.engine.reference import reference_loglikelihoods
from cornerstone.engine.samples import (
    check_coalitions,
    config_numbers,
    documents_at_lengths,
    extreme_documents,
    lengths_of_change,
    request_lengths,
)
from cornerstone.engine.sharing_check import sharing_if_it_agrees
from cornerstone.engine.token_tree import PLAIN, TREE, RowKind, document_rows
from cornerstone.engine.upcast import in_float32
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.refusals import Reason, refused
from cornerstone.loading.sublayers import kinds_of_blocks, one_of_each_kind
from cornerstone.system.errors import CornerstoneError, one_line

log = logging.getLogger(__name__)


def choose_rows(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    allowed: str = "auto",
    designs: Sequence[Hashable] | None = None,
) -> RowKind:
    """The cheapest kind of rows that passes the check on the documents.

    allowed: "auto", or "tree" or "plain" to try these kinds alone.
    designs: equal for documents that have the same coalitions, and may share prefixes; None: all have the same.
    Raises CornerstoneError naming the model and the difference when none passes, where the model itself
    gives no finite number, where a sublayer is not whole, and where the documents do not fit the memory.
    """
    _refuse_unknown_tokens(model, documents)
    try:
        return _choose_rows(model, decoder, documents, allowed, designs or [None] * len(documents))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        named = ", ".join(str(document.index) for document in extreme_documents(documents))
        raise CornerstoneError(
            f"{model.name}: the check of documents {named} does not fit in memory: free memory, or choose a "
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
                f"below {known}: the tokenizer belongs to another model; put the model's own tokenizer.json and "
                "tokenizer_config.json in its folder"
            )


def _choose_rows(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    allowed: str,
    designs: Sequence[Hashable],
) -> RowKind:
    """In float32: on the whole model where it is resident in float32, else on one block of each kind, cast up."""
    numbers = one_of_each_kind(kinds_of_blocks(model.network, model.blocks))
    if model.weights is not None:
        numbers = sorted(model.weights.held)
    decoder.prove_players(numbers)
    if model.weights is None and model.dtype == "float32":
        return _row_kind_that_agrees(model, decoder, documents, allowed, designs)
    kind = _choose_rows_on_cut(model, decoder, documents, allowed, designs, numbers)
    if model.weights is not None:
        return kind
    sample = reference_sample(model, decoder, extreme_documents(documents), check_coalitions(model))
    kind = replace(kind, pace=_pace_of_reference(model, sample))
    if (found := compare(model, decoder, replace(kind, shares=False), sample)).excess > 1:
        raise refused(model.network, Reason.DISAGREES, f"in {model.dtype} with {kind}: {found}")
    return sharing_if_it_agrees(model, decoder, documents, kind, sample, designs) if kind.shares else kind


def _choose_rows_on_cut(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    allowed: str,
    designs: Sequence[Hashable],
    numbers: Sequence[int],
) -> RowKind:
    """As `_row_kind_that_agrees`, on the model cut to some blocks and cast to float32."""
    log.info(
        "check: in float32 on %d of %d blocks (%s), which have each kind of block; the others pass the hidden state on",
        len(numbers),
        len(model.blocks),
        ", ".join(map(str, numbers)),
    )
    blocks = tuple(model.blocks[number] for number in numbers)
    others = [block.module for number, block in enumerate(model.blocks) if number not in numbers]
    with decoder.cut_to(numbers):
        with in_float32(model.network, others):
            cut = replace(model, blocks=blocks, weights=None, dtype="float32")
            with Decoder(cut.network, cut.blocks, removal=decoder.removal) as small:
                kind = _row_kind_that_agrees(cut, small, documents, allowed, designs)
        if model.weights is not None:  # its own forward, which else gives the pace, would stream all blocks
            with Decoder(model.network, blocks, removal=decoder.removal) as small:
                # A quarter of what the job gives a block at once runs about as well, and takes less long.
                some = CHUNK_TOKENS[model.device.type] // 4
                kind = replace(kind, pace=measured_pace(small, kind, extreme_documents(documents)[0], some))
    return with_windows(decoder, documents, kind)


def measured_pace(decoder: Decoder, kind: RowKind, document: EncodedDocument, chunk_tokens: int) -> float:
    """Seconds per (token × sublayer) of blocks that get so many tokens at once, or as many as the memory takes."""
    rows = document_rows(0, document, kind)
    alike = [row for row in rows if kind.like(row) == kind.like(rows[0])]
    batch = make_batch(decoder, alike, Requests.of({0: document.n_choices}, [[0]]), kind.windows)
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


def _row_kind_that_agrees(
    model: LanguageModel,
    decoder: Decoder,
    documents: Sequence[EncodedDocument],
    allowed: str,
    designs: Sequence[Hashable],
) -> RowKind:
    """The first kind of rows that agrees with the model. Raises CornerstoneError where none does."""
    _refuse_look_ahead(model, documents)
    numbers = config_numbers(model, documents)
    samples = [
        reference_sample(model, decoder, extreme_documents(documents), check_coalitions(model)),
        reference_sample(model, decoder, documents_at_lengths(documents, numbers), [()]),
    ]
    # The second together with the first: what lies on both sides of a number must share batches, too.
    samples[1] = Sample(
        samples[0].documents + samples[1].documents,
        [()],
        [by_coalition[:1] for by_coalition in samples[0].wanted] + samples[1].wanted,
    )
    pace = _pace_of_reference(model, samples[0])
    failures = []
    for kind in _kinds_of_rows(decoder, documents, numbers):
        if allowed not in ("auto", kind.name):
            continue
        try:
            kind = with_windows(decoder, documents, replace(kind, pace=pace))
            found = max((compare(model, decoder, kind, one) for one in samples), key=lambda one: one.excess)
        # A model may refuse our masks in as many ways as there are models.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            failure = f"{kind}: {one_line(error)}"
        else:
            if found.excess <= 1:
                log.info("check: %s agree with the model to %.1e nats", kind, found.difference)
                return sharing_if_it_agrees(model, decoder, documents, kind, samples[0], designs)
            failure = f"{kind}: {found}"
        failures.append(failure)
        log.info("check: %s cannot use %s", model.name, failure)
    raise refused(model.network, Reason.DISAGREES, "; ".join(failures))


def _kinds_of_rows(
    decoder: Decoder, documents: Sequence[EncodedDocument], numbers: Sequence[int]
) -> Iterator[RowKind]:
    """The kinds of rows to try, the cheapest first. Rows that the model would treat differently are kept apart."""
    switches = tuple(lengths_of_change(decoder, request_lengths(documents)))
    yield replace(TREE, switches=switches)
    if not set(numbers) <= set(switches):
        yield replace(TREE, switches=tuple(sorted({*switches, *numbers})))
    yield replace(PLAIN, switches=switches)
    yield replace(PLAIN, padded=False)


def _refuse_look_ahead(model: LanguageModel, documents: Sequence[EncodedDocument]) -> None:
    """Raise CornerstoneError where a change of the last token changes the model's output at earlier tokens."""
    requests = (request for document in documents for request in document.requests)
    tokens = list(max(requests, key=lambda request: len(request.tokens)).tokens)
    one, other = (
        logits_of(
            model.network, model.network(input_ids=torch.tensor([row], device=model.device), use_cache=False)
        )
        for row in (tokens, [*tokens[:-1], int(tokens[-1] == 0)])
    )
    one, other = one[0, :-1].float(), other[0, :-1].float()
    if len(one) and (moved := float((one - other).abs().max())) > 1e-3 * max(1.0, float(one.abs().max())):
        raise refused(
            model.network, Reason.NOT_CAUSAL, f"another last token moves logits before it by {moved:.3g}"
        )


def _pace_of_reference(model: LanguageModel, sample: Sample) -> float:
    """Seconds per (token × sublayer) of the model's own forward."""
    document = sample.documents[0]
    started = time.monotonic()
    reference_loglikelihoods(model, document, ())
    tokens = sum(map(len, {request.tokens for request in document.requests}))
    return (time.monotonic() - started) / (tokens * len(model.sublayers))


def with_windows(decoder: Decoder, documents: Sequence[EncodedDocument], kind: RowKind) -> RowKind:
    """With what tree rows need to know of the model. Raises ValueError where the model cannot have such rows."""
    if kind.name == "plain":
        return kind
    return replace(kind, windows=tuple(windows_in_depth(decoder, request_lengths(documents)[-1])))
