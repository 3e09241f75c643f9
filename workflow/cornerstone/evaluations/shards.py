"""Shards: a model's documents cut into pieces that are evaluated side by side, each about the same work.

split_by_tokens([90, 40, 30, 20], 2)    # [[0], [1, 2, 3]]

Shards share one folder of parts, so how many there are decides no number and repeats no work.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence


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
