"""The engine: log-likelihoods of documents under many coalitions, each thing computed once.

    result = evaluate(model, encode_documents(model.encoder, documents), ablation(len(model.sublayers)))
    result.loglikelihoods[0]        # the first document's: (coalitions, choices), nats

Two prefix trees take out what repeats (`token_tree`, `coalition_tree`), and nothing else. A batch of
documents walks the blocks once with a set of live states; a state splits where its coalitions disagree:

    documents ─► rows ─► head ─► block 0 ─► block 1 ─► … ─► scored tokens ─► tail ─► log-likelihoods
                                 states split where removals differ
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cornerstone.allocation import keep_freed_memory
from cornerstone.budget import Budget, first_budget, is_out_of_memory, memory_budget
from cornerstone.check import RowKind, choose_rows, non_finite
from cornerstone.coalition_tree import CoalitionTree, coalition_tree, least_evaluations
from cornerstone.coalitions import Removed
from cornerstone.decoder import Decoder
from cornerstone.encoding import EncodedDocument
from cornerstone.errors import CornerstoneError
from cornerstone.models import LanguageModel
from cornerstone.token_tree import document_rows
from cornerstone.walk import Counts, Walk, make_batch

log = logging.getLogger(__name__)

# A batch is closed before padding grows past this share of its tokens, unless it is still so small that its
# states together would not fill this many chunks.
MOST_PADDING = 0.03
FEWEST_CHUNKS = 3


@dataclass(frozen=True)
class EvaluatedBlock:
    """Some coalitions × some documents, complete.

    coalitions:     what was evaluated, each by what it removes.
    documents:      positions in the list of documents given to `evaluate`.
    loglikelihoods: one float64 array (coalitions, choices) per document, nats.
    """

    coalitions: list[Removed]
    documents: list[int]
    loglikelihoods: list[np.ndarray]


@dataclass(frozen=True)
class EvaluationResult:
    """coalitions: in the order given; loglikelihoods: per document (coalitions, choices), float64, nats;
    counts: what the engine computed (see `evaluation_counts`)."""

    coalitions: list[Removed]
    loglikelihoods: list[np.ndarray]
    counts: dict[str, int | float | str]


@dataclass
class _Task:
    """Documents that still need the coalitions of a tree, largest rows first."""

    positions: list[int]
    tree: CoalitionTree


@torch.inference_mode()
def evaluate(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed],
    *,
    rows: str = "auto",
    memory_bytes: int | None = None,
    batch_tokens: int | None = None,
    seconds_between_blocks: float = 20.0,
    on_block: Callable[[EvaluatedBlock], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Log-likelihoods of every choice of every document under every coalition.

    rows:                   "auto" checks tree rows, then plain rows, against the model's own forward.
    memory_bytes:           for states and activations; default: from what is free.
    batch_tokens:           row tokens of the documents that run together; default: from the memory.
    seconds_between_blocks: batches are sized so that finished work is handed over about this often.
    on_block:               called with finished work as it is done.
    on_progress:            called with (done, total) in state × token × sublayer evaluations.

    Raises CornerstoneError for a model that the engine cannot drive rightly, a document that does not fit the
    memory, and NaN or infinite log-likelihoods (naming coalition and document).
    """
    coalitions = list(dict.fromkeys(coalitions))
    _check_coalitions(model, coalitions)
    if not documents or not coalitions:
        return EvaluationResult(coalitions, [np.empty((len(coalitions), d.n_choices)) for d in documents], {})
    if model.device.type == "cpu":
        keep_freed_memory()
    with Decoder(model.network, model.blocks) as decoder:
        started = time.monotonic()
        kind = choose_rows(model, decoder, documents, rows)
        evaluation = _Evaluation(model, decoder, kind, documents, coalitions, on_block, on_progress)
        evaluation.size(memory_bytes, batch_tokens, seconds_between_blocks)
        checked = time.monotonic()
        decoder.reset_counts()
        evaluation.run()
        counts = evaluation.counted() | {
            "check_seconds": checked - started,
            "engine_seconds": time.monotonic() - checked,
        }
    return EvaluationResult(coalitions, evaluation.loglikelihoods, counts)


