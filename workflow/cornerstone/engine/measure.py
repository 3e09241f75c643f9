"""Cheap measures of every sublayer and block, from one pass of the full model over each document.

    measured = measure(model, encode_documents(model.encoder, documents))
    measured.sublayers[0]       # of the first measure: (documents, sublayers)

What enters and leaves a *block* is its input and its output. What leaves a *sublayer* is what leaves its block without
the sublayers after it; what enters it is what leaves its block without it and them:

    states of a block with attention and FFN        pre-norm                        parallel
    0   without both                                x                               x
    1   without the FFN                             x + attn(x)                     x + attn(x)
    2   with both                                   x + attn(x) + ffn(x + attn(x))  x + attn(x) + ffn(x)

So a sublayer's change is what it adds to the residual stream, whatever its block puts around it (norms after it,
multipliers) and whether it adds the residual itself. These states are the block's own output with the outputs of its
first sublayers replayed: exact for every family, at the cost of norms and additions.

A document's tokens are the distinct prefixes of its requests: what choices share counts once, padding never. A measure
of a document is the mean over its tokens. A token whose state is zero throughout has no direction, and does not count.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cornerstone.engine.batches import Batch, Batching, Requests, make_batches
from cornerstone.engine.budget import Budget, first_budget, is_out_of_memory, memory_budget
from cornerstone.engine.check import choose_rows
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.shared_prefixes import Bundle
from cornerstone.engine.token_tree import ROOT, Row, RowKind
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.memory import keep_freed_memory
from cornerstone.loading.refusals import own_code
from cornerstone.measures import MEASURES
from cornerstone.shapley.coalition_tree import coalition_tree
from cornerstone.shapley.players import whole_blocks
from cornerstone.system.errors import CornerstoneError

log = logging.getLogger(__name__)

TOKENS_AT_ONCE = 4096
"""Measured together: their states are cast to float32, of which a few copies exist."""


@dataclass(frozen=True)
class Measured:
    """What `measure` returns: float64, in the order of MEASURES.

    sublayers: (measures, documents, sublayers). blocks: (measures, documents, blocks).
    groups:    (measures, documents, groups) of neighbouring blocks, from what enters the first to what leaves the last;
               none where each is a block.
    counts:    what was computed, named as in `evaluate._Evaluation.counted`.
    """

    sublayers: np.ndarray
    blocks: np.ndarray
    groups: np.ndarray
    counts: dict[str, int | float | str]


@torch.inference_mode()
def measure(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    *,
    blocks_together: int = 1,
    rows: str = "auto",
    memory_bytes: int | None = None,
    batch_tokens: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Every measure of every sublayer and block on every document, and of groups of so many neighbouring blocks.

    blocks_together: how many; the last group may have fewer, and there are no groups of 1.
    rows, memory_bytes, batch_tokens: as `engine.evaluate.evaluate` has them.
    on_progress: called with (done, total) in token × sublayer evaluations.

    Raises CornerstoneError for a model that the engine cannot drive rightly, a document that does not fit the memory,
    and a measure that is not finite (naming document and sublayer).
    """
    if model.device.type == "cpu":
        keep_freed_memory()
    started = time.monotonic()
    alone = range(len(documents))  # no two share the computation of a prefix: one pass is soon done
    with ExitStack() as stack:
        if model.weights is not None:
            stack.enter_context(model.weights.loading())
        with own_code(model.network, model.name):
            decoder = stack.enter_context(Decoder(model.network, model.blocks, model.weights))
            kind = choose_rows(model, decoder, documents, rows, alone)
        if model.weights is not None:
            model.weights.let_go()
        checked = time.monotonic()
        run = _Pass(model, decoder, kind, documents, blocks_together, on_progress)
        run.size(memory_bytes, batch_tokens)
        decoder.reset_counts()
        run.run()
    return Measured(
        *np.split(run.means, run.starts, axis=2),
        {
            "rows": kind.name,
            "documents": len(documents),
            "row_tokens": run.tokens,
            "tokens": run.tokens,
            "evaluations": run.done,
            "padded_evaluations": decoder.counted(),
            "check_seconds": checked - started,
            "engine_seconds": time.monotonic() - checked,
        },
    )


def counted_nodes(rows: Sequence[Row]) -> list[list[int]]:
    """Of each row of a document the nodes that count: a prefix of its requests counts where it first stands."""
    known: dict[tuple[int, int], int] = {}
    found = []
    for row in rows:
        names: list[int] = []
        first = []
        for node, (token, parent) in enumerate(zip(row.tokens, row.parents, strict=True)):
            prefix = (names[parent] if parent != ROOT else ROOT, token)
            if prefix not in known:
                known[prefix] = len(known)
                first.append(node)
            names.append(known[prefix])
        found.append(first)
    return found


