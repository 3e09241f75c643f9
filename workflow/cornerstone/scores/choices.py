"""The log-likelihoods of a model's choices as an array, and the arithmetic that scores share.

The arrays hold documents of unlike numbers of choices: beyond a document's own choices a log-likelihood is minus
infinity, a length is 1, and no choice is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cornerstone.documents.document import CHOICES
from cornerstone.shapley.coalitions import Removed, listed_sublayers
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True, eq=False)
class ChoiceTable:
    """An evaluation's log-likelihoods as an array, with what any score needs of the documents.

    coalitions:     what was removed, one per row; none where each document has its own:
    own:            bool, shape (documents, rows, sublayers): what was removed from each document in each row.
    documents:      Document.index of each.
    loglikelihoods: float64, shape (coalitions, documents, most choices), nats; minus infinity beyond a
                    document's own choices.
    n_choices:      int, shape (documents,).
    lengths:        float64, shape (documents, most choices): characters of each choice; 1 beyond its own.
    right:          bool, shape (documents, most choices): the gold choices.
    greedy:         bool, of the shape of the log-likelihoods: whether each token of the choice is the most likely one.
    output_type:    lm-eval's, of the task: a target or a whole text is the only choice of its document.
    sizes:          int, shape (documents, 2): words and bytes of whole texts; of others 0 and the bytes of the first
                    right answer.
    """

    coalitions: tuple[Removed, ...]
    documents: tuple[int, ...]
    loglikelihoods: np.ndarray
    n_choices: np.ndarray
    lengths: np.ndarray
    right: np.ndarray
    greedy: np.ndarray
    sizes: np.ndarray
    output_type: str = CHOICES
    own: np.ndarray | None = None

    def removed(self, row: int, document: int) -> Removed:
        """What was removed in a row, from the document at this place."""
        return (
            self.coalitions[row]
            if self.own is None
            else tuple(np.flatnonzero(self.own[document, row]).tolist())
        )

    def some(self, places: np.ndarray) -> ChoiceTable:
        """Of the documents at these places alone."""
        return replace(
            self,
            documents=tuple(self.documents[place] for place in places),
            loglikelihoods=self.loglikelihoods[:, places],
            n_choices=self.n_choices[places],
            lengths=self.lengths[places],
            right=self.right[places],
            greedy=self.greedy[:, places],
            sizes=self.sizes[places],
            own=None if self.own is None else self.own[places],
        )

    @property
    def guessed(self) -> np.ndarray:
        """The probability that a random choice is right, shape (documents,); not a number where there is no choice."""
        if self.output_type != CHOICES:
            return np.full(len(self.documents), np.nan)
        return self.right.sum(axis=1) / self.n_choices


def answers_right(choices: ChoiceTable, measure: np.ndarray) -> np.ndarray:
    """1 where the choice of the largest measure is right, else 0; of equal choices the first is taken.

    measure: of the shape of the log-likelihoods. Returns float64, shape (coalitions, documents).
    """
    answers = measure.argmax(axis=2)
    return choices.right[np.arange(len(choices.documents)), answers].astype(np.float64)


def best_constant(choices: ChoiceTable) -> np.ndarray:
    """1 where the choice that is right most often ("yes" on BoolQ) is right, else 0: shape (documents,).

    Not a number where there is no choice.
    """
    if choices.output_type != CHOICES:
        return np.full(len(choices.documents), np.nan)
    return choices.right[:, choices.right.mean(axis=0).argmax()].astype(np.float64)


def gold_and_all(choices: ChoiceTable) -> tuple[np.ndarray, np.ndarray]:
    """log Σ exp of the gold choices' log-likelihoods, and of all: shape (coalitions, documents) each.

    Raises CornerstoneError as `check_finite`.
    """
    check_finite(choices)
    gold = np.where(choices.right, choices.loglikelihoods, -np.inf)
    return _log_sum_exp(gold), _log_sum_exp(choices.loglikelihoods)


def check_finite(choices: ChoiceTable) -> None:
    """Raise CornerstoneError where a log-likelihood is infinite: no mean over documents would be left."""
    real = np.arange(choices.right.shape[1]) < choices.n_choices[:, None]
    infinite = np.argwhere(~np.isfinite(choices.loglikelihoods) & real)
    if len(infinite):
        row, document, choice = infinite[0]
        raise CornerstoneError(
            f"the log-likelihood of document {choices.documents[document]}, choice {choice}, is infinite without "
            f"sublayers [{listed_sublayers(choices.removed(row, document))}], which makes every mean infinite: "
            "give score: paper"
        )


def _log_sum_exp(numbers: np.ndarray) -> np.ndarray:
    """Over the last axis; each row has a finite number."""
    largest = numbers.max(axis=2)
    return largest + np.log(np.exp(numbers - largest[..., None]).sum(axis=2))
