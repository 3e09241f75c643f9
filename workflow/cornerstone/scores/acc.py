"""acc: whether the choice of the largest log-likelihood is right, as lm-eval has it.

Of a target, as LAMBADA's last word, whether each of its tokens is the most likely one.
"""

from __future__ import annotations

import numpy as np

from cornerstone.documents.document import CHOICES, TARGET
from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable, answers_right, best_constant
from cornerstone.scores.unit import POINTS


def right(choices: ChoiceTable) -> np.ndarray:
    """1 where the answer is right, else 0: float64, shape (coalitions, documents)."""
    if choices.output_type == TARGET:
        return choices.greedy[:, :, 0].astype(np.float64)
    return answers_right(choices, choices.loglikelihoods)


ACC = SCORES.register(
    Score(
        name="acc",
        noun="accuracy",
        counts="1 if the choice of the largest log-likelihood is right; of a target, if each of its tokens is the most "
        "likely one",
        method="the answer is the choice with the largest log-likelihood (acc), or the largest per character "
        "(acc_norm)",
        unit=POINTS,
        range=(0.0, 1.0),
        of=right,
        chance=lambda choices: choices.guessed,
        constant=best_constant,
        is_accuracy=True,
        output_types=(CHOICES, TARGET),
        on_every_task=False,
        linear_up_to=1.0,
        half_widths=(0.05, 0.02, 0.01),
        order=10,
    )
)
