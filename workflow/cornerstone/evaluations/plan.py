"""The plan of an evaluate job: what is asked for, what of it is on the disk, and what is left to evaluate.

plan = plan_job(EvaluationJob(manifest, documents, output, "demo_llama", "boolq", "windows"), engine)
plan.grid, plan.model       # no model where nothing is missing
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornerstone.documents.calibration import refuse_scored_calibration
from cornerstone.documents.document import GENERATED, Document, DocumentSet, digest_of_prompts, read_documents
from cornerstone.documents.prefixes import draw_ids, drawn_together
from cornerstone.evaluations.grid import (
    ANSWERS,
    LOGLIKELIHOODS,
    DocumentKey,
    Grid,
    empty_grid,
    evaluated,
)
from cornerstone.evaluations.identity import (
    DIGESTS,
    generation_identity,
    model_identity,
    removal_identity,
)
from cornerstone.evaluations.parts import Parts, parts_folder
from cornerstone.evaluations.scorable import Find, left_out_of
from cornerstone.evaluations.shards import of_shard
from cornerstone.models.facts import labels_of_folder
from cornerstone.models.manifest import read_unchanged
from cornerstone.models.means import Means, read_means
from cornerstone.shapley.coalitions import ForEach, Removed
from cornerstone.shapley.designs import (
    DesignSettings,
    DocumentId,
    check_exact_rows,
    coalitions_of,
    typical_coalitions,
)
from cornerstone.shapley.players import SUBLAYERS, Players, Setting, players_of
from cornerstone.system.errors import CornerstoneError

SECONDS_BETWEEN_PARTS = 60.0


@dataclass(frozen=True)
class EvaluationJob:
    """One run of the evaluate rule.

    manifest, documents, output: files of the study.
    players:               as they are configured, see `players_of`: whose coalitions the design has.
    max_removed:           of the design `windows`, and those with as many coalitions.
    pair_distances:        (nearest, farthest) of the design `pairs`.
    document_pairs, seed, documents_per_draw: of the designs in which each document has coalitions of its own; see
                           `DesignSettings`.
    listed:                coalitions of documents by index, in place of the design's; a document that is not there has
                           none.
    removal:               "zero", or "mean": then `means` is the file of the model's mean contributions.
    limit:                 only the first so many documents; None for all.
    skip_unscorable:       whether documents that the model cannot score are left out; else they are refused.
    shard, note:           (number from 1, of how many): only these documents; then `note` is written in the
                           place of `output`, beside whose parts the shard's own are kept. None: all of them.
    shard_notes:           of the shards whose parts are only put together; where some are missing, the notes
                           are removed, so that the same command evaluates them again.
    allow_remote_code:     whether Python code that comes with the model is run; None where nobody said.
    memory_bytes:          what the engine may fill with states and activations; None: what is free.
    seconds_between_parts: the most work that a kill loses.
    """

    manifest: Path
    documents: Path
    output: Path
    model: str
    task: str
    design: str
    players: Setting = SUBLAYERS
    max_removed: int | None = None
    pair_distances: tuple[int, int] | None = None
    document_pairs: int | None = None
    seed: int | None = None
    documents_per_draw: int = 1
    listed: Mapping[int, Sequence[Removed]] | None = None
    removal: str = "zero"
    means: Path | None = None
    limit: int | None = None
    skip_unscorable: bool = False
    shard: tuple[int, int] | None = None
    note: Path | None = None
    shard_notes: tuple[Path, ...] = ()
    dtype: str = "float32"
    device: str = "auto"
    placement: str = "auto"
    allow_remote_code: bool | None = None
    memory_bytes: int | None = None
    seconds_between_parts: float = SECONDS_BETWEEN_PARTS

    @property
    def parts(self) -> Path:
        """Where its progress is kept: of one design in one place, whatever the removal, so that nothing is lost where
        a study takes another one."""
        return parts_folder(
            self.output.with_name(f"{self.output.stem.removesuffix(f'.{self.removal}')}.parquet")
        )

    @property
    def design_settings(self) -> DesignSettings:
        return DesignSettings(
            self.max_removed, self.pair_distances, self.document_pairs, self.seed, self.documents_per_draw
        )


@dataclass(frozen=True)
class Engine:
    """What the job needs of the engine; it is handed in, for nothing here imports torch.

    load_encoder, find_unscorable, encode_documents: of `loading.encoding`; load_model: of `loading.load`; evaluate: of
    `engine.evaluate`, and for `measure_job` the function `engine.measure.measure`; generate: of `engine.generate`, for
    tasks whose answers are generated.
    version: of the engine, in the identity of what it evaluates.
    """

    load_encoder: Callable[..., Any]
    find_unscorable: Find
    encode_documents: Callable[[Any, Sequence[Any]], list[Any]]
    load_model: Callable[..., Any]
    evaluate: Callable[..., Any]
    version: int
    generate: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Plan:
    """What the job is about.

    parts:   where progress is kept, and the identity.
    players: whose coalitions are asked for; the grid has them in sublayers.
    encoded: the encoded documents by index.
    prompts: digest of each document's prompts, by the digest of the encoded document.
    grid:    with what is evaluated already.
    model:   None where nothing needs it.
    left_out: indices of the documents that the model's tokenizer cannot score, ascending.
    together: indices of the documents that have the same coalitions, where each would have its own.
    means:   what a removed sublayer leaves behind; None: nothing.
    """

    parts: Parts
    task: DocumentSet
    players: Players
    encoded: dict[int, Any]
    prompts: dict[str, str]
    grid: Grid
    model: Any
    left_out: tuple[int, ...] = ()
    together: tuple[tuple[int, ...], ...] = ()
    means: Means | None = None


@dataclass(frozen=True)
class _Asked:
    """The documents of a job.

    documents: up to its limit. scorable: those of them that the model's tokenizer can score. encoded: this shard's of
    these, by index. encoding: the tokenizer's settings.
    """

    documents: Sequence[Document]
    scorable: Sequence[Document]
    encoded: dict[int, Any]
    encoding: Mapping[str, Any]

    @property
    def left_out(self) -> tuple[int, ...]:
        """Indices of the documents that cannot be scored, ascending."""
        return tuple(sorted({d.index for d in self.documents} - {d.index for d in self.scorable}))


def plan_job(job: EvaluationJob, engine: Engine) -> Plan:
    """Encode the documents, work out the identity, and read what is evaluated already.

    The model is loaded only where something is missing, or where no part tells its sublayers yet. Says first
    what the job is about.
    """
    manifest, task = read_unchanged(job.manifest), read_documents(job.documents)
    folder = Path(manifest["folder"])
    means = _means_of(job, manifest, task)
    asked = _encode(job, engine, manifest, task)
    identity = _identity(job, engine, manifest, task, asked, means)
    parts, model = Parts(job.parts, identity, job.players != SUBLAYERS), None
    sublayers = parts.known_sublayers()
    if sublayers is None:  # nothing is done, and only the model tells for certain
        say(_start_line(job, _expected_players(job, folder), len(asked.encoded), done=0))
        model = _load(job, engine, folder)
        sublayers = tuple(sublayer.label for sublayer in model.sublayers)
    players = players_of(job.players, sublayers)
    parts = replace(parts, identity=identity | {"sublayers": list(sublayers)})
    together = drawn_together(asked.documents, job.documents_per_draw)
    grid = _grid(job, task, players, asked, together)
    parts.fill(grid)
    parts.fill_from_others(grid)
    if model is None:
        say(_start_line(job, players, len(asked.encoded), count_pairs(grid)))
        model = None if evaluated(grid).all() else _load(job, engine, folder)
    units = together if job.documents_per_draw > 1 else ()
    return Plan(
        parts=parts,
        task=task,
        players=players,
        encoded=asked.encoded,
        prompts=_prompts(task, asked.encoded, in_chat=manifest.get("chat_template") is not None),
        grid=grid,
        model=model,
        left_out=asked.left_out,
        together=tuple(tuple(asked.documents[position].index for position in unit) for unit in units),
        means=means,
    )


def _encode(job: EvaluationJob, engine: Engine, manifest: Mapping[str, Any], task: DocumentSet) -> _Asked:
    encoder = engine.load_encoder(
        Path(manifest["folder"]),
        allow_remote_code=job.allow_remote_code,
        chat_template=manifest.get("chat_template"),
    )
    asked = task.documents[: _limit(job)]
    unscorable = engine.find_unscorable(encoder, asked)
    left_out = left_out_of(job.model, manifest, task, asked, unscorable, skip=job.skip_unscorable)
    scorable = [document for document in asked if document.index not in left_out]
    encoded = of_shard(job.shard, engine.encode_documents(encoder, scorable))
    return _Asked(asked, scorable, {each.index: each for each in encoded}, encoder.settings)


def _identity(
    job: EvaluationJob,
    engine: Engine,
    manifest: Mapping[str, Any],
    task: DocumentSet,
    asked: _Asked,
    means: Means | None,
) -> dict[str, Any]:
    """Of what is evaluated, all but the sublayers."""
    is_generated = task.output_type == GENERATED
    return model_identity(
        manifest,
        encoding=asked.encoding,
        dtype=job.dtype,
        sublayers=None,
        engine_version=engine.version,
        task_version=task.version,
        output_type=task.output_type,
        removal=removal_identity(means and means.digest),
        generation=generation_identity(Path(manifest["folder"])) if is_generated else None,
    )


def _grid(
    job: EvaluationJob, task: DocumentSet, players: Players, asked: _Asked, together: Sequence[Sequence[int]]
) -> Grid:
    """What the job's documents are evaluated on, nothing of it evaluated yet.

    Raises CornerstoneError where all coalitions of the documents are more than a table may hold.
    """
    if job.design == "exact":
        requests = sum(len(document.requests) for document in asked.scorable)
        check_exact_rows(len(players), requests, players.noun)
    keys = [DocumentKey(d.index, d.digest, d.n_choices) for d in asked.encoded.values()]
    ids = draw_ids(asked.documents, together)
    coalitions = _coalitions(job, players, [(key.index, ids[key.index]) for key in keys])
    return empty_grid(coalitions, keys, ANSWERS if task.output_type == GENERATED else LOGLIKELIHOODS)


def _prompts(task: DocumentSet, encoded: Mapping[int, Any], *, in_chat: bool) -> dict[str, str]:
    """Digest of each document's prompts, by the digest of the encoded document."""
    return {
        encoded[document.index].digest: digest_of_prompts(document, in_chat=in_chat)
        for document in task.documents
        if document.index in encoded
    }


