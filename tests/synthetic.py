"""Synthetic evaluations in the shape of real ones: a few early sublayers matter much, the others little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cornerstone.documents.document import CHOICES, Document, Request
from cornerstone.scores import measured_scores
from cornerstone.shapley.coalitions import Removed, ablation, pairs, removed_text, windows
from cornerstone.shapley.estimators.windows import window_estimator
from cornerstone.tables import Part, tables_of
from cornerstone.values.ablation import effect_table
from cornerstone.values.agreement import agreement_table
from cornerstone.values.document_numbers import document_numbers
from cornerstone.values.estimates import linear_estimate, value_table
from cornerstone.values.interactions import interaction_table
from cornerstone.values.joint import joint_table
from cornerstone.values.published import Published
from cornerstone.values.results import Results
from cornerstone.values.rows import sublayer_columns
from cornerstone.values.score_matrix import Scores, scores_of
from cornerstone.values.scored_task import ScoredTask, choice_table

METRICS = tuple(score.name for score in measured_scores(("acc", "acc_norm")))
"""Every score of a task that reports both accuracies."""


def score_table(
    table: pd.DataFrame, documents: Sequence[Document], metric: str, output_type: str = CHOICES
) -> Scores:
    """A score of an evaluation's table."""
    return scores_of(choice_table(table, documents, output_type), metric)


def labels(n_sublayers: int, ffn: str = "FFN") -> tuple[str, ...]:
    return tuple(f"{('Attn', ffn)[sublayer % 2]} {sublayer // 2}" for sublayer in range(n_sublayers))


MOST_LIKELY = -18.0
"""Nats above which a synthetic choice counts as the most likely continuation."""


def documents(n_documents: int, n_choices: int | Sequence[int] = 4, seed: int = 0) -> tuple[Document, ...]:
    """Documents with one gold choice and choices of 1 to 30 characters; n_choices: one number or one each."""
    rng = np.random.default_rng(seed)
    counts = [n_choices] * n_documents if isinstance(n_choices, int) else n_choices
    made = []
    for index, count in enumerate(counts):
        texts = ["x" * length for length in rng.integers(1, 30, count)]
        requests = tuple(Request(f"question {index}", " " + text) for text in texts)
        gold = (int(rng.integers(count)),)
        made.append(Document(index, requests, gold, tuple(map(len, texts))))
    return tuple(made)


def table(loglikelihoods: dict[Removed, list[np.ndarray]], indices: Sequence[int]) -> pd.DataFrame:
    """An evaluation's table from the log-likelihoods of each coalition, one array per document."""
    rows = [
        (removed_text(removed), index, choice, value, value > MOST_LIKELY)
        for removed, per_document in loglikelihoods.items()
        for index, values in zip(indices, per_document, strict=True)
        for choice, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["removed", "document", "choice", "loglikelihood", "greedy"])
    return frame.astype({"removed": "category", "document": "int32", "choice": "int16"})


def importance(n_sublayers: int, seed: int = 0) -> np.ndarray:
    """Three early sublayers large, the others small, as the paper found."""
    rng = np.random.default_rng(seed)
    values = rng.exponential(0.05, n_sublayers)
    values[[0, 1, 3]] = 3.0, 1.5, 0.8
    return values


def evaluation(
    asked: Sequence[Document], coalitions: Sequence[Removed], n_sublayers: int, seed: int = 0
) -> pd.DataFrame:
    """Log-likelihoods of a model whose margin for the gold choice decays with what is removed."""
    rng = np.random.default_rng(seed)
    weight = importance(n_sublayers, seed)
    ease = rng.normal(2.0, 2.0, len(asked))
    base = [rng.normal(-20, 1, len(document.requests)) for document in asked]
    loglikelihoods = {}
    for removed in coalitions:
        kept = np.exp(-weight[list(removed)].sum())
        answers = [values + rng.normal(0, 0.2, len(values)) for values in base]
        for values, document, margin in zip(answers, asked, ease, strict=True):
            values[list(document.gold)] += kept * margin
        loglikelihoods[removed] = answers
    return table(loglikelihoods, [document.index for document in asked])


def study_coalitions(n_sublayers: int, max_removed: int = 4) -> list[Removed]:
    return ablation(n_sublayers) + windows(n_sublayers, max_removed)


TASKS = {
    "boolq": 0.5,
    "arc_easy": 0.25,
    "arc_challenge": 0.25,
    "piqa": 0.5,
    "winogrande": 0.5,
    "openbookqa": 0.25,
}


