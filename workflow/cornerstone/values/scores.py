"""Scores: from an evaluation's log-likelihoods to a number per coalition and document.

    evaluation + documents -> ChoiceTable: log-likelihoods (coalitions × documents × choices)
                           -> Scores: a matrix (coalitions × documents), of each score that one wants

`acc` and `acc_norm` are computed as lm-eval does for multiple choice (`ConfigurableTask.process_results`):
the choice with the largest log-likelihood, for acc_norm after division by its length in characters;
of equal ones the first. 1 is a right answer.

`logprob` and `margin` tell how surely the gold choice was preferred, in nats, from the undivided
log-likelihoods x, so that they move before any answer does:

    logprob = log Σ exp x[gold] − log Σ exp x[all]         0 at best; log (1 / choices) where all are alike
    margin  = max x[gold] − max x[others]                  above 0 where `acc` is right

Neither has a lower end: x grows with the length of a text, so one document can be off by hundreds of nats and
weigh as much in a mean as hundreds of others; the intervals widen with it. So a mean below what guessing has
does not say that a model guesses: it may answer most documents right and a few very surely wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.documents.document import Document, read_documents
from cornerstone.evaluations.rejected import read_or_set_aside
from cornerstone.shapley.coalitions import Removed, parse_removed, removed_text
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.units import ACCURACIES, METRICS


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """An evaluation's log-likelihoods as an array, with what any score needs of the documents.

    coalitions:     what was removed, one per row.
    documents:      Document.index of each.
    loglikelihoods: float64, shape (coalitions, documents, most choices), nats; minus infinity beyond a
                    document's own choices.
    n_choices:      int, shape (documents,).
    lengths:        float64, shape (documents, most choices): characters of each choice; 1 beyond its own.
    right:          bool, shape (documents, most choices): the gold choices.
    """

    coalitions: tuple[Removed, ...]
    documents: tuple[int, ...]
    loglikelihoods: np.ndarray
    n_choices: np.ndarray
    lengths: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model scored on one task, document by document.

    metric:     "acc", "acc_norm", "logprob" or "margin".
    coalitions: what was removed, one per row of `matrix`.
    documents:  Document.index, one per column of `matrix`.
    matrix:     float64, shape (coalitions, documents): of acc and acc_norm 1 where the answer was right, else
                0; of logprob and margin nats.
    chance:     float64, shape (documents,): what guessing has: the probability that a random choice is right;
                its logarithm for logprob; 0 for margin.
    constant:   float64, shape (documents,): 1 where the best choice to give always is right ("yes" on BoolQ). Not
                a number for logprob and margin: to give one choice always is no statement of how sure one is.
    """

    metric: str
    coalitions: tuple[Removed, ...]
    documents: tuple[int, ...]
    matrix: np.ndarray
    chance: np.ndarray
    constant: np.ndarray


def choose_metric(score: str, metrics: Sequence[str], task: str = "this task") -> str:
    """The metric meant by the configuration's `score`: "paper", "acc", "acc_norm", "logprob" or "margin".

    "paper" is acc_norm where the task reports it, else acc, as the public implementation of the study
    has it. logprob and margin there are on every task. Raises CornerstoneError where the task does not
    report the metric asked for.
    """
    if score == "paper":
        return "acc_norm" if "acc_norm" in metrics else "acc"
    if score not in METRICS:
        raise CornerstoneError(f"score is {score!r}: give paper, acc, acc_norm, logprob or margin")
    if score in ACCURACIES and score not in metrics:
        raise CornerstoneError(
            f"score is {score}, but {task} reports {', '.join(metrics)}: give score: paper"
        )
    return score


def choice_table(table: pd.DataFrame, documents: Sequence[Document]) -> ChoiceTable:
    """The log-likelihoods of an evaluation's table (columns removed, document, choice, loglikelihood; any order).

    The table may hold fewer documents than `documents` (a document limit): they are joined on
    Document.index. Raises CornerstoneError where a row is missing, doubled or of another document set,
    and where a log-likelihood is not a number.
    """
    asked = _documents_of(table, documents)
    coalitions, loglikelihoods = _loglikelihoods(table, asked)
    return ChoiceTable(
        coalitions=coalitions,
        documents=tuple(document.index for document in asked),
        loglikelihoods=loglikelihoods,
        n_choices=np.array([len(document.requests) for document in asked]),
        lengths=_padded([document.choice_lengths for document in asked], fill=1.0),
        right=_right(asked),
    )


def scores_of(choices: ChoiceTable, metric: str) -> Scores:
    """One of METRICS for every coalition and document; several may be taken from the same table.

    Of a document whose choices are all right, logprob and margin are 0 whatever is removed. Raises
    CornerstoneError for logprob and margin where a log-likelihood is infinite: no mean would be left.
    """
    guessed = choices.right.sum(axis=1) / choices.n_choices
    nothing = np.zeros(len(choices.documents))
    matrix, chance, constant = {
        "acc": lambda: (_answers_right(choices), guessed, _best_constant(choices)),
        "acc_norm": lambda: (_answers_right(choices, by_length=True), guessed, _best_constant(choices)),
        "logprob": lambda: (_logprob(choices), np.log(guessed), nothing + np.nan),
        "margin": lambda: (_margin(choices), nothing, nothing + np.nan),
    }[metric]()
    return Scores(metric, choices.coalitions, choices.documents, matrix, chance, constant)


