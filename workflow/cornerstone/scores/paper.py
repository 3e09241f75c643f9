"""paper: acc_norm where the task reports it, else acc, as the public implementation of the study has it.

Of whole texts and generated answers, which the study has none of, bits_per_byte and generated.
"""

from __future__ import annotations

from dataclasses import replace

from cornerstone.scores import SCORES
from cornerstone.scores.acc import ACC

SCORES.register(
    replace(
        ACC,
        name="paper",
        counts="`acc_norm` where the task reports it, else `acc`; of whole texts `bits_per_byte`, of generated answers "
        "`generated`",
        method=f"{ACC.method}; acc_norm where the task reports it, as in the paper",
        of=None,
        chance=None,
        constant=None,
        output_types=(),
        stands_for=("acc_norm", "acc", "bits_per_byte", "generated"),
        order=0,
    )
)
