"""Tables of a whole study, as CSV (numbers, by name) and Markdown (text, by title).

    {values,ablation,joint,agreement,interactions}/{model}/{task}.csv + evaluations/{model}/{task}/{design}.parquet
        -> tables/{name}.{csv,md}

    claims, evidence            what the data say of the paper's claims, and every number behind that
    scores, scores_side_by_side  the full models, by the study's score and by every other
    shares, shares_by_task      the paper's Table 1
    cornerstones                Table 2
    drops, drops_by_task        Tables 3 and 4
    joint                       removing runs of sublayers together
    overlap, totals             pairs and where they overlap; attention against FFN, and by depth (modules of their own)
    precision                   how wide the intervals are, and what narrower ones take
    values, ablation            every sublayer

Columns that begin with paper_ are there only where a model of the study is one of the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, Score
from cornerstone.statistics.resampling import interval
from cornerstone.statistics.shares import shares, top_k_stability
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.document_numbers import DocumentNumbers, document_numbers, task_draws, task_means
from cornerstone.values.published import Published
from cornerstone.values.scored_task import read_scores

MEAN = "mean"
"""In the column task: the mean over the tasks."""


@dataclass(frozen=True)
class Titles:
    """How models and tasks are called in print; those not listed keep their names."""

    models: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)

    def model(self, name: str) -> str:
        return self.models.get(name, name)

    def task(self, name: str) -> str:
        return "Mean over tasks" if name == MEAN else self.tasks.get(name, name)


@dataclass(frozen=True, eq=False)
class Results:
    """What the tables are made of.

    values, ablation, joint, agreement, interactions: the rows of those CSV files of every model and task.
    measured:  the same document by document, for averages with intervals.
    top_k:     how many sublayers of each model are its cornerstones.
    margin:    how far above guessing a score still counts as guessing.
    published: the paper's numbers, where they concern this study.
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

    @property
    def models(self) -> list[str]:
        return list(self.values["model"].unique())

    @property
    def score(self) -> Score:
        """The study's; where it is another one on each task, these have the same unit."""
        return SCORES[self.measured[0].metric]

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


def read_measured(
    evaluations: Sequence[Sequence[Path]],
    documents: Sequence[Path],
    *,
    max_removed: int,
    edges: str = "both",
    estimator: str = "windows",
    score: str = "paper",
) -> tuple[DocumentNumbers, ...]:
    """The numbers of each model and task: evaluations[i] of its designs, documents[i].

    Raises CornerstoneError where a file, a coalition, a row or the metric is missing.
    """
    return tuple(
        document_numbers(
            read_scores(files, asked, score), max_removed=max_removed, edges=edges, estimator=estimator
        )
        for files, asked in zip(evaluations, documents, strict=True)
    )


def cornerstones(values: pd.DataFrame, top_k: int) -> dict[str, list[str]]:
    """Each model's cornerstones: the top_k sublayers by share averaged over its tasks, largest first."""
    return {
        model: [label for _, label in _mean_shares(rows).index[:top_k]]
        for model, rows in values.groupby("model", sort=False)
    }


def scores_table(ablation: pd.DataFrame) -> pd.DataFrame:
    """The full model's score: a row per model and task, with interval, chance and best constant answer."""
    first = ablation.drop_duplicates(["model", "task"])
    columns = "model task score documents full full_low full_high chance constant constant_low constant_high"
    return first[columns.split()].reset_index(drop=True)


def shares_by_task_table(values: pd.DataFrame, top_k: int) -> pd.DataFrame:
    """How concentrated the values are: a row per model and task.

    top_share: share of the task's own top_k sublayers, named in top; other_share: of all others;
    noise_share: what noise alone would give the top_k; cornerstone_share: of the model's cornerstones, the
    same on every task; signed_share, low, high: of the task's top_k in the signed sum, with its 95 %
    interval (empty where that sum is not surely above zero).
    """
    named = cornerstones(values, top_k)
    return pd.DataFrame(
        [
            _shares_row(rows, named[model], top_k)
            for model, of_model in values.groupby("model", sort=False)
            for _, rows in of_model.groupby("task", sort=False)
        ]
    )


