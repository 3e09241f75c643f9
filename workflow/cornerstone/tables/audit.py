"""The audit's tables and its sentence for the report: every estimator compared with exact values.

TABLES["audit"].make(Audits(games, positions, titles, score))      # tables/audit.csv

audit              a row per estimator, design and budget
audit_games        a row per model, task, score, estimator, design and budget
audit_positions    each estimate, sublayer by sublayer
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.scores import Score, yardstick
from cornerstone.scores.unit import POINTS, percent
from cornerstone.shapley.estimators import ESTIMATORS, OWN, Settings, audited
from cornerstone.system.text import counted, listed
from cornerstone.tables import TABLES, Part, Section, Table, View
from cornerstone.values.audit_summary import NUMBER, OWN_SEEDS, SEEDS, WORK, audit_summary, usual
from cornerstone.values.titles import Titles

SUMMARY_NOTE = (
    "Every estimator against the exact values of the models small enough for all 2^N coalitions: means over the "
    f"audited models, tasks and scores, and over up to {SEEDS} seeds of each, {OWN_SEEDS} of those that look at each "
    "document's own scores. Spearman and Kendall: rank correlation with the exact values. Worst: Spearman on the "
    "game where it is lowest. Top: the part of the largest that are among the exact largest. Share error: half the "
    "sum of the absolute errors of the shares. Sum: how far the values' sum is from what there is to share out, in "
    "per cent of that. Error: mean absolute error of a value, in per cent of the largest exact one. A measure that a "
    "game has not is left out of its mean: top and share error where no exact value is positive, sum and error where "
    "what they are parts of is zero. Number: how many coalitions were evaluated at most of a document, as not every "
    "estimator can use its budget up. Work: evaluations of a sublayer that they take for each token, what coalitions "
    "share once. Those in italics are shapiq's. The Gaussian process was tuned on the models that come with "
    "Cornerstone (docs/estimators.md has others)."
)
WORK_NOTE = (
    "All have as much work as the paper's windows (budget 1), or multiples of it. Coalitions: whether all documents "
    "share them, or each document has its own, drawn with a seed of its own; the values are means over documents. "
)
GAMES_NOTE = (
    "Spearman's rank correlation with the exact values at the paper's budget, by model, task and score, of each "
    "estimator as studies have it; the mean over seeds, the best of each row in bold."
)


@dataclass(frozen=True, eq=False)
class Audits:
    """What the audit's tables are made of.

    games, positions: the rows of audit/*/*.csv and of audit_positions/*/*.csv.
    titles, score:    the study's.
    """

    games: pd.DataFrame
    positions: pd.DataFrame
    titles: Titles
    score: Score


def summary_sections(summary: pd.DataFrame, view: View) -> list[Section]:
    """A row per estimator, design and budget: as much work as the windows', then as many coalitions."""
    number, work = (_summary_text(summary[summary["same"] == same]) for same in (NUMBER, WORK))
    sections = [
        Section(
            "Estimators held against exact values, with the work of the windows",
            WORK_NOTE + _only_shared() + SUMMARY_NOTE,
            work,
        ),
        Section(
            "Estimators held against exact values, with as many coalitions as the windows",
            "Estimators on coalitions that all documents share, as studies have them, with as many as the paper's "
            "windows (budget 1), or multiples of it. The columns are those of the table of equal work.",
            number.drop(columns="Coalitions"),
        ),
    ]
    return [section for section in sections if len(section.table)]


def _summary_text(summary: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Budget": summary["multiple"],
            "Estimator": [
                name if ours else f"*{name}*"
                for name, ours in zip(summary["estimator"], summary["ours"], strict=True)
            ],
            "Coalitions": summary["coalitions"],
            "Number": summary["evaluations"].map(lambda count: f"{count:,.0f}"),
            "Work": summary["work"].map(lambda work: f"{work:,.0f}"),
            "Spearman": summary["spearman"].map(_two_digits),
            "Worst": summary["spearman_worst"].map(_two_digits),
            "Kendall": summary["kendall"].map(_two_digits),
            "Top (%)": summary["top_overlap"].map(lambda part: percent(part, 0)),
            "Share error (%)": summary["share_error"].map(percent),
            "Sum (%)": summary["efficiency_bias"].map(percent),
            "Error (%)": summary["error"].map(percent),
        }
    )


def _only_shared() -> str:
    """Which estimators the audit has with shared coalitions alone, and why."""
    alone = [estimator for estimator in audited() if OWN not in estimator.by_coalitions]
    fixed = [estimator.title for estimator in alone if not estimator.is_random]
    why = [f"{listed(fixed)}, as nothing is drawn at random"] if fixed else []
    why += [f"{one.title}, as {one.only_shared}" for one in alone if one.is_random]
    return f"With shared coalitions only: {'; '.join(why)}. " if why else ""


