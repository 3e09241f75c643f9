"""acc_norm: whether the choice of the largest log-likelihood per character is right, as lm-eval has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cornerstone.documents.document import CHOICES
from cornerstone.scores import SCORES
from cornerstone.scores.acc import ACC
from cornerstone.scores.choices import ChoiceTable, answers_right


def right_per_character(choices: ChoiceTable) -> np.ndarray:
    """1 where the choice of the largest log-likelihood per character is a gold one, else 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return answers_right(choices, choices.loglikelihoods / choices.lengths)


SCORES.register(
    replace(
        ACC,
        name="acc_norm",
        counts="1 if the choice of the largest log-likelihood per character is right",
        of=right_per_character,
        output_types=(CHOICES,),
        order=20,
    )
)
