"""logprob: the log-probability of the gold choice among the choices.

    log Σ exp x[gold] − log Σ exp x[all]         0 at best; log (1 / choices) where all are alike

x are the undivided log-likelihoods, so it moves before any answer does. It has no lower end: x grows with the length of
a text, so one document can be off by hundreds of nats and weigh as much in a mean as hundreds of others; the intervals
widen with it. So a mean below what guessing has does not say that a model guesses: it may answer most documents right
and a few very surely wrong.

Of a target it is the log-likelihood, log (1 / perplexity) in the mean; of a whole text the log-likelihood by the mean
number of words of the study's texts, log (1 / word perplexity) in the mean.
"""

from __future__ import annotations

from math import inf

import numpy as np

from cornerstone.documents.document import CHOICES, TARGET, TEXT
from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable, check_finite, gold_and_all
from cornerstone.scores.unit import NATS


def gold_logprob(choices: ChoiceTable) -> np.ndarray:
    """log-softmax over a document's choices, of the gold one; of several the probabilities add.

    0 for a document whose choices are all right, whatever is removed. Of a target or a text its log-likelihood.
    """
    if choices.output_type != CHOICES:
        check_finite(choices)
        words = choices.sizes[:, 0].mean() if choices.output_type == TEXT else 1.0
        return choices.loglikelihoods[:, :, 0] / words
    gold, everything = gold_and_all(choices)
    return gold - everything


SCORES.register(
    Score(
        name="logprob",
        noun="log-probability",
        counts="the log-probability of the right choice among the choices; of a target its log-likelihood, of a whole "
        "text that of a word",
        method="the log-probability of the gold choice among the choices, in nats, mean over documents (logprob)",
        unit=NATS,
        range=(-inf, 0.0),
        of=gold_logprob,
        chance=lambda choices: np.log(choices.guessed),
        output_types=(CHOICES, TARGET, TEXT),
        is_yardstick=True,
        linear_up_to=0.01,
        half_widths=(0.1, 0.05, 0.02),
        order=30,
    )
)
