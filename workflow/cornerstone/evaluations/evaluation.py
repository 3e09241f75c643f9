"""Evaluations: the tables of log-likelihoods that everything after is arithmetic on.

    evaluation = read_evaluation("results/evaluations/demo_llama/boolq/windows.parquet")
    evaluation.table        # removed, document, choice, loglikelihood: a row each

A file is there whole or not at all, says what it is in its metadata, and is never trusted for its place
alone: a truncated or foreign one is set aside as `….rejected`, named in one line, and made again.
"""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cornerstone.evaluations.grid import Grid, index_column, removed_column, rows_of_pairs
from cornerstone.evaluations.parts import METADATA_KEY, TEXT, read_metadata, read_rows, write_rows
from cornerstone.system.durable_files import set_aside
from cornerstone.system.errors import CornerstoneError

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_SCHEMA = pa.schema(
    [
        ("removed", TEXT),
        ("document", pa.int32()),
        ("choice", pa.int16()),
        ("loglikelihood", pa.float64()),
    ]
)
DIGESTS = ("weights", "config", "tokenizer")
"""What a manifest and an identity both say."""


class BadEvaluation(CornerstoneError):
    """A file that is no usable evaluation. `path` and `reason` say which and why."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is not usable: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The log-likelihoods of a model's coalitions on a task's documents.

    design:     the named set of coalitions: ablation, windows.
    sublayers:  labels in execution order ("Attn 0", "FFN 0", …).
    table:      removed (categorical text, see `coalitions.removed_text`), document (index in the scored
                split), choice, loglikelihood (nats); sorted by number removed, removed, document, choice.
    provenance: versions, device, times: how it was made, never a reason to make it again.
    identity:   see `identity.model_identity`.
    documents:  digest of the document set, and how many of its documents were evaluated.
    """

    model: str
    task: str
    design: str
    sublayers: tuple[str, ...]
    table: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """What should stand at a path; files that are not there (yet) are not compared with."""

    path: Path | str
    model: str
    task: str
    design: str
    manifest: Path | None = None
    documents: Path | None = None


def read_evaluation(path: Path | str) -> Evaluation:
    """Read an evaluation whole, checksums verified.

    Raises BadEvaluation where it is cut off, damaged, of another format or no evaluation at all;
    CornerstoneError where it is missing.
    """
    path = Path(path)
    try:
        metadata = read_metadata(path, EVALUATION_SCHEMA, "evaluation")
        table = read_rows(path)
        if not np.isfinite(table["loglikelihood"].to_numpy()).all():
            raise ValueError("it has log-likelihoods that are not finite")
    except FileNotFoundError:
        raise CornerstoneError(f"there is no evaluation {path}: make it first") from None
    except ValueError as error:
        raise BadEvaluation(path, str(error)) from error
    names = ("model", "task", "design", "provenance", "identity", "documents")
    told = {name: metadata[name] for name in names}
    return Evaluation(sublayers=tuple(metadata["sublayers"]), table=table.to_pandas(), **told)


def read_or_set_aside(path: Path | str) -> Evaluation:
    """`read_evaluation` for a rule's script: sets a bad file aside, so that the same command makes it again.

    Raises CornerstoneError saying so.
    """
    try:
        return read_evaluation(path)
    except BadEvaluation as bad:
        rejected = set_aside(bad.path, bad.reason)
        raise CornerstoneError(
            f"{bad.path} was not usable ({bad.reason}) and is now {rejected.name}: "
            "type the same command again to evaluate it anew"
        ) from bad


def write_evaluation(evaluation: Evaluation, path: Path | str) -> None:
    """Write an evaluation durably. Its table must have the columns of EVALUATION_SCHEMA, sorted."""
    table = evaluation.table.assign(removed=evaluation.table["removed"].astype("category"))
    arrays = [pa.array(table[column.name]).cast(column.type) for column in EVALUATION_SCHEMA]
    _write(pa.table(arrays, schema=EVALUATION_SCHEMA), path, evaluation)


def write_grid(grid: Grid, path: Path | str, evaluation: Evaluation) -> None:
    """Write a grid whose pairs are all evaluated as the table of `evaluation` (whose own is not read)."""
    rows, columns = rows_of_pairs(grid, np.ones(grid.saved.shape, dtype=bool))
    arrays = [
        removed_column(grid, rows),
        index_column(grid, columns),
        pa.array(grid.choice_of_column[columns], pa.int16()),
        pa.array(grid.values.reshape(-1)),
    ]
    _write(pa.table(arrays, schema=EVALUATION_SCHEMA), path, evaluation)


def _write(table: pa.Table, path: Path | str, evaluation: Evaluation) -> None:
    metadata = {
        "kind": "evaluation",
        "model": evaluation.model,
        "task": evaluation.task,
        "design": evaluation.design,
        "identity": dict(evaluation.identity),
        "sublayers": list(evaluation.sublayers),
        "documents": dict(evaluation.documents),
        "provenance": dict(evaluation.provenance),
    }
    write_rows(Path(path), table, metadata)


def find_bad_evaluations(expected: Iterable[Expected]) -> list[tuple[Path, str]]:
    """The files that are not what should stand in their place, each with the reason in a few words.

    Reads footers only: a millisecond each. Files that do not exist are not bad.
    """
    found = ((each.path, reason_against(each)) for each in expected)
    return [(path, reason) for path, reason in found if reason is not None]


def reason_against(expected: Expected) -> str | None:
    """Why the file at `expected.path` is not usable, or None where it is, or does not exist."""
    try:
        metadata = read_metadata(expected.path, EVALUATION_SCHEMA, "evaluation")
    except FileNotFoundError:
        return None
    except ValueError as error:
        return str(error)
    for name in ("model", "task", "design"):
        if metadata.get(name) != getattr(expected, name):
            return f"it is of {name} {metadata.get(name)!r}, not {getattr(expected, name)!r}"
    return _foreign_model(metadata, expected.manifest) or _foreign_documents(metadata, expected.documents)


def set_aside_if_bad(expected: Expected, *, dry_run: bool = False) -> Path | None:
    """Set a bad file aside before anything is planned; return its new path, None where all is well.

    For the driver, while it builds its graph of jobs (never in a job): Snakemake never opens an existing
    output, so it would take a truncated or foreign file for done. A dry run says it and moves nothing.
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
    """How many files were set aside from this place.

    As a parameter of the rules that read evaluations it makes them run again, and so ask for the file that
    is missing now: Snakemake leaves a missing input missing while what was made of it is there. It has to
    be a function of the wildcards alone: one of `input` is recorded nowhere, so its change is not seen.
    """
    path = Path(path)
    return len(list(path.parent.glob(glob.escape(path.name) + ".rejected*")))


def _foreign_model(metadata: Mapping[str, Any], manifest: Path | None) -> str | None:
    if manifest is None or not manifest.is_file():
        return None
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
        changed = [name for name in DIGESTS if metadata["identity"].get(name) != told.get(name)]
    except (OSError, ValueError, AttributeError):
        return None  # not this file's fault: whoever reads the manifest will tell
    if changed:
        return f"it was evaluated with another model: {' and '.join(changed)} are not what {manifest} says"
    return None


def _foreign_documents(metadata: Mapping[str, Any], documents: Path | None) -> str | None:
    if documents is None or not documents.is_file():
        return None
    try:
        told = json.loads((pq.read_schema(documents).metadata or {}).get(METADATA_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return None  # not this file's fault: whoever reads the documents will tell
    if metadata["documents"].get("digest") != told.get("digest"):
        return f"it was evaluated on other documents than those in {documents}"
    return None
