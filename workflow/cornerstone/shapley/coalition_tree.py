"""The coalition tree: coalitions that agree on the first l sublayers share their state up to there.

removed:  ()   (1,)   (1,2)   (2,)            state after sublayer 0   1        2
                                                               ()  ─ () ──┬─ ()
Every distinct (removed prefix, sublayer) is computed once;               └─ (2,)
a state splits where its coalitions disagree.                   └─── (1,) ┬─ (1,)
                                                                          └─ (1,2)

A forest has one tree for all documents, or one for each. A tree's coalitions are sorted, so that a state is a run
of neighbours that agree so far; it goes by the number of the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.shapley.coalitions import Removed


@dataclass(frozen=True)
class Step:
    """The path of one hidden state through one block.

    parent:  the state that enters the block, by its first leaf.
    child:   the state that leaves it.
    removed: the places in this block, 0 the first, of the sublayers that are removed on the way.
    """

    parent: int
    child: int
    removed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Forest:
    """Coalition trees side by side; a leaf is a coalition of one of them.

    leaves:  the coalitions, tree by tree, sorted in each.
    tree:    (leaves,) the tree of each.
    removed: (leaves, sublayers), whether a coalition is without a sublayer.
    shared:  (leaves,) on how many of the first sublayers a leaf agrees with the one before it; of the first −1.
    blocks:  the indices of each block's sublayers.
    """

    leaves: tuple[Removed, ...]
    tree: np.ndarray
    removed: np.ndarray
    shared: np.ndarray
    blocks: tuple[tuple[int, ...], ...]

    @property
    def n_trees(self) -> int:
        return int(self.tree[-1]) + 1

    def states(self, block: int) -> np.ndarray:
        """The states that enter a block, in order; after the last block, the leaves."""
        return np.flatnonzero(self.shared < self._begin(block))

    def _begin(self, block: int) -> int:
        """The number of sublayers before a block."""
        return self.blocks[block][0] if block < len(self.blocks) else self.removed.shape[1]

    def steps_from(self, block: int, states: Iterable[int]) -> list[Step]:
        """The steps through `block` that start from the given states, in order."""
        parents, children = self._children(block, states)
        patterns = self.removed[children, self._begin(block) : self._begin(block + 1)]
        return [
            Step(parent, child, tuple(np.flatnonzero(pattern).tolist()))
            for parent, child, pattern in zip(parents.tolist(), children.tolist(), patterns, strict=True)
        ]

    def _children(self, block: int, states: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """Where each step through a block from these states starts and ends."""
        children = self.states(block + 1)
        entering = self.states(block)
        parents = entering[np.searchsorted(entering, children, "right") - 1]
        ours = np.isin(parents, np.fromiter(states, dtype=np.int64))
        return parents[ours], children[ours]

    def branches(self, block: int, states: Sequence[int]) -> np.ndarray:
        """How many states leave a block for each state that enters it (sorted states)."""
        parents, _ = self._children(block, states)
        return np.bincount(np.searchsorted(states, parents), minlength=len(states))

    def evaluations(self, block: int, states: Sequence[int] | None = None) -> np.ndarray:
        """How many sublayers of the block are computed for each state that enters it, over all states that it leads to.

        Each once for each way in which those before it in the block are removed. states: sorted; all where not given.
        """
        entering = self.states(block)
        begin, end = self._begin(block), self._begin(block + 1)
        starts = self.shared[:, None] < np.arange(begin, end)
        counts = (starts & ~self.removed[:, begin:end]).sum(axis=1)
        sums = np.add.reduceat(counts, entering)
        return sums if states is None else sums[np.searchsorted(entering, states)]

    def least_evaluations(self) -> int:
        """(state × sublayer) evaluations of all trees: no exact method takes fewer for each token."""
        return sum(int(self.evaluations(block).sum()) for block in range(len(self.blocks)))


def coalition_forest(
    coalitions_of_trees: Iterable[Iterable[Removed]], blocks: Sequence[tuple[int, ...]]
) -> Forest:
    """The trees of these coalitions, one or more each, over blocks that hold the given sublayer indices, in order."""
    trees = [_sorted_tree(coalitions, blocks[-1][-1] + 1) for coalitions in coalitions_of_trees]
    removed = np.concatenate([rows for _, rows in trees])
    differs = removed[1:] != removed[:-1]
    shared = np.append(-1, np.where(differs.any(axis=1), differs.argmax(axis=1), 0))
    sizes = [len(leaves) for leaves, _ in trees]
    shared[np.cumsum([0, *sizes[:-1]])] = -1
    leaves = tuple(leaf for tree, _ in trees for leaf in tree)
    return Forest(leaves, np.repeat(np.arange(len(trees)), sizes), removed, shared, tuple(map(tuple, blocks)))


def coalition_tree(coalitions: Iterable[Removed], blocks: Sequence[tuple[int, ...]]) -> Forest:
    """The forest of one tree, which all documents share."""
    return coalition_forest([coalitions], blocks)


def _sorted_tree(coalitions: Iterable[Removed], n_sublayers: int) -> tuple[list[Removed], np.ndarray]:
    """A tree's coalitions, each once, and what they remove; those that agree longest are neighbours."""
    different = list(dict.fromkeys(coalitions))
    removed = np.zeros((len(different), n_sublayers), dtype=bool)
    for row, coalition in zip(removed, different, strict=True):
        row[list(coalition)] = True
    packed = [row.tobytes() for row in np.packbits(removed, axis=1)]
    order = sorted(range(len(different)), key=packed.__getitem__)
    return [different[place] for place in order], removed[order]


