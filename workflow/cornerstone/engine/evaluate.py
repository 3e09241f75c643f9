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
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch

from cornerstone.engine.budget import (
    Budget,
    first_budget,
    is_out_of_memory,
    memory_budget,
    peak_states,
    state_bytes,
    working_bytes,
)
from cornerstone.engine.check import RowKind, choose_rows, non_finite
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.stream_plan import StreamPlan, loaded_bytes, waiting_seconds
from cornerstone.engine.token_tree import document_rows
from cornerstone.engine.walk import Batch, Counts, Walk, make_batch
from cornerstone.loading.allocation import keep_freed_memory
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.streaming import StreamedWeights
from cornerstone.shapley.coalition_tree import CoalitionTree, coalition_tree, least_evaluations, walk_order
from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import CornerstoneError

log = logging.getLogger(__name__)

# A batch is closed before padding grows past this share of its tokens, unless it is still so small that its
# states together would not fill this many chunks.
MOST_PADDING = 0.03
FEWEST_CHUNKS = 3
# Streamed weights: documents that go through the blocks together take at least so many times as long as one pass
# over the weights, where the memory has room for them, and even where that is longer than the time between two
# blocks of finished work: a kill then loses at most one such group of documents.
LEAST_PASSES = 1.25


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
    seconds_between_blocks: batches are sized so that finished work is handed over about this often; where the
                            weights are streamed, about once a pass over them if that takes longer.
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
    with ExitStack() as stack:
        started = time.monotonic()
        if model.weights is not None:
            stack.enter_context(model.weights.loading())
        decoder = stack.enter_context(Decoder(model.network, model.blocks, model.weights))
        kind = choose_rows(model, decoder, documents, rows)
        if model.weights is not None:
            model.weights.let_go()
        evaluation = _Evaluation(model, decoder, kind, documents, coalitions, on_block, on_progress)
        evaluation.size(memory_bytes, batch_tokens, seconds_between_blocks)
        checked = time.monotonic()
        decoder.reset_counts()
        evaluation.run()
        counts = evaluation.counted() | {
            "check_seconds": checked - started,
            "engine_seconds": time.monotonic() - checked,
        }
        if model.weights is not None:
            counts |= evaluation.compared(model.weights, time.monotonic() - checked)
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
        self.weights = model.weights
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
        # Of streamed weights: what is planned, and the groups of documents that went through the blocks.
        self.plan: StreamPlan
        self.groups = self.most_documents = 0

    def size(self, memory_bytes: int | None, batch_tokens: int | None, seconds: float) -> None:
        """Fix the budget to start with."""
        reserved = 0 if self.weights is None else self.weights.bytes_to_come
        memory_bytes = memory_bytes or memory_budget(self.model.device, reserved)
        self.largest = first_budget(self.model, self.tree, memory_bytes, max(self.tokens), batch_tokens)
        self.limit_seconds = seconds
        self._limit_time(self.kind.pace)
        if self.weights is not None:
            self.plan = self._planned(self.weights)
            log.info("planned: %s", self.plan)

    def run(self) -> None:
        """Work through the documents, largest first: what does not fit the memory shows at once."""
        tasks = [_Task(self._in_order(), self.tree)]
        while tasks:
            task = tasks.pop()
            now = self._next_batches(task.positions)
            if rest := task.positions[sum(map(len, now)) :]:
                tasks.append(_Task(rest, task.tree))
            if left := self._run_batches(now, task.tree, again=bool(tasks)):
                tasks.append(left)

    def _in_order(self) -> list[int]:
        return sorted(range(len(self.documents)), key=self._size_of)

    def _size_of(self, position: int) -> tuple:
        """Documents of one length, and of one kind of mask, lie side by side: that keeps padding low."""
        rows = self.rows[position]
        return all(row.is_path for row in rows), -max(len(row.tokens) for row in rows), -self.tokens[position]

    def _next_batches(self, positions: Sequence[int]) -> list[list[int]]:
        """The documents from the front that go through the blocks together: one batch, or where the weights are
        streamed, as many as the pass has room for, padding included."""
        first = self._next_documents(positions, self.budget.batch_tokens)
        if self.weights is None:
            return [first]
        batches, at = [first], len(first)
        room = self.budget.pass_tokens - self._padded(first)
        while at < len(positions) and self._padded(positions[at : at + 1]) <= room:
            batch = self._next_documents(positions[at:], min(room, self.budget.batch_tokens))
            batches.append(batch)
            at += len(batch)
            room -= self._padded(batch)
        return batches

    def _padded(self, positions: Sequence[int]) -> int:
        """Row tokens of a batch of these documents, padding included."""
        rows = [row for position in positions for row in self.rows[position]]
        return len(rows) * max(len(row.tokens) for row in rows)

    def _next_documents(self, positions: Sequence[int], most: int) -> list[int]:
        """As many documents from the front as fit `most` row tokens, padding included; at least one."""
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
            if taken and (padded > most or (padded > smallest and padded > (1 + MOST_PADDING) * tokens)):
                break
            taken.append(position)
        return taken

    def _run_batches(self, batches: list[list[int]], tree: CoalitionTree, again: bool) -> _Task | None:
        """Evaluate some documents; what memory did not suffice for comes back as a task.

        again: whether more documents follow.
        """
        positions = [position for batch in batches for position in batch]
        done: set[Removed] = set()
        started, waited = time.monotonic(), self._waited()
        before = self.counts.tokens
        self.most_documents = max(self.most_documents, len(positions))
        self.groups += 1
        walk = self._walk(batches, tree, again)
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
        seconds = time.monotonic() - started - (self._waited() - waited)
        self._limit_time(seconds / max(1, self.counts.tokens - before))
        return None

    def _waited(self) -> float:
        """Seconds spent waiting for weights so far."""
        return 0.0 if self.weights is None else self.weights.waited

    def _walk(self, batches: list[list[int]], tree: CoalitionTree, again: bool):
        """Yield (coalitions, log-likelihoods (coalitions, requests)) for some documents, in their order."""
        budget = self.budget if self.weights is None else self._budget_for(batches, tree)
        made = [self._batch(positions) for positions in batches]
        walk = Walk(self.decoder, made, tree, budget, self.counts, self._report, again)
        for coalitions, sums in walk.run():
            yield coalitions, sums.cpu().numpy()

    def _budget_for(self, batches: list[list[int]], tree: CoalitionTree) -> Budget:
        """The budget of batches that go through streamed blocks together."""
        tokens = sum(map(self._padded, batches))
        return self.budget.for_group(tokens, max(self.tokens), peak_states(tree))

    def _batch(self, positions: list[int]) -> Batch:
        first_request, rows = {}, []
        requests = 0
        for position in positions:
            first_request[position] = requests
            requests += self.documents[position].n_choices
            rows += self.rows[position]
        return make_batch(self.decoder, rows, first_request, self.kind.windows)

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
        """Bound the next batches by the time between two blocks of finished work.

        Streamed weights weigh more: what is handed over less often than a pass over them takes would wait for
        them most of the time, however long a pass takes.
        """
        limit = self.limit_seconds
        if self.weights is not None:
            limit = max(limit, LEAST_PASSES * sum(self._load_seconds(self.weights)))
        tokens = int(limit / (seconds_per_evaluation * max(1, self.per_token)))
        self.budget = self.largest.within(tokens, max(self.tokens), len(self.tree.leaves))

    def _load_seconds(self, weights: StreamedWeights) -> list[float]:
        return [weights.seconds_to_load(number) for number in range(len(self.model.blocks))]

    def _planned(self, weights: StreamedWeights) -> StreamPlan:
        """What the run will take with the budget as it is now."""
        groups, rest = [], self._in_order()
        while rest:
            groups.append(self._next_batches(rest))
            rest = rest[sum(map(len, groups[-1])) :]
        budgets = [self._budget_for(group, self.tree) for group in groups]
        walks = {budget: walk_order(self.tree, budget.max_states) for budget in set(budgets)}
        tokens = [sum(self.tokens[position] for batch in group for position in batch) for group in groups]
        states = max(
            state_bytes(self.model, self.tree, budget, sum(map(self._padded, group)))
            for budget, group in zip(budgets, groups, strict=True)
        )
        resident = weights.outside_bytes + weights.blocks_bytes
        working = working_bytes(self.model, self.budget.chunk_tokens)
        return StreamPlan(
            documents=max(sum(map(len, group)) for group in groups),
            groups=len(groups),
            passes=sum(loaded_bytes(walks[b], weights.sizes) for b in budgets) / sum(weights.sizes),
            peak_bytes=weights.program_bytes + resident + states + working,
            weight_bytes=resident,
            state_bytes=states,
            waiting=waiting_seconds(
                [walks[b] for b in budgets], tokens, self._load_seconds(weights), self.kind.pace
            ),
            computing=self.kind.pace * self.per_token * sum(tokens),
        )

    def _happened(self, weights: StreamedWeights, seconds: float) -> StreamPlan:
        return StreamPlan(
            documents=self.most_documents,
            groups=self.groups,
            passes=weights.bytes_loaded / sum(weights.sizes),
            peak_bytes=weights.peak_bytes,
            weight_bytes=0,
            state_bytes=0,
            waiting=weights.waited,
            computing=seconds - weights.waited,
        )

    def compared(self, weights: StreamedWeights, seconds: float) -> dict[str, float | str]:
        """What streaming took, in numbers, and beside the plan in the log."""
        happened = self._happened(weights, seconds)
        log.info("happened: %s", happened)
        return {
            "placement": "streamed",
            "weight_passes": happened.passes,
            "planned_weight_passes": self.plan.passes,
            "weight_bytes_read": weights.bytes_read,
            "waiting_seconds": happened.waiting,
            "planned_waiting_seconds": self.plan.waiting,
            "planned_computing_seconds": self.plan.computing,
            "largest_group": happened.documents,
        }

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
