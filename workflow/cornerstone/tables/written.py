"""The tables as people read them, and their files: titles for names, percent for parts, a note for each.

write_tables(results, Path("results/tables"), ids=ids, titles=titles)    # every {name}.csv and {name}.md
sections("shares", table, titles)                                        # what .md and report show
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from cornerstone.claims.judged import claims_table, evidence_table, evidence_unit, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.scores import SCORES, Score
from cornerstone.scores.unit import POINTS, Unit, percent
from cornerstone.statistics.collapse import ABOVE
from cornerstone.statistics.resampling import RESAMPLES
from cornerstone.system.text import duration
from cornerstone.tables.precision import precision_table
from cornerstone.tables.together import overlap_table
from cornerstone.tables.totals import totals_table
from cornerstone.values.agreement import scores_side_by_side
from cornerstone.values.results import Results, Titles, study_tables

NOTES = {
    "claims": "With these models, these tasks and these documents; a verdict is on all models together. "
    "Surely means: the whole 95 % interval says so; a claim is not decidable where intervals lie on both "
    "sides of its bound. Guessing is chance or the best constant answer; a score within the configuration's "
    "collapse_margin of it still is guessing, which is tested as in the table of ablation. Cornerstones are those "
    "of the table of cornerstones: found on the same documents, not given.",
    "evidence": "The numbers that the claims were decided by. The claim has each number above or below "
    "its bound; it is supported where the whole interval is on that side. Scores without a sublayer are decided by "
    "the tests of the table of ablation instead, which allow for all of the model's sublayers: their bounds are "
    "above the best constant answer, and an interval on one side may not be enough.",
    "scores": "Score of the full model, with the 95 % interval of a bootstrap over documents. A model that "
    "collapsed may give one answer always: compare with the best constant answer, not with chance alone.",
    "scores_side_by_side": "Every score of the same evaluation; the study's own is marked. Lost: without how many of "
    "the sublayers it surely falls (Holm over sublayers, at 5 %). Unseen: of how many its interval tells no loss, "
    "though the log-probability surely falls: accuracies move only where an answer changes. The last column is "
    "Spearman's correlation of the effects of all single removals with those on the log-probability; noise lowers it.",
    "shares": "The paper's Table 1. Share: what each task's own top sublayers hold of the positive "
    "values, mean over tasks. It has no honest interval, as negative values are set to 0; noise alone is "
    "what it would be on average if every value were zero and only the noise of having few documents were "
    "left. Cornerstones: what the same few sublayers hold on every task. Signed share: of the sum with "
    "negative values counted, with its 95 % interval (top sublayers held fixed, which are chosen on the "
    "same documents); left empty where that sum is not surely above zero.",
    "shares_by_task": "The shares of Table 1 task by task, with each task's own top sublayers.",
    "cornerstones": "The paper's Table 2. Cornerstones are found by rank: the largest by share averaged "
    "over tasks. Value: mean over tasks, with its 95 % interval; the share has no honest one. "
    f"The last column says in how many of {RESAMPLES:,} resampled sets of documents a sublayer is among the top. "
    "This is stability, not confidence: how steadily these documents name it, no probability that it truly is one.",
    "drops": "The paper's Table 3. Full score less the score without one sublayer, mean over sublayers "
    "and over tasks, with 95 % intervals: paired bootstrap over documents, tasks independent. The "
    "cornerstones were found on the same documents and are held fixed, which makes their drops a little "
    "too large and the others' a little too small where the choice is close.",
    "drops_by_task": "The paper's Table 4 (drops without one other sublayer), beside the cornerstones' "
    "drops; see the note of Table 3. Where no answer changed the interval is ± 3 / documents: so many of all "
    "documents may still be affected, and of that no interval can tell more.",
    "joint": "Runs of neighbouring sublayers that hold no cornerstone, removed together and one by one: "
    "drops of the score, means over runs and tasks. Above zero, the difference means that they can stand "
    "in for each other. Surely more, less: how many runs, counted on each task, have an interval of the "
    "difference above or below zero. Scores hardly fall below guessing: joint removals that reach it cost "
    "less than the sum.",
    "overlap": "Pairs of sublayers removed together and one by one: drops of the score, means over pairs and tasks, "
    "all but the first rows of pairs without a cornerstone. Above zero, the difference means that they can stand in "
    "for each other; below zero that one is of no use without the other, or that nothing was left to lose. Depth is "
    "the third of the model that the pair's middle is in. Surely more, less: on how many pair × task the difference is "
    "surely above or below zero (Benjamini and Hochberg over a task's pairs, 5 %).",
    "totals": "Sums over the sublayers of a part of the model, with 95 % intervals: paired bootstrap over documents, "
    "tasks independent. The difference is attention less the others. Values count what a sublayer does beside others "
    "that are removed, too; effects are of its removal alone. Depth is in thirds of the blocks.",
    "precision": "Half-width of the 95 % interval of a sublayer's effect of removal, and of its value: the median "
    "over sublayers and the widest now, and how many documents like these it takes until the widest is as "
    "narrow as said, with the time for them on the devices that were used. In brackets: how many of the task's "
    "own documents, for what is said of these alone. The keys documents and sample of the configuration set it.",
    "values": "Each sublayer's value, with its 95 % interval.",
    "ablation": "Full score less the score without this sublayer, with its paired 95 % interval; where no answer "
    "changed it is ± 3 / documents.",
}

UNBOUNDED = (
    "Nats have no lower end: a few documents that are very surely wrong may weigh as much as all others."
)
NOTES_IN_NATS = {
    "claims": "With these models, these tasks and these documents; a verdict is on all models together. "
    "Surely means: the whole 95 % interval says so; a claim is not decidable where intervals lie on both "
    "sides of its bound. Claims on the part of right answers are not decided by a score in nats. Cornerstones are "
    "those of the table of cornerstones: found on the same documents, not given.",
    "scores": "Score of the full model, with the 95 % interval of a bootstrap over documents. "
    f"Chance is where all choices are alike. {UNBOUNDED}",
    "drops_by_task": "The paper's Table 4 (drops without one other sublayer), beside the cornerstones' drops; see the "
    f"note of Table 3. {UNBOUNDED}",
    "ablation": "Full score less the score without this sublayer, with its paired 95 % interval.",
    "joint": "Runs of neighbouring sublayers that hold no cornerstone, removed together and one by one: drops of the "
    "score, means over runs and tasks. Above zero, the difference means that they can stand in for each other. Surely "
    "more, less: how many runs, counted on each task, have an interval of the difference above or below zero. "
    f"{UNBOUNDED}",
}
"""Where points and right answers are spoken of, for scores in nats."""

MOST_NAMES = 4
"""Of a list of sublayers in a table."""

STABILITY_NOTE = (
    "In how many of the resampled sets of documents a sublayer is among the largest values. This is stability, not "
    "confidence: how steadily these documents name it, no probability that it truly is among the largest."
)
STATES_NOTE = (
    "Collapsed: surely guessing, that is, within the configuration's collapse_margin of chance or of the best constant "
    "answer. Above: surely more than this margin above both. Below: surely more than this margin below both. Undecided "
    "is all else, and with few documents nearly everything near guessing. Paired tests of equivalence and of "
    "superiority, Holm over the sublayers of a model on a task, 2.5 % to a side. Sublayers without which all scores "
    "stay above are left out."
)


@dataclass(frozen=True)
class Section:
    """One table as people read it: a title, a note and a frame of text."""

    title: str
    note: str
    table: pd.DataFrame


def all_tables(results: Results, ids: Mapping[str, str], titles: Titles) -> dict[str, pd.DataFrame]:
    """Every table by its name, the claims first. ids: see `Tested`."""
    tested = Tested(results, ids)
    findings = judge_claims(tested)
    claims = {
        "claims": claims_table(tested, findings, titles),
        "evidence": evidence_table(tested, findings),
    }
    return (
        claims
        | study_tables(results)
        | {
            "scores_side_by_side": scores_side_by_side(results.agreement),
            "precision": precision_table(results.measured),
            "overlap": overlap_table(results),
            "totals": totals_table(results),
        }
    )


def write_tables(results: Results, folder: Path, *, ids: Mapping[str, str], titles: Titles) -> None:
    """Write {folder}/{name}.csv for every table, and {name}.md, the text of that file."""
    for name, table in all_tables(results, ids, titles).items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.10g", lineterminator="\n")
        table = read_table(folder / f"{name}.csv")
        text = "\n".join(
            f"## {section.title}\n\n{section.note}\n\n{markdown(section.table)}"
            for section in sections(name, table, titles, results.score)
        )
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def read_table(path: Path) -> pd.DataFrame:
    """A table that `write_tables` wrote; the claims' numbers stay text."""
    return pd.read_csv(path, dtype={"claim": str})


