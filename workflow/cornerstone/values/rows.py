"""What every CSV file of values, effects and interactions has in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cornerstone.models.kinds import kind_of
from cornerstone.values.scored_task import ScoredTask


def sublayer_columns(labels: Sequence[str]) -> pd.DataFrame:
    """Columns sublayer (index), label and kind (attn, ffn or moe) of these labels ("Attn 0", "FFN 0", …)."""
    kinds = [kind_of(label).name for label in labels]
    return pd.DataFrame({"sublayer": range(len(labels)), "label": list(labels), "kind": kinds})


def write_table(table: pd.DataFrame, scored: ScoredTask, output: Path) -> None:
    """Write a table as CSV with the columns model, task and score in front; numbers to 10 digits."""
    table = table.copy()
    for place, (name, text) in enumerate(
        {"model": scored.model, "task": scored.task, "score": scored.scores.metric}.items()
    ):
        table.insert(place, name, text)
    table.to_csv(output, index=False, float_format="%.10g", lineterminator="\n")
