"""The report's first sentences: the answer, how far to trust it, and what it means for the paper's claims.

All of it is made from the tables; every number stands in one of them too.
"""

from __future__ import annotations

from cornerstone.report.findings import Study
from cornerstone.scores.unit import percent
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.system.text import counted, listed
from cornerstone.tables.audit import audit_finding

CLAIM_GROUPS = {
    "supported": ("is supported", "are supported"),
    "contradicted": ("is contradicted", "are contradicted"),
    "not decidable": ("cannot be decided", "cannot be decided"),
}


def answer(study: Study) -> list[str]:
    """Which sublayers are cornerstones on how many tasks and how steadily, a sentence or two per model."""
    return [_cornerstones(study, model) for model in study.models]


def trust(study: Study) -> str:
    """What is known of how near the estimated values are to exact ones."""
    estimator = study.config["estimator"]
    if study.audits is not None:
        return audit_finding(
            study.audits, estimator, study.config["edges"], study.config["score"], study.titles
        )
    if ESTIMATORS[estimator].is_exact:
        return "The values are exact Shapley values: all coalitions of sublayers were evaluated."
    return (
        "The intervals say how much these documents leave open, not how near the estimates are to exact Shapley "
        "values: these take all 2^N coalitions of N sublayers. Models of at most 16 sublayers can be named in the "
        "configuration's exact; the report then holds every estimator against their exact values."
    )


def claims_in_short(study: Study) -> str:
    """How many of the paper's claims hold here, by their numbers."""
    told = study.tables["claims"].drop_duplicates("claim")
    told = told[told["claim"] != "all"]
    parts = []
    for verdict, (one, several) in CLAIM_GROUPS.items():
        numbers = list(told["claim"][told["verdict"] == verdict])
        if numbers:
            named = f"{listed(numbers)} {one if len(numbers) == 1 else several}"
            parts.append(named if parts else f"{'claim' if len(numbers) == 1 else 'claims'} {named}")
    return f"Of the paper's claims, as far as these models and documents tell: {'; '.join(parts)}."


def _cornerstones(study: Study, model: str) -> str:
    values = study.tables["values"]
    values = values[values["model"] == model]
    n_tasks, top_k = values["task"].nunique(), int(study.config["top_k"])
    among = values[values["rank"] <= top_k].groupby("label", sort=False).size()
    named = study.tables["cornerstones"]
    named = named[(named["model"] == model) & named["ours"]]
    parts = []
    for row in named.itertuples():
        again = f"named again in {percent(row.top_k_stability, 0)} % of resampled sets of documents"
        parts.append(f"{row.label} ({_on_tasks(int(among.get(row.label, 0)), n_tasks)}{again})")
    sublayers = values["label"].nunique()
    called = "cornerstone" if len(parts) == 1 else "cornerstones"
    return (
        f"{study.titles.model(model)}: of {counted(sublayers, 'sublayer')}, the {called} "
        f"{'is' if len(parts) == 1 else 'are'} {listed(parts)}."
    )


def _on_tasks(count: int, n_tasks: int) -> str:
    if n_tasks == 1:
        return ""
    on = f"all {n_tasks}" if count == n_tasks else f"{count} of {n_tasks}"
    return f"among the largest on {on} tasks, "