def score_table(table: pd.DataFrame, documents: Sequence[Document], metric: str) -> Scores:
    """`scores_of` an evaluation's table; see `choice_table`."""
    return scores_of(choice_table(table, documents), metric)


def _answers_right(choices: ChoiceTable, by_length: bool = False) -> np.ndarray:
    """1 where the choice of the largest log-likelihood, or the largest per character, is a gold one, else 0."""
    measure = choices.loglikelihoods
    if by_length:
        with np.errstate(divide="ignore", invalid="ignore"):
            measure = measure / choices.lengths
    answers = measure.argmax(axis=2)
    return choices.right[np.arange(len(choices.documents)), answers].astype(np.float64)


def _best_constant(choices: ChoiceTable) -> np.ndarray:
    """1 where the choice that is right most often is right, else 0."""
    return choices.right[:, choices.right.mean(axis=0).argmax()].astype(np.float64)


def _logprob(choices: ChoiceTable) -> np.ndarray:
    """log-softmax over a document's choices, of the gold one; of several the probabilities add."""
    _check_finite(choices)
    everything = _log_sum_exp(choices.loglikelihoods)
    gold = _log_sum_exp(np.where(choices.right, choices.loglikelihoods, -np.inf))
    return gold - everything


def _margin(choices: ChoiceTable) -> np.ndarray:
    """The best gold choice's log-likelihood less that of the best other one."""
    _check_finite(choices)
    gold = np.where(choices.right, choices.loglikelihoods, -np.inf).max(axis=2)
    others = np.where(choices.right, -np.inf, choices.loglikelihoods).max(axis=2)
    return np.where(np.isfinite(others), gold - others, 0.0)


def _log_sum_exp(numbers: np.ndarray) -> np.ndarray:
    """Over the last axis; each row has a finite number."""
    largest = numbers.max(axis=2)
    return largest + np.log(np.exp(numbers - largest[..., None]).sum(axis=2))


def _check_finite(choices: ChoiceTable) -> None:
    real = np.arange(choices.right.shape[1]) < choices.n_choices[:, None]
    infinite = np.argwhere(~np.isfinite(choices.loglikelihoods) & real)
    if len(infinite):
        row, document, choice = infinite[0]
        raise CornerstoneError(
            f"the log-likelihood of document {choices.documents[document]}, choice {choice}, is infinite without "
            f"sublayers [{removed_text(choices.coalitions[row])}], and so would every mean be: give score: paper"
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


@dataclass(frozen=True, eq=False)
class EvaluatedTask:
    """The evaluations of one model on one task, one of `designs` each, to take any score from.

    labels:    of the model's sublayers in execution order.
    metrics:   those of ACCURACIES that the task reports.
    available: documents of the task's scored split; 0 where it is not known.
    seconds:   that evaluating each design took.
    """

    model: str
    task: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    designs: tuple[ChoiceTable, ...]
    available: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


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


def read_choices(evaluations: Sequence[Path], documents: Path) -> EvaluatedTask:
    """Read the evaluations of one model and task (one file per design) with its documents file.

    Raises CornerstoneError for files that do not belong together or lack rows.
    """
    read = [read_or_set_aside(path) for path in evaluations]
    document_set = read_documents(documents)
    of = {(evaluation.model, evaluation.task, tuple(evaluation.sublayers)) for evaluation in read}
    if len(of) != 1:
        raise CornerstoneError(
            f"evaluations of more than one model or task: {sorted((m, t) for m, t, _ in of)}"
        )
    some = [evaluation for evaluation in read if len(evaluation.table)]  # max_removed: 1 has no windows
    return EvaluatedTask(
        *of.pop(),
        metrics=document_set.metrics,
        designs=tuple(choice_table(each.table, document_set.documents) for each in some or read),
        available=document_set.available,
        seconds={each.design: each.provenance.get("work_seconds", np.nan) for each in read},
    )


def score_task(evaluated: EvaluatedTask, score: str) -> ScoredTask:
    """The scores that the configuration's `score` means. Raises CornerstoneError as `choose_metric`."""
    metric = choose_metric(score, evaluated.metrics, evaluated.task)
    scores = stack([scores_of(choices, metric) for choices in evaluated.designs])
    return ScoredTask(
        evaluated.model, evaluated.task, evaluated.labels, scores, evaluated.available, evaluated.seconds
    )


def read_scores(evaluations: Sequence[Path], documents: Path, score: str) -> ScoredTask:
    """`score_task` of what `read_choices` reads."""
    return score_task(read_choices(evaluations, documents), score)


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
