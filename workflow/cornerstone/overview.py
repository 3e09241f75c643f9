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
    outputs = [Path(study.results, "evaluations", model, task, f"{design}.parquet") for design in DESIGNS]
    if all(output.is_file() for output in outputs):
        return "done"
    share = share_done(study, model, task)
    return NOT_BEGUN if share is None else f"{int(100 * share)} %"  # 100 % only where all is written


def share_done(study: StudyConfig, model: str, task: str) -> float | None:
    """Share of the pairs of both designs that are on the disk; None before model and documents are there."""
    manifest_path = Path(study.results, "models", f"{model}.json")
    documents_path = Path(study.results, "documents", f"{task}.parquet")
    try:
        manifest = read_manifest(manifest_path)
        documents = read_documents(documents_path).documents[: study.document_limit(model, task)]
        sublayers = count_sublayers_from_config(read_model_config(manifest["folder"]))
    except CornerstoneError:
        return None
    indices = {document.index for document in documents}
    coalitions = {"ablation": ablation(sublayers), "windows": windows(sublayers, study.max_removed)}
    done = 0
    for design in DESIGNS:
        names = {removed_text(removed) for removed in coalitions[design]}
        output = Path(study.results, "evaluations", model, task, f"{design}.parquet")
        if output.is_file():
            done += len(names) * len(indices)
        else:
            done += len(_pairs(parts_folder(output), manifest, study.model(model).dtype, names, indices))
    return done / (sum(map(len, coalitions.values())) * len(indices))


def _pairs(
    folder: Path, manifest: Mapping[str, Any], dtype: str, names: set[str], indices: set[int]
) -> set[tuple[str, int]]:
    """The (coalition, document) pairs that parts of this model hold."""
    found: set[tuple[str, int]] = set()
    for path in sorted(folder.glob("[!.]*.parquet")):
        try:
            identity = read_metadata(path, PART_SCHEMA, "part").get("identity") or {}
        except (FileNotFoundError, ValueError):  # compacted meanwhile, or cut off: the job deals with it
            continue
        ours = {"dtype": dtype, **{key: manifest[key] for key in ("weights", "config", "tokenizer")}}
        if {key: identity.get(key) for key in ours} == ours:
            table = pq.read_table(path, columns=["removed", "document"], partitioning=None)
            removed = pc.cast(table["removed"], "string").to_pylist()
            found |= {pair for pair in zip(removed, table["document"].to_pylist(), strict=True)}
    return {(name, index) for name, index in found if name in names and index in indices}