def shares_table(values: pd.DataFrame, top_k: int, published: Published | None = None) -> pd.DataFrame:
    """Table 1, a row per model: the columns of `shares_by_task_table` as means over its tasks.

    documents is their sum. The signed share's interval adds the tasks' half widths in quadrature: tasks
    share no documents. paper_top_share, paper_other_share: what the paper has.
    """
    published = published or Published()
    rows = []
    for model, of_tasks in shares_by_task_table(values, top_k).groupby("model", sort=False):
        share = published.top_share(model, top_k)
        paper = {"paper_top_share": share, "paper_other_share": None if share is None else 1 - share}
        rows.append(_mean_shares_row(of_tasks) | paper)
    return _without_empty_paper_columns(pd.DataFrame(rows))


def cornerstones_table(results: Results) -> pd.DataFrame:
    """Table 2: a row per cornerstone, ours by rank and then those that only the paper names.

    rank: by share averaged over tasks. value, low, high: the value averaged over tasks with its 95 % interval.
    top_k_stability: the part of the resampled sets of documents in which it is one of the top_k (stability, not
    confidence): which sublayers are cornerstones is an estimate, too. paper: where the paper names it.
    """
    rows = []
    for model, values in results.values.groupby("model", sort=False):
        paper = results.published.cornerstones(model)
        mean, (low, high) = _mean_values(results.of_model(model))
        for rank, ((sublayer, label), share) in enumerate(_mean_shares(values).items(), start=1):
            if rank <= results.top_k or label in paper:
                row = {"model": model, "rank": rank, "sublayer": sublayer, "label": label, "share": share}
                worth = {"value": mean[sublayer], "low": low[sublayer], "high": high[sublayer]}
                told = {"top_k_stability": results.found[model][sublayer], "paper": paper.get(label)}
                rows.append(row | worth | told)
    table = pd.DataFrame(rows).rename(columns={"paper": "paper_names_it"})
    return _without_empty_paper_columns(table.assign(ours=table["rank"] <= results.top_k))


