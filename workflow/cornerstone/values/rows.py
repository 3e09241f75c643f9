"""What every CSV file of values, effects and interactions has in common. Figures are drawn from such rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cornerstone.models.kinds import kinds_of
from cornerstone.scores import SCORES, Score
from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    from cornerstone.values.scored_task import ScoredTask

NAMES = (
    *(
        "model",
        "task",
        "given",
        "generating",
        "label",
        "first_label",
        "second_label",
        "labels",
        "cornerstones",
    ),
    *("top", "unseen_labels", "only_generation_labels", "only_likelihood_labels", "claim"),
)
"""Columns that hold names of a user's own, or lists of them."""


def sublayer_columns(labels: Sequence[str]) -> pd.DataFrame:
    """Columns sublayer (number of the player), label and kind (attn, ffn, moe …, block) of players by their labels."""
    kinds = [kind.name for kind in kinds_of(labels)]
    return pd.DataFrame({"sublayer": range(len(labels)), "label": list(labels), "kind": kinds})


def write_table(table: pd.DataFrame, scored: ScoredTask, output: Path) -> None:
    """Write a table as CSV with the columns model, task and score in front, and unit at the end."""
    write_csv(of_task(table, scored), output)


def of_task(table: pd.DataFrame, scored: ScoredTask) -> pd.DataFrame:
    """The table with the columns model, task and score in front."""
    return named(table, model=scored.model, task=scored.task, score=scored.scores.metric)


def named(table: pd.DataFrame, **names: str) -> pd.DataFrame:
    """The table with these columns in front."""
    return pd.concat([pd.DataFrame(names, index=table.index), table], axis=1)


def with_unit(table: pd.DataFrame, score: Score | None = None) -> pd.DataFrame:
    """The table with unit as its last column: what scores and differences are in.

    It is that of the row's score; score: of a table without such a column. A table that has a unit keeps it, and one
    of words alone gets none.
    """
    if "unit" in table or table.select_dtypes("number").empty:
        return table
    units = table["score"].map(lambda name: SCORES[name].unit.in_files) if "score" in table else None
    return table.assign(unit=score.unit.in_files if units is None else units)


def write_csv(table: pd.DataFrame, output: Path, score: Score | None = None) -> None:
    """Write a table `with_unit` as CSV, numbers to 10 digits."""
    table = with_unit(table, score)
    table.to_csv(output, index=False, float_format="%.10g", lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """A table that `write_csv` wrote. Names are texts, whatever they look like: "007", "NA". Raises ValueError of
    pandas where it is none."""
    return pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""])


def read_rows(paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of several CSV files, one after another in the order given.

    Raises CornerstoneError naming a file that holds no table.
    """
    return pd.concat([_read_csv(path) for path in paths], ignore_index=True)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return read_csv(path)
    except ValueError as error:  # empty, or cut off in a line
        raise CornerstoneError(
            f"{path} holds no table ({error}): remove it, then type the same command again"
        ) from error
