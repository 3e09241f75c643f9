"""The report's first sentences: the answer, how far to trust it, and what it means for the paper's claims.

All of it is made from the tables; every number stands in one of them too.
"""

from __future__ import annotations

from cornerstone.report.contents import Contents
from cornerstone.scores.unit import percent
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.system.text import counted, listed
from cornerstone.tables.audit import audit_finding
from cornerstone.tables.corrected import corrected_finding

CLAIM_GROUPS = {
    "supported": ("is supported", "are supported"),
    "contradicted": ("is contradicted", "are contradicted"),
    "not decidable": ("cannot be decided", "cannot be decided"),
}


def answer(contents: Contents) -> list[str]:
    """Which sublayers are cornerstones on how many tasks and how steadily, a sentence or two per model."""
    return [_cornerstones(contents, model) for model in contents.models]


def trust(contents: Contents) -> str:
    """What is known of how near the estimated values are to exact ones: by the audit and by corrected values."""
    estimator, found = contents.config["estimator"], []
    if contents.audits is not None:
        edges, score = contents.config["edges"], contents.config["score"]
        found.append(audit_finding(contents.audits, estimator, edges, score, contents.titles))
    if "corrected" in contents.tables:
        own = ESTIMATORS[ESTIMATORS[estimator].audited_name(contents.settings)]
        found.append(corrected_finding(contents.tables["corrected"], own.title, contents.titles))
    if any(found):
        return " ".join(filter(None, found))
    if ESTIMATORS[estimator].is_exact:
        return "The values are exact Shapley values: all coalitions of sublayers were evaluated."
    if ESTIMATORS[estimator].of_documents is not None:
        return (
            "The values are right on average whatever the model is like, and their intervals hold the errors of "
            "drawing coalitions and of drawing documents."
        )
    return (
        "The intervals say how much these documents leave open, not how near the estimates are to exact Shapley "
        "values. Exact values take all 2^N coalitions of N sublayers. Models of at most 16 sublayers can be named in "
        "the configuration's exact: the report then compares every estimator with their exact values. For deeper "
        "models, corrected: true compares the estimates with values that are right on average."
    )


def claims_in_short(contents: Contents) -> str:
    """Which of the paper's claims are supported, contradicted or neither, by their numbers."""
    claims = contents.tables["claims"].drop_duplicates("claim")
    claims = claims[claims["claim"] != "all"]
    parts = []
    for verdict, (one, several) in CLAIM_GROUPS.items():
        numbers = list(claims["claim"][claims["verdict"] == verdict])
        if numbers:
            named = f"{listed(numbers)} {one if len(numbers) == 1 else several}"
            parts.append(named if parts else f"{'claim' if len(numbers) == 1 else 'claims'} {named}")
    return f"Of the paper's claims, as far as these models and documents tell: {'; '.join(parts)}."


def _cornerstones(contents: Contents, model: str) -> str:
    values, named = contents.rows("values", model), contents.rows("cornerstones", model)
    with_shares = values[values["share"] > 0]
    sublayers, n_tasks = counted(values["label"].nunique(), "sublayer"), with_shares["task"].nunique()
    if not n_tasks:
        return (
            f"{contents.titles.model(model)}: none of {sublayers} has a positive value on any task, so there is "
            "nothing to share out, and there are no cornerstones."
        )
    tasks_among = with_shares[with_shares["rank"] <= int(contents.config["top_k"])].groupby("label").size()
    parts = []
    for row in named[named["ours"]].itertuples():
        on_tasks = _on_tasks(int(tasks_among.get(row.label, 0)), n_tasks)
        again = f"named again in {percent(row.top_k_stability, 0)} % of resampled sets of documents"
        parts.append(f"{row.label} ({on_tasks}{again})")
    are = "cornerstone is" if len(parts) == 1 else "cornerstones are"
    without = _without_shares(contents, model)
    return f"{contents.titles.model(model)}: of {sublayers}, the {are} {listed(parts)}.{without}"


def _without_shares(contents: Contents, model: str) -> str:
    """A sentence on the tasks on which no value of the model is positive; nothing where there are none."""
    of_tasks = contents.rows("shares_by_task", model)
    named = [contents.titles.task(task) for task in of_tasks["task"][of_tasks["top_share"].isna()]]
    if not named:
        return ""
    return (
        f" On {listed(named)} no value is positive: there are no shares, and means of shares leave this out."
    )


def _on_tasks(count: int, n_tasks: int) -> str:
    if n_tasks == 1:
        return ""
    on = f"all {n_tasks}" if count == n_tasks else f"{count} of {n_tasks}"
    return f"among the largest on {on} tasks, "
