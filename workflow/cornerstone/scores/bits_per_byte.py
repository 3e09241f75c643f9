"""bits_per_byte: the log-likelihood of whole texts in bits per byte: lm-eval's metric with its sign changed.

    log2 P(text) / mean bytes of the study's texts        0 where every text is certain; −8 and worse at random

Where the same items are asked in both ways it is taken of the right answer, too, in the place of a whole text.

The divisor is the same for all documents, so that the score of a set of texts is the mean over its documents, as a
game has to be. Perplexities are powers of it, no means: see the table perplexities.
"""

from __future__ import annotations

from math import inf, log

import numpy as np

from cornerstone.documents.document import TEXT
from cornerstone.scores import SCORES, Score
from cornerstone.scores.choices import ChoiceTable, gold_and_all
from cornerstone.scores.unit import BITS


def bits_per_byte(choices: ChoiceTable) -> np.ndarray:
    """The log-likelihood of every coalition and document, float64 of shape (coalitions, documents), 0 at most."""
    gold, _ = gold_and_all(choices)  # a text is the only choice of its document
    return gold / (log(2) * choices.sizes[:, 1].mean())


SCORES.register(
    Score(
        name="bits_per_byte",
        noun="log-likelihood",
        counts="the log-likelihood of a whole text in bits per byte: less than 0, and more of it is better",
        method="the log-likelihood of whole texts in bits per byte, bits_per_byte of lm-eval with its sign changed",
        unit=BITS,
        range=(-inf, 0.0),
        of=bits_per_byte,
        chance=lambda choices: np.full(len(choices.documents), np.nan),
        output_types=(TEXT,),
        on_every_task=False,
        linear_up_to=0.01,
        half_widths=(0.1, 0.05, 0.02),
        order=60,
    )
)
