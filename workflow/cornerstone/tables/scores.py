"""The full models' scores: by the study's own score, and by every score of the same evaluations side by side.

scores_table(results.ablation)             # tables/scores.csv
scores_side_by_side(results.agreement)     # tables/scores_side_by_side.csv
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cornerstone.scores import SCORES, Score, yardstick
from cornerstone.statistics.ranks import spearman
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import on_lower_end, prose

MOST_NAMES = 4
"""Of a list of sublayers in a cell."""


def scores_table(ablation: pd.DataFrame) -> pd.DataFrame:
    """The full model's score: a row per model and task, with interval, chance and best constant answer."""
    first = ablation.drop_duplicates(["model", "task"])
    columns = "model task score documents full full_low full_high chance constant constant_low constant_high"
    return first[columns.split()].reset_index(drop=True)


def scores_sections(table: pd.DataFrame, view: View) -> list[Section]:
    unit = view.score.unit
    rows = [
        {
            "Model": view.titles.model(row.model),
            "Task": view.titles.task(row.task),
            "Score": row.score,
            "Documents": row.documents,
            unit.score_heading("Full model"): unit.text(row.full),
            "95 % interval": unit.interval(row.full_low, row.full_high),
            **({} if pd.isna(row.chance) else {unit.score_heading("Chance"): unit.text(row.chance)}),
            **_constant_cell(row, view.score),
        }
        for row in table.itertuples()
    ]
    frame = pd.DataFrame(rows).fillna("")  # tasks where nothing can be guessed, beside others
    return [
        Section("Scores of the full models", _scores_note(view.score, table["chance"].notna().any()), frame)
    ]


def _constant_cell(row, score: Score) -> dict[str, str]:
    """What the best constant answer scores, where there is such a thing."""
    if pd.isna(row.constant):
        return {}
    text = score.unit.with_interval(row.constant, row.constant_low, row.constant_high)
    return {score.unit.score_heading("Best constant answer"): text}


def _scores_note(score: Score, is_guessable: bool) -> str:
    return prose(
        "Score of the full model, with the 95 % interval of a bootstrap over documents.",
        "A collapsed model may always give the same answer: compare with the best constant answer, not with chance "
        "alone."
        if score.is_accuracy and is_guessable
        else "Chance is the score of equally likely choices."
        if is_guessable
        else "",
        on_lower_end(score),
    )


TABLES.register(
    Table(
        name="scores",
        about="the scores of the full models",
        make=lambda results: scores_table(results.ablation),
        sections=scores_sections,
        is_folded=False,
        order=30,
    )
)


def scores_side_by_side(agreement: pd.DataFrame) -> pd.DataFrame:
    """A row per model, task and score: what the full model has, and how its effects agree with the yardstick's.

    full, low, high, chance: of the full model. lost: how many sublayers' removals lower it significantly. unseen: how
    many it shows no loss for although the yardstick fell significantly; unseen_labels names them, the largest fall
    first.
    rank_correlation: of all sublayers' effects with those on the yardstick; noise lowers it. None without a yardstick.
    """
    rows = [
        _side_by_side_row(of_score, of_task[of_task["score"] == yardstick().name])
        for _, of_task in agreement.groupby(["model", "task"], sort=False)
        for _, of_score in of_task.groupby("score", sort=False)
    ]
    return pd.DataFrame(rows)


def _side_by_side_row(rows: pd.DataFrame, yardstick_rows: pd.DataFrame) -> dict:
    first, fall = rows.iloc[0], yardstick_rows["effect"].to_numpy()
    is_compared = len(fall) > 0  # not of generated answers
    unseen = np.flatnonzero(rows["unseen"].to_numpy())
    named = rows["label"].to_numpy()[unseen[np.argsort(-fall[unseen], kind="stable")]]
    return {
        "model": first["model"],
        "task": first["task"],
        "score": first["score"],
        "chosen": first["chosen"],
        "documents": first["documents"],
        "sublayers": len(rows),
        "full": first["full"],
        "low": first["full_low"],
        "high": first["full_high"],
        "chance": first["chance"],
        "lost": int(rows["lost"].sum()),
        "unseen": len(unseen),
        "unseen_labels": ", ".join(named),
        "rank_correlation": spearman(rows["effect"].to_numpy(), fall) if is_compared else np.nan,
    }


def side_by_side_sections(table: pd.DataFrame, view: View) -> list[Section]:
    rows = []
    for row in table.itertuples():
        unit = SCORES[row.score].unit
        rows.append(
            {
                "Model": view.titles.model(row.model),
                "Task": view.titles.task(row.task),
                "Score": f"{row.score} (the study's)" if row.chosen else row.score,
                "Unit": unit.of_scores,
                "Full model": unit.text(row.full),
                "95 % interval": unit.interval(row.low, row.high),
                "Chance": unit.text(row.chance),
                "Lost": f"{row.lost} of {row.sublayers}",
                "Unseen": f"{row.unseen}" + _names(row.unseen_labels),
                "Rank correlation": "" if pd.isna(row.rank_correlation) else f"{row.rank_correlation:.2f}",
            }
        )
    return [Section("Scores side by side", _side_by_side_note(), pd.DataFrame(rows))]


def _names(labels: str) -> str:
    """ ": Attn 4, FFN 5 and 7 more", of a list as CSV files have it; nothing where it is empty."""
    if pd.isna(labels) or not labels:
        return ""
    first, left_out = labels.split(", ")[:MOST_NAMES], labels.count(", ") + 1 - MOST_NAMES
    return f": {', '.join(first)}" + (f" and {left_out} more" if left_out > 0 else "")


def _side_by_side_note() -> str:
    noun = yardstick().noun
    return (
        "Every score of the same evaluation; the study's own is marked. Lost: how many sublayers' removals lower it "
        "significantly (Holm over sublayers, 5 %). Unseen: how many removals it shows no loss for although they lower "
        f"the {noun} significantly: an accuracy changes only where an answer does. The last column is Spearman's "
        f"correlation of the effects of all single removals with those on the {noun}; noise lowers it."
    )


TABLES.register(
    Table(
        name="scores_side_by_side",
        about="the full models in every score: how many sublayers' losses each score shows, and which it misses",
        make=lambda results: scores_side_by_side(results.agreement),
        sections=side_by_side_sections,
        is_folded=True,
        order=40,
    )
)
