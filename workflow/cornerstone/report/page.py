"""The report's page: the template report.html.j2 filled from a study's contents.

It holds no scripts and no links to other files, so it opens offline: figures and style are embedded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cornerstone.report import provenance
from cornerstone.report.contents import Contents
from cornerstone.report.findings import summary
from cornerstone.report.methods import cautions, method
from cornerstone.report.opening import answer, claims_in_short, trust
from cornerstone.report.pictures import picture_of
from cornerstone.tables import TABLES, Section, View
from cornerstone.tables.claims import claim_text

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class ShownClaim:
    """A claim with its verdict, and what it rests on: a paragraph per model."""

    text: str
    verdict: str
    findings: tuple[str, ...]


def report_html(contents: Contents) -> str:
    """The whole page. Raises CornerstoneError for a figure that it cannot show."""
    return TEMPLATES.get_template("report.html.j2").render(
        models=[contents.titles.model(model) for model in contents.models],
        opening=[*answer(contents), trust(contents), claims_in_short(contents)],
        summary=summary(contents),
        note_on_claims=_sections_of(contents, "claims")[0].note,
        claims=_claims(contents.tables["claims"]),
        pictures=[picture_of(contents, path) for path in contents.figures],
        sections=list(_sections(contents)),
        method=method(contents),
        cautions=cautions(contents),
        models_table=provenance.models_table(contents),
        tasks_table=provenance.tasks_table(contents),
        evaluating_took=provenance.evaluating_took(contents),
        evaluations_table=provenance.evaluations_table(contents),
        versions_table=provenance.versions_table(contents),
        configuration=json.dumps(contents.config, indent=2, ensure_ascii=False),
    )


def _claims(table: pd.DataFrame) -> list[ShownClaim]:
    """The claims in the order of their table, which has a row per claim and model."""
    shown = []
    for _, rows in table.groupby("claim", sort=False):
        first = next(rows.itertuples())
        shown.append(ShownClaim(claim_text(first), first.verdict, tuple(rows["finding"])))
    return shown


def _sections(contents: Contents) -> Iterator[tuple[Section, bool]]:
    """Every table but the claims, which stand further up, and whether it is folded until it is asked for."""
    for table in TABLES:
        if table.name != "claims":
            for section in _sections_of(contents, table.name):
                yield section, table.is_folded


def _sections_of(contents: Contents, name: str) -> list[Section]:
    """Nothing where the study has no such table, or where it is one of numbers alone."""
    lay_out = TABLES[name].sections
    if lay_out is None or name not in contents.tables:
        return []
    return lay_out(contents.tables[name], View(contents.titles, contents.score))


def unbroken(text: str) -> str:
    """With unbroken spaces, so that no line ends within "12 %" or "Attn 0"."""
    return re.sub(r" (?=%)|(?<=\bAttn) (?=\d)|(?<=\b(?:FFN|MoE)) (?=\d)", "\N{NO-BREAK SPACE}", text)


def kinds(frame: pd.DataFrame) -> list[str]:
    """Per column "text", which stands left, or "number", which stands right."""
    return ["text" if _is_words(frame[column]) else "number" for column in frame.columns]


def _is_words(column: pd.Series) -> bool:
    """Whether most cells are more than digits and the signs around them."""
    cells = [str(cell) for cell in column if str(cell)]
    return 2 * sum(re.fullmatch(r"[\d.,()–− -]+", cell) is None for cell in cells) > len(cells)


TEMPLATES.filters |= {"unbroken": unbroken, "kinds": kinds}