def value_rows(
    model: str, n_sublayers: int, tasks: Sequence[str] = tuple(TASKS), ffn: str = "FFN", seed: int = 0
) -> pd.DataFrame:
    """Rows of values csv for figures and tables, made without scoring any documents."""
    rng = np.random.default_rng(seed)
    parts = []
    for task in tasks:
        value = rng.normal(0.002, 0.006, n_sublayers)
        value[[0, 1, 3]] += np.array([0.3, 0.2, 0.1]) * rng.uniform(0.5, 1.2, 3)
        positive = value.clip(0)
        rank = np.argsort(np.argsort(-value)) + 1
        noise = np.sort(np.abs(rng.normal(0, 1, n_sublayers)))[::-1]
        frame = pd.DataFrame({"model": model, "task": task, "score": "acc", "sublayer": range(n_sublayers)})
        frame["label"] = labels(n_sublayers, ffn)
        frame["kind"] = frame["label"].str.split().str[0].str.lower()
        frame["value"], frame["low"], frame["high"] = value, value - 0.008, value + 0.008
        frame["share"], frame["samples"], frame["documents"] = positive / positive.sum(), 7, 300
        frame["rank"], frame["null_share"] = rank, (noise / noise.sum())[rank - 1]
        frame["signed_share"] = value / value.sum()
        frame["signed_low"], frame["signed_high"] = frame["signed_share"] - 0.02, frame["signed_share"] + 0.02
        frame["top_k_stability"] = np.where(rank <= 3, 0.9, 0.3 / (n_sublayers - 3))
        frame["top_signed_share"] = (np.sort(value)[::-1].cumsum() / value.sum())[rank - 1]
        frame["top_signed_low"], frame["top_signed_high"] = (
            frame["top_signed_share"] - 0.05,
            frame["top_signed_share"] + 0.05,
        )
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def effect_rows(
    model: str, n_sublayers: int, tasks: Sequence[str] = tuple(TASKS), ffn: str = "FFN", seed: int = 0
) -> pd.DataFrame:
    """Rows of ablation csv for figures and tables, made without scoring any documents."""
    rng = np.random.default_rng(seed)
    parts = []
    for task in tasks:
        chance = TASKS.get(task, 0.25)
        full = chance + rng.uniform(0.2, 0.45)
        effect = rng.normal(0.005, 0.008, n_sublayers)
        effect[[0, 1, 3]] = (full - chance) * rng.uniform(0.6, 1.05, 3)
        frame = pd.DataFrame({"model": model, "task": task, "score": "acc", "sublayer": range(n_sublayers)})
        frame["label"] = labels(n_sublayers, ffn)
        frame["kind"] = frame["label"].str.split().str[0].str.lower()
        frame["full"], frame["removed_score"], frame["effect"] = full, full - effect, effect
        frame["low"], frame["high"] = effect - 0.015, effect + 0.015
        frame["chance"], frame["documents"] = chance, 300
        frame["full_low"], frame["full_high"], frame["constant"] = full - 0.04, full + 0.04, chance + 0.05
        frame["constant_low"], frame["constant_high"] = chance + 0.02, chance + 0.08
        frame["removed_low"], frame["removed_high"] = full - effect - 0.04, full - effect + 0.04
        above_guessing = full - effect - chance
        frame["state"] = np.select(
            [above_guessing > 0.12, above_guessing > 0.06, above_guessing > -0.04],
            ["above", "undecided", "collapsed"],
            "below",
        )
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def agreement_rows(
    model: str, n_sublayers: int, tasks: Sequence[str] = tuple(TASKS), ffn: str = "FFN", seed: int = 0
) -> pd.DataFrame:
    """Rows of agreement csv for figures and tables: the last two sublayers' losses show in nats alone."""
    parts = []
    for task in tasks:
        points = effect_rows(model, n_sublayers, (task,), ffn, seed)
        silent = points["sublayer"] >= n_sublayers - 2
        points.loc[silent, ["effect", "low", "high"]] = 0.001, -0.01, 0.012
        nats = points.assign(
            score="logprob", full=-0.6, full_low=-0.7, full_high=-0.5, chance=np.log(points["chance"])
        )
        nats["effect"] = np.where(silent, 0.15, 3 * points["effect"].clip(0) ** 1.5)
        nats["low"], nats["high"] = nats["effect"] - 0.02, nats["effect"] + 0.02
        unseen = (points["low"] <= 0) & (nats["low"] > 0)
        parts.append(points.assign(chosen=True, lost=points["low"] > 0, unseen=unseen))
        parts.append(nats.assign(chosen=False, lost=nats["low"] > 0, unseen=False))
    return pd.concat(parts, ignore_index=True)


def total_rows(models, tasks=("boolq", "piqa", "mean")):
    """Rows of the table of totals; attention is worth 10 points, FFN 20, the thirds 24, 4 and 2."""
    worth = {
        ("kind", "attention"): 0.1, ("kind", "FFN"): 0.2, ("kind", "difference"): -0.1,
        ("depth", "first third"): 0.24, ("depth", "middle third"): 0.04, ("depth", "last third"): 0.02,
    }  # fmt: skip
    rows = [
        {
            "model": model,
            "task": task,
            "by": by,
            "part": part,
            "value": value,
            "value_low": value - 0.03,
            "value_high": value + 0.03,
        }
        for model in models
        for task in tasks
        for (by, part), value in worth.items()
    ]
    return pd.DataFrame(rows)