def _coalitions(
    job: EvaluationJob, players: Players, documents: Sequence[tuple[int, DocumentId]]
) -> list[Removed] | ForEach:
    """What these documents are evaluated on, in sublayers. documents: the index of each, and what it is drawn from."""
    if job.listed is None:
        return coalitions_of(job.design, players, job.design_settings, [one for _, one in documents])
    return ForEach([[*map(players.spelled_out, job.listed.get(index, []))] for index, _ in documents])


def _means_of(job: EvaluationJob, manifest: Mapping[str, Any], task: DocumentSet) -> Means | None:
    """The means that stay where a sublayer is removed. Raises CornerstoneError unless they are of this model, and of
    other documents than those that are scored."""
    if job.removal == "zero":
        return None
    means = read_means(job.means)
    wanted = {name: manifest[name] for name in DIGESTS} | {"dtype": job.dtype}
    if {key: means.identity.get(key) for key in wanted} != wanted:
        raise CornerstoneError(
            f"{job.means} has the means of another model or dtype than {job.model} in {job.dtype}: remove it, then "
            "type the same command again"
        )
    refuse_scored_calibration(means.documents, task, _limit(job))
    return means


def load_model_of(job: Any, load_model: Callable[..., Any], folder: Path) -> Any:
    """The model in the folder, as a job says to load it: with its name, dtype, device, placement and rights.

    job: an EvaluationJob, or another that has these.
    """
    return load_model(
        folder,
        job.dtype,
        job.device,
        name=job.model,
        allow_remote_code=job.allow_remote_code,
        placement=job.placement,
    )


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
    model = load_model_of(job, engine.load_model, folder)
    say(f"loaded in {time.monotonic() - started:.1f} s, on {model.device_name}")
    return model


