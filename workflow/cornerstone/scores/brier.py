"""brier: one minus half the squared distance between the choices' probabilities and the right answer.

    1 − ½ Σ_k (p_k − y_k)²                       1 where the gold choice has all probability, 0 where a wrong one has

p is the softmax of the choices' log-likelihoods x, y is 1 for the gold choice and 0 for the others. It moves before any
answer does, as the log-probability, and is bounded at both ends: no document weighs more than another. Half of the
squared distance is the score of Brier (1950, Monthly Weather Review 78) for several classes; less of it is better.

Several gold answers count as one: their probabilities add to P, and the distance is that of (P, p of the others) from
(1, 0, …, 0). So a document whose choices are all right scores 1 whatever is removed.
"""

from __future__ import annotations

import numpy as np

from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable, gold_and_all
from cornerstone.scores.unit import NO_UNIT


def brier(choices: ChoiceTable) -> np.ndarray:
    """The score of every coalition and document, float64 of shape (coalitions, documents), 0 to 1."""
    gold, everything = gold_and_all(choices)
    p = np.exp(choices.loglikelihoods - everything[..., None])
    return _score(np.exp(gold - everything), np.where(choices.right, 0.0, p))


def brier_of_guessing(choices: ChoiceTable) -> np.ndarray:
    """The score where all choices are equally likely, float64 of shape (documents,)."""
    real = np.arange(choices.right.shape[1]) < choices.n_choices[:, None]
    p = real / choices.n_choices[:, None]
    return _score(choices.guessed, np.where(choices.right, 0.0, p))


def _score(gold: np.ndarray, others: np.ndarray) -> np.ndarray:
    """gold: the gold choices' probability; others: those of the other choices, 0 elsewhere, on one more axis."""
    return 1 - ((1 - gold) ** 2 + (others**2).sum(axis=-1)) / 2


SCORES.register(
    Score(
        name="brier",
        noun="Brier score",
        counts="1 − ½ Σ (p − y)² over the choices: p the choice's probability, y 1 if it is right, else 0",
        method="one less half the squared distance between the choices' probabilities and what is right, mean over "
        "documents (brier)",
        unit=NO_UNIT,
        range=(0.0, 1.0),
        of=brier,
        chance=brier_of_guessing,
        linear_up_to=0.01,
        half_widths=(0.05, 0.02, 0.01),
        order=50,
    )
)
