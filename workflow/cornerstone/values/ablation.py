"""Ablation: how much the score drops when one sublayer is removed.

evaluations/{model}/{task}/ablation.parquet + documents/{task}.parquet
    -> ablation/{model}/{task}.csv, a row per sublayer
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, Score
from cornerstone.shapley.coalitions import ablation
from cornerstone.statistics.collapse import guessing_tests
from cornerstone.statistics.resampling import bootstrap, effect_interval, interval
from cornerstone.values.rows import sublayer_columns, write_table
from cornerstone.values.score_matrix import Scores, rows_of
from cornerstone.values.scored_task import read_scores


def document_effects(scores: Scores, n_sublayers: int) -> tuple[np.ndarray, np.ndarray]:
    """The full model's score, shape (documents,), and full − score without each, (n_sublayers, documents).

    Raises CornerstoneError where a removal was not evaluated.
    """
    full, *removed = rows_of(scores, ablation(n_sublayers))
    return full, full - np.array(removed)


def effect_table(scores: Scores, labels: Sequence[str], margin: float = 0.05) -> pd.DataFrame:
    """A row per sublayer: sublayer, label, kind, full, removed_score, effect, low, high, and the baselines.

    full, removed_score, constant: scores of the full model, without the sublayer, and of the best answer that is
    always the same, each with its interval …_low, …_high. effect = full − removed_score, with the paired
    interval low, high (95 %, bootstrap over documents). An effect that no document shows gets ± 3 / documents:
    so many of all documents it may still affect. chance: a random choice's score, the same whichever
    documents of so many choices were asked. documents: how many. state: whether what is left is guessing, at
    this margin, tested over all sublayers together (see `collapse`); empty where nothing can be guessed.
    """
    full, effects = document_effects(scores, len(labels))
    removed = full - effects
    score = SCORES[scores.metric]
    (full_low,), (full_high,) = score_interval(full[None], score)
    (constant_low,), (constant_high,) = score_interval(scores.constant[None], score)
    removed_low, removed_high = score_interval(removed, score)
    low, high = effect_interval(effects, score.reach)
    return sublayer_columns(labels).assign(
        full=full.mean(),
        removed_score=removed.mean(axis=1),
        effect=np.round(effects.mean(axis=1), 12),
        low=low,
        high=high,
        chance=scores.chance.mean(),
        documents=len(scores.documents),
        full_low=full_low,
        full_high=full_high,
        constant=scores.constant.mean(),
        constant_low=constant_low,
        constant_high=constant_high,
        removed_low=removed_low,
        removed_high=removed_high,
        state=_states(removed, scores, margin),
    )


def _states(removed: np.ndarray, scores: Scores, margin: float) -> np.ndarray:
    """What is left without each sublayer; nothing where there is no guessing."""
    if not scores.is_guessable:
        return np.full(len(removed), "")
    return guessing_tests(removed, scores.chance, scores.constant, margin).states


def score_interval(per_document: np.ndarray, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of rows of a score, shape (rows, documents), within what it can be."""
    return interval(score.within(bootstrap(per_document), per_document))


def ablation_effects(
    evaluation: Path, documents: Path, output: Path, *, score: str = "paper", margin: float = 0.05
) -> None:
    """Write ablation/{model}/{task}.csv from the evaluation of the design ablation.

    `score` is the configuration's, margin its collapse_margin.
    Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    study = read_scores([evaluation], documents, score)
    write_table(effect_table(study.scores, study.labels, margin), study, output)
