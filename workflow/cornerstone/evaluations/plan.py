"""The plan of an evaluate job: what is asked for, what of it is on the disk, and what is left to evaluate.

    plan = plan_job(EvaluationJob(manifest, documents, output, "demo_llama", "boolq", "windows"), engine)
    plan.grid, plan.model       # no model where nothing is missing

Shards share one folder of parts, so how many there are decides no number and repeats no work.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornerstone.documents.calibration import refuse_scored_calibration
from cornerstone.documents.document import GENERATED, DocumentSet, digest_of_prompts, read_documents
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
from cornerstone.models.facts import labels_of_folder
from cornerstone.models.manifest import check_unchanged, read_manifest
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


def plan_job(job: EvaluationJob, engine: Engine) -> Plan:
    """Encode the documents, work out the identity, and read what is evaluated already.

    The model is loaded only where something is missing, or where no part tells its sublayers yet. Says first
    what the job is about.
    """
    manifest, task = read_manifest(job.manifest), read_documents(job.documents)
    check_unchanged(manifest)
    folder = Path(manifest["folder"])
    means = _means_of(job, manifest, task)
    asked = task.documents[: _limit(job)]
    template = manifest.get("chat_template")
    encoder = engine.load_encoder(folder, allow_remote_code=job.allow_remote_code, chat_template=template)
    unscorable = engine.find_unscorable(encoder, asked)
    left_out = left_out_of(job.model, manifest, task, asked, unscorable, skip=job.skip_unscorable)
    documents = [document for document in asked if document.index not in left_out]
    encoded = _of_shard(job, engine.encode_documents(encoder, documents))
    is_generated = task.output_type == GENERATED
    identity = model_identity(
        manifest,
        encoding=encoder.settings,
        dtype=job.dtype,
        sublayers=None,
        engine_version=engine.version,
        task_version=task.version,
        output_type=task.output_type,
        removal=removal_identity(means and means.digest),
        generation=generation_identity(folder) if is_generated else None,
    )
    folder_of_parts = job.parts
    are_sets = job.players != SUBLAYERS
    sublayers, model = Parts(folder_of_parts, identity, are_sets).known_sublayers(), None
    if sublayers is None:  # no part yet: nothing is done, and only the model itself tells for certain
        say(_start_line(job, _expected_players(job, folder), len(encoded), done=0))
        model = _load(job, engine, folder)
        sublayers = tuple(sublayer.label for sublayer in model.sublayers)
    players = players_of(job.players, sublayers)
    parts = Parts(folder_of_parts, identity | {"sublayers": list(sublayers)}, are_sets)
    if job.design == "exact":
        check_exact_rows(len(players), sum(len(d.requests) for d in documents), players.noun)
    keys = [DocumentKey(d.index, d.digest, d.n_choices) for d in encoded.values()]
    together = drawn_together(asked, job.documents_per_draw)
    ids = draw_ids(asked, together)
    coalitions = _coalitions(job, players, [(key.index, ids[key.index]) for key in keys])
    grid = empty_grid(coalitions, keys, ANSWERS if is_generated else LOGLIKELIHOODS)
    parts.fill(grid)
    parts.fill_from_others(grid)
    if model is None:
        say(_start_line(job, players, len(encoded), count_pairs(grid)))
        model = None if evaluated(grid).all() else _load(job, engine, folder)
    prompts = {
        encoded[d.index].digest: digest_of_prompts(d, in_chat=template is not None)
        for d in task.documents
        if d.index in encoded
    }
    units: Sequence[Sequence[int]] = together if job.documents_per_draw > 1 else ()
    of_units = tuple(tuple(asked[position].index for position in unit) for unit in units)
    return Plan(parts, task, players, encoded, prompts, grid, model, tuple(sorted(left_out)), of_units, means)


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
    refuse_scored_calibration(means.documents, task)
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


def split_by_tokens(tokens: Sequence[int], shards: int) -> list[list[int]]:
    """Positions of the documents of each shard, ascending; tokens: how many each document has.

    The longest documents are dealt first, each to the shard that has the fewest tokens so far, which is never
    more than 4/3 of the best possible (Graham 1969). With fewer documents than shards some shards are empty.
    """
    loads = [(0, shard) for shard in range(shards)]
    dealt: list[list[int]] = [[] for _ in range(shards)]
    for position in sorted(range(len(tokens)), key=lambda position: (-tokens[position], position)):
        load, shard = heapq.heappop(loads)
        dealt[shard].append(position)
        heapq.heappush(loads, (load + tokens[position], shard))
    return [sorted(positions) for positions in dealt]


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
