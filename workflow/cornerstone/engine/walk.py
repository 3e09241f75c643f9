"""A walk: some batches of documents pass through the blocks, under all coalitions of the coalition tree.

    for coalitions, loglikelihoods in Walk(decoder, [batch], tree, budget, counts).run(): ...

States wait in a dictionary by their removed prefix; those with the same removal pattern run through a
block together, as one larger batch. Where more states would be alive than the budget allows, subtrees are
walked one after another: same compute, more passes over the weights. Several batches go side by side where the
weights are streamed, so that each block is loaded once for all of them, and where rows may not share a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from cornerstone.engine.block_arguments import BlockArguments, narrowed, widened
from cornerstone.engine.budget import Budget
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.masks import float_mask, row_tensors, with_tree_masks
from cornerstone.engine.token_tree import Row, RowKind
from cornerstone.loading.sublayers import first_parameter
from cornerstone.shapley.coalition_tree import CoalitionTree, Step, subtree_groups, walk_order
from cornerstone.shapley.coalitions import Removed


@dataclass
class Counts:
    """What was computed: (state × token × sublayer) evaluations of real tokens, and rows of logits."""

    tokens: int = 0
    scored: int = 0


@dataclass(frozen=True)
class Batch:
    """Rows on the device, with where to read what.

    hidden:    (B, T, D) what enters the first block; arguments: of each block.
    tokens:    real tokens in the rows; shape: (B, T).
    positions: (n,) flat indices b · T + t of the scored tokens, each once.
    pairs:     (3, m) for each scored target: its place in `positions`, its token, its request's number.
    requests:  how many requests all batches of the walk answer together; this one answers some of them.
    """

    hidden: Tensor
    arguments: list[BlockArguments]
    tokens: int
    positions: Tensor
    pairs: Tensor
    requests: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.hidden.shape[0], self.hidden.shape[1]


def make_batch(
    decoder: Decoder,
    rows: Sequence[Row],
    first_request: dict[int, int],
    requests: int,
    windows: Sequence[int | None] | None,
) -> Batch:
    """Run the head on rows; `first_request` numbers each document's first request among `requests`.

    windows: each block's attention window, for tree rows; None where all rows are plain.
    """
    tensors = row_tensors(rows, decoder.device)
    if tensors.ancestors is None:
        hidden, arguments = decoder.head(tensors.token_ids)
    else:
        dtype = first_parameter(decoder.network).dtype
        full = float_mask(tensors, None, dtype)
        hidden, arguments = decoder.head(tensors.token_ids, full, tensors.depths)
        arguments = with_tree_masks(arguments, windows, tensors, dtype)
    places, pairs = _scored(rows, tensors.token_ids.shape[1], first_request)
    return Batch(
        hidden,
        arguments,
        sum(len(row.tokens) for row in rows),
        torch.tensor(places, device=decoder.device),
        torch.tensor(pairs, device=decoder.device).T.contiguous(),
        requests,
    )


def make_batches(
    decoder: Decoder, groups: Iterable[Sequence[Row]], choices: Mapping[int, int], kind: RowKind
) -> list[Batch]:
    """A batch of each group of rows. Requests are numbered through in the order of `choices`: of each document, by
    its position, how many it has."""
    first = dict(zip(choices, accumulate(choices.values(), initial=0), strict=False))
    return [make_batch(decoder, rows, first, sum(choices.values()), kind.windows) for rows in groups]


def _scored(rows: Sequence[Row], length: int, first_request: dict[int, int]) -> tuple[list[int], list[tuple]]:
    """The flat positions that are scored, and (place among them, target, request) of each target."""
    places: dict[int, int] = {}
    pairs = []
    for number, row in enumerate(rows):
        for scored in row.scored:
            place = places.setdefault(number * length + scored.node, len(places))
            pairs.append((place, scored.target, first_request[row.document] + scored.request))
    return list(places), sorted(pairs)


class Walk:
    """Some batches of documents on their way through the blocks, side by side.

    again: whether another walk follows; its first block can then be loaded early.
    """

    def __init__(
        self,
        decoder: Decoder,
        batches: Sequence[Batch],
        tree: CoalitionTree,
        budget: Budget,
        counts: Counts,
        report: Callable[[], None] = lambda: None,
        again: bool = False,
    ) -> None:
        self.decoder = decoder
        self.tree = tree
        self.budget = budget
        self.again = again
        self.lanes = [_Lane(decoder, batch, tree, budget, counts, report) for batch in batches]

    def run(self) -> Iterator[tuple[list[Removed], Tensor]]:
        """Yield coalitions and their log-likelihoods (coalitions, requests), float64, as they complete."""
        if self.decoder.weights is not None:
            visits = walk_order(self.tree, self.budget.max_states)
            self.decoder.weights.expect([*(visit.block for visit in visits), *([0] * self.again)])
        yield from self._subtree(0, [{(): lane.batch.hidden} for lane in self.lanes])

    def _subtree(
        self, block: int, states: list[dict[Removed, Tensor]]
    ) -> Iterator[tuple[list[Removed], Tensor]]:
        """`states`: of each batch, the same coalitions'. The order of blocks is that of `walk_order`."""
        for number in range(block, len(self.decoder.blocks)):
            groups = subtree_groups(self.tree, number, sorted(states[0]), self.budget.max_states)
            if len(groups) > 1:
                for group in groups:
                    yield from self._subtree(
                        number, [{state: own.pop(state) for state in group} for own in states]
                    )
                return
            # In place: what entered the block goes before the next batch's states come.
            for place, lane in enumerate(self.lanes):
                states[place] = lane.through(number, states[place])
        coalitions = sorted(states[0])
        # Each request is answered by one batch; the others have 0 for it.
        lanes = zip(self.lanes, states, strict=True)
        yield (
            coalitions,
            sum(lane.loglikelihoods([own.pop(coalition) for coalition in coalitions]) for lane, own in lanes),
        )