def interaction_rows(
    model: str,
    n_sublayers: int,
    distance: int = 1,
    tasks: Sequence[str] = tuple(TASKS),
    ffn: str = "FFN",
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of interactions csv for figures and tables: the first sublayers have nothing left to lose together."""
    rng = np.random.default_rng(seed)
    of, parts = sublayer_columns(labels(n_sublayers, ffn)), []
    first, second = np.array(pairs(n_sublayers, 1, distance)).T
    for task in tasks:
        interaction = rng.normal(-0.002, 0.006, len(first))
        interaction[(first < 2) & (second < 4)] = rng.uniform(0.1, 0.4)
        frame = pd.DataFrame({"model": model, "task": task, "score": "acc", "first": first, "second": second})
        for end, of_end in {"first": first, "second": second}.items():
            frame[f"{end}_label"] = of["label"].to_numpy()[of_end]
            frame[f"{end}_kind"] = of["kind"].to_numpy()[of_end]
        frame["distance"], frame["interaction"] = second - first, interaction
        frame["low"], frame["high"] = interaction - 0.01, interaction + 0.01
        frame["sure"], frame["documents"] = np.abs(interaction) > 0.014, 300
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def known_task(
    knock: Sequence[float],
    *,
    model: str = "small",
    task: str = "piqa",
    n_documents: int = 400,
    full: float = 0.9,
    chance: float = 0.25,
    constant: float | None = None,
    together: float = 0.0,
    max_removed: int = 2,
    ffn: str = "FFN",
    seed: int = 0,
) -> ScoredTask:
    """A game whose truth is known: removing sublayer i makes the model guess on a part knock[i] of the documents.

    So the true effect is knock[i] × (full − chance). A run of several sublayers makes it guess on a part
    `together` more than its sublayers do.
    """
    rng = np.random.default_rng(seed)
    n_sublayers = len(knock)
    knows = rng.random(n_documents) < full
    guesses = rng.random(n_documents) < chance
    lost = rng.random((n_sublayers, n_documents)) < np.array(knock)[:, None]
    lost_together = rng.random(n_documents) < together
    coalitions = tuple(study_coalitions(n_sublayers, max_removed))
    matrix = np.array(
        [
            np.where(lost[list(removed)].any(axis=0) | (lost_together & (len(removed) > 1)), guesses, knows)
            for removed in coalitions
        ]
    )
    scores = Scores(
        "acc",
        coalitions,
        tuple(range(n_documents)),
        matrix.astype(float),
        np.full(n_documents, chance),
        np.full(n_documents, chance if constant is None else constant),
    )
    return ScoredTask(model, task, labels(n_sublayers, ffn), scores)


def as_log_probabilities(study: ScoredTask, sure: float = 0.8, seed: int = 0) -> ScoredTask:
    """A task of two choices in nats: a document is right or wrong as it was, and about so sure of it."""
    rng = np.random.default_rng(seed)
    right = study.scores.matrix
    given = np.clip(sure + rng.normal(0, 0.03, right.shape[1]), 0.55, 0.99)
    scores = replace(
        study.scores,
        metric="logprob",
        matrix=np.log(np.where(right == 1, given, 1 - given)),
        chance=np.full(right.shape[1], np.log(0.5)),
        constant=np.full(len(study.scores.documents), np.nan),
    )
    return replace(study, scores=scores)


def results(studies: Sequence[ScoredTask], top_k: int = 3, max_removed: int = 2, **published) -> Results:
    """The results of a whole study, as the rules work them out; published: ids, tasks, numbers of `Published`."""

    def rows(table):
        parts = [table(s).assign(model=s.model, task=s.task, score=s.scores.metric) for s in studies]
        return pd.concat(parts, ignore_index=True)

    def agreement(s):
        in_nats = [] if s.scores.metric == "logprob" else [as_log_probabilities(s).scores]
        return agreement_table([s.scores, *in_nats], s.labels, s.scores.metric)

    def values(s):
        return value_table(
            s.scores, s.labels, linear_estimate(s.scores, window_estimator(len(s.labels), max_removed))
        )

    return Results(
        values=rows(values),
        ablation=rows(lambda s: effect_table(s.scores, s.labels)),
        agreement=pd.concat(
            [agreement(s).assign(model=s.model, task=s.task) for s in studies], ignore_index=True
        ),
        interactions=rows(lambda s: interaction_table(s.scores, s.labels)),
        joint=rows(lambda s: joint_table(s.scores, s.labels, max_removed)),
        measured=tuple(document_numbers(s, max_removed=max_removed) for s in studies),
        top_k=top_k,
        published=Published(**published),
    )


def all_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Every table of a study by its name."""
    return {table.name: table.make(results) for table in tables_of(Part.STUDY)}
