"""Batches: which documents go through the blocks together, sized by a budget and with little padding.

batching = Batching(documents, TREE, model.weights is not None, states=12.5)
batches = batching.next_batches(batching.in_order(), budget)    # [[bundle, bundle], …]: of documents
row_batches = [rows for batch in batches for rows in batching.row_batches(batch, budget)]
make_batches(decoder, row_batches, Requests.of({4: 2, 0: 4, 7: 2}, trees=[[4, 0, 7]]), TREE)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.budget import NO_ROOM, Budget, PrefixRoom, peak_states
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.masks import float_mask, row_tensors, with_tree_masks
from cornerstone.engine.prefix_cache import PrefixCache
from cornerstone.engine.shared_prefixes import Bundle, bundles_of, halves
from cornerstone.engine.token_tree import Row, RowKind, document_rows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.sublayers import first_parameter
from cornerstone.shapley.coalition_tree import Forest

# A batch is closed before padding grows past this share of its tokens, unless it is still so small that its
# states together would not fill this many chunks.
MOST_PADDING = 0.03
FEWEST_CHUNKS = 3
# The keys and values of so many tokens of a prefix, which every row on it is given, take as much memory as what a block
# computes of a token.
KEYS_A_TOKEN = 12


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows that make one batch. prefix: the batch in which the rows are that these hang on; None: on none."""

    rows: list[Row]
    prefix: RowBatch | None = None

    @property
    def padded(self) -> int:
        """Tokens, padding included."""
        return len(self.rows) * max(len(row.tokens) for row in self.rows)


