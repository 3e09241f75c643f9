"""Unusable files are recognised by their footers and renamed to `….rejected`, so that they are made again.

    set_aside_if_bad(Expected(path, "demo_llama", "boolq", "windows", manifest, documents))

Snakemake never opens an existing output, so it would take a truncated or foreign file for done.
"""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cornerstone.documents.document import CHOICES
from cornerstone.evaluations.evaluation import (
    Evaluation,
    or_set_aside,
    read_evaluation,
    read_evaluation_metadata,
)
from cornerstone.evaluations.identity import DIGESTS, agrees, template_identity
from cornerstone.evaluations.measures import read_measures_metadata
from cornerstone.evaluations.parquet import METADATA_KEY
from cornerstone.system.durable_files import set_aside
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.text import listed


@dataclass(frozen=True)
class Expected:
    """What the file at a path should be made from; files that do not exist (yet) are not compared.

    design: None where it is a file of cheap measures.
    may_leave_out: whether documents that the model cannot score may have been left out.
    settings: what its identity says besides, of a file of which Snakemake has no record: of others it knows it. Of a
              mapping only the keys that are here.
    """

    path: Path | str
    model: str
    task: str
    design: str | None
    manifest: Path | None = None
    documents: Path | None = None
    may_leave_out: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_or_set_aside(path: Path | str) -> Evaluation:
    """`read_evaluation` for a rule's script: sets a bad file aside, so that the same command makes it again.

    Raises CornerstoneError saying so.
    """
    return or_set_aside(read_evaluation, path, "evaluate it anew")


def reason_against(expected: Expected) -> str | None:
    """Why the file at `expected.path` is not usable, or None where it is, or does not exist."""
    is_evaluation = expected.design is not None
    read = read_evaluation_metadata if is_evaluation else read_measures_metadata
    try:
        metadata = read(expected.path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        return str(error)
    for name in ("model", "task", *(["design"] if is_evaluation else [])):
        if metadata.get(name) != getattr(expected, name):
            return f"it is of {name} {metadata.get(name)!r}, not {getattr(expected, name)!r}"
    if not expected.may_leave_out and metadata["documents"].get("left_out"):
        return "documents that the model cannot score were left out of it, and unscorable is refuse"
    documents = _described(expected.documents)
    return (
        _foreign_model(metadata, expected.manifest, documents)
        or _foreign_documents(metadata, expected.documents, documents)
        or _foreign_settings(metadata, expected.settings)
    )


def set_aside_if_bad(expected: Expected, *, dry_run: bool = False) -> Path | None:
    """Set a bad file aside before anything is planned; return its new path, None where all is well.

    For the driver, while it builds its graph of jobs (never in a job). A dry run says it and moves nothing.
    """
    reason = reason_against(expected)
    return None if reason is None else _set_aside(Path(expected.path), reason, dry_run)


def set_aside_unless(check: Callable[[Path], object], path: Path, *, dry_run: bool = False) -> None:
    """Set a file aside that `check` raises a CornerstoneError for; as `set_aside_if_bad`."""
    if not path.exists():
        return
    try:
        check(path)
    except CornerstoneError as error:
        _set_aside(path, str(error), dry_run)


def _set_aside(path: Path, reason: str, dry_run: bool) -> Path | None:
    if dry_run:
        print(f"would set aside {path}: {reason}", file=sys.stderr, flush=True)
        return None
    return set_aside(path, reason)


def count_rejected(path: Path | str) -> int:
    """How many files were set aside that stood at this path.

    As a parameter of the rules that read evaluations it makes them run again, and so ask for the file that
    is missing now: Snakemake leaves a missing input missing while what was made of it is there. It has to
    be a function of the wildcards alone: one of `input` is recorded nowhere, so its change is not seen.
    """
    path = Path(path)
    return len(list(path.parent.glob(glob.escape(path.name) + ".rejected*")))


def _described(documents: Path | None) -> Mapping[str, Any]:
    """What a document file says of itself; nothing where it does not: whoever reads it will tell."""
    if documents is None or not documents.is_file():
        return {}
    try:
        return json.loads((pq.read_schema(documents).metadata or {}).get(METADATA_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return {}


def _foreign_model(
    metadata: Mapping[str, Any], manifest: Path | None, documents: Mapping[str, Any]
) -> str | None:
    if manifest is None or not manifest.is_file():
        return None
    identity = metadata["identity"]
    try:
        current = json.loads(manifest.read_text(encoding="utf-8"))
        changed = [name for name in DIGESTS if identity.get(name) != current.get(name)]
        template = template_identity(current, documents.get("output_type", CHOICES))
    except (OSError, ValueError, AttributeError):
        return None  # not this file's fault: whoever reads the manifest will tell
    if changed:
        return f"it was evaluated with another model: {' and '.join(changed)} are not what {manifest} says"
    if documents and identity.get("chat_template") != template:
        return f"it was evaluated with another chat template than that in {manifest}"
    return None


def _foreign_documents(
    metadata: Mapping[str, Any], path: Path | None, documents: Mapping[str, Any]
) -> str | None:
    if documents and metadata["documents"].get("digest") != documents.get("digest"):
        return f"it was evaluated on other documents than those in {path}"
    return None


def _foreign_settings(metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    other = [name for name, wanted in settings.items() if not _says(metadata["identity"].get(name), wanted)]
    if not other:
        return None
    return (
        "Snakemake has no record of it here, and it was computed with what is not configured now: another "
        f"{listed(other)}"
    )


def _says(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return found == wanted
    return isinstance(found, Mapping) and agrees(found, wanted)
