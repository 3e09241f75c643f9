"""What was found, in sentences: a paragraph per model, every number from the tables."""

from __future__ import annotations

import pandas as pd

from cornerstone.report.contents import Contents
from cornerstone.scores import yardstick
from cornerstone.scores.unit import Unit, percent
from cornerstone.system.text import counted, listed
from cornerstone.tables.totals import DIFFERENCE
from cornerstone.values.titles import MEAN


def summary(contents: Contents) -> list[str]:
    """What was found, a paragraph per model."""
    return [_summary_of(contents, model) for model in contents.models]


def _summary_of(contents: Contents, model: str) -> str:
    sentences = (
        _scores_sentence(contents, model),
        *_shares_sentences(contents, model),
        _drops_sentence(contents, model),
        _kinds_sentence(contents.rows("totals", model), contents.unit),
        _unseen_sentence(contents.rows("scores_side_by_side", model)),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _scores_sentence(contents: Contents, model: str) -> str:
    scores = contents.rows("scores", model)
    sublayers = counted(int(contents.rows("shares", model)["sublayers"].iloc[0]), "sublayer")
    near_chance = _near_chance(scores) if contents.score.is_accuracy else ""
    return (
        f"{contents.titles.model(model)} has {sublayers} and scores {_range(scores['full'], contents.unit)} whole "
        f"({counted(len(scores), 'task')}){near_chance}."
    )


def _near_chance(scores: pd.DataFrame) -> str:
    near = int((scores["full_low"] <= scores["chance"]).sum())
    if near == 0:
        return ""
    if len(scores) == 1:
        where = "not clearly above chance there"
    elif near < len(scores):
        where = f"on {near} of them not clearly above chance"
    else:
        where = "on none of them clearly above chance"
    return f", {where}, where values say little"


def _shares_sentences(contents: Contents, model: str) -> list[str]:
    """Which sublayers hold most, how much each task's largest hold, and how much they would if none mattered."""
    row = contents.rows("shares", model).iloc[0]
    if not row["tasks"]:
        return ["No value is positive on any task, so no sublayer has a share, and none is a cornerstone."]
    found = contents.rows("cornerstones", model)
    named = listed(
        [f"{sublayer.label} ({percent(sublayer.share)} %)" for sublayer in found[found["ours"]].itertuples()]
    )
    top_k, several = int(row["top_k"]), row["tasks"] > 1
    tasks = "tasks" if row["tasks"] == row["of_tasks"] else f"the {row['tasks']} tasks that have shares"
    averaged = f", averaged over {tasks}," if several else ""
    largest = (
        f"largest share of value{averaged} is that"
        if found["ours"].sum() == 1
        else f"largest shares of value{averaged} are those"
    )
    of_each_task, mean = (" of each task", " on average") if several else ("", "")
    return [
        f"The {largest} of {named}.",
        f"The top {top_k}{of_each_task} {'holds' if top_k == 1 else 'hold'} {percent(row['top_share'])} %{mean}. "
        f"If no sublayer mattered, noise alone would give {'it' if top_k == 1 else 'them'} "
        f"{percent(row['noise_share'])} %.",
    ]


def _drops_sentence(contents: Contents, model: str) -> str:
    drops, unit = contents.rows("drops", model).iloc[0], contents.unit
    if pd.isna(drops["cornerstone_drop"]):
        return f"Removing one of its sublayers {_change(drops, 'other', unit)} on average."
    named = contents.rows("cornerstones", model)["ours"].sum()
    removed = "it" if named == 1 else "one of the sublayers named"
    another = "" if pd.isna(drops["other_drop"]) else f", removing another {_change(drops, 'other', unit)}"
    return f"Removing {removed} {_change(drops, 'cornerstone', unit)} on average{another}."


def _change(drops: pd.Series, which: str, unit: Unit) -> str:
    """ "lowers the score by 1.6 points (1.2 – 2.0)", or raises it, with the interval turned round."""
    drop, low, high = (drops[f"{which}_{what}"] for what in ("drop", "low", "high"))
    if drop >= 0:
        return f"lowers the score by {unit.amount(drop)} ({unit.interval(low, high)})"
    return f"raises the score by {unit.amount(-drop)} ({unit.interval(-high, -low)})"


def _kinds_sentence(totals: pd.DataFrame, unit: Unit) -> str:
    """Attention against the others, averaged over tasks where there are several."""
    task = MEAN if MEAN in set(totals["task"]) else totals["task"].iloc[0]
    of_kinds = totals[(totals["task"] == task) & (totals["by"] == "kind")].set_index("part")
    if DIFFERENCE not in of_kinds.index:  # blocks of one mixer each
        return f"The values of all sublayers sum to {unit.amount(of_kinds['value'].iloc[0])}."
    mixers, others = (part for part in of_kinds.index if part != DIFFERENCE)
    difference = of_kinds.loc[DIFFERENCE]
    return (
        f"The values of all {mixers} sublayers sum to {unit.amount(of_kinds.loc[mixers, 'value'])}, those of all "
        f"{others} sublayers to {unit.text(of_kinds.loc[others, 'value'])}: a difference of "
        f"{unit.text(difference['value'])} ({unit.interval(difference['value_low'], difference['value_high'])})."
    )


def _unseen_sentence(side_by_side: pd.DataFrame) -> str:
    """On the losses that the study's score does not show; nothing where it is the score of comparison itself."""
    beside = yardstick()
    chosen = side_by_side[side_by_side["chosen"] & (side_by_side["score"] != beside.name)]
    if chosen.empty:
        return ""
    unseen = chosen["unseen"].sum()
    removals = counted(chosen["sublayers"].sum(), "single removal")
    tasks = "" if len(chosen) == 1 else f" (a sublayer on one of {len(chosen)} tasks)"
    return (
        f"Of {removals}{tasks}, {unseen or 'none'} show{'s' if unseen <= 1 else ''} no loss in the score "
        f"while the {beside.noun} of the right answer surely falls."
    )


def _range(scores: pd.Series, unit: Unit) -> str:
    """ "45.0 to 85.0 %"."""
    low, high = unit.text(scores.min()), unit.text(scores.max())
    return unit.score_heading(low if low == high else f"{low} to {high}")
