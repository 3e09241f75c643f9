"""acc: whether the choice of the largest log-likelihood is right, as lm-eval has it."""

from __future__ import annotations

from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import answers_right, best_constant
from cornerstone.scores.unit import POINTS

ACC = SCORES.register(
    Score(
        name="acc",
        noun="accuracy",
        counts="1 if the choice of the largest log-likelihood is right",
        method="the answer is the choice with the largest log-likelihood (acc), or the largest per character "
        "(acc_norm)",
        unit=POINTS,
        range=(0.0, 1.0),
        of=lambda choices: answers_right(choices, choices.loglikelihoods),
        chance=lambda choices: choices.guessed,
        constant=best_constant,
        is_accuracy=True,
        on_every_task=False,
        linear_up_to=1.0,
        half_widths=(0.05, 0.02, 0.01),
        order=10,
    )
)
