"""Games: a model's score on every coalition, with a count of the coalitions that an estimator asked for.

game.score([(), (0, 3)])               # looked up; game.asked has both
game.of_documents(budget=43, seed=0)   # per-document pairs, for as much work as windows of 43 coalitions
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import Removed, ablation, paper_budget, windows
from cornerstone.shapley.document_games import DocumentGames, known_of_documents
from cornerstone.shapley.document_pairs import document_pairs, pair_coalitions, pairs_of_work

DOCUMENTS_COUNTED = 20
"""Of whose coalitions the work is counted."""
COPIES = 60
"""A game without documents is treated as so many identical ones."""


@dataclass(frozen=True, eq=False)
class Game:
    """A game whose every coalition is known, with a count of the coalitions that were looked up.

    scores:     of every coalition, shape (2^sublayers,), at the place whose binary digits are the removed sublayers.
    values:     the exact Shapley values, shape (sublayers,).
    asked:      the places that were looked up so far.
    documents:  the scores of each document, (2^sublayers, documents); their mean is scores.
    covariates: what else is known of each document, (documents, numbers).
    own:        the per-document coalitions so far, by place.
    """

    scores: np.ndarray
    values: np.ndarray
    asked: set[int] = field(default_factory=set)
    documents: np.ndarray | None = None
    covariates: np.ndarray | None = None
    own: list[list[Removed]] = field(default_factory=list)

    @property
    def n_sublayers(self) -> int:
        return len(self.values)

    def score(self, coalitions: Sequence[Removed]) -> np.ndarray:
        """Scores of coalitions given by what is removed, shape (coalitions,)."""
        return self._look_up([place_of(removed) for removed in coalitions])

    def score_present(self, present: np.ndarray) -> np.ndarray:
        """Scores of coalitions given by who is present, bool of shape (coalitions, sublayers)."""
        absent = ~np.atleast_2d(present).astype(bool)
        return self._look_up((absent @ (1 << np.arange(self.n_sublayers))).tolist())

    def knows(self, removed: Removed) -> bool:
        """Whether this coalition was looked up before."""
        return place_of(removed) in self.asked

    def asked_anew(self) -> Game:
        """The same game with its count of coalitions reset to zero."""
        return Game(self.scores, self.values, documents=self.documents, covariates=self.covariates)

    @property
    def by_document(self) -> np.ndarray:
        """The scores of each document, (2^sublayers, documents); a game without any has copies."""
        if self.documents is None:
            return np.repeat(self.scores[:, None], COPIES, axis=1)
        return self.documents

    def with_first_documents(self, count: int) -> Game:
        """The same game with the count at zero, and with these documents alone where each has its own coalitions."""
        known = None if self.covariates is None else self.covariates[:count]
        return Game(self.scores, self.values, documents=self.by_document[:, :count], covariates=known)

    def of_each_document(self) -> list[Game]:
        """The game of each document, with the count at zero. Their exact values are not worked out."""
        unknown = np.full(self.n_sublayers, np.nan)
        return [Game(scores, unknown) for scores in np.ascontiguousarray(self.by_document.T)]

    @property
    def evaluations(self) -> int:
        """The number of coalitions that were looked up for a document."""
        return max(map(len, self.own), default=len(self.asked))

    @property
    def coalitions(self) -> list[Removed]:
        """The coalitions that were looked up."""
        return [_removed_at(place) for place in self.asked]

    @property
    def work(self) -> float:
        """(state × sublayer) evaluations that these took for each token, in the mean over documents."""
        lists = self.own or [self.coalitions]
        return float(np.mean([least_evaluations(one, self.n_sublayers) for one in lists]))

    def of_documents(self, budget: int, seed: int, *, shared: bool = False) -> DocumentGames:
        """Per-document pairs, for the work of windows of so many coalitions; shared: the same for all."""
        n = self.n_sublayers
        pairs = pairs_of_work(n, work_of_windows(n, budget))
        games = with_own_pairs(self.by_document, pairs, seed, self.covariates, shared=shared)
        self.own.extend([*ablation(n), *pair_coalitions(own)] for own in games.sides[:DOCUMENTS_COUNTED])
        return games

    def _look_up(self, places: list[int]) -> np.ndarray:
        self.asked.update(places)
        return self.scores[places]


def place_of(removed: Removed) -> int:
    """The number whose binary digits are the removed sublayers."""
    return sum(1 << sublayer for sublayer in removed)


def with_own_pairs(
    by_document: np.ndarray,
    pairs: int,
    seed: int,
    covariates: np.ndarray | None = None,
    *,
    shared: bool = False,
) -> DocumentGames:
    """Per-document pairs, of documents whose every score is known: (2^sublayers, documents).

    covariates: what is known of each document; by default its scores of the full model, the bare one and of single
    removals. shared: all documents have those of the first.
    """
    n, count = len(by_document).bit_length() - 1, by_document.shape[1]
    seeds = [(seed, 0 if shared else document) for document in range(count)]
    sides = np.stack([document_pairs(n, pairs, one) for one in seeds])
    places, last = sides @ (1 << np.arange(n)), len(by_document) - 1
    documents = np.arange(count)[:, None]
    singles = by_document[1 << np.arange(n)].T
    return DocumentGames(
        full=by_document[0],
        bare=by_document[last],
        without=singles,
        sides=sides,
        without_side=by_document[places, documents],
        only_side=by_document[last - places, documents],
        covariates=known_by_place(by_document) if covariates is None else covariates,
    )


def known_by_place(by_place: np.ndarray) -> np.ndarray:
    """What is known of documents by the design `ablation`, from the scores of all coalitions, (2^sublayers,
    documents)."""
    n = len(by_place).bit_length() - 1
    return known_of_documents(by_place[0], by_place[-1], by_place[1 << np.arange(n)].T)


def _removed_at(place: int) -> Removed:
    return tuple(sublayer for sublayer in range(place.bit_length()) if place >> sublayer & 1)


def work_of_windows(n_sublayers: int, budget: int) -> float:
    """(state × sublayer) evaluations of windows as large as the budget allows, scaled to it."""
    largest = max(
        (size for size in range(1, n_sublayers) if paper_budget(n_sublayers, size) <= budget), default=1
    )
    coalitions = [*ablation(n_sublayers), *windows(n_sublayers, largest)]
    return least_evaluations(coalitions, n_sublayers) * budget / len(coalitions)


def rounded(values: np.ndarray, scores: np.ndarray, part: float = 1e-12) -> np.ndarray:
    """The values rounded to this part of the largest score or value, so that equal ones compare as equal."""
    unit = part * max(np.abs(of).max(initial=0.0) for of in (scores, values)) or 1.0
    return np.round(values / unit) * unit
