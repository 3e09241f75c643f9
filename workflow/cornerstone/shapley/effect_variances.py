"""Variances of what documents' games are made of, by expectation and maximisation (Dempster, Laird, Rubin 1977).

Rows of a document are pairs x = ±½ with half the difference of their scores, h = x·β + e, and

    β = B a + b,   b ~ N(0, Ω)          a: the document's features

Rows are in groups, each with a variance of e of its own. What a group says is in its sums of x x', x h and h², which
are made once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Variances:
    """omega: (sublayers, sublayers). noise: (groups,), of e. slopes: (sublayers, features), B."""

    omega: np.ndarray
    noise: np.ndarray
    slopes: np.ndarray


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over the rows of each group of each document.

    grams:    float32 (documents, groups, sublayers²), of x x'; sums of products of ±½ are exact in it.
    moments:  (documents, groups, sublayers), of x h.
    squares:  (documents, groups), of h².
    counts:   (documents, groups), of rows.
    features: (documents, features), a.
    """

    grams: np.ndarray
    moments: np.ndarray
    squares: np.ndarray
    counts: np.ndarray
    features: np.ndarray

    @classmethod
    def empty(cls, groups: int, sublayers: int, features: np.ndarray) -> GroupSums:
        shape = (len(features), groups)
        grams = np.zeros((*shape, sublayers**2), dtype=np.float32)
        return cls(grams, np.zeros((*shape, sublayers)), np.zeros(shape), np.zeros(shape), features)

    def add(self, places: np.ndarray, x: np.ndarray, h: np.ndarray, group: np.ndarray) -> None:
        """The rows of some documents: (documents, rows, sublayers), (documents, rows), and their groups or −1."""
        x_short = x.astype(np.float32)
        for one in range(self.counts.shape[1]):
            mine = group == one
            of_group = (x_short * mine[..., None]).transpose(0, 2, 1)
            self.grams[places, one] = (of_group @ x_short).reshape(len(places), -1)
            self.moments[places, one] = ((h * mine)[:, None] @ x)[:, 0]
            self.squares[places, one] = (h**2 * mine).sum(axis=1)
            self.counts[places, one] = mine.sum(axis=1)

    def start(self, half: float) -> Variances:
        """The same for Ω and for e: half of the mean of h²."""
        sublayers, features = self.moments.shape[2], self.features.shape[1]
        return Variances(
            np.eye(sublayers) * half, np.full(self.counts.shape[1], half), np.zeros((sublayers, features))
        )

    def step(self, now: Variances, chunks: Iterable[np.ndarray]) -> Variances:
        """The next variances, from the documents in these chunks."""
        inverse, weights = np.linalg.inv(now.omega), 1 / now.noise
        spread, squares, places, effects = np.zeros_like(now.omega), np.zeros_like(now.noise), [], []
        for chunk in chunks:
            mean, gram = self.features[chunk] @ now.slopes.T, self.grams[chunk].astype(np.float64)
            weighted = (weights @ gram).reshape(len(chunk), *now.omega.shape)
            posterior = np.linalg.inv(weighted + inverse)
            left = weights @ self.moments[chunk] - (weighted @ mean[..., None])[..., 0]
            own = (posterior @ left[..., None])[..., 0]
            found = mean + own
            spread += posterior.sum(axis=0) + own.T @ own
            second = posterior + found[:, :, None] * found[:, None, :]
            squares += (gram @ second.reshape(len(chunk), -1, 1)).sum(axis=(0, 2))
            squares -= 2 * np.einsum("dgi,di->g", self.moments[chunk], found)
            places.append(chunk)
            effects.append(found)
        some = np.concatenate(places)
        squares, counts = squares + self.squares[some].sum(axis=0), self.counts[some].sum(axis=0)
        noise = np.maximum(squares / np.maximum(counts, 1), LEAST_VARIANCE)
        a = self.features[some]
        slopes = np.concatenate(effects).T @ a @ np.linalg.inv(a.T @ a + np.eye(a.shape[1]))
        return Variances(spread / len(some), np.where(counts > 0, noise, 1.0), slopes)
