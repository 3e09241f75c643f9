"""Models that are asked the same items both ways, by their effects document by document."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import synthetic
from cornerstone.scores import SCORES
from cornerstone.values.both_ways import GENERATED, BothWays, OneWay, effect_rows

LABELS = synthetic.labels(12)


def one_way(effects, score=GENERATED, task="free", full=None, chance=0.0) -> OneWay:
    """A score by its effects, (sublayers, documents); the full model has all right, if nothing else is given."""
    effects = np.asarray(effects, dtype=float)
    full = np.ones(effects.shape[1]) if full is None else np.asarray(full, dtype=float)
    guessed = np.full(effects.shape[1], chance)
    return OneWay(task, SCORES[score], full, effects, guessed, guessed, LABELS[: len(effects)])


def both(generated, model="m", given="given", **effects) -> BothWays:
    """effects: by each score of given answers."""
    ways = {name: one_way(rows, name, given, chance=0.25) for name, rows in effects.items()}
    own = one_way(generated, task=f"{given}_free")
    return BothWays(model, own.labels, ways, own, own.effects.shape[1])


def answers(lost: Sequence[float], n_documents: int, seed: int) -> np.ndarray:
    """Effects on right answers: without sublayer i each document is lost with probability lost[i]."""
    drawn = np.random.default_rng(seed).random((len(lost), n_documents))
    return (drawn < np.array(lost)[:, None]).astype(float)


def a_pair(model="m", given="given", n_documents=80, seed=0) -> BothWays:
    """12 sublayers: likelihood alone shows FFN 4, generation alone Attn 1 and FFN 2."""
    of_given = np.array([0.7, 0.6, 0, 0.2, 0.05, 0, 0, 0.05, 0, 0.3, 0, 0.02])
    generated = np.array([0.9, 0.8, 0.4, 0.2, 0.05, 0.3, 0, 0.05, 0, 0.0, 0, 0.02])
    one, other = answers(of_given, n_documents, seed), answers(generated, n_documents, seed + 1)
    nats = {"logprob": 0.8 * one, "bits_per_byte": 0.3 * one + 0.05 * other}
    return both(other, model, given, acc=one, **nats)


def effects_of(*pairs: BothWays) -> pd.DataFrame:
    """Rows of tables/both_ways_effects.csv."""
    return pd.concat(map(effect_rows, pairs), ignore_index=True)
