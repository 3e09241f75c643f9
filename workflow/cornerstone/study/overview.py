"""The progress of a study, from the files on disk alone, also while its jobs run: `snakemake overview`.

print_overview(study)

             BoolQ   ARC-E   PIQA
Llama3 8B     done    41 %      –       share of the (coalition × document) pairs that are evaluated
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents.document import Document, DocumentSet, digest_of_prompts, read_documents
from cornerstone.documents.prefixes import draw_ids, drawn_together
from cornerstone.documents.unscorable import read_unscorable
from cornerstone.evaluations.evaluation import players_in, read_evaluation_metadata
from cornerstone.evaluations.identity import agrees, known_identity
from cornerstone.evaluations.parts import parts_folder, saved_pairs, work_in
from cornerstone.evaluations.removal_orders import read_orders
from cornerstone.models.facts import labels_of_folder
from cornerstone.shapley.coalitions import ForEach
from cornerstone.shapley.designs import DESIGNS, coalitions_of
from cornerstone.shapley.players import Players, players_of
from cornerstone.study.config import StudyConfig
from cornerstone.study.places import configured_manifest
from cornerstone.system.errors import CornerstoneError

NOT_BEGUN = "–"


def print_overview(study: StudyConfig) -> None:
    """Print a row a model, a column a task, with the share of its pairs that are evaluated."""
    table = pd.DataFrame(
        [[_cell(study, model, task) for task in study.task_names] for model in study.model_names],
        index=[study.model(model).title for model in study.model_names],
        columns=[study.task(task).title for task in study.task_names],  # two may have one title
    )
    print(table.to_string(), flush=True)


def _cell(study: StudyConfig, model: str, task: str) -> str:
    share = share_done(study, model, task)
    if share is None:
        return NOT_BEGUN
    return "done" if share == 1 else f"{int(100 * share)} %"


@dataclass(frozen=True)
class Pairs:
    """The (coalition × document) pairs of one design.

    done:    on the disk, of those that are wanted now.
    wanted:  all that are.
    seconds: what one of them took, mean of those in the parts; None where there are none.
    """

    done: int
    wanted: int
    seconds: float | None

    @property
    def is_whole(self) -> bool:
        return self.done == self.wanted


def share_done(study: StudyConfig, model: str, task: str) -> float | None:
    """Share, in parts of 1, of the pairs of all the model's designs on a task that are on the disk.

    None as below, and where the model can score no document.
    """
    pairs = pairs_by_design(study, model, task) or {}
    wanted = sum(each.wanted for each in pairs.values())
    return sum(each.done for each in pairs.values()) / wanted if wanted else None


def pairs_by_design(study: StudyConfig, model: str, task: str) -> dict[str, Pairs] | None:
    """The pairs of each of the model's designs on a task, by the name of the evaluation's file.

    None before the model that is configured and the documents are there, and where a design is impossible for it.
    """
    try:
        manifest = configured_manifest(study, model)
        document_set = read_documents(study.documents_path(task))
        players = players_of(study.players, labels_of_folder(manifest["folder"]))
        coalitions = {design: study.coalitions_of(design, players) for design in study.designs_of(model)}
        documents = _scorable(study, model, task, document_set.documents)
        in_chat = manifest["chat_template"] is not None
        prompts = {document.index: digest_of_prompts(document, in_chat=in_chat) for document in documents}
    except CornerstoneError:
        return None
    known = {
        removal: _known_identity(study, model, manifest, document_set, removal)
        for removal in filter(None, (study.removal, study.other_removal))
    }
    pairs = {}
    for name, (design, removal) in study.evaluated_as(model).items():
        output = study.work_path(model, task, design, removal)
        parts = parts_folder(study.work_path(model, task, design))
        is_ours = partial(_is_of, known[removal])
        asked = coalitions[design]
        if DESIGNS[design].is_listed:
            asked = _listed(study, model, task, documents, players) or asked
        elif DESIGNS[design].for_each is not None:
            asked = _drawn(study, model, task, design, document_set, documents, players)
        counts = asked.counts if isinstance(asked, ForEach) else [len(asked)] * len(documents)
        wanted = sum(counts)
        rows = sum(count * len(one.requests) for count, one in zip(counts, documents, strict=True))
        if _is_whole(output, is_ours, document_set.digest, rows, players):
            done = wanted
        else:
            done = saved_pairs(parts, is_ours, asked, prompts)
        work = work_in(parts, is_ours)
        pairs[name] = Pairs(done, wanted, work.seconds / work.pairs if work.pairs else None)
    return pairs


def _drawn(
    study: StudyConfig,
    model: str,
    task: str,
    design: str,
    document_set: DocumentSet,
    documents: Sequence[Document],
    players: Players,
) -> ForEach:
    """The coalitions that are drawn for each of these documents."""
    settings = study.design_settings(design)
    limited = document_set.documents[: study.document_limit(model, task)]
    ids = draw_ids(limited, drawn_together(limited, settings.documents_per_draw))
    return coalitions_of(design, players, settings, [ids[one.index] for one in documents])


def _listed(
    study: StudyConfig, model: str, task: str, documents: Sequence[Document], players: Players
) -> ForEach | None:
    """The coalitions, in sublayers, that a file lists for these documents; None before it is there."""
    path = study.orders_path(model, task)
    if not path.exists():
        return None
    of_documents = read_orders(path).of_documents()
    asked = (of_documents.get(document.index, []) for document in documents)
    return ForEach([[*map(players.spelled_out, own)] for own in asked])


def _known_identity(
    study: StudyConfig, model: str, manifest: Mapping[str, Any], task: DocumentSet, removal: str
) -> dict[str, Any] | None:
    """None before the means are there that it needs: nothing is evaluated then."""
    try:
        told = study.removal_identity(model, removal)
    except CornerstoneError:
        return None
    return known_identity(
        manifest,
        dtype=study.model(model).dtype,
        task_version=task.version,
        output_type=task.output_type,
        removal=told,
    )


def _is_of(known: Mapping[str, Any] | None, identity: Mapping[str, Any]) -> bool:
    return known is not None and agrees(identity, known)


def _scorable(study: StudyConfig, model: str, task: str, documents: tuple[Document, ...]) -> list[Document]:
    """The documents that the model is asked, less those that are known to be left out."""
    asked = documents[: study.document_limit(model, task)]
    try:
        left_out = read_unscorable(study.unscorable_path(model, task)).tasks[task].left_out
    except (CornerstoneError, KeyError):  # not found yet
        return list(asked)
    return [document for document in asked if document.index not in left_out]


def _is_whole(
    output: Path, is_ours: Callable[[Mapping[str, Any]], bool], documents: str, rows: int, players: Players
) -> bool:
    """Whether the evaluation is written, of this model, players and documents, with as many rows as are wanted now."""
    try:
        metadata = read_evaluation_metadata(output)
    except (FileNotFoundError, ValueError):
        return False
    return metadata["rows"] == rows and _is_current(metadata, is_ours, documents, players)


def _is_current(
    metadata: Mapping[str, Any],
    is_ours: Callable[[Mapping[str, Any]], bool],
    documents: str,
    players: Players,
) -> bool:
    """Whether the metadata of an evaluation are of this model, players and documents, by their digest."""
    return (
        metadata["documents"]["digest"] == documents
        and is_ours(metadata["identity"])
        and players_in(metadata).sets == players.sets
    )


def is_of_study(study: StudyConfig, model: str, task: str, designs: Iterable[str]) -> bool:
    """Whether the evaluations of these designs are of the model, players, documents, dtype and removal that are
    configured now; they may be of fewer documents. The model itself need not be there any more.

    Raises CornerstoneError where a file cannot be read, or is of another model than is configured.
    """
    document_set = read_documents(study.documents_path(task))
    known = _known_identity(study, model, configured_manifest(study, model), document_set, study.removal)
    for design in designs:
        output = study.work_path(model, task, design)
        try:
            metadata = read_evaluation_metadata(output)
        except ValueError as error:
            raise CornerstoneError(f"{output}: {error}") from error
        players = players_of(study.players, metadata["identity"]["sublayers"])
        if not _is_current(metadata, partial(_is_of, known), document_set.digest, players):
            return False
    return True
