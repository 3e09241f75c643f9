"""The cost of streaming a model's weights: predicted before the run, and measured after it.

    waiting_seconds([walk_order([course])] * 9, tokens=[1500] * 9, load=[0.6] * 80, pace=2e-6)

A block is loaded while the one before it computes, so a walk waits for what loading takes longer:

    computing    ▐ block 0 ▌▐ block 1 ▌        ▐ block 2 ▌
    loading      ▐ 1   ▌    ▐ 2              ▌▐ 3   ▌
    waiting                            ────────
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.engine.batches import Batching
from cornerstone.engine.budget import Budget, state_bytes, working_bytes
from cornerstone.loading.load import LanguageModel
from cornerstone.loading.streaming import StreamedWeights
from cornerstone.shapley.coalition_tree import Course, Forest, Visit, walk_order

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamPlan:
    """The cost of a run over streamed weights.

    documents:  in the largest group that goes through the blocks together; groups: how many of these.
    passes:     over the weights of all blocks, in bytes loaded: one a group, more where subtrees are walked.
    peak_bytes: on the device (on a CPU: of the process, without file pages), of which are the weights outside
                the blocks and of two blocks `weight_bytes`, the states `state_bytes`; 0: not known.
    waiting, computing: seconds.
    """

    documents: int
    groups: int
    passes: float
    peak_bytes: int
    weight_bytes: int
    state_bytes: int
    waiting: float
    computing: float

    @property
    def waiting_share(self) -> float:
        """The share of waiting in the time for waiting and computing."""
        return self.waiting / max(1e-9, self.waiting + self.computing)

    def __str__(self) -> str:
        parts = (
            f" (weights {_gigabytes(self.weight_bytes)}, states {_gigabytes(self.state_bytes)})"
            if self.weight_bytes
            else ""
        )
        return (
            f"{self.documents} documents together, {self.groups} times; {self.passes:.1f} passes over the weights; "
            f"peak memory {_gigabytes(self.peak_bytes)}{parts}; waiting for weights {self.waiting:,.1f} s, "
            f"{self.waiting_share:.0%} of {self.waiting + self.computing:,.1f} s"
        )


def planned_stream(
    model: LanguageModel, batching: Batching, tree: Forest, budget: Budget, pace: float, per_token: int
) -> StreamPlan:
    """The predicted cost of a run over streamed weights with this budget.

    tree: that of all documents, or the widest of theirs, which stands for all.
    pace: seconds per (token × sublayer); per_token: evaluations that each token takes.
    """
    weights = model.weights
    groups, rest = [], batching.in_order()
    while rest:
        groups.append(batching.next_batches(rest, budget))
        rest = rest[sum(map(len, groups[-1])) :]
    budgets = [batching.budget_for(group, budget, tree) for group in groups]
    one_row = np.ones(1, dtype=int)
    order = {one: walk_order(Course(tree, one_row, one.max_states)) for one in set(budgets)}
    walks = [order[one] for one in budgets]
    tokens = [sum(bundle.tokens for batch in group for bundle in batch) for group in groups]
    states = max(
        state_bytes(model, tree, one, sum(map(batching.padded, group)))
        for one, group in zip(budgets, groups, strict=True)
    )
    resident = weights.outside_bytes + weights.blocks_bytes
    working = working_bytes(model, budget.chunk_tokens)
    return StreamPlan(
        documents=max(sum(len(bundle.positions) for batch in group for bundle in batch) for group in groups),
        groups=len(groups),
        passes=sum(loaded_bytes(walk, weights.sizes) for walk in walks) / sum(weights.sizes),
        peak_bytes=weights.program_bytes + resident + states + working,
        weight_bytes=resident,
        state_bytes=states,
        waiting=waiting_seconds(walks, tokens, load_seconds(weights), pace),
        computing=pace * per_token * sum(tokens),
    )


def compared(
    plan: StreamPlan, weights: StreamedWeights, documents: int, groups: int, seconds: float
) -> dict[str, float | str]:
    """What streaming took, in numbers, and beside the plan in the log.

    documents, groups: as in `StreamPlan`; seconds: that the engine took.
    """
    happened = StreamPlan(
        documents=documents,
        groups=groups,
        passes=weights.bytes_loaded / sum(weights.sizes),
        peak_bytes=weights.peak_bytes,
        weight_bytes=0,
        state_bytes=0,
        waiting=weights.waited,
        computing=seconds - weights.waited,
    )
    log.info("happened: %s", happened)
    return {
        "placement": "streamed",
        "weight_passes": happened.passes,
        "planned_weight_passes": plan.passes,
        "weight_bytes_read": weights.bytes_read,
        "waiting_seconds": happened.waiting,
        "planned_waiting_seconds": plan.waiting,
        "planned_computing_seconds": plan.computing,
        "largest_group": happened.documents,
    }


def load_seconds(weights: StreamedWeights) -> list[float]:
    """Seconds that loading each block takes, judged by those that were loaded so far."""
    return [weights.seconds_to_load(number) for number in range(len(weights.sizes))]


def waiting_seconds(
    walks: Sequence[Sequence[Visit]], tokens: Sequence[int], load: Sequence[float], pace: float
) -> float:
    """How long walks, one after another, wait for weights.

    tokens: of the documents of each walk; load: seconds that each block takes; pace: seconds per
    (token × sublayer).
    """
    total, before = 0.0, 0.0
    for visits, group in zip(walks, tokens, strict=True):
        computing = group * pace * np.array([visit.evaluations for visit in visits], dtype=float)
        hidden = np.append(before, computing[:-1])
        total += float(np.maximum(0.0, _of_loads(visits, load) - hidden).sum())
        before = computing[-1]
    return total


def loaded_bytes(visits: Sequence[Visit], sizes: Sequence[int]) -> int:
    """The bytes that a walk loads, for blocks of these sizes."""
    return int(_of_loads(visits, sizes).sum())


def _of_loads(visits: Sequence[Visit], costs: Sequence[float]) -> np.ndarray:
    """Each visit's cost of loading its block: none where the visit before was to the same block."""
    blocks = np.array([visit.block for visit in visits])
    return np.asarray(costs)[blocks] * np.append(True, blocks[1:] != blocks[:-1])


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.2f} GB"