class Batching:
    """The rows of documents, and how they are cut into batches. Positions are those of the documents given.

    rows:    of each document, as if it shared nothing.
    bundles: of documents that share prefixes; a document that shares none is one by itself.
    """

    def __init__(
        self,
        documents: Sequence[EncodedDocument],
        kind: RowKind,
        streamed: bool,
        states: float,
        designs: Sequence[Hashable] | None = None,
        room: PrefixRoom = NO_ROOM,
    ) -> None:
        """kind: of rows; streamed: whether several batches go side by side.

        states:  evaluations that each token takes of a sublayer on average.
        designs: equal for documents that have the same coalitions; None: all have.
        room:    what shared prefixes take besides hidden states.
        """
        self.kind = kind
        self.rows = [document_rows(n, document, kind) for n, document in enumerate(documents)]
        self.bundles = bundles_of(self.rows, designs or [None] * len(documents), kind)
        self._streamed = streamed
        # At least one, for a lone coalition without any sublayer costs no evaluation at all.
        self._states = max(1.0, states)
        self._room = room

    @property
    def longest(self) -> int:
        """Room of the largest bundle."""
        return max(map(self.room, self.bundles))

    def room(self, bundle: Bundle) -> int:
        """The memory that a bundle takes for each state, in hidden states of a token."""
        if not bundle.prefixes:
            return bundle.tokens
        keys = sum(len(row.tokens) * row.depth for row in bundle.rows)
        kept = sum(len(prefix.tokens) for prefix in bundle.prefixes)
        return bundle.tokens + int(self._room.kept * kept + self._room.mask * keys)

    def in_order(self) -> list[Bundle]:
        """All bundles, largest documents first: what does not fit in memory shows at once."""
        return sorted(self.bundles, key=self._size_of)

    def _size_of(self, bundle: Bundle) -> tuple:
        """Documents of one length, and of one kind of mask, lie side by side: that keeps padding low."""
        rows = bundle.rows
        return all(row.is_path for row in rows), -max(len(row.tokens) for row in rows), -bundle.tokens

    def cut(self, bundle: Bundle) -> list[Bundle]:
        """Cut a bundle in two, each of which computes the prefixes again."""
        found = halves(bundle, self.rows, self.kind)
        self.bundles = [one for one in self.bundles if one is not bundle] + found
        return found

    def cut_to(self, most: int) -> int:
        """Cut bundles of several documents that take more room than so much; give back how many were cut."""
        waiting = [one for one in self.bundles if len(one.positions) > 1 and self.room(one) > most]
        cut = len(waiting)
        while waiting:
            found = self.cut(waiting.pop())
            waiting += [one for one in found if len(one.positions) > 1 and self.room(one) > most]
        return cut

    def padded(self, batch: Sequence[Bundle]) -> int:
        """Room of a batch of these bundles, padding included."""
        filling = _Filling(self)
        for bundle in batch:
            filling.add(bundle)
        return filling.padded

    def next_batches(self, bundles: Sequence[Bundle], budget: Budget) -> list[list[Bundle]]:
        """The documents from the front that go through the blocks together: one batch, or where the weights are
        streamed, as many as the pass has room for, padding included."""
        first = self._next_batch(bundles, budget.batch_tokens, budget)
        if not self._streamed:
            return [first]
        batches, at = [first], len(first)
        room = budget.pass_tokens - self.padded(first)
        while at < len(bundles) and self.padded(bundles[at : at + 1]) <= room:
            batch = self._next_batch(bundles[at:], min(room, budget.batch_tokens), budget)
            batches.append(batch)
            at += len(batch)
            room -= self.padded(batch)
        return batches

    def _next_batch(self, bundles: Sequence[Bundle], most: int, budget: Budget) -> list[Bundle]:
        """As many bundles from the front as fit `most` row tokens, padding included; at least one."""
        taken: list[Bundle] = []
        filling = _Filling(self)
        for bundle in bundles:
            filling.add(bundle)
            padded = filling.padded
            if taken and (padded > most or self._is_crowded(padded, filling.tokens, budget)):
                break
            taken.append(bundle)
        return taken

    def _is_crowded(self, padded: int, tokens: int, budget: Budget) -> bool:
        """Whether a batch has too much padding, and is not so small that its states would not fill a few chunks."""
        smallest = FEWEST_CHUNKS * budget.chunk_tokens / min(self._states, budget.max_states)
        return padded > smallest and padded > (1 + MOST_PADDING) * tokens

    def row_batches(self, batch: Sequence[Bundle], budget: Budget) -> list[RowBatch]:
        """The rows of a batch by those that may be padded to one length, prefixes before the rows that hang on them."""
        made: list[RowBatch] = []
        holder: dict[int, RowBatch] = {}  # by prefix
        waiting = [row for bundle in batch for row in bundle.rows]
        while waiting:
            groups: dict[Hashable, tuple[RowBatch | None, list[Row]]] = {}
            ready = [row for row in waiting if row.prefix is None or id(row.prefix) in holder]
            for row in ready:
                prefix = holder[id(row.prefix)] if row.prefix else None
                key = id(prefix), not row.scored, self.kind.like(row)
                groups.setdefault(key, (prefix, []))[1].append(row)
            for prefix, group in groups.values():
                for rows in self._cut_rows(group, budget):
                    made.append(RowBatch(rows, prefix))
                    holder |= {id(row): made[-1] for row in rows if not row.scored}
            taken = set(map(id, ready))
            waiting = [row for row in waiting if id(row) not in taken]
        return made

    def _cut_rows(self, rows: list[Row], budget: Budget) -> Iterator[list[Row]]:
        """Rows of one group as batches; documents that share nothing are batches of a right size as they come."""
        if rows[0].scored and rows[0].prefix is None:
            yield rows
            return
        taken: list[Row] = []
        tokens = 0
        for row in sorted(rows, key=lambda row: -len(row.tokens)):
            longest = len((taken or [row])[0].tokens)
            keys = row.prefix.depth if row.prefix else 0
            padded = (len(taken) + 1) * longest
            full = (len(taken) + 1) * (longest + keys // KEYS_A_TOKEN) > budget.batch_tokens
            tokens += len(row.tokens)
            if taken and (full or self._is_crowded(padded, tokens, budget)):
                yield taken
                taken, tokens = [], len(row.tokens)
            taken.append(row)
        yield taken

    def budget_for(self, batches: Sequence[Sequence[Bundle]], budget: Budget, tree: Forest) -> Budget:
        """The budget of batches that go through the blocks together."""
        if not self._streamed and not self.kind.shares:
            return budget
        return budget.for_group(sum(map(self.padded, batches)), self.longest, peak_states(tree))


class _Filling:
    """A batch that is filled with bundles.

    tokens: room that they take; padded: the same with padding. The rows of shared prefixes, and those that hang on
    them, are cut into batches of hardly any padding later.
    """

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        # Of rows that lie together: how many, and the longest.
        self._shapes: dict[Hashable, tuple[int, int]] = {}
        self._shared = self.tokens = 0

    def add(self, bundle: Bundle) -> None:
        self.tokens += self._batching.room(bundle)
        if bundle.prefixes:
            self._shared += self._batching.room(bundle)
            return
        for row in bundle.rows:
            like = self._batching.kind.like(row)
            count, longest = self._shapes.get(like, (0, 0))
            self._shapes[like] = count + 1, max(longest, len(row.tokens))

    @property
    def padded(self) -> int:
        return self._shared + sum(count * longest for count, longest in self._shapes.values())


@dataclass(frozen=True)
class Batch:
    """Rows on the device, with where to read what.

    hidden:    (B, T, D) what enters the first block; arguments: of each block.
    first:     (B, T) bool, which tokens are the first of their text.
    parts:     of each tree of the forest, its rows in this batch.
    requests:  of each tree, how many requests all batches of the walk answer together; this one answers some of them.
    prefix:    the batch whose rows these hang on; cache: by which they get its keys and values, or leave theirs.
    number_of: of each row (by its id) its number among the rows of its tree.
    """

    hidden: Tensor
    first: Tensor
    arguments: list[BlockArguments]
    parts: list[Part]
    requests: list[int]
    prefix: Batch | None = None
    cache: PrefixCache | None = None
    number_of: Mapping[int, int] = field(default_factory=dict)

    @property
    def chain(self) -> list[Batch]:
        """The batches on which this one hangs, the outermost first, and itself."""
        return [*(self.prefix.chain if self.prefix else ()), self]

    @property
    def shape(self) -> tuple[int, int]:
        return self.hidden.shape[0], self.hidden.shape[1]

    @property
    def row_room(self) -> int:
        """The memory that a row takes in a block, in tokens."""
        keys = 0 if self.cache is None else self.cache.length
        return self.shape[1] + keys // KEYS_A_TOKEN

    @property
    def tokens(self) -> int:
        """Real tokens in the rows."""
        return sum(part.tokens for part in self.parts)

    @property
    def room(self) -> np.ndarray:
        """(trees,) tokens of each tree's rows, padding included."""
        return self.shape[1] * np.array([len(part.rows) for part in self.parts])


@dataclass(frozen=True)
class Part:
    """The rows of a batch that walk one tree.

    rows:      their places in the batch, on the device; tokens: real ones in them.
    hang:      (rows,) the row of the prefix batch that each hangs on, counting its rows of this tree alone.
    positions: (n,) flat indices r · T + t of the scored tokens, r counting these rows alone, each once.
    pairs:     (3, m) for each scored target: its place in `positions`, its token, its request's number in the tree.
    """

    rows: Tensor
    tokens: int
    positions: Tensor
    pairs: Tensor
    hang: Tensor | None = None


@dataclass(frozen=True)
class Requests:
    """The numbering of the requests of documents that run together: consecutive within each tree.

    tree: of each document, by its position; first: the number of its first request; total: of each tree.
    """

    tree: dict[int, int]
    first: dict[int, int]
    total: list[int]

    @classmethod
    def of(cls, choices: Mapping[int, int], trees: Iterable[Sequence[int]]) -> Requests:
        """choices: how many requests each document has, by its position; trees: the documents of each tree."""
        found = cls({}, {}, [])
        for number, positions in enumerate(trees):
            counts = [choices[position] for position in positions]
            found.tree.update(dict.fromkeys(positions, number))
            found.first.update(zip(positions, accumulate(counts, initial=0), strict=False))
            found.total.append(sum(counts))
        return found


def make_batch(
    decoder: Decoder,
    rows: Sequence[Row],
    requests: Requests,
    windows: Sequence[int | None] | None,
    prefix: Batch | None = None,
) -> Batch:
    """Run the head on rows. windows: each block's attention window, for tree rows; None where all rows are plain.

    prefix: the batch whose rows these hang on.
    """
    chain = [] if prefix is None else prefix.chain
    tensors = row_tensors(rows, decoder.device, [one.shape[1] for one in chain])
    keeps = not rows[0].scored
    if tensors.ancestors is None:
        hidden, arguments = decoder.head(tensors.token_ids)
        cache = None
    else:
        cache = PrefixCache(tensors.before, keeps) if keeps or prefix else None
        dtype = first_parameter(decoder.network).dtype
        full = float_mask(tensors, None, dtype)
        hidden, arguments = decoder.head(tensors.token_ids, full, tensors.depths, cache)
        arguments = with_tree_masks(arguments, windows, tensors, dtype)
    by_tree: list[list[int]] = [[] for _ in requests.total]
    number_of: dict[int, int] = {}  # of each row among those of its tree
    for place, row in enumerate(rows):
        own = by_tree[requests.tree[row.document]]
        number_of[id(row)] = len(own)
        own.append(place)
    hang = None if prefix is None else [prefix.number_of[id(row.prefix)] for row in rows]
    length = hidden.shape[1]
    parts = [_part(rows, places, length, requests, hang, decoder.device) for places in by_tree]
    first = tensors.depths == 0  # padding too, which nothing is read off
    return Batch(hidden, first, arguments, parts, requests.total, prefix, cache, number_of)


def make_batches(
    decoder: Decoder, row_batches: Iterable[RowBatch], requests: Requests, kind: RowKind
) -> list[Batch]:
    """Batches of rows; those of prefixes come before those of the rows that hang on them."""
    made: dict[int, Batch] = {}
    for one in row_batches:
        prefix = one.prefix and made[id(one.prefix)]
        made[id(one)] = make_batch(decoder, one.rows, requests, kind.windows, prefix)
    return list(made.values())


def _part(
    rows: Sequence[Row],
    places: Sequence[int],
    length: int,
    requests: Requests,
    hang: Sequence[int] | None,
    device: torch.device,
) -> Part:
    """The rows at these places, which walk one tree. hang: of each row in the batch, what `Part` has of those here."""
    positions: dict[int, int] = {}
    pairs = []
    for number, row in enumerate(rows[place] for place in places):
        for scored in row.scored:
            place = positions.setdefault(number * length + scored.node, len(positions))
            pairs.append((place, scored.target, requests.first[row.document] + scored.choice))

    def tensor(numbers: Iterable) -> Tensor:
        return torch.tensor(list(numbers), dtype=torch.long, device=device)

    return Part(
        tensor(places),
        sum(len(rows[place].tokens) for place in places),
        tensor(positions),
        tensor(sorted(pairs)).reshape(-1, 3).T.contiguous(),
        None if hang is None else tensor(hang[place] for place in places),
    )
