"""How many documents are enough: how wide the intervals are, and what narrower ones need.

    precision_table(measured)        # a row per model, task and kind of number; `snakemake precision` prints it

As the tables' intervals, half-widths speak of documents like these. A statement about the task's own scored split needs
fewer documents: evaluating all of it leaves no error of sampling (the finite-population correction), but that of
drawing coalitions. Where each document has coalitions of its own, there are rows of mixes too: of how many documents,
and how many pairs of coalitions of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, Score
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.pair_variances import TOP
from cornerstone.system.text import duration
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import prose
from cornerstone.values.document_numbers import DocumentNumbers
from cornerstone.values.mixes import MIX, MIX_OF_ALL, RANKS, mix_rows
from cornerstone.values.sample_sizes import documents_needed, documents_needed_of, half_widths

NOTE = (
    "Half-widths of the 95 % intervals of sublayers' effects of removal, and of their values: the median over "
    "sublayers, and the widest. Then how many documents like these are needed until the widest is as narrow as "
    "stated, with the time to evaluate them on the devices used so far. In brackets: how many of the task's own "
    "documents are needed for a statement about these alone. Set the number with documents or sample in the "
    "configuration."
)
NONE_ENOUGH = "None: with so few coalitions per document, even all documents of the task are not enough."
MIX_NOTE = (
    "What more documents, and more coalitions of each document, would gain. A mix is a number of documents × a number "
    "of pairs of coalitions per document. Goals: the widest 95 % interval of a value as narrow as stated, or the "
    "ranks of the three largest values known. A mix reaches the latter four times out of five. Both are estimated "
    "from these documents, with the noise in single values smoothed. Work is that of the whole mix, single removals "
    "and windows included, as a multiple of all that was evaluated so far (max_removed: 1 omits the windows). What is "
    "evaluated already is not evaluated again. The cheapest mix has no more documents than the task. The last column "
    "is the cheapest mix for a statement about the task's own documents alone. An empty cell: it would take more "
    "documents than there are, or more than four times as many pairs, which is beyond what can be predicted."
)


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
    (NaN: not known). own_{w} of values with per-document coalitions is infinite where all are too few. Then
    the rows of `mix_rows`.
    """
    rows = [_row(numbers, *one) for numbers in measured for one in designs_of(numbers.estimator).items()]
    return pd.DataFrame([*rows, *mix_rows(measured)])


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
    between = 1.0 if kind == "effect" else _between_part(numbers)
    is_known = numbers.available and between is not None
    for width in score.half_widths if n > 1 else ():
        needed = documents_needed(widths, n, width, score)
        own = documents_needed_of(numbers.available, needed, between).max() if is_known else np.nan
        row |= {
            f"documents_{width:g}": int(needed.max()),
            f"own_{width:g}": own,
            f"seconds_{width:g}": seconds * int(needed.max()),
        }
    return row


def _between_part(numbers: DocumentNumbers) -> float | np.ndarray | None:
    """The part of the values' variances that all documents of a task leave nothing of; None where it is not known, as
    documents have coalitions together (documents_per_draw)."""
    if ESTIMATORS[numbers.estimator].of_documents is None:
        return 1.0
    return None if numbers.drawing is None else numbers.drawing.between_part[: len(numbers.labels)]


def precision_sections(table: pd.DataFrame, view: View) -> list[Section]:
    """How many documents are enough; then the mixes, where there are any."""
    mixes = table[table["number"].isin([MIX, MIX_OF_ALL])]
    rows = table[~table.index.isin(mixes.index)].to_dict("records")
    text = [_text(row, view) for row in rows]
    is_none_enough = np.isinf(table.filter(regex=r"^own_[\d.]+$")).any(axis=None)
    note = prose(NOTE, NONE_ENOUGH if is_none_enough else "")
    found = [Section("How many documents are enough", note, pd.DataFrame(text))]
    return found if mixes.empty else [*found, _mix_section(mixes, view)]


def _text(row: Mapping[str, float], view: View) -> dict[str, object]:
    unit = view.score.unit
    names = {"effect": "Effect", "value": "Value"}
    return {
        "Model": view.titles.model(row["model"]),
        "Task": view.titles.task(row["task"]),
        "Number": names[row["number"]],
        "Documents": f"{row['documents']:,.0f}"
        + (f" of {row['available']:,.0f}" if row["available"] else ""),
        unit.difference_heading("Median now"): f"±{unit.text(row['median'])}",
        unit.difference_heading("Widest now"): f"±{unit.text(row['widest'])}",
        **{
            f"Documents for ±{unit.exact(width)}": _documents_cell(row, width)
            for width in view.score.half_widths
        },
    }


