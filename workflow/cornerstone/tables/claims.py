"""The paper's claims as tables: what the data say of each, and every number behind that.

The claims are judged in the package `claims`; here they are laid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import pandas as pd

from cornerstone.claims.judged import ALL, claims_table, evidence_table, evidence_unit, judge_claims
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import VERSUS, Finding
from cornerstone.scores import Score
from cornerstone.tables import TABLES, Section, Table, View
from cornerstone.tables.text import prose
from cornerstone.values.results import Results

EVIDENCE_NOTE = (
    "The numbers that the claims were decided by. The claim puts each number above or below its bound, and is "
    "supported where the whole interval is on that side. Scores without a sublayer are decided by the tests of the "
    "table of ablation instead, which correct for all of the model's sublayers: their bounds are above the best "
    "constant answer, and an interval on one side may not be enough."
)


@lru_cache(maxsize=1)  # two tables are made of the same findings
def _judged(results: Results) -> tuple[Tested, Mapping[str, Finding]]:
    tested = Tested(results, results.published.ids)
    return tested, judge_claims(tested)


def _make_claims(results: Results) -> pd.DataFrame:
    return claims_table(*_judged(results), results.titles)


def claim_text(row) -> str:
    """ "2. Removing one cornerstone …", from a row of the claims."""
    return row.statement if row.claim == ALL else f"{row.claim}. {row.statement}"


def claims_sections(table: pd.DataFrame, view: View) -> list[Section]:
    rows = [
        {"Claim": claim_text(row), "Verdict": row.verdict, "Finding": row.finding}
        for row in table.itertuples()
    ]
    return [Section("The paper's claims", _claims_note(view.score), pd.DataFrame(rows))]


def _claims_note(score: Score) -> str:
    return prose(
        "For these models, tasks and documents; a verdict is on all models together. Significantly means: by the whole "
        "95 % interval, or by the test. A claim is not decidable where intervals include its bound.",
        "Guessing is chance or the best constant answer. A score within the configuration's collapse_margin of it "
        "counts as guessing, which is tested as in the table of ablation."
        if score.is_accuracy
        else "Claims about right answers are decided by accuracies only.",
        "Cornerstones are those of the table of cornerstones, chosen on the same documents.",
    )


TABLES.register(
    Table(
        name="claims",
        about="the verdict on each of the paper's claims: supported, contradicted or not decidable",
        make=_make_claims,
        sections=claims_sections,
        is_folded=False,
        order=10,
    )
)


def _make_evidence(results: Results) -> pd.DataFrame:
    table = evidence_table(*_judged(results))
    units = [evidence_unit(claim, results.score).in_files for claim in table["claim"]]
    return table.assign(unit=units)


def evidence_sections(table: pd.DataFrame, view: View) -> list[Section]:
    rows = []
    for row in table.itertuples():
        unit = evidence_unit(row.claim, view.score)
        rows.append(
            {
                "Claim": row.claim,
                "Model": VERSUS.join(view.titles.model(model) for model in row.model.split(VERSUS)),
                "Task": view.titles.task(row.task),
                "Sublayers": "" if pd.isna(row.sublayers) else row.sublayers,
                "Number": row.quantity,
                "Estimate": unit.text(row.estimate),
                "95 % interval": unit.interval(row.low, row.high),
                "Claimed": "" if pd.isna(row.bound) else f"{row.claimed} {unit.text(row.bound)}",
                "Chance": unit.text(row.chance),
                "Best constant answer": unit.text(row.constant),
                "Verdict": row.verdict,
            }
        )
    return [Section("Evidence for the claims", EVIDENCE_NOTE, pd.DataFrame(rows, columns=EVIDENCE_COLUMNS))]


EVIDENCE_COLUMNS = (
    "Claim",
    "Model",
    "Task",
    "Sublayers",
    "Number",
    "Estimate",
    "95 % interval",
    "Claimed",
    "Chance",
    "Best constant answer",
    "Verdict",
)
"""A study may have no evidence, but it has the columns."""

TABLES.register(
    Table(
        name="evidence",
        about="every number that a claim was decided by",
        make=_make_evidence,
        sections=evidence_sections,
        is_folded=True,
        order=20,
    )
)
