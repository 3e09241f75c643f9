"""Scores: from an evaluation's log-likelihoods to right or wrong, per coalition and document.

    evaluation + documents -> Scores: a matrix (coalitions × documents) of 0 and 1

`acc` and `acc_norm` are computed as lm-eval does for multiple choice (`ConfigurableTask.process_results`):
the choice with the largest log-likelihood, for acc_norm after division by its length in characters;
of equal ones the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.coalitions import Removed, parse_removed
from cornerstone.documents import Document, read_documents
from cornerstone.errors import CornerstoneError
from cornerstone.evaluations import read_or_set_aside

METRICS = ("acc", "acc_norm")


@dataclass(frozen=True)
class Scores:
    """What a model scored on one task, document by document.

    metric:     "acc" or "acc_norm".
    coalitions: what was removed, one per row of `matrix`.
    documents:  Document.index, one per column of `matrix`.
    matrix:     float64, shape (coalitions, documents): 1 where the answer was right, else 0.
    chance:     float64, shape (documents,): probability that a random choice is right.
    constant:   the score of always giving one choice, the best one (always "yes" on BoolQ: 0.62).
    """

    metric: str
    coalitions: tuple[Removed, ...]
    documents: tuple[int, ...]
    matrix: np.ndarray
    chance: np.ndarray
    constant: float


def choose_metric(score: str, metrics: Sequence[str], task: str = "this task") -> str:
    """The metric meant by the configuration's `score`: "paper", "acc" or "acc_norm".

    "paper" is acc_norm where the task reports it, else acc, as the public implementation of the study
    has it. Raises CornerstoneError where the task does not report the metric asked for.
    """
    if score == "paper":
        return "acc_norm" if "acc_norm" in metrics else "acc"
    if score not in METRICS:
        raise CornerstoneError(f"score is {score!r}: give paper, acc or acc_norm")
    if score not in metrics:
        raise CornerstoneError(
            f"score is {score}, but {task} reports {', '.join(metrics)}: give score: paper"
        )
    return score


def score_table(table: pd.DataFrame, documents: Sequence[Document], metric: str) -> Scores:
    """Score an evaluation's table (columns removed, document, choice, loglikelihood; any order).

    The table may hold fewer documents than `documents` (a document limit): they are joined on
    Document.index. Raises CornerstoneError where a row is missing, doubled or of another document set,
    and where a log-likelihood is not a number.
    """
    asked = _documents_of(table, documents)
    coalitions, loglikelihoods = _loglikelihoods(table, asked)
    lengths = _padded([document.choice_lengths for document in asked], fill=1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        measure = loglikelihoods / lengths if metric == "acc_norm" else loglikelihoods
    answers = measure.argmax(axis=2)
    right = _right(asked)
    return Scores(
        metric=metric,
        coalitions=coalitions,
        documents=tuple(document.index for document in asked),
        matrix=right[np.arange(len(asked)), answers].astype(np.float64),
        chance=np.array([len(set(d.gold)) / len(d.requests) for d in asked]),
        constant=float(right.mean(axis=0).max()),
    )


def stack(parts: Sequence[Scores]) -> Scores:
    """One Scores from those of several designs, rows one after another.

    A coalition that several designs hold is kept once. Raises CornerstoneError where the designs were
    evaluated on different documents.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.documents != first.documents:
            raise CornerstoneError(
                f"two designs were evaluated on different documents ({len(first.documents)} and "
                f"{len(part.documents)} of them): evaluate both again with one document limit"
            )
    rows = {c: (p, i) for p, part in enumerate(parts) for i, c in enumerate(part.coalitions)}
    matrix = np.stack([parts[p].matrix[i] for p, i in rows.values()])
    return Scores(first.metric, tuple(rows), first.documents, matrix, first.chance, first.constant)


def rows_of(scores: Scores, coalitions: Sequence[Removed]) -> np.ndarray:
    """The rows of `scores.matrix` of these coalitions, shape (len(coalitions), documents).

    Raises CornerstoneError naming the first coalition that was not evaluated.
    """
    row = {coalition: i for i, coalition in enumerate(scores.coalitions)}
    missing = [coalition for coalition in coalitions if coalition not in row]
    if missing:
        raise CornerstoneError(
            f"{len(missing)} of {len(coalitions)} coalitions were not evaluated, the first without "
            f"sublayers {missing[0]}: evaluate with this max_removed first"
        )
    return scores.matrix[[row[coalition] for coalition in coalitions]]


