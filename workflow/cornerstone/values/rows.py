"""What every CSV file of values, effects and interactions has in common. Figures are drawn from such rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.models.kinds import kind_of
from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    from cornerstone.values.scored_task import ScoredTask


def sublayer_columns(labels: Sequence[str]) -> pd.DataFrame:
    """Columns sublayer (index), label and kind (attn, ffn or moe) of these labels ("Attn 0", "FFN 0", …)."""
    kinds = [kind_of(label).name for label in labels]
    return pd.DataFrame({"sublayer": range(len(labels)), "label": list(labels), "kind": kinds})


def named(table: pd.DataFrame, scored: ScoredTask) -> pd.DataFrame:
    """The table with the columns model, task and score in front."""
    table = table.copy()
    for place, (name, text) in enumerate(
        {"model": scored.model, "task": scored.task, "score": scored.scores.metric}.items()
    ):
        table.insert(place, name, text)
    return table


def write_table(table: pd.DataFrame, scored: ScoredTask, output: Path) -> None:
    """Write a table as CSV with the columns model, task and score in front; numbers to 10 digits."""
    named(table, scored).to_csv(output, index=False, float_format="%.10g", lineterminator="\n")


def read_rows(paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of several CSV files, one after another in the order given.

    Raises CornerstoneError naming a file that holds no table.
    """
    return pd.concat([_read_csv(path) for path in paths], ignore_index=True)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except ValueError as error:  # empty, or cut off in a line
        raise CornerstoneError(
            f"{path} holds no table ({error}): remove it, then type the same command again"
        ) from error
