"""The report: one HTML file with every figure and table of a study, that opens offline.

    build_report(Path("results/report.html"), config=…, figures=…, tables=…, …)

It says in words what the numbers say, how each was measured, and where all of it came from. It holds no
scripts and no links to other files: figures are embedded as they are.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone import __version__
from cornerstone.documents.document import DocumentSet, read_documents
from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.figures import Context, figure_of
from cornerstone.models.manifest import read_manifest
from cornerstone.report.findings import Study, cautions, method, summary
from cornerstone.report.opening import answer, claims_in_short, trust
from cornerstone.report.page import STYLE, details, figure, page, table, tag, verdict
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.text import duration
from cornerstone.tables import TABLES, Section, View
from cornerstone.tables.claims import claim_text
from cornerstone.tables.written import read_table, study_tables
from cornerstone.values.results import Titles, read_rows

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
PNG_DPI = 200  # of figures.style
POINTS = 72  # per inch
ANALYSIS_LIBRARIES = ("numpy", "pandas", "matplotlib", "seaborn")
DEFAULT_WIDTH = 7.2  # inches, of an SVG that does not tell


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
    study = Study(
        config=config,
        titles=titles,
        figures=tuple(Path(path) for path in figures),
        tables=_read_tables(tables),
        audits=read_rows(audits) if audits else None,
        evaluations=tuple(map(read_evaluation_metadata, evaluations)),
        documents={Path(path).stem: read_documents(path) for path in documents},
        manifests={Path(path).stem: read_manifest(path) for path in manifests},
    )
    Path(output).write_text(report_html(study), encoding="utf-8")


def report_html(study: Study) -> str:
    """The whole page."""
    names = " and ".join(study.titles.model(model) for model in study.models)
    body = [
        tag("h1", "Which sublayers matter"),
        *[tag("p", _unbroken(text), class_="lead") for text in answer(study)],
        *[tag("p", _unbroken(text), class_="lead") for text in (trust(study), claims_in_short(study))],
        tag("h2", "In numbers"),
        *[tag("p", _unbroken(text)) for text in summary(study)],
        tag("h2", "What this says of the paper's claims"),
        *_claims(study),
        tag("h2", "Figures"),
        *[_figure(study, path) for path in study.figures],
        tag("h2", "Tables"),
        *_tables(study),
        tag("h2", "How it was measured"),
        *[tag("p", escape(text)) for text in method(study)],
        tag("h2", "What to keep in mind"),
        tag("ul", "".join(tag("li", escape(text)) for text in cautions(study))),
        tag("h2", "Where the numbers come from"),
        *_provenance(study),
    ]
    return page(f"Cornerstone: {names}", STYLE, "\n".join(body))


def _read_tables(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    tables = {Path(path).stem: read_table(path) for path in paths}
    missing = [known.name for known in study_tables() if known.name not in tables]
    if missing:
        raise CornerstoneError(f"the report needs the tables {', '.join(missing)}: write the tables first")
    return tables


def _figure(study: Study, path: Path) -> str:
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        raise CornerstoneError(f"the report cannot show {path}: give its .svg or .png")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    title, text = _caption(study, path)
    beside = sorted(
        p.name for p in path.parent.glob(f"{path.stem}.*") if p.suffix in (".pdf", ".png", ".svg")
    )
    source = f"data:{media_type};base64,{data}"
    return figure(source, title, text, f"Files: {', '.join(beside)}", width=_inches_wide(path))


def _caption(study: Study, path: Path) -> tuple[str, str]:
    figure, model = figure_of(path.stem)
    scores = study.tables["scores"]
    context = Context(
        model=study.titles.model(model),
        score=study.score,
        estimator=study.config["estimator"],
        max_removed=study.config["max_removed"],
        scores=scores[scores["model"] == model],
    )
    return figure.captioned(context)


def _inches_wide(path: Path) -> float:
    """A figure's width on paper: an SVG tells it in points, a PNG in pixels."""
    content = path.read_bytes()
    if path.suffix == ".png":
        return int.from_bytes(content[16:20], "big") / PNG_DPI  # the header's first field
    points = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', content)
    return float(points.group(1)) / POINTS if points else DEFAULT_WIDTH


def _claims(study: Study) -> list[str]:
    """Each claim with its verdict, and a paragraph per model on what it rests on."""
    (section,), parts = _sections(study, "claims"), []
    for _, rows in study.tables["claims"].groupby("claim", sort=False):
        row = next(rows.itertuples())
        parts.append(tag("h3", f"{escape(claim_text(row))} {verdict(row.verdict)}"))
        parts += [tag("p", _unbroken(text)) for text in rows["finding"]]
    return [
        tag("p", escape(section.note), class_="note"),
        tag("div", "\n".join(parts), class_="claims"),
    ]