@dataclass(frozen=True)
class ScoredTask:
    """The scores of one model on one task, with the labels of the model's sublayers in execution order.

    available: documents of the task's scored split; 0 where it is not known.
    seconds:   that evaluating each design took.
    """

    model: str
    task: str
    labels: tuple[str, ...]
    scores: Scores
    available: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def read_scores(evaluations: Sequence[Path], documents: Path, score: str) -> ScoredTask:
    """Score the evaluations of one model and task (one file per design) against its documents file.

    Raises CornerstoneError for files that do not belong together or lack rows.
    """
    read = [read_or_set_aside(path) for path in evaluations]
    document_set = read_documents(documents)
    of = {(evaluation.model, evaluation.task, tuple(evaluation.sublayers)) for evaluation in read}
    if len(of) != 1:
        raise CornerstoneError(
            f"evaluations of more than one model or task: {sorted((m, t) for m, t, _ in of)}"
        )
    model, task, labels = of.pop()
    metric = choose_metric(score, document_set.metrics, task)
    some = [evaluation for evaluation in read if len(evaluation.table)]  # max_removed: 1 has no windows
    parts = [score_table(each.table, document_set.documents, metric) for each in some or read]
    seconds = {each.design: each.provenance.get("work_seconds", np.nan) for each in read}
    return ScoredTask(model, task, labels, stack(parts), document_set.available, seconds)


def write_table(table: pd.DataFrame, study: ScoredTask, output: Path) -> None:
    """Write a table as CSV with the columns model, task and score in front; numbers to 10 digits."""
    table = table.copy()
    for place, (name, text) in enumerate(
        {"model": study.model, "task": study.task, "score": study.scores.metric}.items()
    ):
        table.insert(place, name, text)
    table.to_csv(output, index=False, float_format="%.10g", lineterminator="\n")


def _documents_of(table: pd.DataFrame, documents: Sequence[Document]) -> list[Document]:
    by_index = {document.index: document for document in documents}
    present = np.unique(table["document"].to_numpy())
    unknown = [int(index) for index in present if int(index) not in by_index]
    if unknown or not len(present):
        what = f"document {unknown[0]}, which is not in the document set" if unknown else "no documents"
        raise CornerstoneError(f"the evaluation holds {what}: evaluate again")
    return [by_index[int(index)] for index in present]


def _loglikelihoods(table: pd.DataFrame, documents: list[Document]) -> tuple[tuple[Removed, ...], np.ndarray]:
    """The coalitions, and log-likelihoods of shape (coalitions, documents, most choices).

    Documents with fewer choices are padded with minus infinity, which no argmax picks.
    """
    code, removed = pd.factorize(table["removed"])
    indices = np.array([document.index for document in documents])
    counts = np.array([len(document.requests) for document in documents])
    document = np.searchsorted(indices, table["document"].to_numpy())
    choice = table["choice"].to_numpy()
    if (choice < 0).any() or (choice >= counts[document]).any():
        raise CornerstoneError("the evaluation holds choices that its documents have not: evaluate again")
    shape = (len(removed), len(documents), int(counts.max()))
    filled = np.full(shape, np.nan)
    filled[code, document, choice] = table["loglikelihood"].to_numpy()
    real = np.arange(shape[2]) < counts[:, None]
    if len(table) != len(removed) * counts.sum() or np.isnan(filled[:, real]).any():
        raise CornerstoneError(
            f"the evaluation has {len(table)} rows, {len(removed) * counts.sum()} numbers are needed "
            f"({len(removed)} coalitions × {counts.sum()} choices): rows are missing, doubled or not a number"
        )
    filled[:, ~real] = -np.inf
    return tuple(parse_removed(str(text)) for text in removed), filled


def _right(documents: list[Document]) -> np.ndarray:
    """Boolean, shape (documents, most choices): whether the choice is a gold one."""
    width = max(len(document.requests) for document in documents)
    right = np.zeros((len(documents), width), dtype=bool)
    for row, document in enumerate(documents):
        right[row, list(document.gold)] = True
    return right


def _padded(rows: list[tuple[int, ...]], fill: float) -> np.ndarray:
    padded = np.full((len(rows), max(map(len, rows))), fill)
    for row, values in enumerate(rows):
        padded[row, : len(values)] = values
    return padded
