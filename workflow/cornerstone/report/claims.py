"""The facts on each of the paper's claims: its verdict, the numbers behind it counted, and what each model's are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cornerstone.claims.judged import ALL
from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from cornerstone.report.contents import Contents


@dataclass(frozen=True)
class ShownClaim:
    """A claim with its verdict on all models.

    number, statement: "6a", "Removing …". supporting, contradicting, undecided: how many of the numbers behind it are.
    findings: what it rests on, a paragraph per model; why nothing was tested where there are no numbers.
    """

    number: str
    statement: str
    verdict: str
    supporting: int
    contradicting: int
    undecided: int
    findings: tuple[str, ...]

    @property
    def numbers(self) -> int:
        return self.supporting + self.contradicting + self.undecided


def claims_of(contents: Contents) -> list[ShownClaim]:
    """The claims in the order of their table, which has a row per claim and model."""
    evidence, shown = contents.tables["evidence"], []
    for number, rows in contents.tables["claims"].groupby("claim", sort=False):
        if number == ALL:
            continue
        counts = Counter(evidence["verdict"][evidence["claim"] == number])
        cases = (counts[verdict] for verdict in (SUPPORTED, CONTRADICTED, NOT_DECIDABLE))
        first = rows.iloc[0]
        shown.append(ShownClaim(number, first["statement"], first["verdict"], *cases, tuple(rows["finding"])))
    return shown


def left_out_of_claims(contents: Contents) -> tuple[str, ...]:
    """The tasks that no claim is tested on, with the reasons, a sentence per model."""
    table = contents.tables["claims"]
    return tuple(table["finding"][table["claim"] == ALL])
