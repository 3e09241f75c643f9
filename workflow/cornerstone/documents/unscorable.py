"""Documents that a model's tokenizer cannot score: what they are, the file that lists them, and the refusal.

    found = read_unscorable(Path("results/unscorable/demo_llama/boolq.json"))
    found.tasks["boolq"].left_out     # (3, 17): indices of documents
    accept_unscorable([…], Path("results/unscorable/demo_llama.json"), skip=False)

Needs nothing but the standard library: the driver reads such files, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from cornerstone.system.durable_files import write_json
from cornerstone.system.errors import CornerstoneError, shortened
from cornerstone.system.text import counted, listed

FORMAT = 1
MOST_CHARACTERS = 1500
"""Of one message's list; the file has all of it."""
MOST_TASKS = 12
"""In one message's counts."""


@dataclass(frozen=True)
class Unscorable:
    """Why one choice of a document cannot be scored. document: its index; choice: from 0; reason: in words."""

    document: int
    choice: int
    reason: str

    def __str__(self) -> str:
        return f"document {self.document}, choice {self.choice}: {self.reason}"


@dataclass(frozen=True)
class CheckedTask:
    """The documents of one task that a model's tokenizer was tried on.

    digest:     of the whole document set.
    documents:  how many were tried: those within the configuration's limits.
    unscorable: an entry a choice, in the order of the documents.
    """

    digest: str
    documents: int
    unscorable: tuple[Unscorable, ...] = ()

    @property
    def left_out(self) -> tuple[int, ...]:
        """The indices of the documents that cannot be scored, ascending."""
        return tuple(sorted({one.document for one in self.unscorable}))


@dataclass(frozen=True)
class CheckedModel:
    """The documents of one or more tasks that a model's tokenizer was tried on.

    config, tokenizer: digests of the model's files.
    """

    model: str
    config: str
    tokenizer: str
    tasks: Mapping[str, CheckedTask]


def write_unscorable(checked: CheckedModel, path: Path | str) -> None:
    """Write what was found as JSON, whole or not at all."""
    write_json({"format": FORMAT, "kind": "unscorable", **asdict(checked)}, path)


def read_unscorable(path: Path | str) -> CheckedModel:
    """What `write_unscorable` wrote. Raises CornerstoneError where it is missing, damaged or something else."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content.pop("format"), content.pop("kind")) != (FORMAT, "unscorable"):
            raise ValueError("another kind or format")
        tasks = {name: _checked_task(**task) for name, task in content.pop("tasks").items()}
        return CheckedModel(**content, tasks=tasks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CornerstoneError(
            f"{path} is not a list of unscorable documents ({error}): remove it, then type the same command again"
        ) from error


def _checked_task(digest: str, documents: int, unscorable: list[dict[str, Any]]) -> CheckedTask:
    return CheckedTask(digest, documents, tuple(Unscorable(**one) for one in unscorable))


def accept_unscorable(found: Sequence[Path], output: Path, *, skip: bool) -> None:
    """Write the lists of all tasks of one model as one, unless it is refused: see `refuse_unscorable`."""
    lists = [read_unscorable(path) for path in found]
    checked = replace(lists[0], tasks={name: task for each in lists for name, task in each.tasks.items()})
    refuse_unscorable(checked, found, skip=skip)
    write_unscorable(checked, output)


def refuse_unscorable(checked: CheckedModel, files: Sequence[Path] = (), *, skip: bool) -> None:
    """Refuse a model that cannot score every document; with `skip` only one that can score none of some task's.

    files: which have the whole list, if any.
    Raises CornerstoneError that lists what is refused, as much as one message holds, and each task's count.
    """
    ill = {name: task for name, task in checked.tasks.items() if task.unscorable}
    empty = {name: task for name, task in ill.items() if len(task.left_out) == task.documents}
    refused = empty if skip else ill
    if refused:
        place = files[0].with_name("*.json") if len(files) > 1 else next(iter(files), None)
        raise CornerstoneError(_message(checked.model, refused, place, _remedy(able_to_skip=not empty)))


def _remedy(able_to_skip: bool) -> str:
    remedy = "change the documents, choose another model, or leave "
    if able_to_skip:
        return f"{remedy}them out of this model: unscorable: skip in the configuration"
    return f"{remedy}out a task of which nothing can be scored"


def _message(model: str, ill: Mapping[str, CheckedTask], place: Path | None, remedy: str) -> str:
    counts = [
        f"{len(task.left_out):,} of {counted(task.documents, 'document')} of {shortened(name)}"
        for name, task in list(ill.items())[:MOST_TASKS]
    ]
    if len(ill) > MOST_TASKS:
        counts.append(f"some of {counted(len(ill) - MOST_TASKS, 'more task')}")
    return f"{model} cannot score {listed(counts)}: {remedy}. {_list(ill, place)}"


def _list(ill: Mapping[str, CheckedTask], place: Path | None) -> str:
    """As many entries as fit in one message, taking turns between tasks, and where the others are listed."""
    told, room = [], MOST_CHARACTERS
    everything = list(_in_turn(ill))
    for text in everything:
        if told and len(text) + 2 > room:
            break
        told.append(text)
        room -= len(text) + 2
    left_out = len(everything) - len(told)
    more = f"; and {counted(left_out, 'more choice')}" if left_out else ""
    if place is not None:
        more += f", all listed in {place}" if left_out else f" ({place})"
    return "; ".join(told) + more


def _in_turn(ill: Mapping[str, CheckedTask]) -> Iterator[str]:
    """Every entry as text: the first of each task, then the second of each, and so on."""
    of_tasks = [[f"{shortened(name)} {one}" for one in task.unscorable] for name, task in ill.items()]
    return (text for text in chain.from_iterable(zip_longest(*of_tasks)) if text is not None)
