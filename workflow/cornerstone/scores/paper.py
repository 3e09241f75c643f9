"""paper: acc_norm where the task reports it, else acc, as the public implementation of the study has it.

Of whole texts, which the study has none of, bits_per_byte.
"""

from __future__ import annotations

from dataclasses import replace

from cornerstone.scores import SCORES
from cornerstone.scores.acc import ACC

SCORES.register(
    replace(
        ACC,
        name="paper",
        counts="`acc_norm` where the task reports it, else `acc`; of whole texts `bits_per_byte`",
        method=f"{ACC.method}; acc_norm where the task reports it, as in the paper",
        of=None,
        chance=None,
        constant=None,
        output_types=(),
        stands_for=("acc_norm", "acc", "bits_per_byte"),
        order=0,
    )
)
