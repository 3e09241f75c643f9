"""The cache by which the model's own attention reads shared prefixes: transformers' interface, our contents.

A block's attention hands its keys and values to the cache that it is given, and uses what comes back. The rows of a
prefix leave theirs here; the rows that hang on it get the prefix's before their own. Both hold for one block at a
time, so the cache is told before each block what is to come before, and emptied after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import Cache


@dataclass(frozen=True)
class Piece:
    """Keys and values of a prefix, for some rows of a batch.

    first, rows: the rows of the batch that are given them.
    start:       the place among the keys at which they begin.
    tensors:     keys and values, (prefixes, heads, tokens, width) each.
    index:       (rows,) which prefix each row is given; None where there is only one.
    """

    first: int
    rows: int
    start: int
    tensors: tuple[Tensor, Tensor]
    index: Tensor | None

    def put_into(self, joined: Tensor, which: int) -> None:
        """Copy the keys (0) or values (1) to their place in those of all rows."""
        given = self.tensors[which]
        own = given if self.index is None else given.index_select(0, self.index)
        joined[self.first : self.first + self.rows, :, self.start : self.start + given.shape[2]] = own


class PrefixCache(Cache):
    """What a model takes for its cache while rows of prefixes, or rows that hang on them, go through its blocks.

    length: tokens of the prefixes before the rows, padding included; keeps: whether others hang on these rows.
    """

    def __init__(self, length: int, keeps: bool) -> None:
        # No layers: what a model asks of these, besides what is here, is an error.
        super().__init__(layers=[])
        self.length = length
        self.keeps = keeps
        self._before: Sequence[Sequence[Piece]] = ()
        self._calls = 0
        self._kept: list[tuple[Tensor, Tensor]] = []

    def begin(self, before: Sequence[Sequence[Piece]]) -> None:
        """Before a block; `before`: what comes before the keys and values of each call of `update`."""
        self._before, self._calls, self._kept = before, 0, []

    def end(self) -> list[tuple[Tensor, Tensor]]:
        """After a block: the keys and values of each call. Raises ValueError where calls are missing."""
        kept, missing = self._kept, self.length and len(self._before) - self._calls
        self.begin(())
        if missing:
            raise ValueError("an attention did not ask for the prefix that its rows hang on")
        return kept

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by the model's attention: take its keys and values, give back those that it attends to."""
        own = key_states, value_states
        if self.keeps:
            self._kept.append(own)
        if not self.length:
            return own
        before = self._before[self._calls]
        self._calls += 1
        return self._joined(before, own, 0), self._joined(before, own, 1)

    def _joined(self, before: Sequence[Piece], own: tuple[Tensor, Tensor], which: int) -> Tensor:
        rows, heads, tokens, width = own[which].shape
        joined = own[which].new_empty(rows, heads, self.length + tokens, width)
        joined[:, :, self.length :] = own[which]
        for piece in before:
            piece.put_into(joined, which)
        return joined

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens that come before the rows."""
        return self.length

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """As `get_seq_length`."""
        return self.length

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """How many keys rows of so many tokens attend to, and at which they begin."""
        return self.length + query_length, 0
