"""The drop of the score when one sublayer is removed, cornerstones compared with the others: Tables 3 and 4.

drops_table(results)            # tables/drops.csv
drops_by_task_table(results)    # tables/drops_by_task.csv
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.scores import Score
from cornerstone.scores.unit import Unit
from cornerstone.statistics.resampling import interval
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import of_paper, on_lower_end, prose, without_empty_paper_columns
from cornerstone.values.document_numbers import DocumentNumbers, task_draws
from cornerstone.values.results import Results

NOTE = (
    "The paper's Table 3. Full score minus the score without one sublayer, mean over sublayers and over tasks, with "
    "95 % intervals: paired bootstrap over documents, tasks independent. The cornerstones were chosen on the same "
    "documents and are held fixed. Where the choice is close, this makes their drops a little too large and the "
    "others' a little too small. A model without a positive value on any task has no cornerstones: all its sublayers "
    "are others."
)


def drops_by_task_table(results: Results) -> pd.DataFrame:
    """Table 4: a row per model and task, full score less the score without one sublayer.

    cornerstone_drop, other_drop: averaged over the cornerstones and over all others, each with its 95 %
    interval …_low, …_high: paired bootstrap over documents, the same resamples for all sublayers.
    """
    rows = []
    for numbers in results.measured:
        drops, draws = _drops(numbers, results.is_cornerstone(numbers.model))
        paper = results.published.other_drop(numbers.model, numbers.task, results.top_k)
        row = {"model": numbers.model, "task": numbers.task, "documents": len(numbers.documents)}
        rows.append(row | _drop_columns(drops, draws) | {"paper_other_drop": paper})
    return without_empty_paper_columns(pd.DataFrame(rows))


def drops_table(results: Results) -> pd.DataFrame:
    """Table 3: a row per model, the drops of `drops_by_task_table` averaged over its tasks.

    For the intervals tasks are resampled independently.
    """
    rows = []
    for model in results.models:
        of_tasks = [_drops(numbers, results.is_cornerstone(model)) for numbers in results.of_model(model)]
        drops, draws = (np.mean(parts, axis=0) for parts in zip(*of_tasks, strict=True))
        row = {"model": model, "cornerstones": ", ".join(results.cornerstones[model]), "tasks": len(of_tasks)}
        paper = {
            f"paper_{which}_drop": results.published.drop(model, which, results.top_k)
            for which in ("cornerstone", "other")
        }
        rows.append(row | _drop_columns(drops, draws) | paper)
    return without_empty_paper_columns(pd.DataFrame(rows))


def _drops(numbers: DocumentNumbers, is_cornerstone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean drops of the cornerstones and of the others: (2,), and their draws, (2, resamples)."""
    groups = [numbers.effects[group] for group in (is_cornerstone, ~is_cornerstone)]
    empty = np.full(len(numbers.documents), np.nan)  # a model whose sublayers are all cornerstones
    rows = np.array([group.mean(axis=0) if len(group) else empty for group in groups])
    return rows.mean(axis=1), task_draws(rows, numbers.task, numbers.reach)


def _drop_columns(drops: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    low, high = interval(draws)
    return {
        f"{which}_{what}": numbers[i]
        for i, which in enumerate(("cornerstone", "other"))
        for what, numbers in (("drop", drops), ("low", low), ("high", high))
    }


def drops_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Cornerstones": "none" if pd.isna(row.cornerstones) or not row.cornerstones else row.cornerstones,
            **_drop_cells(row, "cornerstone", "Drop without a cornerstone", unit),
            **_drop_cells(row, "other", "Drop without another sublayer", unit),
            "Tasks": row.tasks,
        }
        for row in table.itertuples()
    ]
    title = "Table 3: drop of the score when one sublayer is removed, mean over tasks"
    return [Section(title, NOTE, pd.DataFrame(rows))]


def drops_by_task_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            **_drop_cells(row, "other", "Drop without another sublayer", unit),
            **_drop_cells(row, "cornerstone", "Drop without a cornerstone", unit),
            "Documents": f"{row.documents:,}",
        }
        for row in table.itertuples()
    ]
    title = "Table 4: drop of the score when one sublayer is removed, by task"
    return [Section(title, _note_by_task(view.score), pd.DataFrame(rows))]


def _drop_cells(row, which: str, title: str, unit: Unit) -> dict[str, str]:
    number, low, high = (getattr(row, f"{which}_{what}") for what in ("drop", "low", "high"))
    ours = {unit.difference_heading(title): unit.with_interval(number, low, high)}
    return ours | of_paper(row, f"paper_{which}_drop", f"{which.capitalize()}, in the paper")


def _note_by_task(score: Score) -> str:
    return prose(
        "The paper's Table 4 (drops without one other sublayer), beside the cornerstones' drops; see the note of "
        "Table 3.",
        "Where no answer changed the interval is ± 3 / documents: up to that part of all documents may still be "
        "affected."
        if score.is_accuracy
        else "",
        on_lower_end(score),
    )


TABLES.register(
    Table(
        name="drops",
        about="Table 3 of the paper: the drop without one cornerstone and without one other sublayer, "
        "means over tasks",
        make=drops_table,
        sections=drops_sections,
        is_folded=False,
        order=80,
    )
)
TABLES.register(
    Table(
        name="drops_by_task",
        about="Table 4 of the paper: the drop without one cornerstone and without one other sublayer, by task",
        make=drops_by_task_table,
        sections=drops_by_task_sections,
        is_folded=False,
        order=90,
    )
)
