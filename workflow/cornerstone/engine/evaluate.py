"""The engine: log-likelihoods of documents under many coalitions, without repeated computation.

    result = evaluate(model, encode_documents(model.encoder, documents), ablation(len(model.sublayers)))
    result.loglikelihoods[0]        # the first document's: (coalitions, choices), nats
    evaluate(model, documents, ForEach([coalitions_of(document) for document in documents]))     # of each its own

Two prefix trees take out what repeats (`token_tree`, `coalition_tree`), and nothing else. A batch of
documents walks the blocks once with a set of live states; a state splits where its coalitions disagree:

    documents ─► rows ─► head ─► block 0 ─► block 1 ─► … ─► scored tokens ─► tail ─► log-likelihoods
                                 states split where removals differ
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from cornerstone.engine.asked import Asked
from cornerstone.engine.batches import Batching, Requests, make_batches
from cornerstone.engine.budget import (
    FEWEST_STATES,
    NO_ROOM,
    Budget,
    PrefixRoom,
    first_budget,
    is_out_of_memory,
    memory_budget,
    most_together,
)
from cornerstone.engine.check import choose_rows
from cornerstone.engine.comparison import non_finite
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.removals import ZERO, Removal
from cornerstone.engine.shared_prefixes import Bundle
from cornerstone.engine.stream_plan import StreamPlan, compared, load_seconds, planned_stream
from cornerstone.engine.token_tree import RowKind
from cornerstone.engine.walk import Counts, Walk
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.memory import keep_freed_memory
from cornerstone.loading.refusals import own_code
from cornerstone.models.means import Means
from cornerstone.shapley.coalition_tree import Forest
from cornerstone.shapley.coalitions import ForEach, Removed
from cornerstone.system.errors import CornerstoneError

log = logging.getLogger(__name__)

# Streamed weights: documents that go through the blocks together take at least so many times as long as one pass
# over the weights, where the memory has room for them, and even where that is longer than the time between two
# blocks of finished work: a kill then loses at most one such group of documents.
LEAST_PASSES = 1.25


@dataclass(frozen=True)
class EvaluatedBlock:
    """Some coalitions of some documents, complete.

    documents:      positions in the list of documents given to `evaluate`.
    coalitions:     of each document what was evaluated, by what it removes.
    loglikelihoods: one float64 array (coalitions, choices) per document, nats.
    greedy:         bool, alike: whether each token of the choice is the most likely one.
    """

    documents: list[int]
    coalitions: list[list[Removed]]
    loglikelihoods: list[np.ndarray]
    greedy: list[np.ndarray]

    @property
    def columns(self) -> dict[str, list[np.ndarray]]:
        """The numbers by their names in a file."""
        return {"loglikelihood": self.loglikelihoods, "greedy": self.greedy}


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` returns.

    coalitions:     in the order given, of all documents or of each.
    loglikelihoods: per document (coalitions, choices), float64, nats.
    greedy:         per document (coalitions, choices), bool: whether each token of the choice is the most likely one.
    counts:         what the engine computed (see `_Evaluation.counted`).
    """

    coalitions: list[Removed] | ForEach
    loglikelihoods: list[np.ndarray]
    greedy: list[np.ndarray]
    counts: dict[str, int | float | str]


@dataclass
class _Task:
    """Documents that still need coalitions, largest rows first; done: of each, by position, what it has already."""

    bundles: list[Bundle]
    done: dict[int, set[Removed]] = field(default_factory=dict)


