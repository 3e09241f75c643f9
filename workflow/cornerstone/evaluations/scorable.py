"""Which documents of a task a model can score: found before it is evaluated on them, with its tokenizer alone.

find_unscorable_documents(manifest, documents, Path(".../demo_llama/boolq.json"), Loading(…), model="demo_llama")

manifest, documents ─► unscorable/{model}/{task}.json ─► evaluations
                                  └─► all of a model's tasks: refused or accepted, before the first of them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornerstone.documents.document import Document, DocumentSet, read_documents
from cornerstone.documents.unscorable import (
    CheckedModel,
    CheckedTask,
    read_unscorable,
    refuse_unscorable,
    write_unscorable,
)
from cornerstone.models.manifest import check_unchanged, read_manifest
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class Loading:
    """What the step needs of `cornerstone.loading`; it is handed in, as the engine is."""

    check_loading: Callable[..., Any]
    find_unscorable: Callable[[Any, Sequence[Document]], list[Any]]


def find_unscorable_documents(
    manifest: Path,
    documents: Path,
    output: Path,
    loading: Loading,
    *,
    model: str,
    limit: int | None = None,
    allow_remote_code: bool = False,
) -> None:
    """Try the model's tokenizer on the documents of a task, the first `limit` or all, and write which it cannot score.

    Raises CornerstoneError where the model cannot be loaded or has sublayers that are not known, both told without its
    weights, where it has no readable tokenizer, or was changed.
    """
    described, task = read_manifest(manifest), read_documents(documents)
    check_unchanged(described)
    folder = Path(described["folder"])
    encoder = loading.check_loading(folder, name=model, allow_remote_code=allow_remote_code)
    asked = task.documents[:limit]
    of_task = CheckedTask(task.digest, len(asked), tuple(loading.find_unscorable(encoder, asked)))
    print(f"{model} cannot score {len(of_task.left_out)} of {len(asked)} documents of {task.task}")
    tasks = {task.task: of_task}
    write_unscorable(CheckedModel(model, described["config"], described["tokenizer"], tasks), output)


def left_out_of(
    path: Path | None, manifest: Mapping[str, Any], task: DocumentSet, asked: int, *, skip: bool
) -> set[int]:
    """The indices of the documents that an evaluation leaves out.

    path: of `find_unscorable_documents`; None where there are none. asked: how many documents are within the limit.
    Raises CornerstoneError where the list is of another model, of other documents or of another limit, and where it is
    refused (`accept_unscorable` refuses it earlier, but not for an evaluation that was there and is made again).
    """
    if path is None:
        return set()
    checked = read_unscorable(path)
    of_task = checked.tasks.get(task.task)
    tried = of_task and (checked.config, checked.tokenizer, of_task.digest, of_task.documents)
    if tried != (manifest["config"], manifest["tokenizer"], task.digest, asked):
        raise CornerstoneError(
            f"{path} is not of this model, these documents of {task.task} and their limit: remove it, then type the "
            "same command again"
        )
    refuse_unscorable(checked, [path], skip=skip)
    return set(of_task.left_out)
