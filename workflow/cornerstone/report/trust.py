"""The facts on how far to trust the report: how near estimates are to exact values, where models guess, what is hidden.

The words are in sections/trust.html.j2, but for what the tables of the audit and of corrected values say of themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cornerstone.report.contents import Contents
from cornerstone.scores import yardstick
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.tables.audit import audit_finding, audited_rank
from cornerstone.tables.cheap_measures import cheap_findings
from cornerstone.tables.corrected import corrected_finding, corrected_rank

EXACT, UNBIASED, MEASURED, UNKNOWN = "exact", "unbiased", "measured", "unknown"


@dataclass(frozen=True)
class Nearness:
    """How near the values are to exact Shapley values.

    kind: EXACT, UNBIASED, MEASURED or UNKNOWN. rank: of MEASURED values the rank correlation with `against`, values
    that are exact or unbiased. findings: what the tables say of it, a sentence or more each.
    """

    kind: str
    rank: float | None = None
    against: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """Single removals of a model that show no loss in the score while the yardstick falls significantly."""

    model: str
    unseen: int
    removals: int


def nearness(contents: Contents) -> Nearness:
    estimator, found, ranks = contents.config["estimator"], [], []
    if contents.audits is not None:
        of_study = contents.audits, estimator, contents.config["edges"], contents.config["score"]
        found.append(audit_finding(*of_study, contents.titles))
        ranks.append((audited_rank(*of_study), "exact values"))
    if "corrected" in contents.tables:
        own = ESTIMATORS[ESTIMATORS[estimator].audited_name(contents.settings)].title
        found.append(corrected_finding(contents.tables["corrected"], own, contents.titles))
        ranks.append((corrected_rank(contents.tables["corrected"], own), "slower, unbiased estimates"))
    findings = tuple(filter(None, found))
    if ESTIMATORS[estimator].is_exact:
        return Nearness(EXACT, findings=findings)
    if ESTIMATORS[estimator].of_documents is not None:
        return Nearness(UNBIASED, findings=findings)
    measured = [(rank, against) for rank, against in ranks if rank is not None]
    return Nearness(MEASURED, *measured[0], findings) if measured else Nearness(UNKNOWN, findings=findings)


def near_guessing(contents: Contents) -> list[tuple[str, str]]:
    """Titles of the models and tasks whose full model is not clearly better than guessing: than chance and the best
    constant answer. None where the score cannot tell."""
    if not contents.score.is_accuracy:
        return []
    scores = contents.tables["scores"]
    near = scores[scores["full_low"] <= scores[["chance", "constant"]].max(axis=1)]
    return [(contents.titles.model(row.model), contents.titles.task(row.task)) for row in near.itertuples()]


def without_shares(contents: Contents) -> list[tuple[str, list[str]]]:
    """Titles of each model that has tasks on which no value is positive, with these tasks."""
    rows = contents.tables["shares_by_task"]
    empty = rows[rows["top_share"].isna()]
    return [
        (contents.titles.model(model), [contents.titles.task(task) for task in of["task"]])
        for model, of in empty.groupby("model", sort=False)
    ]


def unseen(contents: Contents) -> list[Unseen]:
    """A model each; none where the study's score is the yardstick itself, or no task has it."""
    rows = contents.tables["scores_side_by_side"]
    compared = rows[rows["score"] == yardstick().name]["task"]
    chosen = rows[rows["chosen"] & (rows["score"] != yardstick().name) & rows["task"].isin(compared)]
    return [
        Unseen(contents.titles.model(model), int(of["unseen"].sum()), int(of["sublayers"].sum()))
        for model, of in chosen.groupby("model", sort=False)
    ]


def cheap_measures(contents: Contents) -> list[str]:
    """A sentence per model on the cheap measure that agrees best with the values; none where nothing was measured."""
    table = contents.tables.get("cheap_measures_agreement")
    return [] if table is None else cheap_findings(table, contents.titles)


def differ_in_size(contents: Contents) -> bool:
    """Whether models differ in their numbers of sublayers or documents, so that their shares do not compare."""
    sizes: pd.DataFrame = (
        contents.tables["shares_by_task"].groupby("model")[["sublayers", "documents"]].first()
    )
    return len(sizes.drop_duplicates()) > 1
