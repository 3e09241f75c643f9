"""Tables of a whole study, as CSV (numbers, by name) and Markdown (text, by title).

    values/{model}/{task}.csv + ablation/{model}/{task}.csv
        -> tables/{scores,shares,drops,values,ablation}.{csv,md}

shares answers the paper's Tables 1 and 2, drops its Tables 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

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


@dataclass(frozen=True)
class Section:
    """One table as people read it: a title and a frame of text."""

    title: str
    table: pd.DataFrame


def read_rows(paths: Sequence[Path]) -> pd.DataFrame:
    """The rows of several CSV files, one after another in the order given."""
    return pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)


def scores_table(ablation: pd.DataFrame) -> pd.DataFrame:
    """The full model's score: a row per model and task, with interval, chance and best constant answer."""
    first = ablation.drop_duplicates(["model", "task"])
    columns = ["model", "task", "score", "documents", "full", "full_low", "full_high", "chance", "constant"]
    return first[columns].reset_index(drop=True)


def cornerstones(values: pd.DataFrame, top_k: int) -> dict[str, list[str]]:
    """Each model's cornerstones: the top_k sublayers by share averaged over its tasks, largest first."""
    found = {}
    for model, rows in values.groupby("model", sort=False):
        mean = rows.groupby(["sublayer", "label"])["share"].mean().sort_values(ascending=False, kind="stable")
        found[model] = [label for _, label in mean.index[:top_k]]
    return found


def shares_table(values: pd.DataFrame, top_k: int) -> pd.DataFrame:
    """How concentrated the values are: a row per model and task, and one with the mean over tasks.

    top_share: share of the task's own top_k sublayers, named in top (the mean row names the cornerstones);
    other_share: of all others; noise_share: what noise alone would give the top_k; cornerstone_share: of
    the model's cornerstones, the same on every task; signed_share, low, high: of the task's top_k in the
    signed sum, with its 95 % interval (empty where that sum is not clearly above zero).
    """
    named = cornerstones(values, top_k)
    rows = []
    for model, of_model in values.groupby("model", sort=False):
        of_tasks = [_shares_row(rows_of_task, named[model], top_k) for _, rows_of_task in _by_task(of_model)]
        rows += [*of_tasks, _mean_shares_row(of_tasks, named[model])]
    return pd.DataFrame(rows)


def drops_table(ablation: pd.DataFrame, values: pd.DataFrame, top_k: int) -> pd.DataFrame:
    """What removing one sublayer costs, averaged over the cornerstones and over the others.

    A row per model and task, and one with the mean over tasks: cornerstones (labels), cornerstone_drop,
    other_drop (full − removed score).
    """
    named = cornerstones(values, top_k)
    rows = []
    for (model, task), effects in ablation.groupby(["model", "task"], sort=False):
        is_cornerstone = effects["label"].isin(named.get(model, []))
        rows.append(
            {
                "model": model,
                "task": task,
                "cornerstones": ", ".join(named.get(model, [])),
                "cornerstone_drop": effects["effect"][is_cornerstone].mean(),
                "other_drop": effects["effect"][~is_cornerstone].mean(),
            }
        )
    table = pd.DataFrame(rows)
    means = table.groupby(["model", "cornerstones"], sort=False, as_index=False).mean(numeric_only=True)
    parts = [
        pd.concat([table[table["model"] == row.model], pd.DataFrame([row._asdict() | {"task": MEAN}])])
        for row in means.itertuples(index=False)
    ]
    return pd.concat(parts, ignore_index=True)


def study_tables(values: pd.DataFrame, ablation: pd.DataFrame, top_k: int) -> dict[str, pd.DataFrame]:
    """Every table of a study by its name."""
    return {
        "scores": scores_table(ablation),
        "shares": shares_table(values, top_k),
        "drops": drops_table(ablation, values, top_k),
        "values": values,
        "ablation": ablation,
    }


