"""What the layouts of several tables share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import percent


def markdown(table: pd.DataFrame) -> str:
    """A frame of text as a Markdown table."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def rows_or(sentence: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """The rows as a frame; the sentence where there are none."""
    return pd.DataFrame(rows) if rows else pd.DataFrame({"Model": [sentence]})


def of_paper(row, column: str, title: str) -> dict[str, str]:
    """A cell with the paper's number, in a study that has the column."""
    return {title: percent(getattr(row, column))} if hasattr(row, column) else {}


def without_empty_paper_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The table's columns, those that begin with paper_ only where they hold a number."""
    empty = [name for name in table if name.startswith("paper_") and table[name].isna().all()]
    return table.drop(columns=empty)


def prose(*sentences: str) -> str:
    """One paragraph of those sentences that are not empty."""
    return " ".join(sentence for sentence in sentences if sentence)


def on_lower_end(score: Score) -> str:
    """A warning for a score without a lower end; nothing for others."""
    if score.is_bounded:
        return ""
    return f"The {score.noun} has no lower end: a few documents may outweigh all others."