def _expected_players(job: EvaluationJob, folder: Path) -> Players | None:
    """By config.json and the headers of the weights; None where they do not tell."""
    try:
        return players_of(job.players, labels_of_folder(folder))
    except CornerstoneError:
        return None


def _limit(job: EvaluationJob) -> int | None:
    if job.limit is not None and job.limit < 1:
        raise CornerstoneError(f"documents is {job.limit}: give a number from 1, or leave it out for all")
    return job.limit


def count_pairs(grid: Grid) -> int:
    """Coalition × document pairs that are evaluated."""
    return int(evaluated(grid).sum())


def _start_line(job: EvaluationJob, players: Players | None, documents: int, done: int) -> str:
    shard = "" if job.shard is None else f", shard {job.shard[0]} of {job.shard[1]}"
    if players is None:
        work = f"{documents} documents"
    else:
        coalitions = (
            len(typical_coalitions(job.design, players, job.design_settings))
            if job.listed is None
            else max(map(len, job.listed.values()), default=0)
        )
        pairs = f"{coalitions} coalitions × {documents} documents = {coalitions * documents} pairs"
        sets = "" if players.are_sublayers else f" in {len(players)} {players.noun}s"
        work = f"{len(players.sublayers)} sublayers{sets}, {pairs}, {done} done already"
    # Of another removal than the study's, as its file is called: "ablation.mean".
    design = job.output.stem if job.output.stem == f"{job.design}.{job.removal}" else job.design
    return f"{job.model} on {job.task}, {design}{shard}: {job.dtype}, device {job.device}; {work}"


def say(line: str) -> None:
    """Tell the user, on stderr."""
    print(line, file=sys.stderr, flush=True)
