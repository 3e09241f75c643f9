"""How concentrated the values are: the paper's Table 1, and task by task.

shares_table(results.values, top_k=3)             # tables/shares.csv
shares_by_task_table(results.values, top_k=3)     # tables/shares_by_task.csv
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.scores.unit import POINTS, percent
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import of_paper, without_empty_paper_columns
from cornerstone.values.published import Published
from cornerstone.values.results import cornerstones

NOTE = (
    "The paper's Table 1. Share: what each task's own top sublayers hold of the sum of the positive values, mean over "
    "tasks. A task without a positive value has no shares and is left out; Tasks says how many the means are over. "
    "Shares have no valid interval, as negative values are set to 0. Null share: what the share would be on average "
    "if every value were zero and only the noise of few documents were left. Cornerstones: what the same few "
    "sublayers hold on every task. Signed share: of the sum with negative values counted, with its 95 % interval (top "
    "sublayers held fixed; they are chosen on the same documents); empty where that sum is not significantly above "
    "zero."
)
NOTE_BY_TASK = (
    "The shares of Table 1 by task, with each task's own top sublayers. A task on which no value is positive has no "
    "shares."
)

PARTS = ("top_share", "other_share", "null_share", "cornerstone_share", "signed_share", "low", "high")


def shares_by_task_table(values: pd.DataFrame, top_k: int) -> pd.DataFrame:
    """How concentrated the values are: a row per model and task.

    top_share: share of the task's own top_k sublayers, named in top; other_share: of all others; null_share: what
    noise alone would give the top_k; cornerstone_share: of the model's cornerstones, the same on every task;
    signed_share, low, high: of the task's top_k in the signed sum, with its 95 % interval (empty where that sum is not
    significantly above zero). All of them, and top, are empty where no value is positive.
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
    """Table 1, a row per model: the columns of `shares_by_task_table`, means over its tasks that have shares.

    tasks: how many these are, of_tasks: of how many. documents is their sum. The signed share's interval adds the
    tasks' half widths in quadrature: tasks share no documents. paper_top_share, paper_other_share: what the paper has.
    """
    published = published or Published()
    rows = []
    for model, of_tasks in shares_by_task_table(values, top_k).groupby("model", sort=False):
        share = published.top_share(model, top_k)
        paper = {"paper_top_share": share, "paper_other_share": None if share is None else 1 - share}
        rows.append(_mean_shares_row(of_tasks) | paper)
    return without_empty_paper_columns(pd.DataFrame(rows)).assign(unit=POINTS.in_files)


def _shares_row(rows: pd.DataFrame, named: list[str], top_k: int) -> dict:
    top = rows[rows["rank"] <= top_k].sort_values("rank")
    last, parts = top.iloc[-1], dict.fromkeys(PARTS, np.nan)
    if (rows["share"] > 0).any():
        parts = {
            "top_share": top["share"].sum(),
            "other_share": rows["share"].sum() - top["share"].sum(),
            "null_share": top["null_share"].sum(skipna=False),
            "cornerstone_share": rows["share"][rows["label"].isin(named)].sum(),
            "signed_share": last["top_signed_share"],
            "low": last["top_signed_low"],
            "high": last["top_signed_high"],
        }
    return {
        "model": last["model"],
        "task": last["task"],
        "top_k": top_k,
        "top": ", ".join(top["label"][top["share"] > 0]),
        **parts,
        "documents": last["documents"],
        "sublayers": len(rows),
        "unit": POINTS.in_files,
    }


def _mean_shares_row(of_all: pd.DataFrame) -> dict:
    of_tasks = of_all[of_all["top_share"].notna()]
    signed = of_tasks["signed_share"].mean(skipna=False)
    n_tasks = max(1, len(of_tasks))
    below = np.sqrt(((of_tasks["signed_share"] - of_tasks["low"]) ** 2).mean(skipna=False) / n_tasks)
    above = np.sqrt(((of_tasks["high"] - of_tasks["signed_share"]) ** 2).mean(skipna=False) / n_tasks)
    return (
        {
            "model": of_all["model"].iloc[0],
            "tasks": len(of_tasks),
            "of_tasks": len(of_all),
        }
        | of_tasks.mean(numeric_only=True).to_dict()
        | {
            "top_k": int(of_all["top_k"].iloc[0]),
            "signed_share": signed,
            "low": signed - below,
            "high": signed + above,
            "documents": int(of_tasks["documents"].sum()),
            "sublayers": int(of_all["sublayers"].iloc[0]),
        }
    )


def shares_sections(table: pd.DataFrame, view: View) -> list[Section]:
    top_k = table["top_k"].iloc[0]
    rows = [
        {
            "Model": view.titles.model(row.model),
            f"Top {top_k} %": percent(row.top_share),
            **of_paper(row, "paper_top_share", f"Top {top_k}, in the paper %"),
            "Others %": percent(row.other_share),
            **of_paper(row, "paper_other_share", "Others, in the paper %"),
            **_share_columns(row),
            "Sublayers": row.sublayers,
            "Tasks": row.tasks if row.tasks == row.of_tasks else f"{row.tasks} of {row.of_tasks}",
            "Documents": f"{row.documents:,}",
        }
        for row in table.itertuples()
    ]
    return [
        Section(f"Table 1: share of the top {top_k} sublayers, mean over tasks", NOTE, pd.DataFrame(rows))
    ]


def shares_by_task_sections(table: pd.DataFrame, view: View) -> list[Section]:
    top_k = table["top_k"].iloc[0]
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            f"Top {top_k}": "no positive value" if pd.isna(row.top) or not row.top else row.top,
            "Share %": percent(row.top_share),
            "Others %": percent(row.other_share),
            **_share_columns(row),
        }
        for row in table.itertuples()
    ]
    return [Section(f"Share of the top {top_k} sublayers by task", NOTE_BY_TASK, pd.DataFrame(rows))]


def _share_columns(row) -> dict[str, str]:
    return {
        "Null share %": percent(row.null_share),
        "Cornerstones %": percent(row.cornerstone_share),
        "Signed share %": percent(row.signed_share),
        "95 % interval": POINTS.interval(row.low, row.high),
    }


TABLES.register(
    Table(
        name="shares",
        about="Table 1 of the paper: the share of the top `top_k` sublayers, beside the null share",
        make=lambda results: shares_table(results.values, results.top_k, results.published),
        sections=shares_sections,
        is_folded=False,
        order=50,
    )
)
TABLES.register(
    Table(
        name="shares_by_task",
        about="the share of the top `top_k` sublayers on each task",
        make=lambda results: shares_by_task_table(results.values, results.top_k),
        sections=shares_by_task_sections,
        is_folded=True,
        order=60,
    )
)
