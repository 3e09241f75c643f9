"""A Gaussian process over coalitions, and what it says of Shapley values in closed form.

A score v(R) with the sublayers R removed is taken for a constant, a line and a random product, plus noise of each
coalition's own:

    v(R) = c + Σ_{i∈R} b_i + Σ_m Π_{i∈R} r_im + e(R)

A product is how a removal multiplies what the others are worth: a sublayer without which nothing works has r near 0,
one that hardly matters has r near 1. With such terms the covariance of two coalitions is

    k(R, R') = offset + slope · |R ∩ R'| + scale · Π_i κ_i          κ_i = 1      i in neither
                                                                       e^−decay  i in one of them
                                                                       e^−2decay (1 + e^spread)  in both

The Shapley value of a product game is an integral over the multilinear extension (Owen 1972, Management Science 18),

    φ_i = ∫₀¹ (present_i − absent_i) Π_{j≠i} (t present_j + (1 − t) absent_j) dt,

a polynomial in t: Gauss-Legendre nodes give it exactly, for any number of sublayers. So the values' covariance with
every coalition's score is known without going through 2^n coalitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np


@dataclass(frozen=True, eq=False)
class GameKernel:
    """The covariance above. decay, spread: shape (sublayers,); noise: variance of e(R)."""

    offset: float
    slope: float
    scale: float
    noise: float
    decay: np.ndarray
    spread: np.ndarray

    @property
    def one(self) -> np.ndarray:
        """κ of a sublayer that is removed in one of two coalitions, shape (sublayers,)."""
        return np.exp(-self.decay)

    @property
    def both(self) -> np.ndarray:
        """κ of a sublayer that is removed in both, shape (sublayers,)."""
        return np.exp(-2 * self.decay) * (1 + np.exp(self.spread))


def products(kernel: GameKernel, absent: np.ndarray, other: np.ndarray) -> np.ndarray:
    """scale · Π κ for coalitions given as 0 / 1 of shape (m, sublayers) and (k, sublayers): shape (m, k)."""
    log_both = -2 * kernel.decay + np.log1p(np.exp(kernel.spread))
    in_both = (absent * log_both) @ other.T
    in_one = -((absent * kernel.decay) @ (1 - other).T + ((1 - absent) * kernel.decay) @ other.T)
    return kernel.scale * np.exp(in_both + in_one)


def covariance(kernel: GameKernel, absent: np.ndarray, other: np.ndarray) -> np.ndarray:
    """k of every two coalitions, without the noise: shape (m, k)."""
    return kernel.offset + kernel.slope * (absent @ other.T) + products(kernel, absent, other)


def variances(kernel: GameKernel, absent: np.ndarray) -> np.ndarray:
    """k of each coalition with itself, without the noise: shape (m,)."""
    log_both = np.log(kernel.both)
    return kernel.offset + kernel.slope * absent.sum(axis=1) + kernel.scale * np.exp(absent @ log_both)


def value_covariance(kernel: GameKernel, absent: np.ndarray) -> np.ndarray:
    """Covariance of each sublayer's value with each coalition's score, of the part without noise: (sublayers, m)."""
    present_factor = np.where(absent == 0, 1.0, kernel.one)
    absent_factor = np.where(absent == 0, kernel.one, kernel.both)
    total = np.zeros(absent.shape)
    for t, weight in zip(*_nodes(absent.shape[1]), strict=True):
        total += weight * product_of_others(t * present_factor + (1 - t) * absent_factor)
    return kernel.scale * ((present_factor - absent_factor) * total).T - kernel.slope * absent.T


def value_variances(kernel: GameKernel) -> np.ndarray:
    """Variance of each sublayer's value before anything is evaluated, shape (sublayers,)."""
    n = len(kernel.decay)
    nodes, weights = _nodes(n)
    one, both = kernel.one, kernel.both
    total = np.zeros(n)
    for t, weight in zip(nodes, weights, strict=True):
        mixed = (
            t * nodes[:, None]
            + (t * (1 - nodes[:, None]) + (1 - t) * nodes[:, None]) * one
            + (1 - t) * (1 - nodes[:, None]) * both
        )
        total += weight * (weights @ product_of_others(mixed))
    of_noise = kernel.noise * sum(
        2 * np.exp(_log_count(n - 1, size) + 2 * _log_weight(size, n)) for size in range(n)
    )
    return kernel.scale * (1 - 2 * one + both) * total + kernel.slope + of_noise


def coalition_weights(absent: np.ndarray) -> np.ndarray:
    """The weight of each coalition's score in each sublayer's Shapley value, shape (sublayers, coalitions).

    absent: 0 / 1, shape (coalitions, sublayers). To its members a coalition of s sublayers is S∪{i} and weighs
    (s−1)!(n−s)!/n!, to the others it is S and weighs −s!(n−s−1)!/n!.
    """
    n = absent.shape[1]
    present = n - absent.sum(axis=1).astype(int)
    weight = np.array([np.exp(_log_weight(size, n)) for size in range(n)] + [0.0])
    return np.where(absent == 1, -weight[present][:, None], weight[present - 1][:, None]).T


def product_of_others(factors: np.ndarray) -> np.ndarray:
    """Along the last axis the product of all factors but one's own, without dividing (factors may be 0)."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    np.cumprod(factors[..., :-1], axis=-1, out=before[..., 1:])
    after[..., :-1] = np.cumprod(factors[..., :0:-1], axis=-1)[..., ::-1]
    return before * after


def _nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] that integrate polynomials of degree n exactly."""
    nodes, weights = np.polynomial.legendre.leggauss(n // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def _log_weight(size: int, n: int) -> float:
    """log of |S|!(n−|S|−1)!/n!."""
    return lgamma(size + 1) + lgamma(n - size) - lgamma(n + 1)


def _log_count(n: int, size: int) -> float:
    """log of n over size."""
    return lgamma(n + 1) - lgamma(size + 1) - lgamma(n - size + 1)
