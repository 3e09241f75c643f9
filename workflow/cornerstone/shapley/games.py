"""Games: a model's score on every coalition, with a count of the coalitions that an estimator asked for.

game.score([(), (0, 3)])               # looked up; game.asked has both
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cornerstone.shapley.coalitions import Removed


@dataclass(frozen=True, eq=False)
class Game:
    """scores: of every coalition, shape (2^sublayers,), at the place whose binary digits are the removed sublayers.
    values: the exact Shapley values, shape (sublayers,). asked: the places that were looked up so far."""

    scores: np.ndarray
    values: np.ndarray
    asked: set[int] = field(default_factory=set)

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
        """The same game with the count at zero."""
        return Game(self.scores, self.values)

    def _look_up(self, places: list[int]) -> np.ndarray:
        self.asked.update(places)
        return self.scores[places]


def place_of(removed: Removed) -> int:
    """The number whose binary digits are the removed sublayers."""
    return sum(1 << sublayer for sublayer in removed)


def rounded(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The values rounded to 10^-12 of the largest score, so that equal ones compare as equal."""
    unit = 1e-12 * np.abs(scores).max() or 1.0
    return np.round(values / unit) * unit
