"""The numbers of several models on the same documents, for the tables that show them side by side.

    unshared = unshared_documents(evaluations)          # {"boolq": {3, 17}}
    measured = read_measured(…, unshared=unshared)
    rows = shared_rows(rows, designs, documents, unshared, TableSettings(max_removed=4))

Where the configuration says `unscorable: skip`, a model's own files leave out the documents that its tokenizer cannot
score. The tables leave them out for every model, so that all are measured on the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.ablation import effect_table
from cornerstone.values.agreement import compared_scores
from cornerstone.values.estimates import estimated, value_table
from cornerstone.values.interactions import interaction_table
from cornerstone.values.joint import joint_table
from cornerstone.values.rows import of_task, with_unit
from cornerstone.values.score_matrix import Scores
from cornerstone.values.scored_task import EvaluatedTask, read_choices, score_task

Unshared = Mapping[str, Collection[int]]
"""Task -> the indices of its documents that some model left out."""


@dataclass(frozen=True)
class TableSettings:
    """What the numbers of a study depend on besides its evaluations: the configuration's keys of these names.

    margin: its collapse_margin.
    """

    max_removed: int
    edges: str = "both"
    estimator: str = "windows"
    score: str = "paper"
    top_k: int = 3
    margin: float = 0.05


def unshared_documents(evaluations: Iterable[Path]) -> dict[str, set[int]]:
    """The documents of each task that some of these evaluations left out, by their footers.

    A task that all could score whole is not there.
    """
    unshared: dict[str, set[int]] = {}
    for path in evaluations:
        metadata = read_evaluation_metadata(path)
        if left_out := metadata["documents"].get("left_out"):
            unshared.setdefault(metadata["task"], set()).update(left_out)
    return unshared


def on_shared(evaluated: EvaluatedTask, unshared: Unshared) -> EvaluatedTask:
    """A model's evaluations of a task without the documents that another model left out.

    Raises CornerstoneError where none is left.
    """
    unwanted = set(unshared.get(evaluated.task, ()))
    if not unwanted & set(evaluated.documents):
        return evaluated
    if not set(evaluated.documents) - unwanted:
        raise CornerstoneError(
            f"no document of {evaluated.task} that {evaluated.model} is evaluated on can be scored by every model, so "
            "the tables have nothing to compare: leave out the task or a model"
        )
    return evaluated.some(set(evaluated.documents) - unwanted)


def shared_rows(
    rows: Mapping[str, pd.DataFrame],
    evaluations: Sequence[Sequence[Path]],
    documents: Sequence[Path],
    unshared: Unshared,
    settings: TableSettings,
) -> dict[str, pd.DataFrame]:
    """The rows of the CSV files of every model and task, on the shared documents.

    rows: of values, ablation, joint, agreement and interactions, as the files have them. evaluations[i]: of a model
    and task, by design; documents[i]: its documents. Worked out again only where a model has documents that others
    left out.
    """
    shared = dict(rows)
    for files, asked in zip(evaluations, documents, strict=True):
        if read_evaluation_metadata(files[0])["task"] not in unshared:
            continue
        evaluated = read_choices(files, asked)
        on_all = on_shared(evaluated, unshared)
        if on_all is not evaluated:
            for name, table in _tables_of(on_all, rows["interactions"], settings).items():
                shared[name] = _in_place(shared[name], table)
    return shared


def _tables_of(
    evaluated: EvaluatedTask, interactions: pd.DataFrame, settings: TableSettings
) -> dict[str, pd.DataFrame]:
    """By name what the rules of values and of removal effects make of a model's evaluations of a task."""
    scored = score_task(evaluated, settings.score)
    scores, labels = scored.scores, scored.labels
    estimate = estimated(settings.estimator, scored, settings.max_removed, settings.edges)
    known = interactions[(interactions["model"] == scored.model) & (interactions["task"] == scored.task)]
    pairs = set(known[["first", "second"]].itertuples(index=False, name=None))
    tables = {
        "values": of_task(value_table(scores, labels, estimate, settings.top_k), scored),
        "ablation": of_task(effect_table(scores, labels, settings.margin), scored),
        "joint": of_task(joint_table(scores, labels, settings.max_removed), scored),
        "agreement": compared_scores(evaluated, settings.score),
        "interactions": of_task(interaction_table(_with_pairs(scores, pairs), labels), scored),
    }
    return {name: with_unit(table) for name, table in tables.items()}


def _with_pairs(scores: Scores, pairs: Collection[tuple[int, int]]) -> Scores:
    """The scores without those pairs that are there by chance, from a design of random coalitions."""
    kept = [len(removed) != 2 or removed in pairs for removed in scores.coalitions]
    coalitions = tuple(removed for removed, keep in zip(scores.coalitions, kept, strict=True) if keep)
    return replace(scores, coalitions=coalitions, matrix=scores.matrix[kept])


def _in_place(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows with those of the table's model and task in the place of the old ones."""
    model, task = table[["model", "task"]].iloc[0] if len(table) else ("", "")
    old = np.flatnonzero((rows["model"] == model) & (rows["task"] == task))
    if not len(old):
        return rows
    before, after = rows.iloc[: old[0]], rows.iloc[old[-1] + 1 :]
    return pd.concat([part for part in (before, table, after) if len(part)], ignore_index=True)
