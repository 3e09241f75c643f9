"""Coalitions, written by the sublayers that are removed, and the sets of them that designs are made of.

windows(n_sublayers=4, max_removed=3)        -> (0,1) (0,1,2) (1,2) (1,2,3) (2,3)
pairs(n_sublayers=4, nearest=2, farthest=3)  -> (0,2) (0,3) (1,3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cornerstone.system.errors import CornerstoneError

Removed = tuple[int, ...]
"""A coalition by what is absent: sorted sublayer indices; `()` is the full model."""
PAPER_WINDOW = 4
"""Sublayers that the paper removes together at most."""
MOST_LISTED = 16
"""Sublayers of a coalition whose text lists them; a longer list would be many times the size of its bits."""


@dataclass(frozen=True)
class ForEach:
    """Per-document coalitions: of[n], those of the n-th document."""

    of: Sequence[Sequence[Removed]]

    @property
    def counts(self) -> list[int]:
        """How many each document has; without drawing them, where they are drawn only when they are asked for."""
        known = getattr(self.of, "counts", None)
        return [len(own) for own in self.of] if known is None else known


def ablation(n_sublayers: int) -> list[Removed]:
    """The full model and every single removal: n + 1 coalitions."""
    return [(), *((sublayer,) for sublayer in range(n_sublayers))]


def windows(n_sublayers: int, max_removed: int) -> list[Removed]:
    """Every run of 2..max_removed consecutive sublayers (the paper's neighbourhood sampling).

    With `ablation` they are the 1 + L·N − L(L−1)/2 coalitions of the paper's estimator.
    Raises CornerstoneError unless 1 <= max_removed < n_sublayers.
    """
    check_max_removed(n_sublayers, max_removed)
    return [
        tuple(range(first, first + size))
        for first in range(n_sublayers)
        for size in range(2, max_removed + 1)
        if first + size <= n_sublayers
    ]


def pairs(n_sublayers: int, nearest: int, farthest: int) -> list[Removed]:
    """Every two sublayers whose indices differ by nearest..farthest; beyond the model's length there are none."""
    return [
        (first, first + distance)
        for first in range(n_sublayers)
        for distance in range(nearest, min(farthest, n_sublayers - 1 - first) + 1)
    ]


def exact(n_sublayers: int) -> list[Removed]:
    """All 2^n coalitions, those with few removals first."""
    return [c for size in range(n_sublayers + 1) for c in combinations(range(n_sublayers), size)]


def budget_window(n_sublayers: int, max_removed: int) -> int:
    """The largest of the windows whose work, or number, other designs have: where a study has no windows
    (max_removed 1), that of the paper."""
    return max_removed if max_removed > 1 else max(1, min(PAPER_WINDOW, n_sublayers - 1))


def paper_budget(n_sublayers: int, max_removed: int) -> int:
    """How many coalitions the paper's estimator takes: `ablation` and `windows` together."""
    return 1 + max_removed * n_sublayers - max_removed * (max_removed - 1) // 2


def absence(coalitions: Sequence[Removed], n_sublayers: int) -> np.ndarray:
    """1 where a sublayer is removed, else 0: float64, shape (coalitions, sublayers)."""
    absent = np.zeros((len(coalitions), n_sublayers))
    for row, removed in enumerate(coalitions):
        absent[row, list(removed)] = 1.0
    return absent


def check_max_removed(n_sublayers: int, max_removed: int, noun: str = "sublayer") -> None:
    """Raise CornerstoneError unless 1 <= max_removed < n_sublayers. noun: of a player, where it is another one."""
    if not 1 <= max_removed < n_sublayers:
        raise CornerstoneError(
            f"max_removed is {max_removed}, but this model has {n_sublayers} {noun}s: "
            f"give a number from 1 to {n_sublayers - 1}"
        )


def listed_sublayers(removed: Removed) -> str:
    """How a coalition is written in sentences: "3,4"."""
    return ",".join(map(str, removed))


def removed_text(removed: Removed) -> str:
    """How a coalition is written in tables: "" for the full model, "3,4", and of many sublayers "x1fffe".

    The hexadecimal number's bits are the removed sublayers, that of the value 1 the first.
    """
    if len(removed) <= MOST_LISTED:
        return listed_sublayers(removed)
    return f"x{sum(1 << sublayer for sublayer in removed):x}"


def parse_removed(text: str) -> Removed:
    """The inverse of `removed_text`. Raises ValueError for a text that is none."""
    if text.startswith("x"):
        bits = int(text[1:], 16)
        return tuple(sublayer for sublayer in range(bits.bit_length()) if bits >> sublayer & 1)
    return tuple(int(part) for part in text.split(",")) if text else ()
