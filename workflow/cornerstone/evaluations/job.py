"""The evaluate step: a model's coalitions on a task's documents, only those that are not evaluated yet.

    job = EvaluationJob(manifest, documents, output, "demo_llama", "boolq", "windows", max_removed=4)
    run_evaluation_job(job)

    manifest, documents ─► identity ─► parts already there ─► what is missing ─► engine ─► parts ─► output
                                                              (nothing: no model is loaded)

Whatever stops it, at most a minute of work is lost: finished blocks are on the disk a minute later, and
at once where the job is told to stop (SIGTERM, Ctrl-C) or fails.
"""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cornerstone.documents.document import DocumentSet, digest_documents, read_documents
from cornerstone.evaluations.evaluation import Evaluation, write_grid
from cornerstone.evaluations.grid import DocumentKey, Grid, add_block, empty_grid, evaluated, group_missing
from cornerstone.evaluations.identity import ENGINE_VERSION, digest_of, model_identity
from cornerstone.evaluations.parts import (
    Work,
    compact_parts,
    known_sublayers,
    parts_folder,
    read_parts,
    work_done,
    write_part,
)
from cornerstone.evaluations.shards import split_by_tokens
from cornerstone.models.folder import count_sublayers_from_config, read_model_config
from cornerstone.models.manifest import check_unchanged, read_manifest
from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.designs import check_exact_rows, coalitions_of
from cornerstone.system.durable_files import remove_abandoned, write_json
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.progress import progress
from cornerstone.system.stopping import stopped_in_order

SECONDS_BETWEEN_PARTS = 60.0
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow")


@dataclass(frozen=True)
class EvaluationJob:
    """One run of the evaluate rule.

    manifest, documents, output: files of the study.
    max_removed:           of the design `windows`, and those with as many coalitions.
    pair_distances:        (nearest, farthest) of the design `pairs`.
    limit:                 only the first so many documents; None for all.
    shard, note:           (number from 1, of how many): only these documents; then `note` is written in the
                           place of `output`, beside whose parts the shard's own are kept. None: all of them.
    shard_notes:           of the shards whose parts are only put together; where some are missing, the notes
                           are removed, so that the same command evaluates them again.
    allow_remote_code:     whether Python code that comes with the model may be run.
    memory_bytes:          what the engine may fill with states and activations; None: what is free.
    seconds_between_parts: the most work that a kill loses.
    """

    manifest: Path
    documents: Path
    output: Path
    model: str
    task: str
    design: str
    max_removed: int | None = None
    pair_distances: tuple[int, int] | None = None
    limit: int | None = None
    shard: tuple[int, int] | None = None
    note: Path | None = None
    shard_notes: tuple[Path, ...] = ()
    dtype: str = "float32"
    device: str = "auto"
    placement: str = "auto"
    allow_remote_code: bool = False
    memory_bytes: int | None = None
    seconds_between_parts: float = SECONDS_BETWEEN_PARTS


@dataclass(frozen=True)
class Engine:
    """What the job needs of the engine, as `cornerstone.loading.encoding`, `.models` and `.engine` have it."""

    load_encoder: Callable[[Path], Any]
    encode_documents: Callable[[Any, Sequence[Any]], list[Any]]
    load_model: Callable[..., Any]
    evaluate: Callable[..., Any]
    version: int


@dataclass(frozen=True)
class Plan:
    """What the job is about.

    encoded: the encoded documents by index.
    prompts: digest of each document's prompts, by the digest of the encoded document.
    grid:    with what is evaluated already.
    model:   None where nothing needs it.
    """

    identity: dict[str, Any]
    task: DocumentSet
    encoded: dict[int, Any]
    prompts: dict[str, str]
    grid: Grid
    model: Any


def torch_engine() -> Engine:
    """The engine itself; importing torch and transformers takes seconds."""
    from cornerstone.engine.evaluate import evaluate
    from cornerstone.loading.encoding import encode_documents, load_encoder
    from cornerstone.loading.load import load_model

    return Engine(load_encoder, encode_documents, load_model, evaluate, ENGINE_VERSION)