class _Lane:
    """One batch of documents in a walk."""

    def __init__(
        self,
        decoder: Decoder,
        batch: Batch,
        tree: CoalitionTree,
        budget: Budget,
        counts: Counts,
        report: Callable[[], None],
    ) -> None:
        self.decoder = decoder
        self.batch = batch
        self.tree = tree
        self.budget = budget
        self.counts = counts
        self.report = report
        rows, length = batch.shape
        self.states_per_chunk = max(1, budget.chunk_tokens // (rows * length))
        # Arguments are laid out once for the largest chunk; a smaller one takes a view of their beginning.
        self.widest = min(self.states_per_chunk, len(tree.leaves))
        self.arguments = widened(batch.arguments, self.widest)

    def through(self, number: int, states: dict[Removed, Tensor]) -> dict[Removed, Tensor]:
        """All states through one block: each pattern of removals in chunks of its own."""
        block = self.decoder.blocks[number]
        indices = [sublayer.index for sublayer in block.sublayers]
        by_pattern: dict[tuple[int, ...], list[Step]] = {}
        for step in self.tree.steps_from(number, states):
            by_pattern.setdefault(tuple(indices.index(s) for s in step.removed), []).append(step)
        everything = tuple(range(len(indices)))
        children: dict[Removed, Tensor] = {}
        if everything in by_pattern and self.decoder.skips(number):
            children |= {step.child: states[step.parent] for step in by_pattern.pop(everything)}
        outputs = _Outputs(by_pattern, len(indices))
        # Fewest removals first: what runs a sublayer keeps its output for those that replay it.
        for pattern in sorted(by_pattern, key=lambda p: (len(p), p)):
            for chunk in _chunks(outputs.alike(pattern, by_pattern[pattern]), self.states_per_chunk):
                children |= self._run_chunk(number, pattern, chunk, states, outputs)
        return children

    def _run_chunk(
        self,
        number: int,
        pattern: tuple[int, ...],
        chunk: Sequence[Step],
        states: dict[Removed, Tensor],
        outputs: _Outputs,
    ) -> dict[Removed, Tensor]:
        rows = self.batch.shape[0]
        replays = outputs.replayed(pattern, chunk)
        keeps = outputs.to_keep(pattern, chunk, replays)
        output = self.decoder.run_block(
            number,
            _side_by_side([states[step.parent] for step in chunk]),
            narrowed(self.arguments[number], len(chunk), self.widest),
            pattern,
            keep=keeps,
            replay=replays,
        )
        players = self.decoder.players[number]
        for place in keeps:
            outputs.keep(pattern, chunk, place, players[place].take_kept())
        sublayers_run = len(players) - len(pattern) - len(replays)
        self.counts.tokens += sublayers_run * len(chunk) * self.batch.tokens
        self.report()
        return {step.child: output[n * rows : (n + 1) * rows] for n, step in enumerate(chunk)}

    def loglikelihoods(self, states: Sequence[Tensor]) -> Tensor:
        """(states, requests) float64: sums of the scored tokens' log-probabilities."""
        scored = torch.cat([state.flatten(0, 1)[self.batch.positions] for state in states])
        n_states, n_places = len(states), len(self.batch.positions)
        place, target, request = self.batch.pairs
        # Pairs of all states, sorted by place: those of a run of places are a run themselves.
        place = (n_places * torch.arange(n_states, device=place.device)[:, None] + place).flatten()
        target = target.repeat(n_states)
        logprobs = [
            self._logprobs(scored[start : start + self.budget.logit_rows], start, place, target)
            for start in range(0, len(scored), self.budget.logit_rows)
        ]
        self.counts.scored += len(scored)
        sums = torch.zeros((n_states, self.batch.requests), dtype=torch.float64, device=scored.device)
        return sums.index_add_(1, request, torch.cat(logprobs).double().view(n_states, -1))

    def _logprobs(self, states: Tensor, start: int, place: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities (float32) of the targets at the given states: places start, start + 1, …"""
        logits = self.decoder.tail(states)
        rows = self.budget.softmax_rows
        begins = range(0, len(states), rows)
        ends = torch.tensor([start + begin for begin in (*begins, len(states))], device=place.device)
        bounds = torch.searchsorted(place, ends).tolist()
        found = []
        for begin, first, last in zip(begins, bounds, bounds[1:], strict=False):
            logprobs = logits[begin : begin + rows].log_softmax(-1, dtype=torch.float32)
            found.append(logprobs[place[first:last] - start - begin, target[first:last]])
        return torch.cat(found)


def _side_by_side(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


class _Outputs:
    """Outputs of a block's sublayers that several patterns of removals share, so that each is computed once.

    A sublayer's output depends on the state that enters the block and on which of the sublayers before it in the
    block are removed: two patterns that agree so far share it.
    """

    def __init__(self, by_pattern: Mapping[tuple[int, ...], Sequence[Step]], places: int) -> None:
        self.places = places
        self.kept: dict[tuple, tuple[Tensor, ...]] = {}
        users = Counter(
            self._key(pattern, step, place)
            for pattern, steps in by_pattern.items()
            for step in steps
            for place in self._present(pattern)
        )
        self.shared = {key for key, count in users.items() if count > 1}

    def _present(self, pattern: tuple[int, ...]) -> list[int]:
        return [place for place in range(self.places) if place not in pattern]

    def _key(self, pattern: tuple[int, ...], step: Step, place: int) -> tuple:
        return step.parent, place, tuple(before for before in pattern if before < place)

    def alike(self, pattern: tuple[int, ...], steps: Iterable[Step]) -> list[list[Step]]:
        """Steps that replay the same sublayers, for they can run together."""
        groups: dict[tuple[int, ...], list[Step]] = {}
        for step in steps:
            groups.setdefault(tuple(self.replayed(pattern, [step])), []).append(step)
        return list(groups.values())

    def replayed(self, pattern: tuple[int, ...], chunk: Sequence[Step]) -> dict[int, list[Tensor]]:
        """By place in the block, what its modules gave before, side by side for these steps."""
        return {
            place: [
                _side_by_side(tensors)
                for tensors in zip(
                    *(self.kept[self._key(pattern, step, place)] for step in chunk), strict=True
                )
            ]
            for place in self._present(pattern)
            if self._key(pattern, chunk[0], place) in self.kept
        }

    def to_keep(
        self, pattern: tuple[int, ...], chunk: Sequence[Step], replays: Mapping[int, Sequence[Tensor]]
    ) -> list[int]:
        """The places whose outputs are wanted again."""
        return [
            place
            for place in self._present(pattern)
            if place not in replays and any(self._key(pattern, step, place) in self.shared for step in chunk)
        ]

    def keep(
        self, pattern: tuple[int, ...], chunk: Sequence[Step], place: int, tensors: Sequence[Tensor]
    ) -> None:
        """Take in what a sublayer's modules gave for steps side by side."""
        parts = [tensor.unflatten(0, (len(chunk), -1)) for tensor in tensors]
        for number, step in enumerate(chunk):
            if (key := self._key(pattern, step, place)) in self.shared:
                self.kept[key] = tuple(part[number] for part in parts)


def _chunks(groups: Iterable[list[Step]], size: int) -> Iterator[list[Step]]:
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]
