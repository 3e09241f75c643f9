"""Batches: which documents go through the blocks together, sized by a budget and with little padding.

batching = Batching(documents, TREE, model.weights is not None, states=12.5)
batching.next_batches(batching.in_order(), budget)      # [[4, 0, 7]]: positions of documents
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from cornerstone.engine.budget import Budget, peak_states
from cornerstone.engine.token_tree import Row, RowKind, document_rows, grouped_rows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.shapley.coalition_tree import Forest

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
        """All positions, largest documents first: what does not fit the memory shows at once."""
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
