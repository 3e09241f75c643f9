"""Shards: the parts of an evaluation's documents that jobs of their own evaluate.

    of_shard((1, 3), encoded)       # the first of three shards

Shards share one folder of parts, so how many there are decides no number and repeats no work.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any


def of_shard(shard: tuple[int, int] | None, encoded: Sequence[Any]) -> list[Any]:
    """The encoded documents of a shard (number from 1, of how many), in their order; None: all of them."""
    if shard is None:
        return list(encoded)
    number, shards = shard
    positions = split_by_tokens([document.n_tokens for document in encoded], shards)[number - 1]
    return [encoded[position] for position in positions]


def split_by_tokens(tokens: Sequence[int], shards: int) -> list[list[int]]:
    """Positions of the documents of each shard, ascending; tokens: how many each document has.

    The longest documents are dealt first, each to the shard that has the fewest tokens so far, which is never
    more than 4/3 of the best possible (Graham 1969). With fewer documents than shards some shards are empty.
    """
    loads = [(0, shard) for shard in range(shards)]
    dealt: list[list[int]] = [[] for _ in range(shards)]
    for position in sorted(range(len(tokens)), key=lambda position: (-tokens[position], position)):
        load, shard = heapq.heappop(loads)
        dealt[shard].append(position)
        heapq.heappush(loads, (load + tokens[position], shard))
    return [sorted(positions) for positions in dealt]