def note_of(name: str, score: Score) -> str:
    """What is said under a table's title."""
    return NOTES[name] if score.is_accuracy else NOTES_IN_NATS.get(name, NOTES[name])


def sections(name: str, table: pd.DataFrame, titles: Titles, score: Score) -> list[Section]:
    """A table of the study as people read it: titles for names, shares in percent, the rest in the score's unit."""
    views: dict[str, Callable[[pd.DataFrame, Titles], tuple[str, pd.DataFrame]]] = {
        "claims": _claims_view,
        "evidence": partial(_evidence_view, score=score),
        "scores": partial(_scores_view, score=score),
        "scores_side_by_side": _side_by_side_view,
        "shares": _shares_view,
        "shares_by_task": _shares_by_task_view,
        "cornerstones": partial(_cornerstones_view, unit=score.unit),
        "drops": partial(_drops_view, unit=score.unit),
        "drops_by_task": partial(_drops_by_task_view, unit=score.unit),
        "joint": partial(_joint_view, unit=score.unit),
        "overlap": partial(_overlap_view, unit=score.unit),
        "totals": partial(_totals_view, unit=score.unit),
        "precision": partial(_precision_view, score=score),
    }
    if name in views:
        title, view = views[name](table, titles)
        return [Section(title, note_of(name, score), view)]
    return _sublayer_sections(name, table, titles, score)


