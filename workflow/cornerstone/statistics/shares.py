"""Shares: each sublayer's part of the sum of the values, the paper's clipped one and the signed one."""

from __future__ import annotations

import numpy as np

from cornerstone.statistics.resampling import bootstrap, interval

EARLY = 0.25
"""The early sublayers are this part of the model."""


def shares(values: np.ndarray) -> np.ndarray:
    """The paper's share: values over their sum (axis 0), negatives set to 0; not a number if none is positive."""
    positive = np.clip(np.asarray(values, dtype=np.float64), 0, None)
    total = positive.sum(axis=0)
    return np.divide(positive, total, out=np.full_like(positive, np.nan), where=total > 0)


def mean_shares(of_tasks: np.ndarray) -> np.ndarray:
    """Mean over axis 0 of the tasks that have shares; not a number where none has."""
    n_tasks = (~np.isnan(of_tasks)).sum(axis=0)
    total = np.nansum(of_tasks, axis=0)
    return np.divide(total, n_tasks, out=np.full_like(total, np.nan), where=n_tasks > 0)


def null_shares(draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The null share: the mean share of the 1st, 2nd, … largest sublayer if all values were noise, shape (players,).

    What the paper's share would be on average if every value were zero and only the noise of having finitely many
    documents were left: the bootstrap's deviations from the estimate, clipped, divided by their sum, sorted; over the
    resamples in which one is positive. Needed because the clipped share of pure noise is far from 1/n: it keeps only
    the upside of each. The sublayers that matter are also the noisiest, because they matter: each one's deviations are
    scaled to the same spread, as they would be if none did.

    draws: shape (players, resamples), from `resampled_means`; values: shape (players,).
    """
    noise = draws - values[:, None]
    spread = noise.std(axis=1, keepdims=True)
    noise = np.divide(noise, spread, out=np.zeros_like(noise), where=spread > 0)
    return mean_shares(np.sort(shares(noise), axis=0)[::-1].T)


def signed_shares(per_document: np.ndarray, values: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Shares of the signed sum with 95 % intervals, (players,) each, from values of shape (players, documents).

    values: their means over documents, rounded so that equal ones compare as equal.

    signed_share, signed_low, signed_high: of each player; top_signed_…: of the player and all those of
    larger value together. Which these are is held fixed: they are chosen on the same documents, so their share
    is a little too large where the choice is close. None of them is a number where the sum is not above zero in
    every resample: nothing is surely there to share out. Near that the shares are ill known, and there are only
    those of samples in which the sum looks large.
    """
    values = np.round(per_document.mean(axis=1), 12) if values is None else values
    total, total_draws = values.sum(), bootstrap(per_document.sum(axis=0, keepdims=True))[0]
    exists = (total_draws > 0).all()
    order = np.argsort(-values, kind="stable")
    parts = {
        "signed": (np.arange(len(values)), per_document),
        "top_signed": (order, per_document[order].cumsum(axis=0)),
    }
    columns = {}
    for name, (players, part) in parts.items():
        numbers = np.full((3, len(values)), np.nan)
        if exists:
            numbers[:, players] = part.mean(axis=1) / total, *interval(bootstrap(part) / total_draws)
        columns |= dict(zip((f"{name}_share", f"{name}_low", f"{name}_high"), numbers, strict=True))
    if exists:  # all together are all, whatever documents were made up
        columns["top_signed_low"][order[-1]] = columns["top_signed_high"][order[-1]] = 1.0
    return columns


def top_k_stability(draws: np.ndarray, top_k: int) -> np.ndarray:
    """The part of the resampled sets of documents in which each player is among the top_k, shape (players,).

    Of a resample in which fewer than top_k are positive these alone are among them, and none where none is.

    Stability, not confidence: how often other documents would name the same, were these all there are. It is
    no probability that the player truly is among them: of two that are alike each gets about a half, and one
    that is there by luck is there in most resamples, too. draws: shape (players, resamples).
    """
    order = np.argsort(-draws, axis=0, kind="stable")[:top_k]
    positive = np.take_along_axis(draws, order, axis=0) > 0
    return np.bincount(order[positive], minlength=len(draws)) / draws.shape[1]
