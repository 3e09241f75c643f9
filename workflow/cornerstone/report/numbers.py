"""The report's table of each model in numbers: a row a model, every number from the tables."""

from __future__ import annotations

import pandas as pd

from cornerstone.report.contents import Contents
from cornerstone.scores.unit import Unit, percent
from cornerstone.tables.totals import DIFFERENCE
from cornerstone.values.titles import MEAN

NONE = "no positive value"


def numbers_table(contents: Contents) -> pd.DataFrame:
    """A row per model: its scores, how much the largest hold, drops and sums of values, as texts."""
    return pd.DataFrame([_row(contents, model) for model in contents.models])


def _row(contents: Contents, model: str) -> dict[str, str]:
    unit, shares = contents.unit, contents.rows("shares", model).iloc[0]
    drops = contents.rows("drops", model).iloc[0]
    has_shares = bool(shares["tasks"])
    top_k = int(contents.config["top_k"])
    return {
        "Model": contents.titles.model(model),
        "Sublayers": f"{int(shares['sublayers']):,}",
        unit.score_heading("Score, whole model"): _range(contents.rows("scores", model)["full"], unit),
        f"Top {top_k} hold %" if top_k > 1 else "Top 1 holds %": percent(shares["top_share"])
        if has_shares
        else NONE,
        "Null share %": percent(shares["null_share"]) if has_shares else "",
        unit.difference_heading("Drop without a cornerstone"): _drop(drops, "cornerstone", unit),
        unit.difference_heading("Drop without another"): _drop(drops, "other", unit),
        **(_kinds(contents.rows("totals", model), unit) if _has_kinds(contents) else {}),
    }


def _range(scores: pd.Series, unit: Unit) -> str:
    """ "45.0 to 85.0"."""
    low, high = unit.text(scores.min()), unit.text(scores.max())
    return low if low == high else f"{low} to {high}"


def _drop(drops: pd.Series, which: str, unit: Unit) -> str:
    return unit.with_interval(*(drops[f"{which}_{what}"] for what in ("drop", "low", "high")))


def _has_kinds(contents: Contents) -> bool:
    """Whether some players are of one kind, as blocks are not."""
    return "kind" in set(contents.tables["totals"]["by"])


def _kinds(totals: pd.DataFrame, unit: Unit) -> dict[str, str]:
    """Attention and other mixers against the others, averaged over tasks where there are several."""
    task = MEAN if MEAN in set(totals["task"]) else totals["task"].iloc[0]
    of_kinds = totals[(totals["task"] == task) & (totals["by"] == "kind")].set_index("part")
    sums = [
        f"{part} {unit.text(of_kinds.loc[part, 'value'])}" for part in of_kinds.index if part != DIFFERENCE
    ]
    difference = of_kinds.loc[DIFFERENCE] if DIFFERENCE in of_kinds.index else None
    names = ("value", "value_low", "value_high")
    return {
        unit.difference_heading("All values of a kind"): ", ".join(sums),
        unit.difference_heading("Difference of the kinds"): ""
        if difference is None
        else unit.with_interval(*(difference[name] for name in names)),
    }
