"""The scores of per-document coalitions, in the form that estimators use.

A pair of coalitions, a set of sublayers and its complement, enters by half the difference of their scores

    h(S) = (v(S) − v(N∖S)) / 2        v of the sublayers that are there

for only effects of odd order have a share in Shapley values. The value is a sum over the sizes of S of means that are
taken over all pairs of a size:

    φ_i = (v(N) − v(∅)) / n + Σ_s T_s,i       T_s,i = Σ_{pairs with |S| = s} w_i(S) h(S)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cornerstone.shapley.document_pairs import pairs_of_size


@dataclass(frozen=True, eq=False)
class DocumentGames:
    """The scores of documents, each with pairs of its own.

    full, bare:  float64 (documents,): of the whole model, and of the one without any sublayer.
    without:     float64 (documents, sublayers): with one sublayer removed; NaN throughout where not every document has
                 these (`pairs_alone`).
    sides:       bool (documents, pairs, sublayers): the smaller side S of each pair.
    without_side, only_side: float64 (documents, pairs): with S removed, and with all but S removed.
    covariates:  float64 (documents, numbers): what else is known of every document alike, on scales that compare.
    """

    full: np.ndarray
    bare: np.ndarray
    without: np.ndarray
    sides: np.ndarray
    without_side: np.ndarray
    only_side: np.ndarray
    covariates: np.ndarray

    @property
    def n_documents(self) -> int:
        return len(self.full)

    @property
    def n_sublayers(self) -> int:
        return self.without.shape[1]

    @property
    def totals(self) -> np.ndarray:
        """v(all) − v(none), (documents,)."""
        return self.full - self.bare

    @property
    def differences(self) -> np.ndarray:
        """h of each pair, (documents, pairs)."""
        return (self.only_side - self.without_side) / 2

    @property
    def averages(self) -> np.ndarray:
        """Half the sum of each pair's scores, (documents, pairs)."""
        return (self.only_side + self.without_side) / 2

    @cached_property
    def alone(self) -> np.ndarray:
        """The score of each sublayer alone, (documents, sublayers); NaN where it was not evaluated."""
        alone = np.full(self.without.shape, np.nan)
        document, pair = np.nonzero(self.sizes == 1)
        alone[document, self.sides[document, pair].argmax(axis=1)] = self.only_side[document, pair]
        return alone

    @cached_property
    def sizes(self) -> np.ndarray:
        """int (documents, pairs): |S|."""
        return self.sides.sum(axis=2)

    @cached_property
    def of_size(self) -> np.ndarray:
        """int (documents, n // 2 + 1): how many pairs of each size a document has."""
        return np.stack(
            [(self.sizes == size).sum(axis=1) for size in range(self.n_sublayers // 2 + 1)], axis=1
        )

    def some(self, chosen: np.ndarray) -> DocumentGames:
        """The games of the chosen documents (bool or indices)."""
        arrays = ("full", "bare", "without", "sides", "without_side", "only_side", "covariates")
        return DocumentGames(*(getattr(self, name)[chosen] for name in arrays))

    def of_units(self, units: Sequence[Sequence[int]]) -> DocumentGames:
        """The games of units of documents that have the same coalitions, by their places, each in one unit.

        A unit's scores are its documents' sums, scaled so that the mean over units is that over documents.
        """
        sums = np.zeros((len(units), self.n_documents))
        for row, places in zip(sums, units, strict=True):
            row[list(places)] = len(units) / self.n_documents
        names = ("full", "bare", "without", "without_side", "only_side", "covariates")
        summed = {name: sums @ getattr(self, name) for name in names}
        return DocumentGames(**summed, sides=self.sides[[places[0] for places in units]])

    def pairs_alone(self) -> DocumentGames:
        """As if single removals were evaluated in pairs alone, like all other coalitions."""
        known = self.covariates.reshape(self.n_documents, -1, 2 + self.n_sublayers)[:, :, :2]
        scale = known.std(axis=(0, 2), keepdims=True)
        covariates = (known / np.where(scale > 0, scale, 1.0)).reshape(self.n_documents, -1)
        return replace(self, without=np.full_like(self.without, np.nan), covariates=covariates)

    def with_pairs(self, chosen: np.ndarray) -> DocumentGames:
        """The games with only some of each document's pairs, given by their places: int (documents, fewer pairs)."""
        documents = np.arange(self.n_documents)[:, None]
        arrays = ("sides", "without_side", "only_side")
        return replace(self, **{name: getattr(self, name)[documents, chosen] for name in arrays})


def known_of_documents(full: np.ndarray, bare: np.ndarray, without: np.ndarray) -> np.ndarray:
    """One score's part of `covariates`: the whole model, the bare one and single removals, by the size of such scores.

    Arguments as the fields of `DocumentGames`; (documents, 2 + sublayers).
    """
    known = np.column_stack([full, bare, without])
    return known / (known.std() or 1.0)


def all_pairs(n_sublayers: int) -> np.ndarray:
    """How many pairs there are of each size, float64 (n // 2 + 1,); of size 0 none."""
    return np.array([0.0] + [float(pairs_of_size(n_sublayers, s)) for s in range(1, n_sublayers // 2 + 1)])


def signs(sides: np.ndarray) -> np.ndarray:
    """½ where a sublayer is in S, else −½: an additive game's h is signs @ values. Of the shape of `sides`."""
    return sides - 0.5


def mean_weights(sides: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """w_i(S) times the number of all pairs of that size: T_s is the mean of these times h. Of the shape of `sides`.

    From the weights |S|!(n−|S|−1)!/n! of marginal contributions.
    """
    n, s = sides.shape[-1], sizes[..., None]
    return np.where(sides, 1.0 / s, -1.0 / (n - s)) * np.where(2 * s == n, 1.0, 2.0)


def additive_share(n_sublayers: int) -> np.ndarray:
    """Of an additive game T_s is this part of the values less their mean, for each size, (n // 2 + 1,)."""
    sizes = np.arange(n_sublayers // 2 + 1)
    share = np.where(2 * sizes == n_sublayers, 1.0, 2.0) / (n_sublayers - 1)
    share[0] = 0.0
    return share
