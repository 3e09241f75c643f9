"""acc_norm: whether the choice of the largest log-likelihood per character is right, as lm-eval has it."""

from __future__ import annotations

import numpy as np

from cornerstone.scores import SCORES, Score
from cornerstone.scores.acc import METHOD
from cornerstone.scores.choices import ChoiceTable, answers_right, best_constant
from cornerstone.scores.unit import POINTS


def right_per_character(choices: ChoiceTable) -> np.ndarray:
    """1 where the choice of the largest log-likelihood per character is a gold one, else 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return answers_right(choices, choices.loglikelihoods / choices.lengths)


SCORES.register(
    Score(
        name="acc_norm",
        noun="accuracy",
        counts="1 if the choice of the largest log-likelihood per character is right",
        method=METHOD,
        unit=POINTS,
        of=right_per_character,
        chance=lambda choices: choices.guessed,
        constant=best_constant,
        is_accuracy=True,
        on_every_task=False,
        linear_up_to=1.0,
        half_widths=(0.05, 0.02, 0.01),
        order=20,
    )
)
