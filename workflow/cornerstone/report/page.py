"""The report's page: the frame report.html.j2 around one template a section, filled from a study's contents.

    report_html(contents)                    # the whole page
    section_html("opening", contents)        # one of its sections

The sentences are in sections/*.html.j2, a file a section. The page loads nothing: figures, style and scripts are in it,
so it opens offline. It has no need of its scripts, which sort tables and move through the atlas by keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cornerstone.models.kinds import KINDS
from cornerstone.report import provenance
from cornerstone.report.atlas import atlas_of, paints
from cornerstone.report.claims import claims_of, left_out_of_claims
from cornerstone.report.contents import Contents
from cornerstone.report.numbers import numbers_table
from cornerstone.report.opening import opening_of
from cornerstone.report.pictures import files_on_page, groups_of
from cornerstone.report.trust import (
    cheap_measures,
    differ_in_size,
    near_guessing,
    nearness,
    unseen,
    without_shares,
)
from cornerstone.scores import yardstick
from cornerstone.scores.unit import percent
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.system.text import counted, listed
from cornerstone.tables import TABLES, Section, View
from cornerstone.tables.removals import constancy_finding

HERE = Path(__file__).parent
SORTABLE = HERE / "vendor" / "sortable"
UNBROKEN = re.compile(rf" %|\b({'|'.join(kind.label for kind in KINDS.values())}) (?=\d)")
IN_A_SECTION = ("claims", "cornerstones")
"""Tables that stand in sections of their own subject, not among all tables."""

OF_SUBLAYERS = ("method", "provenance")
"""Sections that say of sublayers what they mean, whatever the players are."""

TEMPLATES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def report_html(contents: Contents) -> str:
    """The whole page. Raises CornerstoneError for a figure that it cannot show."""
    return TEMPLATES.get_template("report.html.j2").render(
        models=[contents.titles.model(model) for model in contents.models],
        sections={name: section_html(name, contents) for name in SECTIONS},
        atlas=atlas_of(contents),
        paints=paints(),
        licence=(SORTABLE / "LICENSE").read_text(encoding="utf-8"),
        scripts=[path.read_text(encoding="utf-8") for path in sorted(SORTABLE.glob("*.js"))],
    )


def section_html(name: str, contents: Contents) -> str:
    """One section of the page."""
    template = TEMPLATES.get_template(f"sections/{name}.html.j2")
    html = template.render(
        contents=contents, unit=contents.unit, score=contents.score, **SECTIONS[name](contents)
    )
    return html if name in OF_SUBLAYERS else contents.titles.of_players(html)


def _trust(contents: Contents) -> dict[str, Any]:
    return {
        "cornerstones": _sections_of(contents, "cornerstones")[0],
        "nearness": nearness(contents),
        "near_guessing": near_guessing(contents),
        "pairs": len(contents.tables["scores"]),
        "without_shares": without_shares(contents),
        "unseen": unseen(contents),
        "yardstick": yardstick(),
        "cheap_measures": cheap_measures(contents),
        "differ_in_size": differ_in_size(contents),
    }


def _claims(contents: Contents) -> dict[str, Any]:
    return {
        "claims": claims_of(contents),
        "left_out": left_out_of_claims(contents),
        "constancy": constancy_finding(contents.tables["constancy"], contents.titles)
        if "constancy" in contents.tables
        else "",
        "note": _sections_of(contents, "claims")[0].note,
    }


def _method(contents: Contents) -> dict[str, Any]:
    documents = contents.tables["shares_by_task"]["documents"]
    return {"on_few": ESTIMATORS[contents.config["estimator"]].on_few(documents)}


def _provenance(contents: Contents) -> dict[str, Any]:
    return {
        "models": provenance.models_table(contents),
        "tasks": provenance.tasks_table(contents),
        "evaluating_took": provenance.evaluating_took(contents),
        "evaluations": provenance.evaluations_table(contents),
        "versions": provenance.versions_table(contents),
        "configuration": json.dumps(contents.config, indent=2, ensure_ascii=False),
    }


SECTIONS: dict[str, Callable[[Contents], dict[str, Any]]] = {
    "opening": lambda contents: {"opening": opening_of(contents)},
    "atlas": lambda contents: {"atlas": atlas_of(contents), "files": files_on_page(contents)},
    "numbers": lambda contents: {"numbers": numbers_table(contents)},
    "trust": _trust,
    "claims": _claims,
    "figures": lambda contents: {"groups": groups_of(contents)},
    "tables": lambda contents: {"tables": list(_tables(contents))},
    "method": _method,
    "provenance": _provenance,
}
"""By the name of its template, what a section is filled with besides the contents, in the order of the page."""


def _tables(contents: Contents) -> Iterator[tuple[Section, bool]]:
    """Every table but those in sections of their own, and whether it is folded until it is asked for."""
    for table in TABLES:
        if table.name not in IN_A_SECTION:
            for section in _sections_of(contents, table.name):
                yield section, table.is_folded


def _sections_of(contents: Contents, name: str) -> list[Section]:
    """Nothing where the study has no such table, or where it is one of numbers alone."""
    if TABLES[name].sections is None or name not in contents.tables:
        return []
    return TABLES[name].laid_out(contents.tables[name], View(contents.titles, contents.score))


def unbroken(text: str) -> str:
    """A text or piece of the page with unbroken spaces, so that no line ends within "12 %" or "Attn 0"."""
    return UNBROKEN.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def kinds(frame: pd.DataFrame) -> list[str]:
    """Per column "text", which stands left, or "number", which stands right."""
    return ["text" if _is_words(frame[column]) else "number" for column in frame.columns]


def _is_words(column: pd.Series) -> bool:
    """Whether most cells are more than digits and the signs around them."""
    cells = [str(cell) for cell in column if str(cell)]
    return 2 * sum(re.fullmatch(r"[\d.,()–− -]+", cell) is None for cell in cells) > len(cells)


def sort_key(cell: object) -> str:
    """The number that a cell begins with, as scripts read it: "-1.5" of "−1.5 (−2.0 – −1.0)"; "" without one.

    Nothing where the cell's own text is that already.
    """
    found = re.match(r"[−-]?\d[\d,]*\.?\d*", str(cell))
    key = found[0].replace(",", "").replace("−", "-") if found else ""
    return "" if key == str(cell) else key


TEMPLATES.filters |= {
    "counted": counted,
    "kinds": kinds,
    "listed": listed,
    "percent": percent,
    "sort_key": sort_key,
    "unbroken": unbroken,
}
