"""A score of every coalition and document, as a matrix.

scores = scores_of(choices, "acc")       # Scores.matrix has a row per coalition, a column per document
rows_of(scores, [(), (0,)])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable
from cornerstone.shapley.coalitions import Removed
from cornerstone.system.errors import CornerstoneError

ROUNDING = 1e-9
"""How far beyond its range a document's score may be by rounding."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model scored on one task, document by document.

    metric:     the score's name.
    coalitions: what was removed, one per row of `matrix`.
    documents:  Document.index, one per column of `matrix`.
    matrix:     float64, shape (coalitions, documents): of accuracies 1 where the answer was right, else 0.
    chance:     float64, shape (documents,): what guessing scores.
    constant:   float64, shape (documents,): what the best answer that is always the same scores; not a number where
                there is no such thing.
    """

    metric: str
    coalitions: tuple[Removed, ...]
    documents: tuple[int, ...]
    matrix: np.ndarray
    chance: np.ndarray
    constant: np.ndarray

    @property
    def is_guessable(self) -> bool:
        """Whether answers can be guessed."""
        return not np.isnan(self.chance).any()

    @property
    def reach(self) -> float:
        """The largest difference of two scores; infinite where there is none."""
        return SCORES[self.metric].reach


def scores_of(choices: ChoiceTable, metric: str) -> Scores:
    """One score for every coalition and document; several may be taken from the same table.

    Raises CornerstoneError for an unknown score, where the score cannot be taken from these log-likelihoods, and where
    it gives what it says that it cannot.
    """
    score, matrix = SCORES[metric], score_matrix(choices, metric)
    none = np.full(len(choices.documents), np.nan)
    constant = none if score.constant is None else score.constant(choices)
    return Scores(metric, choices.coalitions, choices.documents, matrix, score.chance(choices), constant)


def score_matrix(choices: ChoiceTable, metric: str) -> np.ndarray:
    """The score of every row and document alone; raises as `scores_of`."""
    matrix = SCORES[metric].of(choices)
    _check_range(SCORES[metric], matrix, choices.documents)
    return matrix


def _check_range(score: Score, matrix: np.ndarray, documents: Sequence[int]) -> None:
    """Check scores against their range: intervals are cut to it, so a wrong range would silently spoil them."""
    low, high = score.range
    beyond = np.argwhere((matrix < low - ROUNDING) | (matrix > high + ROUNDING))
    if len(beyond):
        row, column = beyond[0]
        raise CornerstoneError(
            f"the score {score.name} gives document {documents[column]} {matrix[row, column]:g}, but its range is "
            f"{low:g} to {high:g}: correct the score, or its range"
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
