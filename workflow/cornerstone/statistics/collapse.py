"""Collapse: tests of whether the score without a sublayer is equivalent to guessing, or better than guessing.

    tests = guessing_tests(scores, chance, constant, margin=0.05)    # scores of shape (sublayers, documents)
    tests.states                                                     # "collapsed", "above", "below", "undecided"

Not to differ clearly from chance is no evidence of chance: with few documents nothing differs clearly. So
"collapsed" is an equivalence test (two one-sided tests, Schuirmann 1987): the score is significantly less than `margin`
above and significantly less than `margin` below guessing, which is chance, or the best answer that is always the same
(a collapsed model often gives one answer always). "above": significantly more than `margin` above both. "below":
significantly more than `margin` below both, as the worst constant answer is. All else is undecided.

Every test is paired: of the differences of score and guessing, document by document. Over the sublayers the p-values
are Holm's (1979), at 2.5 % for each one-sided family: in 5 of 100 studies at most any sublayer is called collapsed
wrongly (there are two things that it may have collapsed to), and in 2.5 any above. This takes p-values of 0.0001 and
less, which 2,000 resamples cannot tell and a t-test gets wrong by a factor of three; `tails` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc

import numpy as np

from cornerstone.statistics.resampling import LEVEL
from cornerstone.statistics.significance import holm

COLLAPSED, ABOVE, BELOW, UNDECIDED = "collapsed", "above", "below", "undecided"
STATES = (ABOVE, UNDECIDED, COLLAPSED, BELOW)


@dataclass(frozen=True, eq=False)
class GuessingTests:
    """P-values of collapsed, above and below, shape (rows,) each, adjusted by Holm over the rows."""

    collapsed: np.ndarray
    above: np.ndarray
    below: np.ndarray

    @property
    def states(self) -> np.ndarray:
        """One of STATES for each row, shape (rows,): at most one of the three can be shown."""
        shown = [p <= (1 - LEVEL) / 2 for p in (self.collapsed, self.above, self.below)]
        return np.select(shown, [COLLAPSED, ABOVE, BELOW], UNDECIDED)


def guessing_tests(
    scores: np.ndarray, chance: np.ndarray, constant: np.ndarray, margin: float
) -> GuessingTests:
    """The tests of rows of scores, shape (rows, documents), of any kind: right and wrong, or real numbers.

    chance, constant: what a random choice and the best constant answer score, shape (documents,); constant is not a
    number where there is no such thing. A mean of unbounded scores that is no more than guessing has does not say
    that a model guesses (see `scores`).
    """
    less, more, less_low, more_low = [], [], [], []
    for guess in (chance,) if np.isnan(constant).any() else (chance, constant):
        difference = scores - guess
        less.append(tails(difference - margin))  # small where the score is clearly below guessing + margin
        more.append(tails(margin - difference))
        less_low.append(tails(difference + margin))
        more_low.append(tails(-margin - difference))
    equal = [holm(np.maximum(low, high)) for low, high in zip(more_low, less, strict=True)]
    return GuessingTests(
        np.minimum.reduce(equal), holm(np.maximum.reduce(more)), holm(np.maximum.reduce(less_low))
    )


def tails(differences: np.ndarray) -> np.ndarray:
    """One-sided p-values against a mean of 0 or more, shape (rows,), from (rows, documents).

    The documents are weighted by exp(λ · difference) so that their mean is 0, and the distribution of the mean
    of that many documents drawn by these weights is worked out by the saddlepoint formula of Lugannani and Rice
    (1980): for right and wrong answers the binomial distribution, to a few percent in its far tails. Two made-up
    documents, one change above 0 and one below (see `resampling`), keep it defined where all are on one side.
    """
    change = 2 * np.einsum("ij,ij->i", differences, differences)
    total = np.abs(differences).sum(axis=1)
    change = np.divide(change, total, out=np.ones_like(change), where=total > 0)
    made_up = np.tile([1.0, -1.0], (len(differences), 1))
    x = np.hstack([differences / change[:, None], made_up])
    tilt = _centring_tilt(x)
    n, mean = x.shape[1], x.mean(axis=1)
    largest = (tilt[:, None] * x).max(axis=1)
    cumulant = largest + np.log(np.exp(tilt[:, None] * x - largest[:, None]).mean(axis=1))
    w = -np.sign(tilt) * np.sqrt(2 * n * np.maximum(cumulant - tilt * mean, 0))
    u = -tilt * np.sqrt(n) * x.std(axis=1)
    far = np.abs(w) > 1e-4
    correction = np.divide(1, w, where=far, out=np.zeros_like(w)) - np.divide(
        1, u, where=far, out=np.zeros_like(u)
    )
    density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi)
    below = np.array([erfc(-point / np.sqrt(2)) / 2 for point in w])
    return np.clip(below + density * correction, 0, 1)


def _centring_tilt(x: np.ndarray) -> np.ndarray:
    """The λ of each row for which the mean of x with weights exp(λ x) is 0, by Newton's method."""
    tilt = np.zeros(len(x))
    for _ in range(100):
        weight = np.exp(tilt[:, None] * x - (tilt[:, None] * x).max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = (weight * x).sum(axis=1)
        variance = (weight * x * x).sum(axis=1) - mean**2
        step = np.clip(mean / np.maximum(variance, 1e-12), -1, 1)
        tilt -= step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return tilt
