"""Batches: which documents go through the blocks together, sized by a budget and with little padding.

batching = Batching(documents, TREE, model.weights is not None, states=12.5)
batching.next_batches(batching.in_order(), budget)      # [[4, 0, 7]]: positions of documents
make_batches(decoder, batching.groups([4, 0, 7]), Requests.of({4: 2, 0: 4, 7: 2}, one_tree=True), TREE)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.budget import Budget, peak_states
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.masks import float_mask, row_tensors, with_tree_masks
from cornerstone.engine.token_tree import Row, RowKind, document_rows, grouped_rows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.sublayers import first_parameter
from cornerstone.shapley.coalition_tree import Course, Forest

# A batch is closed before padding grows past this share of its tokens, unless it is still so small that its
# states together would not fill this many chunks.
MOST_PADDING = 0.03
FEWEST_CHUNKS = 3


class Batching:
    """The rows of documents, and how they are cut into batches. Positions are those of the documents given.

    rows:    of each document; tokens: how many these have together, real ones.
    longest: tokens of the largest document.
    """

    def __init__(
        self, documents: Sequence[EncodedDocument], kind: RowKind, streamed: bool, states: float
    ) -> None:
        """kind: of rows; streamed: whether several batches go side by side.

        states: evaluations that each token takes of a sublayer on average.
        """
        self.kind = kind
        self.rows = [document_rows(n, document, kind) for n, document in enumerate(documents)]
        self.tokens = [sum(len(row.tokens) for row in rows) for rows in self.rows]
        self.longest = max(self.tokens)
        self._streamed = streamed
        # At least one, for a lone coalition without any sublayer costs no evaluation at all.
        self._states = max(1.0, states)

    def in_order(self) -> list[int]:
        """All positions, largest documents first: what does not fit in memory shows at once."""
        return sorted(range(len(self.rows)), key=self._size_of)

    def _size_of(self, position: int) -> tuple:
        """Documents of one length, and of one kind of mask, lie side by side: that keeps padding low."""
        rows = self.rows[position]
        return all(row.is_path for row in rows), -max(len(row.tokens) for row in rows), -self.tokens[position]

    def tokens_of(self, positions: Sequence[int]) -> int:
        """Row tokens of these documents, padding not counted."""
        return sum(self.tokens[position] for position in positions)

    def padded(self, positions: Sequence[int]) -> int:
        """Row tokens of a batch of these documents, padding included."""
        return sum(len(rows) * max(len(row.tokens) for row in rows) for rows in self.groups(positions))

    def groups(self, positions: Sequence[int]) -> list[list[Row]]:
        """The rows of these documents by those that may be padded to one length."""
        return grouped_rows([row for position in positions for row in self.rows[position]], self.kind)

    def next_batches(self, positions: Sequence[int], budget: Budget) -> list[list[int]]:
        """The documents from the front that go through the blocks together: one batch, or where the weights are
        streamed, as many as the pass has room for, padding included."""
        first = self._next_batch(positions, budget.batch_tokens, budget)
        if not self._streamed:
            return [first]
        batches, at = [first], len(first)
        room = budget.pass_tokens - self.padded(first)
        while at < len(positions) and self.padded(positions[at : at + 1]) <= room:
            batch = self._next_batch(positions[at:], min(room, budget.batch_tokens), budget)
            batches.append(batch)
            at += len(batch)
            room -= self.padded(batch)
        return batches

    def _next_batch(self, positions: Sequence[int], most: int, budget: Budget) -> list[int]:
        """As many documents from the front as fit `most` row tokens, padding included; at least one."""
        taken: list[int] = []
        tokens = 0
        shapes: dict[Hashable, tuple[int, int]] = {}  # of rows that lie together: how many, and the longest
        smallest = FEWEST_CHUNKS * budget.chunk_tokens / self._states
        for position in positions:
            for row in self.rows[position]:
                like = self.kind.like(row)
                count, longest = shapes.get(like, (0, 0))
                shapes[like] = count + 1, max(longest, len(row.tokens))
            tokens += self.tokens[position]
            padded = sum(count * longest for count, longest in shapes.values())
            if taken and (padded > most or (padded > smallest and padded > (1 + MOST_PADDING) * tokens)):
                break
            taken.append(position)
        return taken

    def budget_for(self, batches: Sequence[Sequence[int]], budget: Budget, tree: Forest) -> Budget:
        """The budget of batches that go through the blocks together."""
        if not self._streamed:
            return budget
        return budget.for_group(sum(map(self.padded, batches)), self.longest, peak_states(tree))


@dataclass(frozen=True)
class Batch:
    """Rows on the device, with where to read what.

    hidden:    (B, T, D) what enters the first block; arguments: of each block.
    parts:     of each tree of the forest, its rows in this batch.
    requests:  of each tree, how many requests all batches of the walk answer together; this one answers some of them.
    """

    hidden: Tensor
    arguments: list[BlockArguments]
    parts: list[Part]
    requests: list[int]

    @property
    def shape(self) -> tuple[int, int]:
        return self.hidden.shape[0], self.hidden.shape[1]

    @property
    def tokens(self) -> int:
        """Real tokens in the rows."""
        return sum(part.tokens for part in self.parts)

    def course(self, forest: Forest, most: int) -> Course:
        """How it walks the blocks with so many states of each row alive."""
        rows = np.array([len(part.rows) for part in self.parts])
        return Course(forest, rows, most * int(rows.sum()))


@dataclass(frozen=True)
class Part:
    """The rows of a batch that walk one tree.

    rows:      their places in the batch, on the device; tokens: real ones in them.
    positions: (n,) flat indices r · T + t of the scored tokens, r counting these rows alone, each once.
    pairs:     (3, m) for each scored target: its place in `positions`, its token, its request's number in the tree.
    """

    rows: Tensor
    tokens: int
    positions: Tensor
    pairs: Tensor


@dataclass(frozen=True)
class Requests:
    """The numbering of the requests of documents that run together: consecutive within each tree.

    tree: of each document, by its position; first: the number of its first request; total: of each tree.
    """

    tree: dict[int, int]
    first: dict[int, int]
    total: list[int]

    @classmethod
    def of(cls, choices: Mapping[int, int], one_tree: bool) -> Requests:
        """choices: how many requests each document has, by its position; one_tree: whether all share a tree."""
        if one_tree:
            first = dict(zip(choices, accumulate(choices.values(), initial=0), strict=False))
            return cls(dict.fromkeys(choices, 0), first, [sum(choices.values())])
        trees = {position: tree for tree, position in enumerate(choices)}
        return cls(trees, dict.fromkeys(choices, 0), list(choices.values()))


def make_batch(
    decoder: Decoder, rows: Sequence[Row], requests: Requests, windows: Sequence[int | None] | None
) -> Batch:
    """Run the head on rows. windows: each block's attention window, for tree rows; None where all rows are plain."""
    tensors = row_tensors(rows, decoder.device)
    if tensors.ancestors is None:
        hidden, arguments = decoder.head(tensors.token_ids)
    else:
        dtype = first_parameter(decoder.network).dtype
        full = float_mask(tensors, None, dtype)
        hidden, arguments = decoder.head(tensors.token_ids, full, tensors.depths)
        arguments = with_tree_masks(arguments, windows, tensors, dtype)
    by_tree: list[list[int]] = [[] for _ in requests.total]
    for place, row in enumerate(rows):
        by_tree[requests.tree[row.document]].append(place)
    parts = [_part(rows, places, hidden.shape[1], requests, decoder.device) for places in by_tree]
    return Batch(hidden, arguments, parts, requests.total)


def make_batches(
    decoder: Decoder, groups: Iterable[Sequence[Row]], requests: Requests, kind: RowKind
) -> list[Batch]:
    """A batch of each group of rows."""
    return [make_batch(decoder, rows, requests, kind.windows) for rows in groups]


def _part(
    rows: Sequence[Row], places: Sequence[int], length: int, requests: Requests, device: torch.device
) -> Part:
    """The rows at these places, which walk one tree."""
    positions: dict[int, int] = {}
    pairs = []
    for number, row in enumerate(rows[place] for place in places):
        for scored in row.scored:
            place = positions.setdefault(number * length + scored.node, len(positions))
            pairs.append((place, scored.target, requests.first[row.document] + scored.choice))
    return Part(
        torch.tensor(places, dtype=torch.long, device=device),
        sum(len(rows[place].tokens) for place in places),
        torch.tensor(list(positions), dtype=torch.long, device=device),
        torch.tensor(sorted(pairs), dtype=torch.long, device=device).reshape(-1, 3).T.contiguous(),
    )