@torch.inference_mode()
def evaluate(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed] | ForEach,
    *,
    rows: str = "auto",
    means: Means | None = None,
    memory_bytes: int | None = None,
    batch_tokens: int | None = None,
    seconds_between_blocks: float = 20.0,
    on_block: Callable[[EvaluatedBlock], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Log-likelihoods of every choice of every document under every coalition, or under each document's own.

    rows:                   "auto" checks tree rows, then plain rows, against the model's own forward.
    means:                  what removed sublayers add on average, which stays then; None: nothing stays.
    memory_bytes:           for states and activations; default: from what is free.
    batch_tokens:           row tokens of the documents that run together; default: from the memory.
    seconds_between_blocks: batches are sized so that finished work is handed over about this often; where the
                            weights are streamed, about once a pass over them if that takes longer.
    on_block:               called with finished work as it is done.
    on_progress:            called with (done, total) in state × token × sublayer evaluations.

    Raises CornerstoneError for a model that the engine cannot drive rightly, a document that does not fit the
    memory, and NaN or infinite log-likelihoods (naming coalition and document).
    """
    asked = Asked(model, documents, coalitions)
    given = coalitions if isinstance(coalitions, ForEach) else list(dict.fromkeys(coalitions))
    if asked.widest is None or not documents:
        nothing = [np.empty((0, d.n_choices)) for d in documents]
        return EvaluationResult(given, nothing, [none.astype(bool) for none in nothing], {})
    if model.device.type == "cpu":
        keep_freed_memory()
    with ExitStack() as stack:
        started = time.monotonic()
        if model.weights is not None:
            stack.enter_context(model.weights.loading())
        with own_code(model.network, model.name):
            removal = ZERO if means is None else Removal("mean", means)
            decoder = stack.enter_context(Decoder(model.network, model.blocks, model.weights, removal))
            kind = choose_rows(model, decoder, documents, rows, asked.designs)
        if model.weights is not None:
            model.weights.let_go()
        evaluation = _Evaluation(model, decoder, kind, documents, asked, on_block, on_progress)
        evaluation.size(memory_bytes, batch_tokens, seconds_between_blocks)
        checked = time.monotonic()
        decoder.reset_counts()
        evaluation.run()
        counts = evaluation.counted() | {
            "check_seconds": checked - started,
            "engine_seconds": time.monotonic() - checked,
        }
        if model.weights is not None:
            seconds = time.monotonic() - checked
            counts |= compared(
                evaluation.plan, model.weights, evaluation.most_documents, evaluation.groups, seconds
            )
    return EvaluationResult(given, evaluation.loglikelihoods, evaluation.greedy, counts)


class _Evaluation:
    """One call of `evaluate`: what is still to do, how large the next batch is, what is done."""

    def __init__(
        self,
        model: LanguageModel,
        decoder: Decoder,
        kind: RowKind,
        documents: Sequence[EncodedDocument],
        asked: Asked,
        on_block: Callable[[EvaluatedBlock], None] | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self.model, self.decoder, self.kind = model, decoder, kind
        self.weights = model.weights
        self.documents = documents
        self.asked = asked
        self.on_block, self.on_progress = on_block, on_progress
        self.loglikelihoods = [
            np.full((count, d.n_choices), np.nan) for count, d in zip(asked.counts, documents, strict=True)
        ]
        self.greedy = [np.zeros(numbers.shape, dtype=bool) for numbers in self.loglikelihoods]
        self.counts = Counts()
        room = PrefixRoom.of(model, len(set(kind.windows))) if kind.shares else NO_ROOM
        states = asked.mean_states()
        self.batching = Batching(documents, kind, self.weights is not None, states, asked.designs, room)
        # (state × token × sublayer) evaluations of all documents, and of a token on average.
        self.total: int
        self.per_token: float
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
        tree = self.asked.widest
        if cut := self.batching.cut_to(most_together(self.model, tree, memory_bytes)):
            log.info(
                "documents of %d shared prefixes do not fit in memory together: each part computes its own",
                cut,
            )
        self.total = sum(self.asked.least[one.positions[0]] * one.tokens for one in self.batching.bundles)
        self.per_token = max(1.0, self.total / sum(one.tokens for one in self.batching.bundles))
        longest = self.batching.longest
        self.largest = first_budget(self.model, tree, memory_bytes, longest, batch_tokens)
        self.limit_seconds = seconds
        self._limit_time(self.kind.pace)
        if self.weights is not None:
            self.plan = planned_stream(
                self.model, self.batching, tree, self.budget, self.kind.pace, self.per_token
            )
            log.info("planned: %s", self.plan)

    def run(self) -> None:
        """Work through the documents, largest first: what does not fit in memory shows at once."""
        wanted = [one for one in self.batching.in_order() if self.asked.counts[one.positions[0]]]
        tasks = [_Task(wanted)]
        while tasks:
            task = tasks.pop()
            now = self.batching.next_batches(task.bundles, self.budget)
            if rest := task.bundles[sum(map(len, now)) :]:
                tasks.append(_Task(rest, task.done))
            if left := self._run_batches(now, task.done, again=bool(tasks)):
                tasks.append(left)

    def _run_batches(
        self, batches: list[list[Bundle]], done: dict[int, set[Removed]], again: bool
    ) -> _Task | None:
        """Evaluate some documents; those that did not fit in memory come back as a task.

        done: of each document the coalitions that it has; again: whether more documents follow.
        """
        bundles = [bundle for batch in batches for bundle in batch]
        positions = [position for bundle in bundles for position in bundle.positions]
        done = self.asked.begun(positions, done)
        started, waited = time.monotonic(), self._waited()
        before = self.counts.tokens
        self.most_documents = max(self.most_documents, len(positions))
        self.groups += 1
        walk = self._walk(positions, batches, done, again)
        ran_out = False
        while not ran_out:
            try:
                with own_code(self.model.network, self.model.name):
                    block = next(walk, None)
            except (RuntimeError, MemoryError) as error:
                # Not handled here: the exception holds the frames, and they the tensors, until this block ends.
                if not (ran_out := is_out_of_memory(error)):
                    raise
            else:
                if block is None:
                    break
                self._store(block)
                finished = zip(block.documents, block.coalitions, strict=True)
                # Documents of one tree have one set, and one list.
                for has, coalitions in {id(done[n]): (done[n], own) for n, own in finished}.values():
                    has.update(coalitions)
        if ran_out:
            return self._after_running_out(bundles, done)
        seconds = time.monotonic() - started - (self._waited() - waited)
        self._limit_time(seconds / max(1, self.counts.tokens - before))
        return None

    def _waited(self) -> float:
        """Seconds spent waiting for weights so far."""
        return 0.0 if self.weights is None else self.weights.waited

    def _walk(
        self, positions: list[int], batches: list[list[Bundle]], done: dict[int, set[Removed]], again: bool
    ) -> Iterator[EvaluatedBlock]:
        """Evaluate what some documents lack."""
        forest, trees = self.asked.forest(positions, done)
        budget = self.batching.budget_for(batches, self.budget, self.asked.widest)
        choices = {position: self.documents[position].n_choices for position in positions}
        row_batches = [one for batch in batches for one in self.batching.row_batches(batch, budget)]
        made = make_batches(self.decoder, row_batches, Requests.of(choices, trees), self.kind)
        walk = Walk(self.decoder, made, forest, budget, self.counts, self._report, again)
        for leaves, sums in walk.run():
            yield self._block(forest, trees, leaves, sums)

    def _block(
        self, forest: Forest, trees: list[list[int]], leaves: list[int], sums: list[Tensor]
    ) -> EvaluatedBlock:
        """Finished leaves by documents; `sums` (2, requests of its tree) are those of each leaf (`_Lane.scored`)."""
        of_trees: dict[int, list[int]] = {}
        for place, leaf in enumerate(leaves):
            of_trees.setdefault(int(forest.tree[leaf]), []).append(place)
        block = EvaluatedBlock([], [], [], [])
        for tree, places in of_trees.items():
            coalitions = [forest.leaves[leaves[place]] for place in places]
            numbers, missed = torch.stack([sums[place] for place in places], dim=1).cpu().numpy()
            ends = np.cumsum([self.documents[position].n_choices for position in trees[tree]])
            block.documents.extend(trees[tree])
            block.coalitions.extend([coalitions] * len(trees[tree]))
            block.loglikelihoods.extend(np.split(numbers, ends[:-1], axis=1))
            block.greedy.extend(np.split(missed == 0, ends[:-1], axis=1))
        return block

    def _report(self) -> None:
        if self.on_progress is not None:
            # Work repeated after memory ran out would count past the end.
            self.on_progress(min(self.counts.tokens, self.total), self.total)

    def _store(self, block: EvaluatedBlock) -> None:
        """Keep a block of results and hand it over."""
        places: dict[int, list[int]] = {}  # by the list of coalitions: documents of one tree have one
        for position, coalitions, numbers, greedy in zip(
            block.documents, block.coalitions, block.loglikelihoods, block.greedy, strict=True
        ):
            self._refuse_non_finite(position, coalitions, numbers)
            if id(coalitions) not in places:
                places[id(coalitions)] = self.asked.places(position, coalitions)
            self.loglikelihoods[position][places[id(coalitions)]] = numbers
            self.greedy[position][places[id(coalitions)]] = greedy
        if self.on_block is not None:
            self.on_block(block)

    def _refuse_non_finite(self, position: int, coalitions: list[Removed], numbers: np.ndarray) -> None:
        if not np.isfinite(numbers).all():
            row, choice = np.argwhere(~np.isfinite(numbers))[0]
            document, number = self.documents[position], float(numbers[row, choice])
            raise non_finite(self.model, document, int(choice), coalitions[row], number)

    def _after_running_out(self, bundles: list[Bundle], done: dict[int, set[Removed]]) -> _Task:
        """Halve what runs at once; what was handed over already stays done."""
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        tokens = sum(map(self.batching.room, bundles))
        documents = sum(len(bundle.positions) for bundle in bundles)
        few = self.budget.max_states <= FEWEST_STATES
        smaller = self.budget.halved(len(bundles), tokens)
        if len(bundles) == 1 and documents > 1 and few:
            smaller = self.budget.halved(documents, tokens)
            bundles = self.batching.cut(bundles[0])
        if smaller is None:
            raise CornerstoneError(
                f"{self.model.name}: document {self.documents[bundles[0].positions[0]].index} ({tokens} tokens) does "
                "not fit in memory even alone: free memory, or choose a smaller dtype or another device"
            )
        log.info("out of memory with %d documents: going on with smaller batches", documents)
        self.budget = self.largest = smaller
        left = [one for one in bundles if len(done[one.positions[0]]) < self.asked.counts[one.positions[0]]]
        return _Task(left, done)

    def _limit_time(self, seconds_per_evaluation: float) -> None:
        """Bound the next batches by the time between two blocks of finished work.

        Streamed weights weigh more: what is handed over less often than a pass over them takes would wait for
        them most of the time, however long a pass takes.
        """
        limit = self.limit_seconds
        if self.weights is not None:
            limit = max(limit, LEAST_PASSES * sum(load_seconds(self.weights)))
        tokens = int(limit / (seconds_per_evaluation * self.per_token))
        self.budget = self.largest.within(tokens, self.batching.longest, len(self.asked.widest.leaves))

    def counted(self) -> dict[str, int | float | str]:
        """What was computed, in numbers.

        coalitions:         the most of a document.
        row_tokens:         in the rows, what documents share of prefixes once.
        prefix_tokens:      of these in shared prefixes.
        shared_tokens:      that the rows would have more if documents shared nothing.
        tokens:             (coalition × token), what a pass over the rows for each coalition would run.
        evaluations:        (state × token × sublayer) made, real tokens only.
        least_evaluations:  the least that any exact method makes on these rows and coalitions.
        padded_evaluations: those made with padding, as the sublayers themselves counted them.
        logits:             scored tokens whose logits were worked out.
        """
        bundles = self.batching.bundles
        tokens = sum(bundle.tokens for bundle in bundles)
        alone = sum(len(row.tokens) for rows in self.batching.rows for row in rows)
        return {
            "rows": self.kind.name,
            "documents": len(self.documents),
            "coalitions": max(self.asked.counts),
            "row_tokens": tokens,
            "prefix_tokens": sum(len(prefix.tokens) for bundle in bundles for prefix in bundle.prefixes),
            "shared_tokens": alone - tokens,
            "tokens": sum(self.asked.counts[one.positions[0]] * one.tokens for one in bundles),
            "evaluations": self.counts.tokens,
            "least_evaluations": self.total,
            "padded_evaluations": self.decoder.counted(),
            "logits": self.counts.scored,
        }
