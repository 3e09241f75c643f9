"""The results of a whole study: what its claims and tables are made of, and the arithmetic that they share.

results = Results(values=read_rows(paths), …, measured=read_measured(evaluations, documents, max_removed=4), top_k=3)
results.cornerstones["llama3_8b"]    # ["Attn 0", "FFN 0", "FFN 1"]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.documents.document import check_documents_file
from cornerstone.scores import Score, score_of_all
from cornerstone.statistics.shares import mean_shares, shares, top_k_stability
from cornerstone.values.document_numbers import DocumentNumbers, document_numbers, task_draws, task_means
from cornerstone.values.perplexities import COLUMNS, DIVISORS, perplexity_rows
from cornerstone.values.published import Published
from cornerstone.values.scored_task import read_choices, score_task
from cornerstone.values.side_by_side import Unshared, on_shared
from cornerstone.values.titles import Titles


@dataclass(frozen=True, eq=False)
class Results:
    """What claims and tables are made of.

    values, ablation, joint, agreement, interactions: the rows of those CSV files of every model and task.
    measured:  the same document by document, for averages with intervals.
    top_k:     how many sublayers of each model are its cornerstones.
    margin:    how far above guessing a score still counts as guessing.
    published: the paper's numbers, where they concern this study; what its models and tasks are.
    titles:    how sentences in tables call models and tasks.
    corrected: the rows of `corrected.corrected_rows` of every model and task; None where there are none.
    perplexities: those of `perplexities.perplexity_rows` of every model and task; no rows where there are none.
    """

    values: pd.DataFrame
    ablation: pd.DataFrame
    joint: pd.DataFrame
    agreement: pd.DataFrame
    interactions: pd.DataFrame
    measured: tuple[DocumentNumbers, ...]
    top_k: int
    margin: float = 0.05
    published: Published = field(default_factory=Published)
    titles: Titles = field(default_factory=Titles)
    corrected: pd.DataFrame | None = None
    perplexities: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))

    @property
    def models(self) -> list[str]:
        return list(self.values["model"].unique())

    @property
    def score(self) -> Score:
        """The study's; where it is another one on each task, these have the same unit."""
        return score_of_all(numbers.metric for numbers in self.measured)

    @cached_property
    def cornerstones(self) -> dict[str, list[str]]:
        return cornerstones(self.values, self.top_k)

    @cached_property
    def found(self) -> dict[str, np.ndarray]:
        """How often each sublayer of each model is a cornerstone of resampled documents: stability, not confidence."""
        return {model: found_in_resamples(self.of_model(model), self.top_k) for model in self.models}

    def of_model(self, model: str) -> list[DocumentNumbers]:
        """Its tasks, in order."""
        return [numbers for numbers in self.measured if numbers.model == model]

    def is_cornerstone(self, model: str) -> np.ndarray:
        """Whether each of the model's sublayers is one of its cornerstones."""
        return np.isin(self.of_model(model)[0].labels, self.cornerstones[model])


def read_measured(
    evaluations: Sequence[Sequence[Path]],
    documents: Sequence[Path],
    *,
    max_removed: int,
    edges: str = "both",
    estimator: str = "windows",
    score: str = "paper",
    unshared: Unshared | None = None,
) -> tuple[DocumentNumbers, ...]:
    """The numbers of each model and task: evaluations[i] of its designs, documents[i].

    unshared: the documents to do without, for some model left them out.
    Raises CornerstoneError where a file, a coalition, a row or the metric is missing, and where no document is shared.
    """
    return tuple(
        document_numbers(
            score_task(on_shared(read_choices(files, asked), unshared or {}), score),
            max_removed=max_removed,
            edges=edges,
            estimator=estimator,
        )
        for files, asked in zip(evaluations, documents, strict=True)
    )


def read_perplexities(
    evaluations: Sequence[Sequence[Path]], documents: Sequence[Path], unshared: Unshared | None = None
) -> pd.DataFrame:
    """`perplexity_rows` of each model and task that has any: evaluations[i] of its designs, documents[i].

    Only the evaluation of the design ablation is read.
    """
    tables = [
        perplexity_rows(on_shared(read_choices(_single_removals(files), asked), unshared or {}))
        for files, asked in zip(evaluations, documents, strict=True)
        if set(check_documents_file(asked)["metrics"]) & set(DIVISORS)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _single_removals(evaluations: Sequence[Path]) -> list[Path]:
    return [path for path in evaluations if path.stem == "ablation"]


def cornerstones(values: pd.DataFrame, top_k: int) -> dict[str, list[str]]:
    """Each model's cornerstones: the top_k sublayers by share averaged over its tasks, largest first.

    Fewer where fewer have a share above zero; none where no value of the model is positive.
    """
    of_models = {model: shares_of(rows) for model, rows in values.groupby("model", sort=False)}
    return {model: [label for _, label in mean[mean > 0].index[:top_k]] for model, mean in of_models.items()}


def shares_of(rows: pd.DataFrame) -> pd.Series:
    """Share averaged over the tasks of a model that have shares, by (sublayer, label), largest first."""
    mean = rows.groupby(["sublayer", "label"])["share"].mean()
    return mean.sort_values(ascending=False, kind="stable")


def tasks_with_shares(rows: pd.DataFrame) -> int:
    """On how many of a model's tasks a value is positive."""
    return rows["task"][rows["share"] > 0].nunique()


def found_in_resamples(of_tasks: Sequence[DocumentNumbers], top_k: int) -> np.ndarray:
    """The `top_k_stability` of each sublayer by share averaged over tasks, over resampled documents."""
    of_each = [shares(n.rounded(task_means(n.values, n.task))) for n in of_tasks]
    return top_k_stability(mean_shares(np.array(of_each)), top_k)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A number and its draws over resampled documents, shape (resamples,)."""

    estimate: float
    draws: np.ndarray


def joint_and_single(
    of_tasks: Sequence[DocumentNumbers], chosen: Sequence[tuple[int, ...]]
) -> tuple[Drawn, Drawn, Drawn]:
    """Means over these windows and tasks of the joint drops, of the single ones and of joint − single."""
    parts = []
    for numbers in of_tasks:
        row = {window: i for i, window in enumerate(numbers.windows)}
        rows = [row[window] for window in chosen]
        joint, single = numbers.joint[rows].mean(axis=0), numbers.single[rows].mean(axis=0)
        parts.append([(each, numbers.task) for each in (joint, single, joint - single)])
    reach, summed = of_tasks[0].reach, of_tasks[0].reach * float(np.mean([len(window) for window in chosen]))
    joint, single, excess = (
        mean_over_tasks(of_kind, largest)
        for of_kind, largest in zip(zip(*parts, strict=True), (reach, summed, summed), strict=True)
    )
    return joint, single, excess


def mean_over_tasks(rows: Sequence[tuple[np.ndarray, str]], reach: float = inf) -> Drawn:
    """The mean over tasks of rows (a number per document, the task), whose draws stay within −reach to reach."""
    draws = [task_draws(per_document, task, reach)[0] for per_document, task in rows]
    return Drawn(float(np.mean([row.mean() for row, _ in rows])), np.mean(draws, axis=0))
