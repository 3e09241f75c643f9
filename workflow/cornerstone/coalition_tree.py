"""The coalition tree: coalitions that agree on the first l sublayers share their state up to there.

removed:  ()   (1,)   (1,2)   (2,)            state after sublayer 0   1        2
                                                               ()  ─ () ──┬─ ()
Every distinct (removed prefix, sublayer) is computed once;               └─ (2,)
a state splits where its coalitions disagree.                   └─── (1,) ┬─ (1,)
                                                                          └─ (1,2)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cornerstone.coalitions import Removed


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
    """steps[b]: the steps through block b by the state they start from; leaves: the coalitions, sorted."""

    steps: tuple[dict[Removed, tuple[Step, ...]], ...]
    leaves: tuple[Removed, ...]

    def steps_from(self, block: int, states: Iterable[Removed]) -> list[Step]:
        """The steps through `block` that start from the given states."""
        return [step for state in states for step in self.steps[block][state]]


def coalition_tree(coalitions: Iterable[Removed], blocks: Sequence[tuple[int, ...]]) -> CoalitionTree:
    """The tree of the coalitions over a model whose blocks hold the given sublayer indices, in order."""
    leaves = tuple(sorted(set(coalitions)))
    return CoalitionTree(tuple(_steps_through(leaves, sublayers) for sublayers in blocks), leaves)


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
    """Cut states into runs that each leave `block` as at most `most` states (at least one state a run)."""
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
