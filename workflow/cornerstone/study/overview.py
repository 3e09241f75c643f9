"""The progress of a study, from the files on disk alone, also while its jobs run: `snakemake overview`.

print_overview(study)

             BoolQ   ARC-E   PIQA
Llama3 8B     done    41 %      –       share of the (coalition × document) pairs that are evaluated
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.documents.document import Document, digest_documents, document_ids, read_documents
from cornerstone.documents.unscorable import read_unscorable
from cornerstone.evaluations.evaluation import read_evaluation_metadata
from cornerstone.evaluations.identity import DIGESTS, ENGINE_VERSION
from cornerstone.evaluations.parts import parts_folder, saved_pairs
from cornerstone.models.facts import sublayers_of_folder
from cornerstone.models.manifest import read_manifest
from cornerstone.shapley.designs import coalitions_of
from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError

NOT_BEGUN = "–"


def print_overview(study: StudyConfig) -> None:
    """Print a row a model, a column a task, with the share of its pairs that are evaluated."""
    table = pd.DataFrame(
        {
            study.task(task).title: [_cell(study, model, task) for model in study.model_names]
            for task in study.task_names
        },
        index=[study.model(model).title for model in study.model_names],
    )
    print(table.to_string(), flush=True)


def _cell(study: StudyConfig, model: str, task: str) -> str:
    share = share_done(study, model, task)
    if share is None:
        return NOT_BEGUN
    return "done" if share == 1 else f"{int(100 * share)} %"


def share_done(study: StudyConfig, model: str, task: str) -> float | None:
    """Share, in parts of 1, of the pairs of all the model's designs on a task that are on the disk.

    None before the model and the documents are there, and where a design is impossible for the model.
    """
    try:
        manifest = read_manifest(study.manifest_path(model))
        document_set = read_documents(study.documents_path(task))
        sublayers = sublayers_of_folder(manifest["folder"])
        coalitions = {design: study.coalitions_of(design, sublayers) for design in study.designs_of(model)}
    except CornerstoneError:
        return None
    documents = _scorable(study, model, task, document_set.documents)
    ids = document_ids(document_set.documents)
    prompts = {document.index: digest_documents([document]) for document in documents}
    ours = {
        "dtype": study.model(model).dtype,
        "engine_version": ENGINE_VERSION,
        "task_version": document_set.version,
        **{key: manifest[key] for key in DIGESTS},
    }
    done = 0
    for design in coalitions:
        output = study.evaluation_path(model, task, design)
        rows = len(coalitions[design]) * sum(len(document.requests) for document in documents)
        if _is_whole(output, ours, document_set.digest, rows):
            done += len(coalitions[design]) * len(documents)
        else:
            of_these = [ids[document.index] for document in documents]
            wanted = coalitions_of(design, sublayers, study.design_settings(design), of_these)
            done += saved_pairs(
                parts_folder(output), lambda identity: _is_of(identity, ours), wanted, prompts
            )
    return done / (sum(map(len, coalitions.values())) * len(documents))


def _scorable(study: StudyConfig, model: str, task: str, documents: tuple[Document, ...]) -> list[Document]:
    """The documents that the model is asked, less those that are known to be left out."""
    asked = documents[: study.document_limit(model, task)]
    try:
        left_out = read_unscorable(study.unscorable_path(model, task)).tasks[task].left_out
    except (CornerstoneError, KeyError):  # not found yet
        return list(asked)
    return [document for document in asked if document.index not in left_out]


def _is_whole(output: Path, ours: Mapping[str, Any], documents: str, rows: int) -> bool:
    """Whether the evaluation is written, of this model and these documents, with as many rows as are wanted now."""
    try:
        metadata = read_evaluation_metadata(output)
    except (FileNotFoundError, ValueError):
        return False
    return (
        metadata["rows"] == rows
        and metadata["documents"]["digest"] == documents
        and _is_of(metadata["identity"], ours)
    )


def _is_of(identity: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    return {key: identity.get(key) for key in ours} == ours
