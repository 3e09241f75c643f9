"""The variances of documents' values: between documents, and from drawing each one's pairs, for any number of pairs.

    variances = pair_variances(kernel_regression, games, kernel_regression(games), contrasts)
    variances.between, variances.within(20)       # had each document 20 pairs

The pairs of a size are a sample of all pairs of that size. With `count` of `all` of them their part of the variance of
a document's value is A / count · (1 − count / all), summed over the sizes (Cochran 1977, Sampling Techniques, theorem
5.3, on strata of finite populations). A stays as it is where the estimator looks at each pair by itself. One that
learns from a document's other pairs misses less of a pair the more of them there are. A second fit, to a quarter of the
pairs, measures how much less.

What lies between documents is the same for every estimator that is unbiased: the variance over documents less
that of drawing, by the regression, for which the spread of a document's pairs of a size tells the latter (the same
theorem).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cornerstone.shapley.document_games import DocumentGames, all_pairs
from cornerstone.shapley.document_pairs import drawn_sizes, most_pairs, pairs_of_size
from cornerstone.shapley.kernel_regression import Corrected, kernel_regression

FEWER = 4
"""The second fit has so many times fewer pairs."""
SCALES = (0.5, 1.5)
"""What is told of drawing is corrected within these bounds."""
TOP = 3
"""Sublayers whose ranks are asked for."""
LISTS = 200
"""Of pairs, whose sizes are counted for another number of pairs."""
SEED = 20240922


@dataclass(frozen=True, eq=False)
class PairVariances:
    """The variances over documents of linear combinations of their values ("contrasts").

    pairs:     of each document in the study.
    contrasts: float64 (contrasts, sublayers).
    of_size:   float64 (n // 2 + 1, contrasts): A of each size in the study.
    exponent:  of the number of pairs, in A.
    between:   float64 (contrasts,): between documents.
    """

    pairs: int
    contrasts: np.ndarray
    of_size: np.ndarray
    exponent: float
    between: np.ndarray

    def within(self, pairs: int) -> np.ndarray:
        """The variance from drawing pairs, (contrasts,), if each document had so many."""
        n = self.contrasts.shape[1]
        pairs = min(pairs, most_pairs(n))
        return left_open(sizes_in_lists(n, pairs), n) @ self.of_size * (pairs / self.pairs) ** self.exponent

    @property
    def between_part(self) -> np.ndarray:
        """The part of the variances in the study that lies between documents, (contrasts,)."""
        whole = self.between + self.within(self.pairs)
        return np.divide(self.between, whole, out=np.ones_like(whole), where=whole > 0)


def value_contrasts(values: np.ndarray) -> np.ndarray:
    """Every value, then the differences of the TOP largest from all others: (contrasts, sublayers).

    values: (sublayers,).
    """
    unit = np.eye(len(values))
    largest = np.argsort(-values, kind="stable")[:TOP]
    return np.concatenate([unit, *(unit[one] - np.delete(unit, one, axis=0) for one in largest)])


def pair_variances(
    estimate: Callable[[DocumentGames], Corrected],
    games: DocumentGames,
    found: Corrected,
    contrasts: np.ndarray,
) -> PairVariances:
    """The variances of contrasts, float64 (contrasts, sublayers), of the values that `estimate` found in these
    games."""
    pairs = games.sides.shape[1]
    now, exponent = _of_size(games, found, contrasts), 0.0
    if pairs >= FEWER:
        ratio = pairs / (pairs // FEWER)
        fewer = fewer_pairs(games, pairs // FEWER)
        then = _of_size(fewer, estimate(fewer), contrasts)
        open_now = left_open(games.of_size, games.n_sublayers)
        both = [float((open_now @ np.where(np.isnan(now + then), 0.0, each)).sum()) for each in (now, then)]
        if min(both) > 0:
            exponent = float(np.log(both[0] / both[1]) / np.log(ratio))
        # All pairs of a size are there now: what fewer of them leave open, the second fit tells.
        now = np.where(np.isnan(now), then * ratio**exponent, now)
    told = PairVariances(pairs, contrasts, np.nan_to_num(now), exponent, _between(games, contrasts))
    # What is told of drawing is somewhat too much, for a document's own part of what was missed is in it too.
    drawn = told.within(pairs).sum()
    left = ((found.per_document @ contrasts.T).var(axis=0) - told.between).sum()
    scale = float(np.clip(left / drawn, *SCALES)) if drawn > 0 else 1.0
    return replace(told, of_size=told.of_size * scale)


def fewer_pairs(games: DocumentGames, count: int) -> DocumentGames:
    """The games of a study whose documents have only `count` pairs: sizes in a sequence of their own, random pairs of
    each."""
    rng = np.random.default_rng(SEED)
    chosen = np.empty((games.n_documents, count), dtype=np.int64)
    for document, there in enumerate(games.of_size):
        wanted = np.bincount(
            drawn_sizes(games.n_sublayers, count, rng.random(), there.tolist()), minlength=len(there)
        )
        order = rng.permutation(games.sides.shape[1])
        sizes = games.sizes[document, order]
        chosen[document] = np.concatenate([order[sizes == size][:k] for size, k in enumerate(wanted)])
    return games.with_pairs(chosen)


def left_open(of_size: np.ndarray, n_sublayers: int) -> np.ndarray:
    """What A is multiplied with, the mean over documents: (n // 2 + 1,).

    of_size: int (documents, n // 2 + 1): how many pairs of each size a document has. Those that have some stand in for
    those that have none. 0 where all have all, or no document has any.
    """
    has, every = of_size > 0, np.maximum(all_pairs(n_sublayers), 1.0)
    each = np.where(has, (1 - of_size / every) / np.maximum(of_size, 1), 0.0).mean(axis=0)
    there = has.mean(axis=0)
    return np.divide(each, there**2, out=np.zeros_like(each), where=there > 0)


def sizes_in_lists(n_sublayers: int, pairs: int) -> np.ndarray:
    """How many pairs of each size lists of so many have: int (lists, n // 2 + 1)."""
    drawn = _drawn(n_sublayers, 1 << (pairs - 1).bit_length())[:, :pairs]
    return np.stack([(drawn == size).sum(axis=1) for size in range(n_sublayers // 2 + 1)], axis=1)


@lru_cache(maxsize=64)
def _drawn(n_sublayers: int, pairs: int) -> np.ndarray:
    """The sizes of lists whose sequences start at evenly spaced places: (lists, pairs), in the order drawn."""
    there = [pairs_of_size(n_sublayers, size) for size in range(n_sublayers // 2 + 1)]
    starts = (np.arange(LISTS) + 0.5) / LISTS
    return np.stack([drawn_sizes(n_sublayers, pairs, start, there) for start in starts.tolist()])


def _between(games: DocumentGames, contrasts: np.ndarray) -> np.ndarray:
    """The variances between documents, (contrasts,): values and differences of values each as a group of their own."""
    found = kernel_regression(games)
    drawn = np.zeros(len(contrasts))
    for size in np.unique(games.sizes):
        drawn += _spread_within(games.sizes == size, found.by_pair, games.n_documents, contrasts)
    squares = (((found.per_document - found.per_document.mean(axis=0)) @ contrasts.T) ** 2).T
    n = games.n_sublayers
    return np.concatenate([_left(squares[:n], drawn[:n]), _left(squares[n:], drawn[n:])])


def _left(squares: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The means over documents of squares, (contrasts, documents), less what is of drawing, (contrasts,).

    Each is drawn towards the part that all have together, as far as their spread is chance (James and Stein 1961): a
    difference of two variances is uncertain, and the largest of many would look too large.
    """
    variances = squares.sum(axis=1) / max(squares.shape[1] - 1, 1)
    known = variances > 0
    if not known.any():
        return np.zeros(len(variances))
    part = np.divide(variances - drawn, variances, out=np.zeros_like(variances), where=known)
    common = (variances - drawn).sum() / variances.sum()
    chance = squares[known].var(axis=1) / squares.shape[1] * (drawn[known] / variances[known] ** 2) ** 2
    spread = ((part[known] - common) ** 2).sum()
    kept = max(1 - chance.sum() / spread, 0.0) if spread > 0 else 0.0
    return np.clip(common + kept * (part - common), 0.0, 1.0) * variances


def _spread_within(
    mine: np.ndarray, by_pair: np.ndarray, documents: int, contrasts: np.ndarray
) -> np.ndarray:
    """What drawing the pairs of a size adds, (contrasts,), from how they spread in documents that have two and more.

    mine: bool (documents, pairs): of this size. Where no document has two, what each pair adds by itself.
    """
    owner, errors = np.nonzero(mine)[0], by_pair[mine] * documents
    count = mine.sum(axis=1)
    several = count > 1
    whole = ((errors.T @ errors @ contrasts.T) * contrasts.T).sum(axis=0) / documents
    if not several.any():
        return whole
    sums = np.zeros((documents, errors.shape[1]))
    np.add.at(sums, owner, errors)
    factor = np.where(several, count / np.maximum(count - 1, 1), 0.0)
    sums, of_pair = sums[several], factor[owner][:, None]
    covariance = (errors * of_pair).T @ errors - (
        sums * (factor / np.maximum(count, 1))[several][:, None]
    ).T @ sums
    # Documents that have one pair leave as much open as those with two and more, by their numbers.
    every = (1 / count[count > 0]).sum() / (1 / count[several]).sum()
    return ((covariance @ contrasts.T) * contrasts.T).sum(axis=0) * every / documents


def _of_size(games: DocumentGames, found: Corrected, contrasts: np.ndarray) -> np.ndarray:
    """A of each size, (n // 2 + 1, contrasts); not a number where all pairs are there, or none."""
    factor = left_open(games.of_size, games.n_sublayers)
    of_size = np.full((len(factor), len(contrasts)), np.nan)
    for size in np.flatnonzero(factor > 0):
        mine = found.by_pair[games.sizes == size]
        covariance = mine.T @ mine * games.n_documents  # of a document's values, not of their mean
        of_size[size] = ((contrasts @ covariance) * contrasts).sum(axis=1) / factor[size]
    return of_size