def games_sections(audits: pd.DataFrame, view: View) -> list[Section]:
    """Spearman's correlation game by game, a column per estimator."""
    at_paper = usual(audits[audits["multiple"] == 1])
    names = list(audit_summary(at_paper)["estimator"])
    rows = []
    for (model, task, score), of_game in at_paper.groupby(["model", "task", "score"], sort=False):
        found = of_game.set_index("estimator")["spearman"]
        cells = {
            name: f"**{found[name]:.2f}**" if found[name] == found.max() else _two_digits(found[name])
            for name in names
        }
        game = {"Model": view.titles.model(model), "Task": view.titles.task(task), "Score": score}
        rows.append(game | cells)
    return [Section("Rank correlation with exact values, game by game", GAMES_NOTE, pd.DataFrame(rows))]


def audited_rank(audits: pd.DataFrame, estimator: str, edges: str, score: str) -> float | None:
    """The configured estimator's mean rank correlation with exact values; None where it is not audited."""
    summary, name = _summary_in_use(audits, score), _audited_as(estimator, edges)
    rank = summary["spearman"].get(name)
    return None if rank is None or pd.isna(rank) else float(rank)


def _summary_in_use(audits: pd.DataFrame, score: str) -> pd.DataFrame:
    """By estimator, as studies have them at the paper's budget, and in the study's score."""
    beside = yardstick().name
    audits = usual(audits)
    own_score = audits["score"] == beside if score == beside else audits["score"] != beside
    return audit_summary(audits[(audits["multiple"] == 1) & own_score]).set_index("estimator")


def _audited_as(estimator: str, edges: str) -> str:
    return ESTIMATORS[ESTIMATORS[estimator].audited_name(Settings(1, edges))].title


def audit_finding(audits: pd.DataFrame, estimator: str, edges: str, score: str, titles: Titles) -> str:
    """How near the configured estimator's ranks are to exact ones, on the audited models and in the study's score."""
    summary = _summary_in_use(audits, score)
    best = summary["spearman"].fillna(-1).idxmax()
    if ESTIMATORS[estimator].is_exact:
        return (
            "Values are exact: from all coalitions of sublayers. Of estimates at the paper's budget, "
            f"{best} comes nearest to their order here (rank correlation {_two_digits(summary.loc[best, 'spearman'])})."
        )
    name = _audited_as(estimator, edges)
    if name not in summary.index:
        return (
            f"How far to trust the order: the estimator in use ({name}) is not audited; {best} comes nearest to exact "
            f"values here (rank correlation {_two_digits(summary.loc[best, 'spearman'])})."
        )
    own = summary.loc[name]
    models = listed([titles.model(model) for model in audits["model"].unique()])
    several = own["games"] > 1
    return (
        f"How far to trust the order: the estimator in use ({name}) orders the sublayers of {models} "
        f"({counted(int(own['games']), 'game')}: model, task and score) with a rank correlation of "
        f"{_two_digits(own['spearman'])} with exact values{' on average' if several else ''}"
        f"{f', {_two_digits(own.spearman_worst)} in the worst' if several else ''}; 1 would be the same order. Of the "
        f"largest it finds {percent(own['top_overlap'], 0)} %. "
        + (
            f"It is the best of all {len(summary)} audited at this budget."
            if best == name
            else f"{best} is the best of all {len(summary)} audited at this budget "
            f"({_two_digits(summary.loc[best, 'spearman'])})."
        )
    )


def _two_digits(number: float) -> str:
    return "" if pd.isna(number) else f"{number:.2f}".replace("-", "−")


TABLES.register(
    Table(
        name="audit",
        about="every estimator with shared coalitions and with each document's own, at the work of the paper's windows "
        "and multiples, means over models, tasks and scores",
        make=lambda audits: audit_summary(audits.games).assign(unit=POINTS.in_files),
        sections=summary_sections,
        is_folded=True,
        part=Part.AUDIT,
        order=160,
    )
)
TABLES.register(
    Table(
        name="audit_games",
        about="every estimator on each model, task and score",
        make=lambda audits: audits.games,
        sections=games_sections,
        is_folded=True,
        part=Part.AUDIT,
        order=170,
    )
)
TABLES.register(
    Table(
        name="audit_positions",
        about="every estimator at each sublayer: bias, error, samples",
        make=lambda audits: audits.positions,
        sections=None,
        is_folded=True,
        part=Part.AUDIT,
        order=180,
    )
)