def least_evaluations(coalitions: Iterable[Removed], n_sublayers: int) -> int:
    """The least number of (state × sublayer) evaluations per token that any exact method makes.

    The count of distinct (removed prefix, sublayer) pairs whose sublayer is present; DESIGN's measure.
    """
    coalitions = list(coalitions)
    return coalition_tree(coalitions, [tuple(range(n_sublayers))]).least_evaluations() if coalitions else 0


def most_within(work_of: Callable[[int], float], given: float, least: int, most: int) -> int:
    """The largest count from `least` to `most` whose work is within the given work; `least` if none is.

    work_of: of a count; it grows with it.
    """
    low, high = least, 2 * least
    while high <= most and work_of(high) <= given:
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if work_of(middle) <= given else (low, middle)
    return low


@dataclass(frozen=True, eq=False)
class Course:
    """How documents walk the blocks of their forest.

    sizes: of each tree, how large one of its states is, in rows or in tokens; a tree of none takes no part.
    most:  the size of the states that may leave a block together; where it would be more, subtrees are walked one after
           another.
    """

    forest: Forest
    sizes: np.ndarray
    most: int

    def beginning(self) -> list[int]:
        """The states that enter the first block."""
        return [state for state in self.forest.states(0).tolist() if self.sizes[self.forest.tree[state]]]

    def groups(self, block: int, states: Sequence[int]) -> list[list[int]]:
        """Split sorted states into runs of neighbours that may go through a block together: one or more each.

        In the order in which they go. The last come first: the subtree of the full model is the largest, and the
        others would wait for it.
        """
        weights = self.forest.branches(block, states) * self.sizes[self.forest.tree[list(states)]]
        groups: list[list[int]] = [[]]
        size = 0
        for state, weight in zip(states, weights.tolist(), strict=True):
            if groups[-1] and size + weight > self.most:
                groups.append([])
                size = 0
            groups[-1].append(state)
            size += weight
        return groups[::-1]


@dataclass(frozen=True)
class Visit:
    """Some hidden states that go through a block together.

    evaluations: (state × sublayer) that are computed, each times the size of its tree.
    """

    block: int
    evaluations: int


def walk_order(course: Course) -> list[Visit]:
    """The blocks in the order in which documents walk them: once each, or by subtrees (`Walk`)."""
    return list(_visits(course, 0, course.beginning()))


def _visits(course: Course, block: int, states: Sequence[int]) -> Iterator[Visit]:
    for number in range(block, len(course.forest.blocks)):
        groups = course.groups(number, states)
        if len(groups) > 1:
            for group in groups:
                yield from _visits(course, number, group)
            return
        evaluations = course.forest.evaluations(number, states)
        yield Visit(number, int(evaluations @ course.sizes[course.forest.tree[list(states)]]))
        states = [step.child for step in course.forest.steps_from(number, states)]