def write_tables(
    values: Sequence[Path], ablation: Sequence[Path], folder: Path, *, top_k: int, titles: Titles
) -> None:
    """Write {folder}/{name}.csv and .md for scores, shares, drops, values and ablation.

    values, ablation: the CSV files of every model and task, in the order of the configuration.
    """
    for name, table in study_tables(read_rows(values), read_rows(ablation), top_k).items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        text = "\n".join(f"## {s.title}\n\n{markdown(s.table)}" for s in sections(name, table, titles))
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def sections(name: str, table: pd.DataFrame, titles: Titles) -> list[Section]:
    """A table of `study_tables` as people read it: titles for names, numbers in percent."""
    views = {"scores": _scores_view, "shares": _shares_view, "drops": _drops_view}
    if name in views:
        return views[name](table, titles)
    number, what = {"values": ("value", "values"), "ablation": ("effect", "effects of removal")}[name]
    return [
        Section(f"{titles.model(model)}: {what} (points of score)", _by_sublayer(rows, number, titles))
        for model, rows in table.groupby("model", sort=False)
    ]


def markdown(table: pd.DataFrame) -> str:
    """A frame of text as a Markdown table."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def percent(number: float, digits: int = 1) -> str:
    """0.1234 as "12.3"; nothing for a number that does not exist; a minus sign, not a hyphen."""
    if pd.isna(number):
        return ""
    return f"{round(100 * number, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus before zero


def _by_task(rows: pd.DataFrame):
    return rows.groupby("task", sort=False)


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


def _mean_shares_row(rows: list[dict], named: list[str]) -> dict:
    """The mean over tasks. Its interval adds half widths in quadrature: tasks share no documents."""
    table = pd.DataFrame(rows)
    mean = table.mean(numeric_only=True).to_dict()
    signed = table["signed_share"].mean(skipna=False)
    below = np.sqrt(((table["signed_share"] - table["low"]) ** 2).sum(skipna=False)) / len(table)
    above = np.sqrt(((table["high"] - table["signed_share"]) ** 2).sum(skipna=False)) / len(table)
    return (
        rows[0]
        | mean
        | {
            "task": MEAN,
            "top": ", ".join(named),
            "top_k": rows[0]["top_k"],
            "signed_share": signed,
            "low": signed - below,
            "high": signed + above,
            "documents": table["documents"].sum(),
            "sublayers": rows[0]["sublayers"],
        }
    )


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{percent(low)} – {percent(high)}"


def _scores_view(table: pd.DataFrame, titles: Titles) -> list[Section]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            "Score": row.score,
            "Documents": row.documents,
            "Full model %": percent(row.full),
            "95 % interval": _interval(row.full_low, row.full_high),
            "Chance %": percent(row.chance),
            "Best constant answer %": percent(row.constant),
        }
        for row in table.itertuples()
    ]
    return [Section("Scores of the full models", pd.DataFrame(rows))]


def _shares_view(table: pd.DataFrame, titles: Titles) -> list[Section]:
    top_k = table["top_k"].iloc[0]
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            f"Top {top_k}": row.top,
            "Share %": percent(row.top_share),
            "Others %": percent(row.other_share),
            "Noise alone %": percent(row.noise_share),
            "Cornerstones %": percent(row.cornerstone_share),
            "Signed share %": percent(row.signed_share),
            "95 % interval": _interval(row.low, row.high),
        }
        for row in table.itertuples()
    ]
    return [Section(f"Share of the top {top_k} sublayers", pd.DataFrame(rows))]


def _drops_view(table: pd.DataFrame, titles: Titles) -> list[Section]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            "Cornerstones": row.cornerstones,
            "Drop without one of them (points)": percent(row.cornerstone_drop),
            "Drop without one other (points)": percent(row.other_drop),
        }
        for row in table.itertuples()
    ]
    return [Section("Mean drop of the score when one sublayer is removed", pd.DataFrame(rows))]


def _by_sublayer(rows: pd.DataFrame, number: str, titles: Titles) -> pd.DataFrame:
    """A row per sublayer, a column per task: "12.3 (11.0 – 13.4)"."""
    cells = [
        f"{percent(n)} ({_interval(low, high)})" for n, low, high in rows[[number, "low", "high"]].to_numpy()
    ]
    wide = rows.assign(cell=cells).pivot(index=["sublayer", "label"], columns="task", values="cell")
    wide = wide[list(rows["task"].unique())].rename(columns=titles.task).reset_index()
    return wide.drop(columns="sublayer").rename(columns={"label": "Sublayer"}).rename_axis(columns=None)