class _Pass:
    """One call of `measure`: the full model on all documents, some of them at a time.

    parts:  labels of what is measured: sublayers, then blocks, then groups of blocks. starts: of blocks and of groups.
    means: (measures, documents, parts), NaN where nothing was measured yet.
    """

    def __init__(
        self,
        model: LanguageModel,
        decoder: Decoder,
        kind: RowKind,
        documents: Sequence[EncodedDocument],
        blocks_together: int,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self.model, self.decoder, self.kind, self.documents = model, decoder, kind, documents
        self.blocks_together, self.on_progress = blocks_together, on_progress
        self.measures = tuple(MEASURES)
        labels = [sublayer.label for sublayer in model.sublayers]
        groups = whole_blocks(labels, blocks_together) if blocks_together > 1 else ()
        self.parts = [*labels, *whole_blocks(labels), *groups]
        self.starts = len(labels), len(labels) + len(model.blocks)
        self.means = np.full((len(self.measures), len(documents), len(self.parts)), np.nan)
        self.batching = Batching(documents, kind, model.weights is not None, 1.0, range(len(documents)))
        self.counted = {
            id(row): nodes
            for rows in self.batching.rows
            for row, nodes in zip(rows, counted_nodes(rows), strict=True)
        }
        self.tokens = sum(bundle.tokens for bundle in self.batching.bundles)
        self.done = 0
        self.budget: Budget

    def size(self, memory_bytes: int | None, batch_tokens: int | None) -> None:
        """Fix the sizes of what runs at once."""
        weights = self.model.weights
        reserved = 0 if weights is None else weights.bytes_to_come
        blocks = [tuple(sublayer.index for sublayer in block.sublayers) for block in self.model.blocks]
        memory = memory_bytes or memory_budget(self.model.device, reserved)
        self.budget = first_budget(
            self.model,
            coalition_tree([()], blocks),
            memory if self.blocks_together == 1 else memory // 2,  # for what enters a group waits beside it
            self.batching.longest,
            batch_tokens,
        )

    def run(self) -> None:
        """Work through the documents, largest first: what does not fit in memory shows at once."""
        waiting = self.batching.in_order()
        while waiting:
            batches = self.batching.next_batches(waiting, self.budget)
            now = waiting[: sum(map(len, batches))]
            ran_out = False
            try:
                with own_code(self.model.network, self.model.name):
                    self._measure(batches, now, again=len(now) < len(waiting))
            except (RuntimeError, MemoryError) as error:
                # Not handled here: the exception holds the frames, and they the tensors, until this block ends.
                if not (ran_out := is_out_of_memory(error)):
                    raise
            if ran_out:
                self._after_running_out(now)
            else:
                waiting = waiting[len(now) :]

    def _after_running_out(self, bundles: Sequence[Bundle]) -> None:
        """Halve what runs at once."""
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        tokens = sum(bundle.tokens for bundle in bundles)
        smaller = self.budget.halved(len(bundles), tokens) if len(bundles) > 1 else None
        if smaller is None:
            document = self.documents[bundles[0].positions[0]].index
            raise CornerstoneError(
                f"{self.model.name}: document {document} ({tokens} tokens) does not fit in memory even alone: free "
                "memory, or choose a smaller dtype or another device"
            )
        log.info("out of memory with %d documents: going on with smaller batches", len(bundles))
        self.budget = smaller

    def _measure(self, batches: list[list[Bundle]], bundles: Sequence[Bundle], again: bool) -> None:
        """Some documents through all blocks, side by side. again: whether more documents follow."""
        positions = [position for bundle in bundles for position in bundle.positions]
        choices = {position: self.documents[position].n_choices for position in positions}
        row_batches = [one for batch in batches for one in self.batching.row_batches(batch, self.budget)]
        made = make_batches(self.decoder, row_batches, Requests.of(choices, [positions]), self.kind)
        place_of = {position: place for place, position in enumerate(positions)}
        lanes = [
            _Lane(self.decoder, batch, self._counted_in(one.rows, batch, place_of))
            for one, batch in zip(row_batches, made, strict=True)
        ]
        blocks = self.model.blocks
        if self.decoder.weights is not None:
            self.decoder.weights.expect([*range(len(blocks)), *([0] * again)])
        sums = _Sums(self.measures, len(positions), len(self.parts), self.decoder.device)
        for number, block in enumerate(blocks):
            for lane in lanes:
                entered, states = lane.through(number)
                for place, sublayer in enumerate(block.sublayers):
                    sums.add(sublayer.index, states[place], states[place + 1], lane.owners)
                sums.add(self.starts[0] + number, entered, states[-1], lane.owners)
                if self.blocks_together > 1:
                    self._add_to_group(number, sums, lane, entered, states[-1])
                self._report(lane.batch.tokens * len(block.sublayers))
        means = sums.means()
        self._refuse_non_finite(positions, means)
        self.means[:, positions] = means

    def _add_to_group(self, number: int, sums: _Sums, lane: _Lane, entered: Tensor, left: Tensor) -> None:
        """Keep what enters the first block of a group, and measure it beside what leaves the last."""
        group, place = divmod(number, self.blocks_together)
        if place == 0:
            lane.entered_group = entered
        if place == self.blocks_together - 1 or number == len(self.model.blocks) - 1:
            sums.add(self.starts[1] + group, lane.entered_group, left, lane.owners)

    def _counted_in(
        self, rows: Sequence[Row], batch: Batch, place_of: dict[int, int]
    ) -> tuple[Tensor, Tensor]:
        """The tokens of a batch that count, as flat indices of (rows, tokens), and the places of their documents."""
        nodes = [
            (number * batch.shape[1] + node, place_of[row.document])
            for number, row in enumerate(rows)
            for node in self.counted[id(row)]
        ]
        flat, owners = torch.tensor(nodes, dtype=torch.long, device=self.decoder.device).reshape(-1, 2).T
        return flat.contiguous(), owners.contiguous()

    def _report(self, evaluations: int) -> None:
        self.done += evaluations
        total = self.tokens * len(self.model.sublayers)
        if self.on_progress is not None:
            self.on_progress(min(self.done, total), total)  # what ran out of memory is repeated

    def _refuse_non_finite(self, positions: Sequence[int], means: np.ndarray) -> None:
        if np.isfinite(means).all():
            return
        which, place, part = np.argwhere(~np.isfinite(means))[0]
        raise CornerstoneError(
            f"{self.model.name}: the {self.measures[which].title} of {self.parts[part]} on document "
            f"{self.documents[positions[place]].index} is {means[which, place, part]}: its hidden states are zero, or "
            f"the weights or the dtype {self.model.dtype} overflow; try dtype float32 or bfloat16"
        )


class _Lane:
    """One batch on its way through the blocks.

    flat: the tokens that count, as indices of (rows × tokens); owners: of each the place of its document.
    entered_group: their states as they entered the group of blocks that is measured.
    """

    entered_group: Tensor

    def __init__(self, decoder: Decoder, batch: Batch, counted: tuple[Tensor, Tensor]) -> None:
        self.decoder, self.batch = decoder, batch
        self.flat, self.owners = counted
        self.hidden = batch.hidden

    def through(self, number: int) -> tuple[Tensor, list[Tensor]]:
        """What enters a block, and its states: without any of its sublayers, with the first, …, with all.

        Of the tokens that count, (tokens, width) each.
        """
        entered, places = self.hidden, len(self.decoder.players[number])
        output = self._run(number, entered, keep=range(places - 1))
        kept = {place: self.decoder.players[number][place].take_kept() for place in range(places - 1)}
        states = []
        for present in range(places):
            if present == 0 and self.decoder.skips(number):
                states.append(entered)
                continue
            replay = {place: kept[place] for place in range(present)}
            states.append(self._run(number, entered, range(present, places), replay=replay))
        self.hidden = output
        return self._counted(entered), [self._counted(state) for state in (*states, output)]

    def _run(self, number: int, hidden: Tensor, removed: Sequence[int] = (), **settings) -> Tensor:
        return self.decoder.run_block(number, hidden, self.batch.arguments[number], removed, **settings)

    def _counted(self, state: Tensor) -> Tensor:
        return state.flatten(0, 1)[self.flat]


class _Sums:
    """Sums of every measure over the tokens of some documents: (measures, documents, parts)."""

    def __init__(self, measures: Sequence, documents: int, parts: int, device: torch.device) -> None:
        self.measures = measures
        self.sums = torch.zeros(parts, len(measures), documents, dtype=torch.float64, device=device)
        self.counts = torch.zeros(parts, documents, dtype=torch.float64, device=device)

    def add(self, part: int, enters: Tensor, leaves: Tensor, owners: Tensor) -> None:
        """A sublayer's or a block's change at tokens, (tokens, width). owners: the place of each token's document."""
        slices = (tensor.split(TOKENS_AT_ONCE) for tensor in (enters, leaves, owners))
        for before, after, owner in zip(*slices, strict=True):
            before, after = before.float(), after.float()
            counts = before.any(dim=-1) & after.any(dim=-1)
            is_finite = (before.norm(dim=-1) + after.norm(dim=-1)).isfinite()  # else a direction would be 0
            numbers = torch.stack([measure.of(before, after) for measure in self.measures])
            numbers = numbers.where(is_finite, torch.nan).where(counts, 0.0)
            self.sums[part].index_add_(1, owner, numbers.double())
            self.counts[part].index_add_(0, owner, counts.double())

    def means(self) -> np.ndarray:
        """(measures, documents, parts); NaN where no token counts."""
        return (self.sums / self.counts[:, None]).permute(1, 2, 0).cpu().numpy()
