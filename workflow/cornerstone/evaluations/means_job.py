"""The means step: what each sublayer of a model adds on average over the calibration documents.

run_means_job(MeansJob(manifest, documents, output, "demo_llama"), engine)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornerstone.documents.calibration import content_digests
from cornerstone.documents.document import read_documents
from cornerstone.evaluations.identity import DIGESTS
from cornerstone.evaluations.plan import load_model_of, say
from cornerstone.evaluations.scorable import Find
from cornerstone.models.manifest import read_unchanged
from cornerstone.models.means import MEANS_VERSION, Means, write_means
from cornerstone.system.durable_files import digest_of
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.progress import progress


@dataclass(frozen=True)
class MeansJob:
    """One run of the means rule. manifest, documents, output: files of the study; the others as of `EvaluationJob`."""

    manifest: Path
    documents: Path
    output: Path
    model: str
    dtype: str = "float32"
    device: str = "auto"
    placement: str = "auto"
    allow_remote_code: bool | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Calibration:
    """What the job needs of loading and engine; see `plan.Engine`. mean_contributions: of `engine.calibration`."""

    load_encoder: Callable[..., Any]
    find_unscorable: Find
    encode_documents: Callable[..., list[Any]]
    load_model: Callable[..., Any]
    mean_contributions: Callable[..., Means]


def run_means_job(job: MeansJob, engine: Calibration) -> None:
    """Work out the means and write them. Documents that the model cannot score are left out, which is said.

    Raises CornerstoneError where none is left, and as `mean_contributions`.
    """
    started = time.monotonic()
    manifest, task = read_unchanged(job.manifest), read_documents(job.documents)
    folder = Path(manifest["folder"])
    encoder = engine.load_encoder(
        folder, allow_remote_code=job.allow_remote_code, chat_template=manifest.get("chat_template")
    )
    unscorable = {one.document for one in engine.find_unscorable(encoder, task.documents)}
    documents = [document for document in task.documents if document.index not in unscorable]
    if unscorable:
        say(
            f"{len(unscorable)} of {len(task.documents)} calibration documents are left out: {job.model} cannot score "
            "them"
        )
    if not documents:
        raise CornerstoneError(
            f"{job.model}: no calibration document is left: choose other ones (calibration)"
        )
    encoded = engine.encode_documents(encoder, documents)
    identity = {
        **{name: manifest[name] for name in DIGESTS},
        "encoding": encoder.settings,
        "dtype": job.dtype,
        "documents": digest_of([document.digest for document in encoded]),
        "count": len(encoded),
        "means_version": MEANS_VERSION,
    }
    model = load_model_of(job, engine.load_model, folder)
    with progress("calibrate", "token-blocks") as advance:
        means = engine.mean_contributions(
            model,
            encoded,
            identity,
            content_digests(documents),
            memory_bytes=job.memory_bytes,
            on_progress=advance,
        )
    write_means(means, job.output)
    say(
        f"means of {len(means.sublayers)} sublayers over {means.tokens:,} tokens of {len(documents)} documents of "
        f"{task.source}, on {model.device_name}, in {time.monotonic() - started:.1f} s: {job.output}"
    )
