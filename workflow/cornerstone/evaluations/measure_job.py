"""The measure step: every cheap measure of a model on the documents of all its tasks, in one pass of the full model.

    job = MeasureJob(manifest, {documents: output}, "demo_llama", limits={"boolq": None})
    run_measure_job(job, Engine(load_encoder, find_unscorable, encode_documents, load_model, measure, ENGINE_VERSION))

Tasks go together: loading a model takes longer than a pass over a few thousand documents, and streamed weights are
read once for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cornerstone.documents.document import DocumentSet, read_documents
from cornerstone.evaluations.identity import model_identity
from cornerstone.evaluations.measures import Measures, write_measures
from cornerstone.evaluations.plan import Engine, load_model_of, say
from cornerstone.evaluations.provenance import library_versions, peak_memory_bytes
from cornerstone.evaluations.scorable import left_out_of
from cornerstone.measures import MEASURES, MEASURES_VERSION
from cornerstone.models.manifest import read_unchanged
from cornerstone.system.durable_files import digest_of
from cornerstone.system.progress import progress


@dataclass(frozen=True)
class MeasureJob:
    """One run of the measure rule.

    outputs: the file to write by the documents' file. limits: only the first so many documents of a task, None for all,
    by the task's name. blocks_together: the blocks of a group, which is measured too; 1 for none. The others are as in
    `EvaluationJob`.
    """

    manifest: Path
    outputs: Mapping[Path, Path]
    model: str
    limits: Mapping[str, int | None]
    blocks_together: int = 1
    skip_unscorable: bool = False
    dtype: str = "float32"
    device: str = "auto"
    placement: str = "auto"
    allow_remote_code: bool | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class _Asked:
    """The documents of one task. encoded: those that are measured; left_out: indices of those that cannot be."""

    task: DocumentSet
    encoded: list[Any]
    left_out: list[int]
    output: Path


def run_measure_job(job: MeasureJob, engine: Engine) -> None:
    """Measure the model on all tasks and write a file of each. `engine.evaluate` is `engine.measure.measure`.

    Raises CornerstoneError as evaluating does: for mistakes of the user, and for numbers that are not finite.
    """
    started = time.monotonic()
    manifest = read_unchanged(job.manifest)
    folder = Path(manifest["folder"])
    encoder = engine.load_encoder(
        folder, allow_remote_code=job.allow_remote_code, chat_template=manifest.get("chat_template")
    )
    asked = [_asked(job, engine, manifest, encoder, *files) for files in job.outputs.items()]
    documents = [document for one in asked for document in one.encoded]
    say(f"{job.model}, cheap measures: {job.dtype}, device {job.device}; {len(documents)} documents")
    model = load_model_of(job, engine.load_model, folder)
    with progress("measure", "token-sublayers") as advance:
        found = engine.evaluate(
            model,
            documents,
            blocks_together=job.blocks_together,
            memory_bytes=job.memory_bytes,
            on_progress=advance,
        )
    provenance = _provenance(job, model, found.counts, started)
    ends = accumulate((len(one.encoded) for one in asked), initial=0)
    for one, (first, end) in zip(asked, pairwise(ends), strict=True):
        identity = model_identity(
            manifest,
            encoding=encoder.settings,
            dtype=job.dtype,
            sublayers=[sublayer.label for sublayer in model.sublayers],
            engine_version=engine.version,
            task_version=one.task.version,
            output_type=one.task.output_type,
        )
        of_task = slice(first, end)
        numbers = [each[:, of_task] for each in (found.sublayers, found.blocks, found.groups)]
        write_measures(_measures(job, one, model, numbers, identity, provenance), one.output)
    say(f"measured {len(documents)} documents of {len(asked)} tasks in {provenance['seconds']:.1f} s")


def _asked(
    job: MeasureJob, engine: Engine, manifest: Mapping[str, Any], encoder: Any, documents: Path, output: Path
) -> _Asked:
    task = read_documents(documents)
    asked = task.documents[: job.limits[task.task]]
    unscorable = engine.find_unscorable(encoder, asked)
    left_out = left_out_of(job.model, manifest, task, asked, unscorable, skip=job.skip_unscorable)
    measured = [document for document in asked if document.index not in left_out]
    return _Asked(task, engine.encode_documents(encoder, measured), sorted(left_out), output)


def _measures(
    job: MeasureJob,
    asked: _Asked,
    model: Any,
    numbers: Sequence[np.ndarray],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> Measures:
    """numbers: of sublayers, of blocks and of groups, (measures, documents, parts)."""
    order = np.argsort([document.index for document in asked.encoded])
    sublayers, blocks, groups = (dict(zip(MEASURES.names, each[:, order], strict=True)) for each in numbers)
    documents = [asked.encoded[place] for place in order]
    keys = [[document.index, document.digest] for document in documents]
    left_out = {"left_out": asked.left_out} if asked.left_out else {}
    return Measures(
        model=job.model,
        task=asked.task.task,
        labels=tuple(sublayer.label for sublayer in model.sublayers),
        block_of=tuple(sublayer.block for sublayer in model.sublayers),
        documents=tuple(document.index for document in documents),
        sublayers=sublayers,
        blocks=blocks,
        provenance=provenance,
        identity={**identity, "measures_version": MEASURES_VERSION, "documents": digest_of(keys)},
        about={
            "digest": asked.task.digest,
            "count": len(keys),
            "of": len(asked.task.documents),
            **left_out,
        },
        groups=groups if job.blocks_together > 1 else {},
        blocks_together=job.blocks_together,
    )


def _provenance(job: MeasureJob, model: Any, counts: Mapping[str, Any], started: float) -> dict[str, Any]:
    return {
        "seconds": round(time.monotonic() - started, 3),
        "devices": [model.device_name],
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": model.peak_device_memory_bytes,
        "dtype": job.dtype,
        "engine": dict(counts),
        "versions": library_versions(),
    }