def _mean_values(of_tasks: Sequence[DocumentNumbers]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """A model's values averaged over its tasks, shape (sublayers,), and their intervals."""
    draws = np.mean([task_draws(numbers.values, numbers.task) for numbers in of_tasks], axis=0)
    return np.mean([numbers.values.mean(axis=1) for numbers in of_tasks], axis=0), interval(draws)


def found_in_resamples(of_tasks: Sequence[DocumentNumbers], top_k: int) -> np.ndarray:
    """The `top_k_stability` of each sublayer by share averaged over tasks, over resampled documents."""
    of_each = [shares(task_means(numbers.values, numbers.task)) for numbers in of_tasks]
    return top_k_stability(np.mean(of_each, axis=0), top_k)


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
    return _without_empty_paper_columns(pd.DataFrame(rows))


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
    return _without_empty_paper_columns(pd.DataFrame(rows))


def removals_together_table(results: Results) -> pd.DataFrame:
    """Removing runs of sublayers that hold no cornerstone: a row per model and size of the runs.

    joint: drop of the score, mean over runs and tasks; single: sum of the drops when their sublayers are
    removed one by one; excess = joint − single; each with its 95 % interval, that of the excess in low, high.
    windows: how many runs; more, less: of how many on single tasks the excess has an interval above and below zero.
    """
    rows = []
    for model in results.models:
        of_tasks, is_cornerstone = results.of_model(model), results.is_cornerstone(model)
        free = [w for w in of_tasks[0].windows if not is_cornerstone[list(w)].any()]
        signs = results.joint[results.joint["model"] == model].set_index("removed")
        for size in sorted({len(window) for window in free}):
            chosen = [window for window in free if len(window) == size]
            of_runs = joint_and_single(of_tasks, chosen)
            (joint, joint_low, joint_high), (single, single_low, single_high), (excess, low, high) = (
                (told.estimate, *interval(told.draws)) for told in of_runs
            )
            told = signs.loc[signs.index.isin([",".join(map(str, window)) for window in chosen])]
            rows.append(
                {
                    "model": model,
                    "size": size,
                    "windows": len(chosen),
                    "tasks": len(of_tasks),
                    "joint": joint,
                    "single": single,
                    "excess": excess,
                    "low": low,
                    "high": high,
                    "joint_low": joint_low,
                    "joint_high": joint_high,
                    "single_low": single_low,
                    "single_high": single_high,
                    "more": int((told["low"] > 0).sum()),
                    "less": int((told["high"] < 0).sum()),
                }
            )
    columns = (
        "model size windows tasks joint single excess low high joint_low joint_high single_low single_high"
    )
    return pd.DataFrame(rows, columns=[*columns.split(), "more", "less"])


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
    joint, single, excess = (mean_over_tasks(of_kind) for of_kind in zip(*parts, strict=True))
    return joint, single, excess


def mean_over_tasks(rows: Sequence[tuple[np.ndarray, str]]) -> Drawn:
    """The mean over tasks of rows (a number per document, the task)."""
    draws = [task_draws(per_document, task)[0] for per_document, task in rows]
    return Drawn(float(np.mean([row.mean() for row, _ in rows])), np.mean(draws, axis=0))


def study_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Every table of numbers by its name; `claims` adds its own two."""
    return {
        "scores": scores_table(results.ablation),
        "shares": shares_table(results.values, results.top_k, results.published),
        "shares_by_task": shares_by_task_table(results.values, results.top_k),
        "cornerstones": cornerstones_table(results),
        "drops": drops_table(results),
        "drops_by_task": drops_by_task_table(results),
        "joint": removals_together_table(results),
        "values": results.values,
        "ablation": results.ablation,
    }


def _mean_shares(rows: pd.DataFrame) -> pd.Series:
    """Share averaged over a model's tasks by (sublayer, label), largest first."""
    mean = rows.groupby(["sublayer", "label"])["share"].mean()
    return mean.sort_values(ascending=False, kind="stable")


def _shares_row(rows: pd.DataFrame, named: list[str], top_k: int) -> dict:
    top = rows[rows["rank"] <= top_k].sort_values("rank")
    last = top.iloc[-1]
    return {
        "model": last["model"],
        "task": last["task"],
        "top_k": top_k,
        "top": ", ".join(top["label"]),
        "top_share": top["share"].sum(),
        "other_share": rows["share"].sum() - top["share"].sum(),
        "noise_share": top["noise_share"].sum(),
        "cornerstone_share": rows["share"][rows["label"].isin(named)].sum(),
        "signed_share": last["top_signed_share"],
        "low": last["top_signed_low"],
        "high": last["top_signed_high"],
        "documents": last["documents"],
        "sublayers": len(rows),
    }


def _mean_shares_row(of_tasks: pd.DataFrame) -> dict:
    signed = of_tasks["signed_share"].mean(skipna=False)
    below = np.sqrt(((of_tasks["signed_share"] - of_tasks["low"]) ** 2).sum(skipna=False)) / len(of_tasks)
    above = np.sqrt(((of_tasks["high"] - of_tasks["signed_share"]) ** 2).sum(skipna=False)) / len(of_tasks)
    return (
        {"model": of_tasks["model"].iloc[0], "tasks": len(of_tasks)}
        | of_tasks.mean(numeric_only=True).to_dict()
        | {
            "top_k": int(of_tasks["top_k"].iloc[0]),
            "signed_share": signed,
            "low": signed - below,
            "high": signed + above,
            "documents": int(of_tasks["documents"].sum()),
            "sublayers": int(of_tasks["sublayers"].iloc[0]),
        }
    )


def _drops(numbers: DocumentNumbers, is_cornerstone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean drops of the cornerstones and of the others: (2,), and their draws, (2, resamples)."""
    groups = [numbers.effects[group] for group in (is_cornerstone, ~is_cornerstone)]
    empty = np.full(len(numbers.documents), np.nan)  # a model whose sublayers are all cornerstones
    rows = np.array([group.mean(axis=0) if len(group) else empty for group in groups])
    return rows.mean(axis=1), task_draws(rows, numbers.task)


def _drop_columns(drops: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    low, high = interval(draws)
    return {
        f"{which}_{what}": numbers[i]
        for i, which in enumerate(("cornerstone", "other"))
        for what, numbers in (("drop", drops), ("low", low), ("high", high))
    }


def _without_empty_paper_columns(table: pd.DataFrame) -> pd.DataFrame:
    empty = [name for name in table if name.startswith("paper_") and table[name].isna().all()]
    return table.drop(columns=empty)