def _documents_cell(row: Mapping[str, float], width: float) -> str:
    """ "1,240 (890), 3 min": of documents like these, of the task's own, and the time."""
    needed, own, seconds = (row.get(f"{what}_{width:g}") for what in ("documents", "own", "seconds"))
    if pd.isna(needed):  # a single document tells no spread
        return ""
    own = "" if pd.isna(own) else " (none)" if np.isinf(own) else f" ({own:,.0f})"
    return f"{needed:,.0f}{own}" + ("" if pd.isna(seconds) else f", {duration(seconds)}")


def _mix_section(mixes: pd.DataFrame, view: View) -> Section:
    """A row per model, task and goal; the note ends with the cheapest mix for each goal on all of them."""
    of_each = mixes[mixes["number"] == MIX].to_dict("records")
    of_all = mixes[mixes["number"] == MIX_OF_ALL].to_dict("records") or of_each
    rows = [
        {
            "Model": view.titles.model(row["model"]),
            "Task": view.titles.task(row["task"]),
            "Goal": _goal(row["goal"], view.score),
            "Now": f"{row['documents']:,.0f} × {row['pairs']:,.0f}: {_now(row, view.score)}",
            **{
                heading: _mix_cell(row, mix)
                for heading, mix in (
                    ("More documents (work)", "same_pairs"),
                    ("More pairs (work)", "same_documents"),
                    ("Cheapest mix (work)", "cheapest"),
                    ("Of the task alone (work)", "own"),
                )
            },
        }
        for row in of_each
    ]
    cheapest = [_cheapest(row, view.score) for row in of_all]
    return Section("Documents, and coalitions per document", prose(MIX_NOTE, *cheapest), pd.DataFrame(rows))


def _goal(goal: str, score: Score) -> str:
    """ "ranks of the top 3", "±2 points"."""
    if goal == RANKS:
        return f"ranks of the top {TOP}"
    return f"±{score.unit.exact(float(goal))} {score.unit.of_differences}".rstrip()


def _now(row: Mapping[str, float], score: Score) -> str:
    return f"{row['now']:.0f} of {TOP}" if row["goal"] == RANKS else f"±{score.unit.text(row['now'])}"


def _mix_cell(row: Mapping[str, float], mix: str) -> str:
    """ "820 × 14 (0.9), 3 min": documents, pairs of each, the work and the time."""
    if pd.isna(row[f"{mix}_documents"]):
        return ""
    seconds = row[f"{mix}_seconds"]
    text = f"{row[f'{mix}_documents']:,.0f} × {row[f'{mix}_pairs']:,.0f} ({_times(row[f'{mix}_work'])})"
    return text + ("" if pd.isna(seconds) else f", {duration(seconds)}")


def _times(work: float) -> str:
    """ "0.35", "1.2", "12": two digits, and all before the point."""
    return f"{work:.2g}" if work < 100 else f"{work:,.0f}"


def _cheapest(row: Mapping[str, float], score: Score) -> str:
    """The cheapest mix in a sentence, with the keys to set."""
    goal = _goal(row["goal"], score)
    where = " on all models and tasks" if row["number"] == MIX_OF_ALL else ""
    if pd.isna(row["cheapest_documents"]):
        return f"No mix reaches {goal}{where}."
    seconds = row["cheapest_seconds"]
    time = "" if pd.isna(seconds) else f", {duration(seconds)}"
    return (
        f"Cheapest for {goal}{where}: `documents: {row['cheapest_documents']:.0f}` with "
        f"`document_pairs: {row['cheapest_pairs']:.0f}` ({_times(row['cheapest_work'])} times the work so far{time})."
    )


TABLES.register(
    Table(
        name="precision",
        about="how wide the intervals are, and what narrower ones need: documents, and pairs of coalitions per "
        "document (`snakemake precision` prints it)",
        make=lambda results: precision_table(results.measured),
        sections=precision_sections,
        is_folded=False,
        order=130,
    )
)