def _check_coalitions(model: LanguageModel, coalitions: Sequence[Removed]) -> None:
    known = len(model.sublayers)
    for removed in coalitions:
        if list(removed) != sorted(set(removed)) or not all(0 <= sublayer < known for sublayer in removed):
            raise CornerstoneError(
                f"coalition {removed!r}: give the removed sublayers as a sorted tuple of different numbers "
                f"from 0 to {known - 1} ({model.name} has {known} sublayers)"
            )


class _Evaluation:
    """One call of `evaluate`: what is still to do, how large the next batch is, what is done."""

    def __init__(
        self,
        model: LanguageModel,
        decoder: Decoder,
        kind: RowKind,
        documents: Sequence[EncodedDocument],
        coalitions: list[Removed],
        on_block: Callable[[EvaluatedBlock], None] | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self.model, self.decoder, self.kind = model, decoder, kind
        self.documents = documents
        self.index = {coalition: number for number, coalition in enumerate(coalitions)}
        self.on_block, self.on_progress = on_block, on_progress
        self.rows = [document_rows(n, document, kind.name) for n, document in enumerate(documents)]
        self.tokens = [sum(len(row.tokens) for row in rows) for rows in self.rows]
        self.loglikelihoods = [np.full((len(coalitions), d.n_choices), np.nan) for d in documents]
        self.counts = Counts()
        self.tree = coalition_tree(coalitions, [tuple(s.index for s in b.sublayers) for b in model.blocks])
        self.per_token = least_evaluations(coalitions, len(model.sublayers))
        # The most that memory allows, and what the time between two blocks leaves of it.
        self.largest: Budget
        self.budget: Budget
        self.limit_seconds = 0.0

    def size(self, memory_bytes: int | None, batch_tokens: int | None, seconds: float) -> None:
        """Fix the budget to start with."""
        memory_bytes = memory_bytes or memory_budget(self.model.device)
        self.largest = first_budget(self.model, self.tree, memory_bytes, max(self.tokens), batch_tokens)
        self.limit_seconds = seconds
        self._limit_time(self.kind.pace)

    def run(self) -> None:
        """Work through the documents, largest first: what does not fit the memory shows at once."""
        order = sorted(range(len(self.documents)), key=self._size_of)
        tasks = [_Task(order, self.tree)]
        while tasks:
            task = tasks.pop()
            now = self._next_documents(task.positions)
            if rest := task.positions[len(now) :]:
                tasks.append(_Task(rest, task.tree))
            if left := self._run_batch(now, task.tree):
                tasks.append(left)

    def _size_of(self, position: int) -> tuple:
        """Documents of one length, and of one kind of mask, lie side by side: that keeps padding low."""
        rows = self.rows[position]
        return all(row.is_path for row in rows), -max(len(row.tokens) for row in rows), -self.tokens[position]

    def _next_documents(self, positions: Sequence[int]) -> list[int]:
        """As many documents from the front as fit the batch, padding included; at least one."""
        taken: list[int] = []
        rows = longest = tokens = 0
        # At least one, for a lone coalition without any sublayer costs no evaluation at all.
        mean_states = max(1, self.per_token / len(self.model.sublayers))
        smallest = FEWEST_CHUNKS * self.budget.chunk_tokens / mean_states
        for position in positions:
            rows += len(self.rows[position])
            longest = max(longest, *(len(row.tokens) for row in self.rows[position]))
            tokens += self.tokens[position]
            padded = rows * longest
            if taken and (
                padded > self.budget.batch_tokens
                or (padded > smallest and padded > (1 + MOST_PADDING) * tokens)
            ):
                break
            taken.append(position)
        return taken

    def _run_batch(self, positions: list[int], tree: CoalitionTree) -> _Task | None:
        """Evaluate some documents; what memory did not suffice for comes back as a task."""
        done: set[Removed] = set()
        started = time.monotonic()
        before = self.counts.tokens
        walk = self._walk(positions, tree)
        ran_out = False
        while not ran_out:
            try:
                coalitions, block = next(walk, ([], None))
            except (RuntimeError, MemoryError) as error:
                # Not handled here: the exception holds the frames, and they the tensors, until this block ends.
                if not (ran_out := is_out_of_memory(error)):
                    raise
            else:
                if block is None:
                    break
                self._store(positions, coalitions, block)
                done.update(coalitions)
        if ran_out:
            return self._after_running_out(positions, tree, done)
        self._limit_time((time.monotonic() - started) / max(1, self.counts.tokens - before))
        return None

    def _walk(self, positions: list[int], tree: CoalitionTree):
        """Yield (coalitions, log-likelihoods (coalitions, requests)) for some documents."""
        first_request, rows = {}, []
        requests = 0
        for position in positions:
            first_request[position] = requests
            requests += self.documents[position].n_choices
            rows += self.rows[position]
        batch = make_batch(self.decoder, rows, first_request, self.kind.windows)
        walk = Walk(self.decoder, batch, tree, self.budget, self.counts, self._report)
        for coalitions, sums in walk.run():
            yield coalitions, sums.cpu().numpy()

    def _report(self) -> None:
        if self.on_progress is not None:
            # Work repeated after memory ran out would count past the end.
            total = self.per_token * sum(self.tokens)
            self.on_progress(min(self.counts.tokens, total), total)

    def _store(self, positions: list[int], coalitions: list[Removed], sums: np.ndarray) -> None:
        """Keep a block of results and hand it over."""
        self._refuse_non_finite(positions, coalitions, sums)
        places = [self.index[coalition] for coalition in coalitions]
        ends = np.cumsum([self.documents[position].n_choices for position in positions])
        blocks = np.split(sums, ends[:-1], axis=1)
        for position, block in zip(positions, blocks, strict=True):
            self.loglikelihoods[position][places] = block
        if self.on_block is not None:
            self.on_block(EvaluatedBlock(coalitions, list(positions), blocks))

    def _refuse_non_finite(self, positions: list[int], coalitions: list[Removed], sums: np.ndarray) -> None:
        if np.isfinite(sums).all():
            return
        row, column = np.argwhere(~np.isfinite(sums))[0]
        choices = [(position, c) for position in positions for c in range(self.documents[position].n_choices)]
        position, choice = choices[column]
        number = float(sums[row, column])
        raise non_finite(self.model, self.documents[position], choice, coalitions[row], number)

    def _after_running_out(self, positions: list[int], tree: CoalitionTree, done: set[Removed]) -> _Task:
        """Halve what runs at once; what was handed over already stays done."""
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        tokens = sum(self.tokens[position] for position in positions)
        smaller = self.budget.halved(len(positions), tokens)
        if smaller is None:
            raise CornerstoneError(
                f"{self.model.name}: document {self.documents[positions[0]].index} ({tokens} tokens) does "
                "not fit the memory even alone: free memory, or choose a smaller dtype or another device"
            )
        log.info("out of memory with %d documents: going on with smaller batches", len(positions))
        self.budget = self.largest = smaller
        left = [coalition for coalition in tree.leaves if coalition not in done]
        blocks = [tuple(s.index for s in b.sublayers) for b in self.model.blocks]
        return _Task(positions, coalition_tree(left, blocks) if done else tree)

    def _limit_time(self, seconds_per_evaluation: float) -> None:
        tokens = int(self.limit_seconds / (seconds_per_evaluation * max(1, self.per_token)))
        self.budget = self.largest.within(tokens, max(self.tokens), len(self.tree.leaves))

    def counted(self) -> dict[str, int | float | str]:
        """What was computed, in numbers.

        tokens:             (coalition × token), what a pass over the rows for each coalition would run.
        evaluations:        (state × token × sublayer) made, real tokens only.
        least_evaluations:  the least that any exact method makes on these rows and coalitions.
        padded_evaluations: those made with padding, as the sublayers themselves counted them.
        logits:             scored tokens whose logits were worked out.
        """
        return {
            "rows": self.kind.name,
            "documents": len(self.documents),
            "coalitions": len(self.index),
            "row_tokens": sum(self.tokens),
            "tokens": len(self.index) * sum(self.tokens),
            "evaluations": self.counts.tokens,
            "least_evaluations": self.per_token * sum(self.tokens),
            "padded_evaluations": self.decoder.counted(),
            "logits": self.counts.scored,
        }
