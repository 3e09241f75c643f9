"""Per-document pairs of coalitions: the design `kernel_pairs`.

    pairs = document_pairs(n_sublayers=12, count=34, seed=document_seed(1234, digest, occurrence=0))

A pair is a set of removed sublayers and its complement. How many are removed follows the weights of the Shapley kernel
(Lundberg and Lee 2017): sizes s and n − s together have the weight 1 / (s (n − s)), and all sets of a size have the
same. Pairs take out every effect of even order (Covert and Lee 2021, Improving KernelSHAP). Sizes come in a
low-discrepancy sequence from a random start, so that every stretch of the list has them in about the kernel's
proportions, and no pair comes twice.

A document's list rests on its seed alone: a longer list begins with the shorter one, and what other documents there are
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, count
from math import comb, sqrt

import numpy as np

from cornerstone.shapley.coalition_tree import least_evaluations, most_within
from cornerstone.shapley.coalitions import Removed, ablation, windows
from cornerstone.shapley.players import Players

GOLDEN = (sqrt(5) - 1) / 2
"""Multiples of the golden ratio, less their whole parts, fill [0, 1) evenly from the first few on."""
FEW_PAIRS = 2000
"""So many of a size are listed and shuffled; of more, one that came before is drawn again."""
FEWEST_REFERENCES, REFERENCE_SUBLAYERS = 4, 400
"""Documents whose coalition trees are averaged for the work of so many pairs: the fewer, the larger the trees are."""

Seed = tuple[int, ...]


def document_seed(study_seed: int, digest: str, occurrence: int) -> Seed:
    """The seed that a document's pairs are drawn with.

    digest: hexadecimal, of the document. occurrence: how many documents of this digest stand before it: copies have
    pairs of their own.
    """
    return study_seed, int(digest[:16], 16), occurrence


def pairs_of_size(n_sublayers: int, size: int) -> int:
    """How many pairs have `size` sublayers on their smaller side."""
    return comb(n_sublayers, size) // (2 if 2 * size == n_sublayers else 1)


@lru_cache
def size_weights(n_sublayers: int) -> np.ndarray:
    """The kernel's weight of all pairs of a smaller side of 0, 1, … n // 2 sublayers: they sum to 1, that of 0 is 0."""
    sizes = np.arange(1, n_sublayers // 2 + 1)
    weights = np.where(2 * sizes == n_sublayers, 1.0, 2.0) / (sizes * (n_sublayers - sizes))
    return np.append(0.0, weights / weights.sum())


def document_pairs(n_sublayers: int, count: int, seed: Seed) -> np.ndarray:
    """The sublayers on the smaller side of `count` pairs, bool of shape (pairs, sublayers), in the order drawn.

    Fewer where there are no more: a model of n sublayers has 2^(n − 1) − 1 pairs. Of two sides of the same size the
    first sublayer is on the other.
    """
    sizes = _sizes_of(n_sublayers, count, seed)
    sides = np.zeros((len(sizes), n_sublayers), dtype=bool)
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        # A stream of its own for each size: what is drawn of one size does not depend on how many the others have.
        drawn = _sides(n_sublayers, int(size), np.random.default_rng((*seed, int(size))))
        for row, side in zip(rows, drawn, strict=False):
            sides[row, list(side)] = True
    return sides


def _sizes_of(n_sublayers: int, count: int, seed: Seed) -> np.ndarray:
    """The number of sublayers on the smaller side of each pair of a document."""
    there = [pairs_of_size(n_sublayers, size) for size in range(n_sublayers // 2 + 1)]
    return drawn_sizes(n_sublayers, count, np.random.default_rng(seed).random(), there)


def drawn_sizes(n_sublayers: int, wanted: int, start: float, there: Sequence[int]) -> np.ndarray:
    """The number of sublayers on the smaller side of each pair of a list.

    start: of the low-discrepancy sequence, 0 to 1.
    there: how many pairs there are of each size, 0, 1, …; the list ends where no more are left.
    """
    ends = np.cumsum(size_weights(n_sublayers))
    left = [0, *there[1:]]
    wanted = min(wanted, sum(left))
    sizes: list[int] = []
    for place in count():
        if len(sizes) == wanted:
            break
        size = min(int(np.searchsorted(ends, (start + place * GOLDEN) % 1.0, side="right")), len(ends) - 1)
        if left[size]:
            left[size] -= 1
            sizes.append(size)
    return np.array(sizes, dtype=np.int64)


def _sides(n: int, size: int, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """The smaller sides of the pairs of a size, in random order, none twice."""
    half = 2 * size == n
    if pairs_of_size(n, size) <= FEW_PAIRS:
        everything = list(combinations(range(1, n) if half else range(n), size))
        yield from (everything[place] for place in rng.permutation(len(everything)))
        return
    seen: set[tuple[int, ...]] = set()
    while True:
        side = np.sort(rng.choice(n, size, replace=False))
        if half and side[0] == 0:
            side = np.setdiff1d(np.arange(n), side)
        if (key := tuple(side.tolist())) not in seen:
            seen.add(key)
            yield key


def pair_coalitions(sides: np.ndarray) -> list[Removed]:
    """What is evaluated for these pairs besides `ablation`: the model without any sublayer, then both sides of each.

    A single removal is left to `ablation`, which every document has.
    """
    found: list[Removed] = [tuple(range(sides.shape[1]))]
    for side in sides:
        smaller, larger = (tuple(np.flatnonzero(one).tolist()) for one in (side, ~side))
        found += [larger] if len(smaller) == 1 else [smaller, larger]
    return found


def pairs_of_same_work(n_sublayers: int, max_removed: int, players: Players | None = None) -> int:
    """How many pairs of a document come nearest to the work of the paper's windows; both include single removals.

    players: where they are sets of sublayers, of as many as n_sublayers says.
    """
    singles = tuple(ablation(n_sublayers))
    given = work_of([*singles, *windows(n_sublayers, max_removed)], n_sublayers, players)
    within = pairs_of_work(n_sublayers, given, players)
    counts = (within, min(within + 1, most_pairs(n_sublayers)))
    return min(counts, key=lambda pairs: abs(work_of_pairs(n_sublayers, pairs, singles, players) - given))


def work_of(coalitions: Sequence[Removed], n_sublayers: int, players: Players | None) -> int:
    """(state × sublayer) evaluations of coalitions; of sets of sublayers, where players has these."""
    if players is None:
        return least_evaluations(coalitions, n_sublayers)
    return least_evaluations([*map(players.spelled_out, coalitions)], len(players.sublayers))


@lru_cache
def pairs_of_work(n_sublayers: int, given: float, players: Players | None = None) -> int:
    """How many pairs a document may have for so much work, single removals included.

    Work is counted in (state × sublayer) evaluations, what coalitions share once, in the mean over some documents. At
    least one pair; all that there are, where they take no more.
    """
    singles = tuple(ablation(n_sublayers))
    return most_within(
        lambda pairs: work_of_pairs(n_sublayers, pairs, singles, players),
        given,
        least=1,
        most=most_pairs(n_sublayers),
    )


def most_pairs(n_sublayers: int) -> int:
    """How many pairs there are."""
    return 2 ** (n_sublayers - 1) - 1


@lru_cache(maxsize=1024)
def work_of_pairs(
    n_sublayers: int, pairs: int, beside: tuple[Removed, ...] = (), players: Players | None = None
) -> float:
    """(state × sublayer) evaluations of a token for so many pairs: a mean over some documents.

    beside: other coalitions that are evaluated together with them. players: as in `pairs_of_same_work`.
    """
    of_each = []
    for reference in range(max(FEWEST_REFERENCES, REFERENCE_SUBLAYERS // n_sublayers)):
        own = pair_coalitions(document_pairs(n_sublayers, pairs, (reference,)))
        of_each.append(work_of([*beside, *own], n_sublayers, players))
    return float(np.mean(of_each))


class DrawnForEach(Sequence[list[Removed]]):
    """The coalitions of each document, drawn where they are asked for: a list of them all would be large."""

    def __init__(self, n_sublayers: int, pairs: int, seeds: Sequence[Seed]) -> None:
        self.n_sublayers, self.pairs, self.seeds = n_sublayers, pairs, seeds

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, place: int) -> list[Removed]:
        return pair_coalitions(document_pairs(self.n_sublayers, self.pairs, self.seeds[place]))

    @property
    def counts(self) -> list[int]:
        """How many coalitions each document has: as many as its sizes tell."""
        return [_count(self.n_sublayers, self.pairs, seed) for seed in self.seeds]


@lru_cache(maxsize=100_000)
def _count(n_sublayers: int, pairs: int, seed: Seed) -> int:
    """The length of `pair_coalitions`."""
    sizes = _sizes_of(n_sublayers, pairs, seed)
    return 1 + 2 * len(sizes) - int((sizes == 1).sum())
