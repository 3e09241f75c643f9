"""How far a study is, from the files on the disk alone: `snakemake overview`, while its jobs run too.

print_overview(study)

             BoolQ   ARC-E   PIQA
Llama3 8B     done    41 %      –       share of the (coalition × document) pairs that are evaluated
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cornerstone.coalitions import ablation, removed_text, windows
from cornerstone.config import DESIGNS, StudyConfig
from cornerstone.documents import read_documents
from cornerstone.errors import CornerstoneError
from cornerstone.evaluations import DIGESTS, EVALUATION_SCHEMA
from cornerstone.manifests import read_manifest
from cornerstone.model_folder import count_sublayers_from_config, read_model_config
from cornerstone.parts import PART_SCHEMA, parts_folder, read_metadata

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
    """Share of the pairs of both designs that are on the disk; None before model and documents are there."""
    try:
        manifest = read_manifest(Path(study.results, "models", f"{model}.json"))
        document_set = read_documents(Path(study.results, "documents", f"{task}.parquet"))
        sublayers = count_sublayers_from_config(read_model_config(manifest["folder"]))
    except CornerstoneError:
        return None
    documents = document_set.documents[: study.document_limit(model, task)]
    ours = {"dtype": study.model(model).dtype, **{key: manifest[key] for key in DIGESTS}}
    coalitions = {"ablation": ablation(sublayers), "windows": windows(sublayers, study.max_removed)}
    done = 0
    for design in DESIGNS:
        names = {removed_text(removed) for removed in coalitions[design]}
        output = Path(study.results, "evaluations", model, task, f"{design}.parquet")
        rows = len(names) * sum(len(document.requests) for document in documents)
        if _is_whole(output, ours, rows):
            done += len(names) * len(documents)
        else:
            indices = {document.index for document in documents}
            done += len(_pairs(parts_folder(output), ours, names, indices))
    return done / (sum(map(len, coalitions.values())) * len(documents))


def _is_whole(output: Path, ours: Mapping[str, Any], rows: int) -> bool:
    """Whether the evaluation is written, of this model, and has as many rows as are wanted now."""
    try:
        told = read_metadata(output, EVALUATION_SCHEMA, "evaluation")
    except (FileNotFoundError, ValueError):
        return False
    return told["rows"] == rows and _is_of(told["identity"], ours)


def _is_of(identity: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    return {key: identity.get(key) for key in ours} == ours


def _pairs(folder: Path, ours: Mapping[str, Any], names: set[str], indices: set[int]) -> set[tuple[str, int]]:
    """The (coalition, document) pairs that parts of this model hold."""
    found: set[tuple[str, int]] = set()
    for path in sorted(folder.glob("[!.]*.parquet")):
        try:
            identity = read_metadata(path, PART_SCHEMA, "part").get("identity") or {}
        except (FileNotFoundError, ValueError):  # compacted meanwhile, or cut off: the job deals with it
            continue
        if _is_of(identity, ours):
            table = pq.read_table(path, columns=["removed", "document"], partitioning=None)
            removed = pc.cast(table["removed"], "string").to_pylist()
            found |= {pair for pair in zip(removed, table["document"].to_pylist(), strict=True)}
    return {(name, index) for name, index in found if name in names and index in indices}
