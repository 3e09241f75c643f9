"""Calibration documents: none of them may be scored, for means of scored documents would know the answers.

refuse_scored_calibration(content_digests(calibration.documents), task)
"""

from __future__ import annotations

from collections.abc import Iterable

from cornerstone.documents.document import Document, DocumentSet, document_ids
from cornerstone.system.errors import CornerstoneError


def content_digests(documents: Iterable[Document]) -> list[str]:
    """The digest of each document's contents, wherever it stands."""
    return [digest for digest, _ in document_ids(documents).values()]


def refuse_scored_calibration(
    calibration: Iterable[str], task: DocumentSet, limit: int | None = None
) -> None:
    """Raise CornerstoneError where a document of the task is one of these, told by the digests of their contents.

    limit: how many of the task's documents are scored, the first; None for all.
    """
    known, scored = set(calibration), task.documents[:limit]
    for document, digest in zip(scored, content_digests(scored), strict=True):
        if digest in known:
            raise CornerstoneError(
                f"calibration has document {document.index} of {task.task}, which is scored: name another task, or a "
                "file of other documents of it (data)"
            )
