"""True values behind noisy ones, given an estimate that is related to them.

    draws = true_value_draws(estimate, noisy, sd, 400, seed)     # (draws, values)

Noise of known size hides in which order values are. A number such as a rank correlation is worked out of each draw:
the mean is its estimate, the quantiles are its interval.

A true value is taken for a + b · estimate and a residual, and a noisy one for the true one and noise (Fay and Herriot
1979, J. Am. Stat. Assoc. 74, for small areas). Residuals are Student's, as some values are far off the line, with the
scale τ · (size of the estimate)^γ. a and b have a flat prior; τ and γ are on a grid. Draws are Gibbs' (Geman and Geman
1984): τ and γ with a, b and the true values integrated out, then a and b, then the true values, then each residual's
own scale, which makes normal residuals Student's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROWTH = (0.0, 0.5, 1.0)
"""γ: how residuals grow with the values."""
SCALES = np.geomspace(0.03, 1.5, 12)
"""τ, in parts of the standard deviation of the noisy values."""
DEGREES_OF_FREEDOM = 2
LEAST_SIZE = 0.2
"""Of the noise: smaller estimates count as so large."""
LEAST_SIZE_OF_ALL = 0.01
"""Of the noisy values' standard deviation: the same, where there is less noise."""
FIRST_LEFT_OUT = 50
"""Draws before those that are kept."""


def true_value_draws(
    estimate: np.ndarray, noisy: np.ndarray, sd: np.ndarray, n_draws: int, seed: int | tuple[int, ...]
) -> np.ndarray:
    """Draws of the true values, shape (n_draws, values).

    estimate, noisy: shape (values,), neither of which is the same throughout. sd: standard deviations of the noise,
    (values,); where 0, the noisy value is the true one.
    """
    rng = np.random.default_rng(seed)
    line = _Line((estimate - estimate.mean()) / estimate.std(), noisy, sd**2)
    scales = _scales(estimate, noisy, sd)
    stretch = np.ones(len(noisy))
    draws = np.empty((n_draws, len(noisy)))
    for step in range(-FIRST_LEFT_OUT, n_draws):
        expected, scale = line.drawn(scales, stretch, rng)
        variance = scale**2 * stretch
        trust = variance / (variance + line.noise)
        true = expected + trust * (noisy - expected) + np.sqrt(trust) * sd * rng.standard_normal(len(noisy))
        rate = (DEGREES_OF_FREEDOM + ((true - expected) / scale) ** 2) / 2
        stretch = rate / rng.standard_gamma((DEGREES_OF_FREEDOM + 1) / 2, len(noisy))
        if step >= 0:
            draws[step] = true
    return np.where(sd == 0, noisy, draws)


def _scales(estimate: np.ndarray, noisy: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Of the residuals, (γ and τ, values)."""
    spread = noisy.std()
    size = np.abs(estimate) + max(LEAST_SIZE * np.median(sd), LEAST_SIZE_OF_ALL * spread)
    shapes = np.array([size**growth for growth in GROWTH])
    shapes /= np.sqrt(np.mean(shapes**2, axis=1, keepdims=True))
    return (SCALES[:, None] * spread * shapes[:, None]).reshape(-1, len(noisy))


@dataclass(frozen=True, eq=False)
class _Line:
    """The line through noisy values. slopes: the estimate, centred, (values,). noise: variances, (values,)."""

    slopes: np.ndarray
    noisy: np.ndarray
    noise: np.ndarray

    def drawn(
        self, scales: np.ndarray, stretch: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A draw of the expected true values and of the residuals' scales, (values,) each.

        scales: as of `_scales`. stretch: of each residual's variance, (values,). τ has a prior that is flat in itself,
        on a grid that is even in its logarithm.
        """
        weights = 1 / (scales**2 * stretch + self.noise)
        one, slope, square = weights.sum(axis=1), weights @ self.slopes, weights @ self.slopes**2
        sums, products = weights @ self.noisy, weights @ (self.noisy * self.slopes)
        determinant = one * square - slope**2
        starts = (square * sums - slope * products) / determinant
        rises = (one * products - slope * sums) / determinant
        residuals = self.noisy - starts[:, None] - rises[:, None] * self.slopes
        likelihoods = (
            np.log(weights).sum(axis=1) - np.log(determinant) - (weights * residuals**2).sum(axis=1)
        ) / 2 + np.log(np.mean(scales**2, axis=1)) / 2
        odds = np.exp(likelihoods - likelihoods.max())
        at = rng.choice(len(odds), p=odds / odds.sum())
        covariance = np.array([[square[at], -slope[at]], [-slope[at], one[at]]]) / determinant[at]
        start, rise = (starts[at], rises[at]) + np.linalg.cholesky(covariance) @ rng.standard_normal(2)
        return start + rise * self.slopes, scales[at]
