"""The report: one HTML file with every figure and table of a study, that opens offline.

    build_report(Path("results/report.html"), config=…, figures=…, tables=…, …)

It says in words what the numbers say, how each was measured, and where all of it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents.document import read_documents
from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.models.manifest import read_manifest
from cornerstone.report.contents import Contents
from cornerstone.report.page import report_html
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import Part, tables_of
from cornerstone.values.rows import read_csv, read_rows
from cornerstone.values.titles import Titles


def build_report(
    output: Path,
    *,
    config: Mapping[str, Any],
    titles: Titles,
    figures: Sequence[Path],
    tables: Sequence[Path],
    audits: Sequence[Path] = (),
    evaluations: Sequence[Path],
    documents: Sequence[Path],
    manifests: Sequence[Path],
) -> None:
    """Write the report of a study.

    figures: SVG or PNG files, shown in this order. tables: the CSV files that `write_tables` wrote, the
    audit's too where there are any.
    audits: those of `audit.audit`, by model and task.
    Raises CornerstoneError for a figure of another format, a missing table or an unreadable input.
    """
    contents = Contents(
        config=config,
        titles=titles,
        figures=tuple(Path(path) for path in figures),
        tables=_read_tables(tables),
        audits=read_rows(audits) if audits else None,
        evaluations=tuple(map(read_evaluation_metadata, evaluations)),
        documents={Path(path).stem: read_documents(path) for path in documents},
        manifests={Path(path).stem: read_manifest(path) for path in manifests},
    )
    Path(output).write_text(report_html(contents), encoding="utf-8")


def _read_tables(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    tables = {Path(path).stem: read_csv(path) for path in paths}
    missing = [known.name for known in tables_of(Part.STUDY) if known.name not in tables]
    if missing:
        raise CornerstoneError(f"the report needs the tables {', '.join(missing)}: write the tables first")
    return tables
