"""generated: the task's own metric of the answer that the model generates, as lm-eval filters and scores it."""

from __future__ import annotations

import numpy as np

from cornerstone.documents.document import GENERATED
from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable
from cornerstone.scores.unit import POINTS


def metric_of_answers(choices: ChoiceTable) -> np.ndarray:
    """The metric of each answer, float64, shape (coalitions, documents)."""
    return choices.loglikelihoods[:, :, 0]


SCORES.register(
    Score(
        name="generated",
        noun="score of generated answers",
        counts="the task's metric, from 0 to 1, of the answer that the model generates greedily",
        method="the answer is generated greedily, then filtered and scored by the task's own metric",
        unit=POINTS,
        range=(0.0, 1.0),
        of=metric_of_answers,
        chance=lambda choices: choices.guessed,
        output_types=(GENERATED,),
        linear_up_to=1.0,
        order=70,
    )
)