def markdown(table: pd.DataFrame) -> str:
    """A frame of text as a Markdown table."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def claim_text(row) -> str:
    """ "2. Removing one cornerstone …", from a row of the claims."""
    return row.statement if row.claim == "all" else f"{row.claim}. {row.statement}"


def _claims_view(table: pd.DataFrame, titles: Titles) -> tuple[str, pd.DataFrame]:
    rows = [
        {"Claim": claim_text(row), "Verdict": row.verdict, "What the data say": row.finding}
        for row in table.itertuples()
    ]
    return "The paper's claims", pd.DataFrame(rows)


def _evidence_view(table: pd.DataFrame, titles: Titles, score: Score) -> tuple[str, pd.DataFrame]:
    def write(row, number: float) -> str:
        return evidence_unit(row.claim, score).text(number)

    rows = [
        {
            "Claim": row.claim,
            "Model": " − ".join(titles.model(model) for model in row.model.split(" − ")),
            "Task": titles.task(row.task),
            "Sublayers": "" if pd.isna(row.sublayers) else row.sublayers,
            "Number": row.quantity,
            "Estimate": write(row, row.estimate),
            "95 % interval": "" if pd.isna(row.low) else f"{write(row, row.low)} – {write(row, row.high)}",
            "Claimed": "" if pd.isna(row.bound) else f"{row.claimed} {write(row, row.bound)}",
            "Chance": write(row, row.chance),
            "Best constant answer": write(row, row.constant),
            "Verdict": row.verdict,
        }
        for row in table.itertuples()
    ]
    columns = [
        "Claim",
        "Model",
        "Task",
        "Sublayers",
        "Number",
        "Estimate",
        "95 % interval",
        "Claimed",
        "Chance",
    ]
    return "Evidence for the claims", pd.DataFrame(
        rows, columns=[*columns, "Best constant answer", "Verdict"]
    )


def _scores_view(table: pd.DataFrame, titles: Titles, score: Score) -> tuple[str, pd.DataFrame]:
    unit = score.unit
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            "Score": row.score,
            "Documents": row.documents,
            unit.score_heading("Full model"): unit.text(row.full),
            "95 % interval": unit.interval(row.full_low, row.full_high),
            unit.score_heading("Chance"): unit.text(row.chance),
            **_constant_cell(row, score),
        }
        for row in table.itertuples()
    ]
    return "Scores of the full models", pd.DataFrame(rows)


def _side_by_side_view(table: pd.DataFrame, titles: Titles) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            "Score": f"{row.score} (the study's)" if row.chosen else row.score,
            "Unit": SCORES[row.score].unit.of_scores,
            "Full model": SCORES[row.score].unit.text(row.full),
            "95 % interval": SCORES[row.score].unit.interval(row.low, row.high),
            "Chance": SCORES[row.score].unit.text(row.chance),
            "Lost": f"{row.lost} of {row.sublayers}",
            "Unseen": f"{row.unseen}" + _names(row.unseen_labels),
            "Rank correlation": "" if pd.isna(row.rank_correlation) else f"{row.rank_correlation:.2f}",
        }
        for row in table.itertuples()
    ]
    return "Scores side by side", pd.DataFrame(rows)


def _names(labels: str) -> str:
    """ ": Attn 4, FFN 5 and 7 more", of a list as CSV files have it; nothing where it is empty."""
    if pd.isna(labels) or not labels:
        return ""
    first, left_out = labels.split(", ")[:MOST_NAMES], labels.count(", ") + 1 - MOST_NAMES
    return f": {', '.join(first)}" + (f" and {left_out} more" if left_out > 0 else "")


def _shares_view(table: pd.DataFrame, titles: Titles) -> tuple[str, pd.DataFrame]:
    top_k = table["top_k"].iloc[0]
    rows = [
        {
            "Model": titles.model(row.model),
            f"Top {top_k} %": percent(row.top_share),
            **_paper(row, "paper_top_share", f"Top {top_k}, in the paper %"),
            "Others %": percent(row.other_share),
            **_paper(row, "paper_other_share", "Others, in the paper %"),
            **_share_columns(row),
            "Sublayers": row.sublayers,
            "Tasks": row.tasks,
            "Documents": f"{row.documents:,}",
        }
        for row in table.itertuples()
    ]
    return f"Table 1: share of the top {top_k} sublayers, mean over tasks", pd.DataFrame(rows)


def _shares_by_task_view(table: pd.DataFrame, titles: Titles) -> tuple[str, pd.DataFrame]:
    top_k = table["top_k"].iloc[0]
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            f"Top {top_k}": row.top,
            "Share %": percent(row.top_share),
            "Others %": percent(row.other_share),
            **_share_columns(row),
        }
        for row in table.itertuples()
    ]
    return f"Share of the top {top_k} sublayers by task", pd.DataFrame(rows)


def _share_columns(row) -> dict[str, str]:
    return {
        "Noise alone %": percent(row.noise_share),
        "Cornerstones %": percent(row.cornerstone_share),
        "Signed share %": percent(row.signed_share),
        "95 % interval": POINTS.interval(row.low, row.high),
    }


def _cornerstones_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    top_k = int(table["ours"].sum() / table["model"].nunique())
    rows = [
        {
            "Model": titles.model(row.model),
            "Rank": row.rank,
            "Sublayer": row.label,
            **_words_of_paper(row),
            "Mean share %": percent(row.share),
            unit.difference_heading("Mean value"): unit.with_interval(row.value, row.low, row.high),
            f"Among the top {top_k} in % of resamples (stability)": percent(row.top_k_stability),
        }
        for row in table.itertuples()
    ]
    return "Table 2: cornerstones", pd.DataFrame(rows)


def _words_of_paper(row) -> dict[str, str]:
    if not hasattr(row, "paper_names_it"):
        return {}
    paper = "" if pd.isna(row.paper_names_it) else row.paper_names_it
    return {"Cornerstone": "yes" if row.ours else "no", "In the paper": paper}


def _drops_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Cornerstones": row.cornerstones,
            **_drop_cells(row, "cornerstone", "Drop without a cornerstone", unit),
            **_drop_cells(row, "other", "Drop without another", unit),
            "Tasks": row.tasks,
        }
        for row in table.itertuples()
    ]
    return "Table 3: drop of the score when one sublayer is removed, mean over tasks", pd.DataFrame(rows)


def _drops_by_task_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            **_drop_cells(row, "other", "Drop without another", unit),
            **_drop_cells(row, "cornerstone", "Drop without a cornerstone", unit),
            "Documents": f"{row.documents:,}",
        }
        for row in table.itertuples()
    ]
    return "Table 4: drop of the score when one sublayer is removed, by task", pd.DataFrame(rows)


def _drop_cells(row, which: str, title: str, unit: Unit) -> dict[str, str]:
    number, low, high = (getattr(row, f"{which}_{what}") for what in ("drop", "low", "high"))
    ours = {unit.difference_heading(title): unit.with_interval(number, low, high)}
    return ours | _paper(row, f"paper_{which}_drop", f"{which.capitalize()}, in the paper")


def _constant_cell(row, score: Score) -> dict[str, str]:
    """What the best constant answer scores, where there is such a thing."""
    if not score.is_accuracy:
        return {}
    return {
        "Best constant answer %": score.unit.with_interval(row.constant, row.constant_low, row.constant_high)
    }


def _joint_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Sublayers removed": row.size,
            "Runs": row.windows,
            unit.difference_heading("Together"): unit.with_interval(row.joint, row.joint_low, row.joint_high),
            unit.difference_heading("Sum one by one"): unit.with_interval(
                row.single, row.single_low, row.single_high
            ),
            unit.difference_heading("Difference"): unit.text(row.excess),
            "95 % interval": unit.interval(row.low, row.high),
            "Surely more": row.more,
            "Surely less": row.less,
        }
        for row in table.itertuples()
    ]
    none = pd.DataFrame({"Model": ["No such runs were removed."]})
    return "Removing other sublayers together", pd.DataFrame(rows) if rows else none


def _overlap_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "By": row.by,
            "Pairs": row.group,
            "Number": row.pairs,
            unit.difference_heading("Together"): unit.text(row.joint),
            unit.difference_heading("Sum one by one"): unit.text(row.single),
            unit.difference_heading("Difference"): unit.text(row.excess),
            "95 % interval": unit.interval(row.low, row.high),
            "Surely more": row.more,
            "Surely less": row.less,
        }
        for row in table.itertuples()
    ]
    none = pd.DataFrame({"Model": ["No two sublayers were removed together."]})
    return "Where pairs overlap", pd.DataFrame(rows) if rows else none


def _totals_view(table: pd.DataFrame, titles: Titles, unit: Unit) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "Model": titles.model(row.model),
            "Task": titles.task(row.task),
            "By": row.by,
            "Part": row.part,
            "Sublayers": row.sublayers,
            unit.difference_heading("Sum of values"): unit.with_interval(
                row.value, row.value_low, row.value_high
            ),
            unit.difference_heading("Sum of effects"): unit.with_interval(
                row.effect, row.effect_low, row.effect_high
            ),
        }
        for row in table.itertuples()
    ]
    return "Attention against FFN or MoE, and by depth", pd.DataFrame(rows)


def _precision_view(table: pd.DataFrame, titles: Titles, score: Score) -> tuple[str, pd.DataFrame]:
    unit = score.unit
    names = {"effect": "Effect", "value": "Value"}
    widths = [unit.exact(width) for width in score.half_widths]
    rows = [
        {
            "Model": titles.model(row["model"]),
            "Task": titles.task(row["task"]),
            "Number": names[row["number"]],
            "Documents": f"{row['documents']:,}" + (f" of {row['available']:,}" if row["available"] else ""),
            unit.difference_heading("Median now"): f"±{unit.text(row['median'])}",
            unit.difference_heading("Widest now"): f"±{unit.text(row['widest'])}",
            **{f"Documents for ±{width}": _documents_cell(row, width) for width in widths},
        }
        for row in table.to_dict("records")
    ]
    return "How many documents are enough", pd.DataFrame(rows)


def _documents_cell(row: Mapping[str, float], width: str) -> str:
    """ "1,240 (890), 3 min": of documents like these, of the task's own, and the time."""
    needed, own, seconds = (row.get(f"{what}_{width}") for what in ("documents", "own", "seconds"))
    if pd.isna(needed):  # a single document tells no spread
        return ""
    own = "" if pd.isna(own) else f" ({own:,.0f})"
    return f"{needed:,.0f}{own}" + ("" if pd.isna(seconds) else f", {duration(seconds)}")


