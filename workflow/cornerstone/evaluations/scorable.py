"""Which documents a model can score: found before its first evaluation, with its tokenizer alone.

find_unscorable_documents(manifest, {"boolq": documents}, {"boolq": None}, output, Tokenizing(…), model="demo_llama")

manifest, documents of every task ─► found.json ─► refused, or left_out.json ─► evaluations
                                     (tokenizer)   (configuration)
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
    write_unscorable,
)
from cornerstone.models.manifest import check_unchanged, read_manifest
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class Tokenizing:
    """What the step needs of `loading.encoding`; it is handed in, as the engine is."""

    load_encoder: Callable[..., Any]
    find_unscorable: Callable[[Any, Sequence[Document]], list[Any]]


def find_unscorable_documents(
    manifest: Path,
    documents: Mapping[str, Path],
    limits: Mapping[str, int | None],
    output: Path,
    tokenizing: Tokenizing,
    *,
    model: str,
    allow_remote_code: bool = False,
) -> None:
    """Try the model's tokenizer on all documents that it will be asked, and write which it cannot score.

    documents: the file of each task. limits: only the first so many of them; None for all.
    Raises CornerstoneError where the model has no readable tokenizer, or was changed.
    """
    described = read_manifest(manifest)
    check_unchanged(described)
    encoder = tokenizing.load_encoder(Path(described["folder"]), allow_remote_code=allow_remote_code)
    tasks = {}
    for task, path in documents.items():
        whole = read_documents(path)
        asked = whole.documents[: limits[task]]
        tasks[task] = CheckedTask(whole.digest, len(asked), tuple(tokenizing.find_unscorable(encoder, asked)))
        print(f"{model} on {task}: {len(tasks[task].left_out)} of {len(asked)} documents cannot be scored")
    write_unscorable(CheckedModel(model, described["config"], described["tokenizer"], tasks), output)


def left_out_of(path: Path | None, manifest: Mapping[str, Any], task: DocumentSet, asked: int) -> set[int]:
    """The indices of the documents that an evaluation leaves out; path: of `accept_unscorable`, None for none.

    asked: how many documents are within the limit.
    Raises CornerstoneError where the file is of another model, of other documents or of another limit.
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
    return set(of_task.left_out)
