"""Which documents a model can score: found before it is evaluated on them, with its tokenizer alone.

find_unscorable_documents(manifest, {documents: Path(".../demo_llama/boolq.json")}, Loading(…), model="demo_llama", …)

manifest, documents ─► unscorable/{model}/{task}.json of all tasks ─► the model: refused or accepted, before the first
                                                                      of its evaluations

An evaluation finds for itself what it leaves out, so that it depends on no other task's documents.
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
    Unscorable,
    refuse_unscorable,
    write_unscorable,
)
from cornerstone.models.manifest import read_unchanged

Find = Callable[[Any, Sequence[Document]], list[Unscorable]]
"""From an encoder and documents to what cannot be scored: `loading.encoding.find_unscorable`."""


@dataclass(frozen=True)
class Loading:
    """What the step needs of `cornerstone.loading`; it is handed in, as the engine is."""

    check_loading: Callable[..., Any]
    find_unscorable: Find


def find_unscorable_documents(
    manifest: Path,
    outputs: Mapping[Path, Path],
    loading: Loading,
    *,
    model: str,
    limits: Mapping[str, int | None],
    allow_remote_code: bool | None = None,
) -> None:
    """Try the model's tokenizer on the documents of its tasks, and write which of each it cannot score.

    outputs: the file to write by the documents' file. limits: only the first so many documents of a task, None for
    all, by the task's name. Raises CornerstoneError where the model cannot be loaded or has sublayers that are not
    known, both told without its weights, where it has no readable tokenizer, or was changed.
    """
    described = read_unchanged(manifest)
    folder = Path(described["folder"])
    template = described.get("chat_template")
    encoder = loading.check_loading(
        folder, name=model, allow_remote_code=allow_remote_code, chat_template=template
    )
    for documents, output in outputs.items():
        task = read_documents(documents)
        asked = task.documents[: limits[task.task]]
        checked = _checked(model, described, task, asked, loading.find_unscorable(encoder, asked))
        left_out = checked.tasks[task.task].left_out
        print(f"{model} cannot score {len(left_out)} of {len(asked)} documents of {task.task}")
        write_unscorable(checked, output)


def left_out_of(
    model: str,
    manifest: Mapping[str, Any],
    task: DocumentSet,
    asked: Sequence[Document],
    unscorable: Sequence[Unscorable],
    *,
    skip: bool,
) -> set[int]:
    """The indices of the documents that an evaluation leaves out, of those that the model was `asked`.

    Raises CornerstoneError where they may not be left out (`accept_unscorable` refuses them earlier, but not for an
    evaluation that was there and is made again).
    """
    checked = _checked(model, manifest, task, asked, unscorable)
    refuse_unscorable(checked, skip=skip)
    return set(checked.tasks[task.task].left_out)


def _checked(
    model: str,
    manifest: Mapping[str, Any],
    task: DocumentSet,
    asked: Sequence[Document],
    unscorable: Sequence[Unscorable],
) -> CheckedModel:
    of_task = CheckedTask(task.digest, len(asked), tuple(unscorable))
    return CheckedModel(model, manifest["config"], manifest["tokenizer"], {task.task: of_task})
