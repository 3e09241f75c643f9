"""Where the report's numbers come from: tables of models, tasks, evaluations and library versions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from cornerstone import __version__
from cornerstone.documents.document import DocumentSet
from cornerstone.report.contents import Contents
from cornerstone.system.durable_files import digest_of
from cornerstone.system.text import duration

ANALYSIS_LIBRARIES = ("numpy", "pandas", "matplotlib", "seaborn")
DIGITS = 16
"""Of a digest: enough to tell two files apart."""


def models_table(contents: Contents) -> pd.DataFrame:
    """A row per model: from which hub or folder, its revision, size and digests."""
    rows = [
        _model_row(contents.titles.model(name), manifest) for name, manifest in contents.manifests.items()
    ]
    if contents.in_chat:
        for row, manifest in zip(rows, contents.manifests.values(), strict=True):
            template = manifest.get("chat_template")
            row["Chat template (sha256)"] = digest_of(template)[:DIGITS] if template else "none"
    return pd.DataFrame(rows)


def tasks_table(contents: Contents) -> pd.DataFrame:
    """A row per task: its version, data, number of documents, metrics and digest."""
    return pd.DataFrame(
        [_task_row(contents.titles.task(name), documents) for name, documents in contents.documents.items()]
    )


def evaluations_table(contents: Contents) -> pd.DataFrame:
    """A row per evaluation of a model on a task: its size, time, devices and precision."""
    return pd.DataFrame([_evaluation_row(contents, metadata) for metadata in contents.evaluations])


def evaluating_took(contents: Contents) -> str:
    """The time of all runs that evaluated something, without loading: "4.5 h"."""
    return duration(sum(metadata["provenance"].get("work_seconds", 0) for metadata in contents.evaluations))


def versions_table(contents: Contents) -> pd.DataFrame:
    """A row per library: of the evaluations, which several versions of one may have made, and of this step."""
    found: dict[str, set[str]] = {}
    for metadata in contents.evaluations:
        provenance = metadata["provenance"]
        versions = {**provenance.get("versions", {}), "python": provenance.get("python", "")}
        for library, number in versions.items():
            if number:
                found.setdefault(library, set()).add(number)
    rows = [
        ("cornerstone", __version__, "everything"),
        *[(library, ", ".join(sorted(found[library])), "evaluations") for library in sorted(found)],
        *[(library, version(library), "values, tables, figures") for library in ANALYSIS_LIBRARIES],
    ]
    return pd.DataFrame(rows, columns=["Library", "Version", "Used for"])


def _model_row(title: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    size = sum(file["size"] for file in manifest["files"])
    return {
        "Model": title,
        "From": manifest.get("hub") or manifest.get("folder") or "",
        "Revision": manifest.get("revision") or "local folder",
        "Size": f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB",
        "Weights (sha256)": manifest["weights"][:DIGITS],
        "Tokenizer (sha256)": manifest["tokenizer"][:DIGITS],
    }


def _task_row(title: str, documents: DocumentSet) -> dict[str, str]:
    return {
        "Task": title,
        "Version": documents.version,
        "lm-eval": documents.lm_eval_version,
        "Split": documents.split,
        "Data": documents.source,
        "Documents": f"{len(documents.documents):,}",
        "Metrics": ", ".join(documents.metrics),
        "Digest (sha256)": documents.digest[:DIGITS],
    }


def _evaluation_row(contents: Contents, metadata: Mapping[str, Any]) -> dict[str, str]:
    provenance = metadata["provenance"]
    reused = provenance.get("reused_pairs", 0)
    return {
        "Model": contents.titles.model(metadata["model"]),
        "Task": contents.titles.task(metadata["task"]),
        "Design": metadata["design"],
        "Documents": f"{metadata['documents'].get('count', 0):,}",
        **_left_out(contents, metadata),
        "Coalitions × documents": f"{provenance.get('evaluated_pairs', 0) + reused:,}",
        "of these from earlier runs": f"{reused:,}",
        "Seconds of evaluation": f"{provenance.get('work_seconds', float('nan')):,.1f}",
        "Device": ", ".join(provenance.get("devices", ())),
        "Precision": str(provenance.get("dtype") or ""),
    }


def _left_out(contents: Contents, metadata: Mapping[str, Any]) -> dict[str, str]:
    """How many documents the model cannot score, in a study where there are any."""
    return {"Left out": f"{len(metadata['documents'].get('left_out', ())):,}"} if contents.left_out else {}
