"""How many documents are enough: how wide the intervals are, and what narrower ones take.

    precision_table(measured)        # a row per model, task and kind of number; `snakemake precision` prints it

A half-width is that of the 95 % interval of a sublayer's effect or value, 1.96 · √(s² + 2 c² / n) / √n, where s is
the standard deviation over documents and c the change on a made-up document (see `resampling`). As the tables'
intervals it speaks of documents like these; of the task's own scored split alone one knows more, and all of it
leaves no doubt (the finite-population correction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, Score
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.statistics.resampling import typical_change
from cornerstone.system.text import duration
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.values.document_numbers import DocumentNumbers

NOTE = (
    "Half-width of the 95 % interval of a sublayer's effect of removal, and of its value: the median over sublayers "
    "and the widest now, and how many documents like these it takes until the widest is as narrow as said, with the "
    "time for them on the devices that were used. In brackets: how many of the task's own documents, for what is said "
    "of these alone. The keys documents and sample of the configuration set it."
)
NORMAL = 1.959964
"""The quantile of the normal distribution that leaves 2.5 % above it."""
RULE_OF_THREE = 3.0
"""What was seen on none of n documents may, at 95 %, still happen on 3/n of them (Hanley & Lippman-Hand 1983)."""


def half_widths(per_document: np.ndarray) -> np.ndarray:
    """Half-widths of the 95 % intervals of row means of (rows, documents); infinite for a single document."""
    n = per_document.shape[1]
    if n < 2:
        return np.full(len(per_document), np.inf)
    return NORMAL * np.sqrt(per_document.var(axis=1) + 2 * typical_change(per_document) ** 2 / n) / np.sqrt(n)


def documents_needed(width_now: float, documents: int, width: float, score: Score) -> int:
    """How many documents like these a half-width takes that is `width_now` with `documents` of them.

    Never fewer than what could show an effect of that size at all on right answers: 3 / width.
    """
    least = RULE_OF_THREE / width if score.is_accuracy else 2
    return int(np.ceil(max(documents * (width_now / width) ** 2, least)))


def documents_needed_of(population: int, like_these: int) -> int:
    """The sample size for a finite population that is as precise as `like_these` of an infinite one.

    n = n₀ / (1 + (n₀ − 1) / N), Cochran (1977), Sampling Techniques, eq. 4.5.
    """
    return min(population, int(np.ceil(like_these / (1 + (like_these - 1) / population))))


def designs_of(estimator: str) -> dict[str, tuple[str, ...]]:
    """The designs that must be evaluated for effects and for values."""
    return {
        "effect": ("ablation",),
        "value": tuple(dict.fromkeys(("ablation", "windows", *ESTIMATORS[estimator].designs))),
    }


def precision_table(measured: Sequence[DocumentNumbers]) -> pd.DataFrame:
    """A row per model, task and number ("effect", "value").

    documents, available: evaluated, and in the task's scored split (0: not known). median, widest: half-width now over
    the sublayers, no more than the largest difference of two scores. For each of the score's half_widths, w in its
    unit, so that no sublayer's is wider: documents_{w}, of documents like these; own_{w}, of the split's own, for what
    is said of that split alone; seconds_{w}: what evaluating documents_{w} takes on the devices that were used so far
    (NaN: not known).
    """
    return pd.DataFrame(
        [_row(numbers, *one) for numbers in measured for one in designs_of(numbers.estimator).items()]
    )


def _row(numbers: DocumentNumbers, kind: str, designs: Sequence[str]) -> dict[str, float | str]:
    n, score = len(numbers.documents), SCORES[numbers.metric]
    widths = half_widths({"effect": numbers.effects, "value": numbers.values}[kind])
    row = {
        "model": numbers.model,
        "task": numbers.task,
        "number": kind,
        "documents": n,
        "available": numbers.available,
        "median": min(float(np.median(widths)), score.reach),
        "widest": min(float(widths.max()), score.reach),
    }
    seconds = sum(numbers.seconds.get(design, np.nan) for design in designs) / n
    for width in score.half_widths if n > 1 else ():
        needed = documents_needed(widths.max(), n, width, score)
        own = documents_needed_of(numbers.available, needed) if numbers.available else np.nan
        row |= {
            f"documents_{width:g}": needed,
            f"own_{width:g}": own,
            f"seconds_{width:g}": seconds * needed,
        }
    return row


def precision_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    names = {"effect": "Effect", "value": "Value"}
    rows = [
        {
            "Model": view.titles.model(row["model"]),
            "Task": view.titles.task(row["task"]),
            "Number": names[row["number"]],
            "Documents": f"{row['documents']:,}" + (f" of {row['available']:,}" if row["available"] else ""),
            unit.difference_heading("Median now"): f"±{unit.text(row['median'])}",
            unit.difference_heading("Widest now"): f"±{unit.text(row['widest'])}",
            **{
                f"Documents for ±{unit.exact(width)}": _documents_cell(row, width)
                for width in view.score.half_widths
            },
        }
        for row in table.to_dict("records")
    ]
    return [Section("How many documents are enough", NOTE, pd.DataFrame(rows))]


def _documents_cell(row: Mapping[str, float], width: float) -> str:
    """ "1,240 (890), 3 min": of documents like these, of the task's own, and the time."""
    needed, own, seconds = (row.get(f"{what}_{width:g}") for what in ("documents", "own", "seconds"))
    if pd.isna(needed):  # a single document tells no spread
        return ""
    own = "" if pd.isna(own) else f" ({own:,.0f})"
    return f"{needed:,.0f}{own}" + ("" if pd.isna(seconds) else f", {duration(seconds)}")


TABLES.register(
    Table(
        name="precision",
        about="how wide the intervals are, and how many documents narrower ones would take (`snakemake "
        "precision` prints it)",
        make=lambda results: precision_table(results.measured),
        sections=precision_sections,
        is_folded=False,
        order=130,
    )
)