def _paper(row, column: str, title: str) -> dict[str, str]:
    """A cell with the paper's number, in a study that has the column."""
    return {title: percent(getattr(row, column))} if hasattr(row, column) else {}


def _sublayer_sections(name: str, table: pd.DataFrame, titles: Titles, score: Score) -> list[Section]:
    """Of values and ablation: each model's numbers, and then what is said of some of its sublayers in words.

    A mean in nats near that of guessing does not say that a model guesses: no states are told of it.
    """
    number, what, of_some = {
        "values": ("value", "values", _stability),
        "ablation": ("effect", "effects of removal", _states if score.is_accuracy else None),
    }[name]
    sections = []
    for model, rows in table.groupby("model", sort=False):
        cells = [score.unit.with_interval(*numbers) for numbers in rows[[number, "low", "high"]].to_numpy()]
        of_all = _by_sublayer(rows.assign(cell=cells), titles)
        title = f"{titles.model(model)}: {what} ({score.unit.of_values})"
        sections.append(Section(title, note_of(name, score), of_all))
    for model, rows in table.groupby("model", sort=False) if of_some else ():
        about, note, told = of_some(rows, titles)
        sections.append(Section(f"{titles.model(model)}: {about}", note, told))
    return sections


def _stability(rows: pd.DataFrame, titles: Titles) -> tuple[str, str, pd.DataFrame]:
    """The sublayers that are among the top of at least one resample in a hundred on some task."""
    stability = rows["top_k_stability"]
    top_k = round(stability.sum() / rows["task"].nunique())
    ever = rows["sublayer"].isin(rows["sublayer"][stability >= 0.01])
    told = _by_sublayer(rows.assign(cell=[percent(part, 0) for part in stability])[ever], titles)
    return f"among the top {top_k} in % of resamples", STABILITY_NOTE, told


def _states(rows: pd.DataFrame, titles: Titles) -> tuple[str, str, pd.DataFrame]:
    """The sublayers without which some task's score is not surely above guessing."""
    fallen = rows["sublayer"].isin(rows["sublayer"][rows["state"] != ABOVE])
    told = _by_sublayer(rows.assign(cell=rows["state"])[fallen], titles)
    none = pd.DataFrame({"Sublayer": ["Without any one of them all scores stay surely above guessing."]})
    return "what is left without a sublayer", STATES_NOTE, told if fallen.any() else none


def _by_sublayer(rows: pd.DataFrame, titles: Titles) -> pd.DataFrame:
    """A row per sublayer, a column per task, with the text of the column cell."""
    wide = rows.pivot(index=["sublayer", "label"], columns="task", values="cell")
    wide = wide[list(rows["task"].unique())].rename(columns=titles.task).reset_index()
    return wide.drop(columns="sublayer").rename(columns={"label": "Sublayer"}).rename_axis(columns=None)
