"""Values: estimates of each sublayer's Shapley value, with intervals and shares.

An estimator is linear in the scores, so it is a matrix: values = weights @ scores, document by document.
Resampling documents is then one more matrix product, paired over the same documents.

    evaluations/{model}/{task}/{ablation,windows}.parquet + documents/{task}.parquet
        -> values/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone import coalitions as designs
from cornerstone.coalitions import Removed
from cornerstone.errors import CornerstoneError
from cornerstone.scores import Scores, read_scores, rows_of, write_table

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20240922
KINDS = {"Attn": "attn", "FFN": "ffn", "MoE": "moe"}


@dataclass(frozen=True)
class Estimator:
    """A linear map from scores to values.

    coalitions: what it needs evaluated.
    weights:    float64, shape (players, coalitions).
    samples:    int, shape (players,): marginal contributions that are averaged.
    """

    coalitions: tuple[Removed, ...]
    weights: np.ndarray
    samples: np.ndarray


def window_estimator(n_sublayers: int, max_removed: int, edges: str = "both") -> Estimator:
    """The paper's estimator: the mean marginal contribution of a player at the edge of windows.

        v(−∅) − v(−{i})  and  v(−(W∖{i})) − v(−W)  for windows W of 2..max_removed whose edge is i

    edges: "both" takes windows whose first or last player is i, "first" those whose first player is i.
    An interior player has 1 + 2(max_removed − 1) samples with both edges; near an end of the model there
    are fewer. Source: section "Layer Shapley" of the paper, settled by its public implementation.
    Raises CornerstoneError for another `edges`, or unless 1 <= max_removed < n_sublayers.
    """
    if edges not in ("both", "first"):
        raise CornerstoneError(f"edges is {edges!r}: give both or first")
    coalitions = designs.ablation(n_sublayers) + designs.windows(n_sublayers, max_removed)
    column = {coalition: i for i, coalition in enumerate(coalitions)}
    weights = np.zeros((n_sublayers, len(coalitions)))
    samples = np.zeros(n_sublayers, dtype=int)
    for removed in coalitions[1:]:
        rests = {removed[0]: removed[1:]}
        if edges == "both":
            rests[removed[-1]] = removed[:-1]
        for player, rest in rests.items():
            weights[player, column[rest]] += 1
            weights[player, column[removed]] -= 1
            samples[player] += 1
    return Estimator(tuple(coalitions), weights / samples[:, None], samples)


def exact_estimator(n_sublayers: int) -> Estimator:
    """The Shapley value itself, from all 2^n coalitions (n up to about 16).

    φ_i = Σ_{S ⊆ N∖{i}} |S|!(n−|S|−1)!/n! · [v(S∪{i}) − v(S)], each coalition written by what is absent.
    """
    n = n_sublayers
    coalitions = designs.exact(n)
    absent = np.zeros((len(coalitions), n), dtype=bool)
    for row, removed in enumerate(coalitions):
        absent[row, list(removed)] = True
    present = n - absent.sum(axis=1)
    # To its members a coalition of s players is S∪{i} (weight of s − 1), to the others S (minus weight of s).
    weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)] + [0.0])
    weights = np.where(absent, -weight[present][:, None], weight[present - 1][:, None]).T
    return Estimator(tuple(coalitions), weights, np.full(n, 2 ** (n - 1)))


def document_values(scores: Scores, estimator: Estimator) -> np.ndarray:
    """Values document by document, shape (players, documents); their mean over documents is the value."""
    return estimator.weights @ rows_of(scores, estimator.coalitions)


def exact_values(scores: Scores) -> np.ndarray:
    """Shapley values from all 2^n coalitions, shape (players,); n is that of the largest coalition."""
    n_sublayers = max(map(len, scores.coalitions))
    return document_values(scores, exact_estimator(n_sublayers)).mean(axis=1)


def bootstrap(
    per_document: np.ndarray, resamples: int = RESAMPLES, seed: int | tuple[int, ...] = SEED
) -> np.ndarray:
    """Means over resampled documents, shape (rows, resamples), from (rows, documents).

    Every row sees the same resampled documents (paired), so differences and sums of rows may be taken. So
    does every other call with this seed and number of documents.
    """
    n_documents = per_document.shape[1]
    counts = _resample(n_documents, resamples, seed)
    chunks = [  # as floats, 250 resamples of 10,000 documents are 20 MB
        per_document @ counts[start : start + 250].T.astype(np.float64) / n_documents
        for start in range(0, resamples, 250)
    ]
    return np.concatenate(chunks, axis=1)


@lru_cache(maxsize=16)
def _resample(n_documents: int, resamples: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """How often each document is drawn, shape (resamples, documents): 2 bytes each, 12 MB for 3,000 documents."""
    rng = np.random.default_rng(seed)
    probabilities = np.full(n_documents, 1 / n_documents)
    sizes = [min(250, resamples - start) for start in range(0, resamples, 250)]
    return np.concatenate([rng.multinomial(n_documents, probabilities, n).astype(np.uint16) for n in sizes])


def interval(draws: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval along the last axis: (low, high)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high


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


def value_table(scores: Scores, labels: Sequence[str], estimator: Estimator) -> pd.DataFrame:
    """A row per sublayer: sublayer, label, kind, value, low, high, shares, samples, documents, rank.

    low, high: 95 % percentile interval of the value. share: of the positive values (the paper's). rank: 1
    is the largest value. noise_share: what noise alone would give that rank. For the signed shares see
    `signed_shares`.
    """
    per_document = document_values(scores, estimator)
    values = np.round(per_document.mean(axis=1), 12)  # sums of sevenths: -1e-17 is no negative value
    draws = bootstrap(per_document)
    low, high = interval(draws)
    rank = np.argsort(np.argsort(-values, kind="stable"))
    table = sublayer_columns(labels).assign(
        value=values,
        low=low,
        high=high,
        share=shares(values),
        samples=estimator.samples,
        documents=len(scores.documents),
        rank=rank + 1,
        noise_share=noise_shares(draws, values)[rank],
    )
    return pd.concat([table, signed_shares(values, draws)], axis=1)


def estimate_values(
    evaluations: Sequence[Path],
    documents: Path,
    output: Path,
    *,
    max_removed: int,
    edges: str = "both",
    score: str = "paper",
) -> None:
    """Write values/{model}/{task}.csv from the evaluations of the designs ablation and windows.

    `score` is the configuration's (paper, acc or acc_norm).
    Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores(evaluations, documents, score)
    estimator = window_estimator(len(study.labels), max_removed, edges)
    write_table(value_table(study.scores, study.labels, estimator), study, output)


def sublayer_columns(labels: Sequence[str]) -> pd.DataFrame:
    """Columns sublayer (index), label and kind (attn, ffn or moe) of these labels ("Attn 0", "FFN 0", …)."""
    kinds = [KINDS[label.split()[0]] for label in labels]
    return pd.DataFrame({"sublayer": range(len(labels)), "label": list(labels), "kind": kinds})
