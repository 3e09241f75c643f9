"""margin: how far the gold choice's log-likelihood is ahead of the best other one's.

    max x[gold] − max x[others]                  above 0 where `acc` is right

Like the log-probability it moves before any answer does, and has no lower end (see `logprob`).
"""

from __future__ import annotations

import numpy as np

from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable, check_finite
from cornerstone.scores.unit import NATS


def gold_margin(choices: ChoiceTable) -> np.ndarray:
    """The best gold choice's log-likelihood less that of the best other one; 0 where all choices are right."""
    check_finite(choices)
    gold = np.where(choices.right, choices.loglikelihoods, -np.inf).max(axis=2)
    others = np.where(choices.right, -np.inf, choices.loglikelihoods).max(axis=2)
    return np.where(np.isfinite(others), gold - others, 0.0)


SCORES.register(
    Score(
        name="margin",
        noun="margin",
        counts="how far the right choice's log-likelihood is ahead of the best other one's",
        method="how far the gold choice's log-likelihood is ahead of the best other choice's, in nats, mean over "
        "documents (margin)",
        unit=NATS,
        of=gold_margin,
        chance=lambda choices: np.zeros(len(choices.documents)),
        linear_up_to=0.1,
        half_widths=(0.1, 0.05, 0.02),
        order=40,
    )
)
