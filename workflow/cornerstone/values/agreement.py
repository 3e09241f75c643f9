"""Agreement of scores: the effect of removing each sublayer, in every score that an evaluation has.

evaluations/{model}/{task}/ablation.parquet + documents/{task}.parquet
    -> agreement/{model}/{task}.csv, a row per score × sublayer

The log-probability moves before any answer does, so it is the yardstick: a sublayer is unseen by another score
where that one shows no loss, but the log-probability fell significantly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, measured_scores, yardstick
from cornerstone.statistics.resampling import LEVEL, effect_interval
from cornerstone.statistics.significance import holm, p_values
from cornerstone.values.ablation import document_effects, score_interval
from cornerstone.values.rows import named, sublayer_columns, write_csv
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import EvaluatedTask, read_choices, score_task


def agreement_table(scores: Sequence[Scores], labels: Sequence[str], chosen: str) -> pd.DataFrame:
    """A row per score × sublayer: score, chosen, sublayer, label, kind, full, …, effect, low, high, lost, unseen.

    scores: of the same documents, mostly with the yardstick. chosen: whether it is the metric of the study. full,
    full_low, full_high, chance: of the full model. effect = full − score without the sublayer, with its paired interval
    low, high. lost: the effect is significantly above zero (Holm over sublayers). unseen: the interval reaches zero,
    and by the yardstick the sublayer is lost. documents: how many. Without the yardstick, as of generated answers,
    nothing is unseen.
    """
    table = pd.concat([_effects(each, labels) for each in scores], ignore_index=True)
    is_yardstick = table["score"] == yardstick().name
    surely = table[is_yardstick].set_index("sublayer")["lost"].reindex(table["sublayer"], fill_value=False)
    unseen = (table["low"] <= 0) & surely.to_numpy() & ~is_yardstick
    table.insert(1, "chosen", table["score"] == chosen)
    return table.assign(unseen=unseen)


def _effects(scores: Scores, labels: Sequence[str]) -> pd.DataFrame:
    full, effects = document_effects(scores, len(labels))
    score = SCORES[scores.metric]
    (full_low,), (full_high,) = score_interval(full[None], score)
    low, high = effect_interval(effects, score.reach)
    mean = np.round(effects.mean(axis=1), 12)
    table = sublayer_columns(labels).assign(
        full=full.mean(),
        full_low=full_low,
        full_high=full_high,
        chance=scores.chance.mean(),
        effect=mean,
        low=low,
        high=high,
        lost=(mean > 0) & (holm(p_values(effects)) < 1 - LEVEL),
        documents=len(scores.documents),
    )
    table.insert(0, "score", scores.metric)
    return table


def compared_with(rows: pd.DataFrame) -> str:
    """The score that is compared with the yardstick: the study's own, or an accuracy; itself where there is none."""
    chosen = rows["score"][rows["chosen"]].iloc[0]
    if chosen != yardstick().name:
        return chosen
    usual = next(score for score in SCORES if score.stands_for)
    return next((name for name in usual.stands_for if (rows["score"] == name).any()), chosen)


def compared_scores(evaluated: EvaluatedTask, score: str) -> pd.DataFrame:
    """`agreement_table` of every score that the evaluation has, with the columns model and task in front.

    `score` is the configuration's. Raises CornerstoneError where a removal or the metric is missing.
    """
    chosen = evaluated.metric(score)
    measured = measured_scores(evaluated.metrics, evaluated.output_type)
    scores = [score_task(evaluated, each.name).scores for each in measured]
    table = agreement_table(scores, evaluated.labels, chosen)
    return named(table, model=evaluated.model, task=evaluated.task)


def compare_scores(evaluation: Path, documents: Path, output: Path, *, score: str = "paper") -> None:
    """Write agreement/{model}/{task}.csv from the evaluation of the design ablation.

    `score` is the configuration's. Raises CornerstoneError where a coalition, a row or the metric is missing.
    """
    table = compared_scores(read_choices([evaluation], documents), score)
    write_csv(table, output)