def _unbroken(text: str) -> str:
    """As HTML whose lines do not break within "12 %" and "Attn 0"."""
    return re.sub(r" (?=%)|(?<=\bAttn) (?=\d)|(?<=\b(?:FFN|MoE)) (?=\d)", "&nbsp;", escape(text))


def _tables(study: Study) -> list[str]:
    """Every table but the claims, which stand further up; the long ones folded."""
    parts = []
    for known in TABLES:
        for section in _sections(study, known.name) if known.name != "claims" else ():
            content = tag("p", escape(section.note), class_="note") + table(section.table)
            if known.is_folded:
                parts.append(details(section.title, content))
            else:
                parts.append(tag("h3", escape(section.title)) + content)
    return parts


def _sections(study: Study, name: str) -> list[Section]:
    """Nothing where the study has no such table, or where it is one of numbers alone."""
    lay_out = TABLES[name].sections
    if lay_out is None or name not in study.tables:
        return []
    return lay_out(study.tables[name], View(study.titles, study.score))


def _provenance(study: Study) -> list[str]:
    return [
        tag("h3", "Models"),
        table(pd.DataFrame([_model_row(study, name, told) for name, told in study.manifests.items()])),
        tag("h3", "Tasks"),
        table(pd.DataFrame([_task_row(study, name, told) for name, told in study.documents.items()])),
        tag("h3", "Evaluations"),
        tag("p", f"Evaluating took {_duration(study)}, counted one after another.", class_="note"),
        table(pd.DataFrame([_evaluation_row(study, told) for told in study.evaluations])),
        tag("h3", "Library versions"),
        table(pd.DataFrame(_versions(study), columns=["Library", "Version", "Used for"])),
        details("Configuration", tag("pre", escape(json.dumps(study.config, indent=2, ensure_ascii=False)))),
    ]


def _model_row(study: Study, name: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    size = sum(file["size"] for file in manifest["files"])
    return {
        "Model": study.titles.model(name),
        "From": manifest.get("hub") or manifest.get("folder") or "",
        "Revision": manifest.get("revision") or "local folder",
        "Size": f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB",
        "Weights (sha256)": manifest["weights"][:16],
        "Tokenizer (sha256)": manifest["tokenizer"][:16],
    }


def _task_row(study: Study, name: str, documents: DocumentSet) -> dict[str, str]:
    return {
        "Task": study.titles.task(name),
        "Version": documents.version,
        "lm-eval": documents.lm_eval_version,
        "Split": documents.split,
        "Data": documents.source,
        "Documents": f"{len(documents.documents):,}",
        "Metrics": ", ".join(documents.metrics),
        "Digest (sha256)": documents.digest[:16],
    }


def _evaluation_row(study: Study, told: Mapping[str, Any]) -> dict[str, str]:
    made = told["provenance"]
    return {
        "Model": study.titles.model(told["model"]),
        "Task": study.titles.task(told["task"]),
        "Design": told["design"],
        "Documents": f"{told['documents'].get('count', 0):,}",
        "Coalitions × documents": f"{made.get('evaluated_pairs', 0) + made.get('reused_pairs', 0):,}",
        "of these from earlier runs": f"{made.get('reused_pairs', 0):,}",
        "Seconds of evaluation": f"{made.get('work_seconds', float('nan')):,.1f}",
        "Device": ", ".join(made.get("devices", ())),
        "Precision": str(made.get("dtype") or ""),
    }


def _duration(study: Study) -> str:
    """The time of all runs that evaluated something, without loading."""
    return duration(sum(told["provenance"].get("work_seconds", 0) for told in study.evaluations))


def _versions(study: Study) -> list[tuple[str, str, str]]:
    """Libraries of the evaluations, where several versions of one may have been at work, and of this step."""
    found: dict[str, set[str]] = {}
    for told in study.evaluations:
        made = told["provenance"]
        for library, number in {**made.get("versions", {}), "python": made.get("python", "")}.items():
            if number:
                found.setdefault(library, set()).add(number)
    evaluated = [(library, ", ".join(sorted(found[library])), "evaluations") for library in sorted(found)]
    drawn = [(library, version(library), "values, tables, figures") for library in ANALYSIS_LIBRARIES]
    return [("cornerstone", __version__, "everything"), *evaluated, *drawn]
