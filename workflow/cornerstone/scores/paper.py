"""paper: acc_norm where the task reports it, else acc, as the public implementation of the study has it."""

from __future__ import annotations

from cornerstone.scores import SCORES, Score
from cornerstone.scores.acc import METHOD
from cornerstone.scores.unit import POINTS

SCORES.register(
    Score(
        name="paper",
        noun="accuracy",
        counts="`acc_norm` where the task reports it, else `acc`",
        method=f"{METHOD}; acc_norm where the task reports it, as in the paper",
        unit=POINTS,
        of=None,
        chance=None,
        is_accuracy=True,
        on_every_task=False,
        stands_for=("acc_norm", "acc"),
        linear_up_to=1.0,
        half_widths=(0.05, 0.02, 0.01),
        order=0,
    )
)