def run_evaluation_job(job: EvaluationJob, engine: Engine | None = None) -> None:
    """Evaluate what is missing and write the evaluation `job.output`, whole; of a shard, the note of it.

    Says on stderr what runs where, how far it is, and at the end what it took. Raises CornerstoneError
    for mistakes of the user, log-likelihoods that are not finite, and a full disk; what was finished
    before is kept.
    """
    started = time.monotonic()
    engine = engine or torch_engine()
    remove_abandoned(job.output.parent)
    plan = plan_job(job, engine)
    reused = count_pairs(plan.grid)
    counts = evaluate_missing(job, plan, engine)
    work = work_done(parts_folder(job.output), plan.identity)
    pairs = count_pairs(plan.grid)
    provenance = {
        "evaluated_pairs": pairs - reused,
        "reused_pairs": reused,
        # Of all runs that evaluated these pairs, shards and broken ones too; parts may hold more pairs than are asked.
        "work_seconds": round(work.seconds * pairs / max(1, work.pairs), 3),
        "devices": list(work.devices),
        "seconds": round(time.monotonic() - started, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": peak_device_memory_bytes(plan.model),
        "dtype": job.dtype,
        "engine": counts,
        "machine": platform.platform(),
        "python": platform.python_version(),
        "versions": library_versions(),
    }
    if job.shard is None:
        _write_output(job, plan, provenance)
        _compact(job, plan)
    else:
        write_json({"format": 1, "kind": "shard", "provenance": provenance}, job.note)
    _say(_end_line(job, provenance))


def plan_job(job: EvaluationJob, engine: Engine) -> Plan:
    """Encode the documents, work out the identity, and read what is evaluated already.

    The model is loaded only where something is missing, or where no part tells its sublayers yet. Says first
    what the job is about.
    """
    manifest, task = read_manifest(job.manifest), read_documents(job.documents)
    check_unchanged(manifest)
    folder = Path(manifest["folder"])
    encoder = engine.load_encoder(folder, allow_remote_code=job.allow_remote_code)
    encoded = _of_shard(job, engine.encode_documents(encoder, task.documents[: _limit(job)]))
    identity = model_identity(
        manifest,
        encoding=encoder.settings,
        dtype=job.dtype,
        sublayers=None,
        engine_version=engine.version,
        task_version=task.version,
    )
    sublayers = known_sublayers(parts_folder(job.output), identity)
    model = None
    if sublayers is None:  # no part yet: nothing is done, and only the model itself tells for certain
        _say(_start_line(job, _count_sublayers(folder), len(encoded), done=0))
        model = _load(job, engine, folder)
        sublayers = tuple(sublayer.label for sublayer in model.sublayers)
    identity["sublayers"] = list(sublayers)
    if job.design == "exact":
        check_exact_rows(len(sublayers), sum(len(d.requests) for d in task.documents[: _limit(job)]))
    grid = _grid_with_parts(job, identity, encoded)
    if model is None:
        _say(_start_line(job, len(sublayers), len(encoded), count_pairs(grid)))
        model = None if evaluated(grid).all() else _load(job, engine, folder)
    prompts = {encoded[d.index].digest: digest_documents([d]) for d in task.documents if d.index in encoded}
    return Plan(identity, task, encoded, prompts, grid, model)


def _load(job: EvaluationJob, engine: Engine, folder: Path) -> Any:
    """The model; for a job that only puts shards together an error, after which the shards run again."""
    if job.shard_notes:
        for note in job.shard_notes:
            note.unlink(missing_ok=True)
        raise CornerstoneError(
            f"{job.output}: what its shards evaluated is not all there any more: type the same command again, and "
            "they evaluate what is missing"
        )
    started = time.monotonic()
    model = engine.load_model(
        folder,
        job.dtype,
        job.device,
        name=job.model,
        allow_remote_code=job.allow_remote_code,
        placement=job.placement,
    )
    _say(f"loaded in {time.monotonic() - started:.1f} s, on {device_name(model)}")
    return model


def _count_sublayers(folder: Path) -> int | None:
    """By config.json alone; None where that does not tell."""
    try:
        return count_sublayers_from_config(read_model_config(folder))
    except CornerstoneError:
        return None


def _of_shard(job: EvaluationJob, encoded: Sequence[Any]) -> dict[int, Any]:
    """The encoded documents that are this job's, by index."""
    positions: Sequence[int] = range(len(encoded))
    if job.shard is not None:
        number, shards = job.shard
        positions = split_by_tokens([document.n_tokens for document in encoded], shards)[number - 1]
    return {encoded[position].index: encoded[position] for position in positions}


def _limit(job: EvaluationJob) -> int | None:
    if job.limit is not None and job.limit < 1:
        raise CornerstoneError(f"documents is {job.limit}: give a number from 1, or leave it out for all")
    return job.limit


def _grid_with_parts(job: EvaluationJob, identity: dict[str, Any], encoded: dict[int, Any]) -> Grid:
    coalitions = job_coalitions(job, len(identity["sublayers"]))
    grid = empty_grid(coalitions, [DocumentKey(d.index, d.digest, d.n_choices) for d in encoded.values()])
    read_parts(parts_folder(job.output), identity, grid)
    return grid


def job_coalitions(job: EvaluationJob, n_sublayers: int) -> list[Removed]:
    """Those of the job's design. Raises CornerstoneError for a design that is none."""
    return coalitions_of(
        job.design, n_sublayers, max_removed=job.max_removed, pair_distances=job.pair_distances
    )


def count_pairs(grid: Grid) -> int:
    """Coalition × document pairs that are evaluated."""
    return int(evaluated(grid).sum())


def evaluate_missing(job: EvaluationJob, plan: Plan, engine: Engine) -> dict[str, Any]:
    """Evaluate what the grid lacks, saving parts on the way; return the engine's counts, summed.

    Finished work is saved before whatever ends this is passed on: an error, a signal, a full disk.
    """
    counts: dict[str, Any] = {}
    groups = group_missing(plan.grid)
    with stopped_in_order() as uninterrupted:
        keeper = _Keeper(job, plan, uninterrupted)
        try:
            for number, (coalitions, indices) in enumerate(groups, 1):
                title = "evaluate" if len(groups) == 1 else f"evaluate ({number} of {len(groups)})"
                with progress(title, "token-sublayers") as advance:
                    result = engine.evaluate(
                        plan.model,
                        [plan.encoded[index] for index in indices],
                        coalitions,
                        memory_bytes=job.memory_bytes,
                        on_block=partial(keeper.keep, indices),
                        on_progress=advance,
                    )
                counts = add_counts(counts, result.counts)
        finally:
            keeper.save()
    if not evaluated(plan.grid).all():
        raise RuntimeError("the engine ended without having handed over all that it was asked for")
    return counts


class _Keeper:
    """Takes the engine's blocks in, and saves them so that a kill never loses more than the job says.

    It saves when another block as long as the last one would make the unsaved work longer than that.
    """

    def __init__(
        self, job: EvaluationJob, plan: Plan, uninterrupted: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.job, self.plan, self.uninterrupted = job, plan, uninterrupted
        self.saved = self.before = time.monotonic()

    def keep(self, indices: Sequence[int], block: Any) -> None:
        """Take in a block whose documents are positions in `indices`."""
        documents = [indices[position] for position in block.documents]
        add_block(self.plan.grid, block.coalitions, documents, block.loglikelihoods)
        now = time.monotonic()
        if (now - self.saved) + (now - self.before) > self.job.seconds_between_parts:
            self.save()
        self.before = now

    def save(self) -> None:
        """Write what is not yet saved as one part."""
        plan, now = self.plan, time.monotonic()
        work = Work(seconds=now - self.saved, devices=tuple(filter(None, [device_name(plan.model)])))
        with self.uninterrupted():
            write_part(parts_folder(self.job.output), plan.identity, plan.grid, work, plan.prompts)
        self.saved = now


def add_counts(before: dict[str, Any], counts: dict[str, Any]) -> dict[str, Any]:
    """Numbers added up, texts listed once each."""
    total = dict(before)
    for name, count in counts.items():
        if isinstance(count, str):
            texts = total.get(name, "").split(", ") if total.get(name) else []
            total[name] = ", ".join(dict.fromkeys([*texts, count]))
        else:
            total[name] = total.get(name, 0) + count
    return total


def _write_output(job: EvaluationJob, plan: Plan, provenance: dict[str, Any]) -> None:
    documents = [[key.index, key.digest] for key in plan.grid.documents]
    evaluation = Evaluation(
        model=job.model,
        task=job.task,
        design=job.design,
        sublayers=tuple(plan.identity["sublayers"]),
        table=None,
        provenance=provenance,
        identity={**plan.identity, "documents": digest_of(documents)},
        documents={"digest": plan.task.digest, "count": len(documents), "of": len(plan.task.documents)},
    )
    write_grid(plan.grid, job.output, evaluation)


def _compact(job: EvaluationJob, plan: Plan) -> None:
    """Make one part of many; the evaluation is complete without, so a failure is only told."""
    try:
        compact_parts(parts_folder(job.output), plan.identity)
    except CornerstoneError as error:
        _say(f"the parts were left as they are: {error}")


def _start_line(job: EvaluationJob, sublayers: int | None, documents: int, done: int) -> str:
    shard = "" if job.shard is None else f", shard {job.shard[0]} of {job.shard[1]}"
    if sublayers is None:
        work = f"{documents} documents"
    else:
        coalitions = len(job_coalitions(job, sublayers))
        pairs = f"{coalitions} coalitions × {documents} documents = {coalitions * documents} pairs"
        work = f"{sublayers} sublayers, {pairs}, {done} done already"
    return f"{job.model} on {job.task}, {job.design}{shard}: {job.dtype}, device {job.device}; {work}"


def _end_line(job: EvaluationJob, provenance: dict[str, Any]) -> str:
    counts = provenance["engine"]
    rate = counts.get("tokens", 0) / max(counts.get("engine_seconds", 0), 1e-9)
    on_device = provenance["peak_device_memory_bytes"]
    device = "" if on_device is None else f" and {on_device / 2**30:.2f} GiB on the GPU"
    return (
        f"evaluated {provenance['evaluated_pairs']} pairs, reused {provenance['reused_pairs']}, "
        f"in {provenance['seconds']:.1f} s ({rate:,.0f} tokens/s), "
        f"peak memory {provenance['peak_memory_bytes'] / 2**30:.2f} GiB{device}: {job.note or job.output}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def device_name(model: Any) -> str | None:
    """Where a model is: "cpu", "cuda:0 (NVIDIA H100)"; None without a model."""
    if model is None:
        return None
    name = str(model.device)
    if name.startswith("cuda"):
        import torch

        return f"{name} ({torch.cuda.get_device_name(model.device)})"
    return name


def peak_memory_bytes() -> int:
    """The most memory this process had so far, in bytes (resident; without the GPU's)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_device_memory_bytes(model: Any) -> int | None:
    """The most memory that tensors took on the model's GPU so far, in bytes; None where it runs on none."""
    if model is None or not str(model.device).startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated(model.device)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that the numbers may depend on in their last digits."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a fake engine in a bare environment
            continue
    return versions
