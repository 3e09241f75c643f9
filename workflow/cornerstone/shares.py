"""Shares: each sublayer's part of the sum of the values, the paper's clipped one and the signed one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.resampling import interval


def shares(values: np.ndarray) -> np.ndarray:
    """The paper's share: values over their sum (axis 0), negatives set to 0; all 0 if none is positive."""
    positive = np.clip(values, 0, None)
    total = positive.sum(axis=0)
    return np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)


def noise_shares(draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share that noise alone would give the 1st, 2nd, … largest sublayer, shape (players,).

    What the paper's share would be on average if every value were zero and only the noise of having
    finitely many documents were left: the bootstrap's deviations from the estimate, clipped, divided by
    their sum, sorted. Needed because the clipped share of pure noise is far from 1/n: it keeps only the
    upside of each. The sublayers that matter are also the noisiest, because they matter: each one's
    deviations are scaled to the same spread, as they would be if none did.

    draws: shape (players, resamples), from `bootstrap`; values: shape (players,).
    """
    noise = draws - values[:, None]
    spread = noise.std(axis=1, keepdims=True)
    noise = np.divide(noise, spread, out=np.zeros_like(noise), where=spread > 0)
    return np.sort(shares(noise), axis=0)[::-1].mean(axis=1)


def signed_shares(values: np.ndarray, draws: np.ndarray) -> pd.DataFrame:
    """Shares of the signed sum with 95 % intervals, a row per player.

    signed_share, signed_low, signed_high: of each player; top_signed_…: of the player and all those of
    larger value together. Empty, all of them, where the sum is not above zero in every resample: nothing
    is surely there to share out. values: shape (players,); draws: shape (players, resamples).
    """
    total, total_draws = values.sum(), draws.sum(axis=0)
    exists = (total_draws > 0).all()
    order = np.argsort(-values, kind="stable")
    of_each = np.arange(len(values)), values, draws
    of_top = order, values[order].cumsum(), draws[order].cumsum(axis=0)
    table = pd.DataFrame(index=range(len(values)))
    for name, (players, part, part_draws) in {"signed": of_each, "top_signed": of_top}.items():
        columns = (f"{name}_share", f"{name}_low", f"{name}_high")
        numbers = (part / total, *interval(part_draws / total_draws)) if exists else (np.nan,) * 3
        for column, number in zip(columns, numbers, strict=True):
            table.loc[players, column] = number
    return table
