"""The coalition tree: coalitions that agree on the first l sublayers share their state up to there.

removed:  ()   (1,)   (1,2)   (2,)            state after sublayer 0   1        2
                                                               ()  ─ () ──┬─ ()
Every distinct (removed prefix, sublayer) is computed once;               └─ (2,)
a state splits where its coalitions disagree.                   └─── (1,) ┬─ (1,)
                                                                          └─ (1,2)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cornerstone.shapley.coalitions import Removed


@dataclass(frozen=True)
class Step:
    """One state's way through one block.

    parent:  the state that enters the block, by its removed prefix.
    child:   the state that leaves it.
    removed: the sublayers of this block that are removed on the way.
    """

    parent: Removed
    child: Removed
    removed: Removed


@dataclass(frozen=True)
class CoalitionTree:
    """steps[b]: the steps through block b by the state they start from; leaves: the coalitions, sorted;
    blocks[b]: the indices of block b's sublayers."""

    steps: tuple[dict[Removed, tuple[Step, ...]], ...]
    leaves: tuple[Removed, ...]
    blocks: tuple[tuple[int, ...], ...]

    def steps_from(self, block: int, states: Iterable[Removed]) -> list[Step]:
        """The steps through `block` that start from the given states."""
        return [step for state in states for step in self.steps[block][state]]


def coalition_tree(coalitions: Iterable[Removed], blocks: Sequence[tuple[int, ...]]) -> CoalitionTree:
    """The tree of the coalitions over a model whose blocks hold the given sublayer indices, in order."""
    leaves = tuple(sorted(set(coalitions)))
    steps = tuple(_steps_through(leaves, sublayers) for sublayers in blocks)
    return CoalitionTree(steps, leaves, tuple(map(tuple, blocks)))


def _steps_through(leaves: Sequence[Removed], sublayers: tuple[int, ...]) -> dict[Removed, tuple[Step, ...]]:
    steps: dict[Removed, list[Step]] = {}
    for child in sorted({_prefix(leaf, sublayers[-1] + 1) for leaf in leaves}):
        parent = _prefix(child, sublayers[0])
        steps.setdefault(parent, []).append(Step(parent, child, child[len(parent) :]))
    return {parent: tuple(children) for parent, children in steps.items()}


def _prefix(removed: Removed, end: int) -> Removed:
    """The part of a coalition that concerns sublayers before `end`."""
    count = next((n for n, sublayer in enumerate(removed) if sublayer >= end), len(removed))
    return removed[:count]


def least_evaluations(coalitions: Iterable[Removed], n_sublayers: int) -> int:
    """The least number of (state × sublayer) evaluations per token that any exact method makes.

    The count of distinct (removed prefix, sublayer) pairs whose sublayer is present; DESIGN's measure, worked
    out from the coalitions alone so that it can be held against what the engine counted.
    """
    distinct = set(coalitions)
    return sum(
        len({tuple(s for s in removed if s < sublayer) for removed in distinct if sublayer not in removed})
        for sublayer in range(n_sublayers)
    )


def subtree_groups(
    tree: CoalitionTree, block: int, states: Sequence[Removed], most: int
) -> list[list[Removed]]:
    """Split states into runs of neighbours: each has at most `most` states after `block` and one or more before."""
    groups: list[list[Removed]] = [[]]
    size = 0
    for state in states:
        children = len(tree.steps[block][state])
        if groups[-1] and size + children > most:
            groups.append([])
            size = 0
        groups[-1].append(state)
        size += children
    return groups


@dataclass(frozen=True)
class Visit:
    """Some states on their way through a block together.

    evaluations: (state × sublayer) that are computed for each token.
    """

    block: int
    evaluations: int


def walk_order(tree: CoalitionTree, most: int) -> list[Visit]:
    """The blocks in the order of a walk with at most `most` states alive: once each, or by subtrees (`Walk`)."""
    return list(_visits(tree, 0, [()], most))


def _visits(tree: CoalitionTree, block: int, states: Sequence[Removed], most: int) -> Iterator[Visit]:
    for number in range(block, len(tree.steps)):
        groups = subtree_groups(tree, number, sorted(states), most)
        if len(groups) > 1:
            for group in groups:
                yield from _visits(tree, number, group, most)
            return
        yield Visit(number, _evaluations(tree, number, states))
        states = [step.child for step in tree.steps_from(number, states)]


def _evaluations(tree: CoalitionTree, block: int, states: Iterable[Removed]) -> int:
    """Each sublayer of the block once for each state and each way in which those before it in the block are removed."""
    return sum(
        len(
            {
                _prefix(step.removed, sublayer)
                for step in tree.steps[block][state]
                if sublayer not in step.removed
            }
        )
        for state in states
        for sublayer in tree.blocks[block]
    )
