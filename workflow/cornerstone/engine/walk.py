"""A walk: some batches of documents pass through the blocks, under the coalitions of a forest of coalition trees.

    for leaves, sums in Walk(decoder, [batch], forest, budget, counts).run(): ...

States wait in a dictionary by their first leaf; those with the same removal pattern run through a block together, as
one larger batch, whichever documents they are of. Where more states would be alive than the budget allows, subtrees
are walked one after another: same compute, more passes over the weights. Several batches go side by side where the
weights are streamed, so that each block is loaded once for all of them, and where rows may not share a batch. The batch
of a shared prefix goes through each block before those whose rows hang on it, and leaves them its keys and values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from cornerstone.engine.batches import Batch
from cornerstone.engine.block_arguments import BlockArguments, gathered, narrowed, widened
from cornerstone.engine.budget import Budget
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.prefix_cache import Piece
from cornerstone.shapley.coalition_tree import Course, Forest, Step, walk_order


@dataclass
class Counts:
    """Counts of what was computed: (state × token × sublayer) evaluations of real tokens, and rows of logits."""

    tokens: int = 0
    scored: int = 0


class Walk:
    """Some batches of documents on their way through the blocks, side by side; those of prefixes come first.

    again: whether another walk follows; its first block can then be loaded early.
    """

    def __init__(
        self,
        decoder: Decoder,
        batches: Sequence[Batch],
        forest: Forest,
        budget: Budget,
        counts: Counts,
        report: Callable[[], None] = lambda: None,
        again: bool = False,
    ) -> None:
        self.decoder = decoder
        self.forest = forest
        self.again = again
        room = sum(batch.room for batch in batches)
        self.course = Course(forest, room, budget.max_states * int(room.sum()))
        lanes: dict[int, _Lane] = {}
        for batch in batches:
            chain = [lanes[id(one)] for one in batch.chain[:-1]]
            lanes[id(batch)] = _Lane(decoder, batch, forest, budget, counts, report, chain)
        self.lanes = list(lanes.values())

    def run(self) -> Iterator[tuple[list[int], list[Tensor]]]:
        """Yield leaves and, of each, `_Lane.scored` (2, requests of its tree), as they complete."""
        if self.decoder.weights is not None:
            visits = walk_order(self.course)
            self.decoder.weights.expect([*(visit.block for visit in visits), *([0] * self.again)])
        beginning = self.course.beginning()
        yield from self._subtree(0, [lane.entering(beginning) for lane in self.lanes])

    def _subtree(
        self, block: int, states: list[dict[int, Tensor]]
    ) -> Iterator[tuple[list[int], list[Tensor]]]:
        """`states`: of each batch. The order of blocks is that of `walk_order`."""
        for number in range(block, len(self.decoder.blocks)):
            groups = self.course.groups(number, sorted({state for own in states for state in own}))
            if len(groups) > 1:
                for group in groups:
                    yield from self._subtree(
                        number, [{state: own.pop(state) for state in group if state in own} for own in states]
                    )
                return
            # In place: what entered the block goes before the next batch's states come.
            for place, lane in enumerate(self.lanes):
                states[place] = lane.through(number, states[place])
            for lane in self.lanes:
                lane.keys.clear()
        leaves = sorted({leaf for own in states for leaf in own})
        # Each request is answered by one batch; the others have 0 for it.
        sums = sum(
            lane.scored(leaves, [own.pop(leaf, None) for leaf in leaves])
            for lane, own in zip(self.lanes, states, strict=True)
        )
        yield leaves, list(sums.split(self.lanes[0].requests_of(leaves), dim=1))


class _Lane:
    """One batch of documents in a walk."""

    def __init__(
        self,
        decoder: Decoder,
        batch: Batch,
        forest: Forest,
        budget: Budget,
        counts: Counts,
        report: Callable[[], None],
        chain: Sequence[_Lane],
    ) -> None:
        """chain: the batches of the prefixes on which these rows hang, the outermost first."""
        self.decoder = decoder
        self.batch = batch
        self.chain = chain
        # Of the block at work, by the state that leaves it: keys and values of each call of an attention.
        self.keys: dict[int, list[tuple[Tensor, Tensor]]] = {}
        self.forest = forest
        self.budget = budget
        self.counts = counts
        self.report = report
        rows, _ = batch.shape
        self.tree = forest.tree.tolist()
        self.rows = [len(part.rows) for part in batch.parts]
        self.rows_per_chunk = max(1, budget.chunk_tokens // batch.row_room)
        self.starts = list(accumulate((lane.batch.shape[1] for lane in chain), initial=0))
        self.widest = 0
        if forest.n_trees == 1:
            # Arguments are laid out once for the largest chunk; a smaller one takes a view of their beginning.
            self.widest = min(max(1, self.rows_per_chunk // rows), len(forest.leaves))
            self.arguments = widened(batch.arguments, self.widest)

    def entering(self, states: Iterable[int]) -> dict[int, Tensor]:
        """The hidden states that enter the first block, by state."""
        if self.forest.n_trees == 1:
            return dict.fromkeys(states, self.batch.hidden)
        parts = {state: self.batch.parts[self.tree[state]].rows for state in states}
        return {state: self.batch.hidden[rows] for state, rows in parts.items() if len(rows)}

    def through(self, number: int, states: dict[int, Tensor]) -> dict[int, Tensor]:
        """All states through one block: each pattern of removals in chunks of its own."""
        places = len(self.decoder.blocks[number].sublayers)
        by_pattern: dict[tuple[int, ...], list[Step]] = {}
        for step in self.forest.steps_from(number, states):
            by_pattern.setdefault(step.removed, []).append(step)
        everything = tuple(range(places))
        children: dict[int, Tensor] = {}
        if everything in by_pattern and self.decoder.skips(number):
            children |= {step.child: states[step.parent] for step in by_pattern.pop(everything)}
        outputs = _Outputs(by_pattern, places)
        # Fewest removals first: what runs a sublayer keeps its output for those that replay it.
        for pattern in sorted(by_pattern, key=lambda p: (len(p), p)):
            for chunk in self._chunks(outputs.alike(pattern, by_pattern[pattern])):
                children |= self._run_chunk(number, pattern, chunk, states, outputs)
        return children

    def _chunks(self, groups: Iterable[list[Step]]) -> Iterator[list[Step]]:
        """Steps that run together: of one group, and of no more rows than run well at once."""
        for group in groups:
            chunk: list[Step] = []
            rows = 0
            for step in group:
                more = self._rows_of(step)
                if chunk and rows + more > self.rows_per_chunk:
                    yield chunk
                    chunk, rows = [], 0
                chunk.append(step)
                rows += more
            yield chunk

    def _rows_of(self, step: Step) -> int:
        return self.rows[self.tree[step.parent]]

    def _arguments(self, number: int, chunk: Sequence[Step]) -> BlockArguments:
        """A block's arguments for these steps side by side."""
        if self.widest:
            return narrowed(self.arguments[number], len(chunk), self.widest)
        rows = torch.cat([self.batch.parts[self.tree[step.parent]].rows for step in chunk])
        return gathered(self.batch.arguments[number], rows, self.batch.shape[0])

    def _first(self, chunk: Sequence[Step]) -> Tensor | None:
        """(B, T) which tokens of these steps side by side are the first of their text; None where nothing asks it."""
        if self.decoder.removal.means is None:
            return None
        if self.widest:
            return self.batch.first.repeat(len(chunk), 1)
        return self.batch.first[torch.cat([self.batch.parts[self.tree[step.parent]].rows for step in chunk])]

    def _run_chunk(
        self,
        number: int,
        pattern: tuple[int, ...],
        chunk: Sequence[Step],
        states: dict[int, Tensor],
        outputs: _Outputs,
    ) -> dict[int, Tensor]:
        replays = outputs.replayed(pattern, chunk)
        keeps = outputs.to_keep(pattern, chunk, replays)
        cache = self.batch.cache
        if cache is not None:
            cache.begin(self._before(chunk))
        output = self.decoder.run_block(
            number,
            _side_by_side([states[step.parent] for step in chunk]),
            self._arguments(number, chunk),
            pattern,
            keep=keeps,
            replay=replays,
            first=self._first(chunk) if pattern else None,
        )
        players = self.decoder.players[number]
        rows = [self._rows_of(step) for step in chunk]
        if cache is not None:
            calls = [tuple(tensor.split(rows) for tensor in call) for call in cache.end()]
            for number, step in enumerate(chunk):
                self.keys[step.child] = [(keys[number], values[number]) for keys, values in calls]
        for place in keeps:
            outputs.keep(pattern, chunk, rows, place, players[place].take_kept())
        sublayers_run = len(players) - len(pattern) - len(replays)
        tokens = sum(self.batch.parts[self.tree[step.parent]].tokens for step in chunk)
        self.counts.tokens += sublayers_run * tokens
        self.report()
        return {step.child: own for step, own in zip(chunk, output.split(rows), strict=True)}

    def _before(self, chunk: Sequence[Step]) -> list[list[Piece]]:
        """What comes before the keys and values of these steps side by side, of each call of an attention."""
        pieces: list[list[Piece]] = []
        first = 0
        for step in chunk:
            rows = self._rows_of(step)
            hang: Tensor | None = None
            # From the innermost prefix outwards: each of its rows knows its own.
            for place in range(len(self.chain) - 1, -1, -1):
                below = self.chain[place + 1] if place + 1 < len(self.chain) else self
                own = below.batch.parts[self.tree[step.parent]].hang
                hang = own if hang is None else own[hang]
                lane = self.chain[place]
                calls = lane.keys[step.child]
                pieces = pieces or [[] for _ in calls]
                index = None if lane._rows_of(step) == 1 else hang
                for found, tensors in zip(pieces, calls, strict=True):
                    found.append(Piece(first, rows, self.starts[place], tensors, index))
            first += rows
        return pieces

    def requests_of(self, leaves: Sequence[int]) -> list[int]:
        """How many requests each leaf has in all batches."""
        return [self.batch.requests[self.tree[leaf]] for leaf in leaves]

    def scored(self, leaves: Sequence[int], states: Sequence[Tensor | None]) -> Tensor:
        """(2, requests of all leaves, one leaf after another) float64, sums over the scored tokens of each request.

        First of their log-probabilities, then of those that are not the most likely token.
        """
        sums = torch.zeros(2, sum(self.requests_of(leaves)), dtype=torch.float64, device=self.decoder.device)
        scored, place, target, request = [], [], [], []
        n_places = first = 0
        for leaf, state, requests in zip(leaves, states, self.requests_of(leaves), strict=True):
            if state is not None:
                part = self.batch.parts[self.tree[leaf]]
                scored.append(state.flatten(0, 1)[part.positions])
                # Places of all states, one after another: the pairs of a run of places are a run themselves.
                place.append(part.pairs[0] + n_places)
                target.append(part.pairs[1])
                request.append(part.pairs[2] + first)
                n_places += len(part.positions)
            first += requests
        if not n_places:
            return sums
        scored, place, target = torch.cat(scored), torch.cat(place), torch.cat(target)
        of_tokens = [
            self._of_tokens(scored[start : start + self.budget.logit_rows], start, place, target)
            for start in range(0, n_places, self.budget.logit_rows)
        ]
        self.counts.scored += n_places
        return sums.index_add_(1, torch.cat(request), torch.cat(of_tokens, dim=1).double())

    def _of_tokens(self, states: Tensor, start: int, place: Tensor, target: Tensor) -> Tensor:
        """(2, targets) float32 of the targets at the given states, places start, start + 1, …: log-probabilities, and
        1 where another token is the most likely one."""
        logits = self.decoder.tail(states)
        rows = self.budget.softmax_rows
        begins = range(0, len(states), rows)
        ends = torch.tensor([start + begin for begin in (*begins, len(states))], device=place.device)
        bounds = torch.searchsorted(place, ends).tolist()
        found = []
        for begin, first, last in zip(begins, bounds, bounds[1:], strict=False):
            some, at = logits[begin : begin + rows], place[first:last] - start - begin
            of_targets = some.log_softmax(-1, dtype=torch.float32)[at, target[first:last]]
            found.append(torch.stack([of_targets, _is_missed(some, at, target[first:last])]))
        return torch.cat(found, dim=1)


def _is_missed(logits: Tensor, place: Tensor, target: Tensor) -> Tensor:
    """1 where a target is not the first of the largest logits at its place, which greedy decoding takes; else 0."""
    missed = logits[place, target] < logits.amax(-1)[place]
    # A maximum is found much faster than its place, which only few targets need: those as large as it.
    equal = torch.nonzero(~missed).squeeze(1)
    missed[equal] = logits[place[equal]].argmax(-1) != target[equal]
    return missed.float()


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
        """The earlier outputs of each sublayer's modules, by place in the block, side by side for these steps."""
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
        self,
        pattern: tuple[int, ...],
        chunk: Sequence[Step],
        rows: Sequence[int],
        place: int,
        tensors: Sequence[Tensor],
    ) -> None:
        """Keep the outputs of a sublayer's modules for steps side by side, of so many rows each.

        Some modules are given tokens, not rows.
        """
        parts = [tensor.split([n * (len(tensor) // sum(rows)) for n in rows]) for tensor in tensors]
        for number, step in enumerate(chunk):
            if (key := self._key(pattern, step, place)) in self.shared:
                self.kept[key] = tuple(part[number] for part in parts)
