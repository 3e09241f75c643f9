"""The evaluate step: a model's coalitions on a task's documents, only those that are not evaluated yet.

    job = EvaluationJob(manifest, documents, output, "demo_llama", "boolq", "windows", max_removed=4)
    run_evaluation_job(
        job, Engine(load_encoder, find_unscorable, encode_documents, load_model, evaluate, ENGINE_VERSION)
    )

    manifest, documents ─► identity ─► parts already there ─► what is missing ─► engine ─► parts ─► output
                                                              (nothing: no model is loaded)

Whatever stops it, at most a minute of work is lost: finished blocks are on the disk a minute later, and
at once where the job is told to stop (SIGTERM, Ctrl-C) or fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from cornerstone.evaluations.evaluation import Evaluation, write_grid
from cornerstone.evaluations.grid import ANSWERS, LOGLIKELIHOODS, add_block, evaluated, missing_pairs
from cornerstone.evaluations.parts import Parts, Work
from cornerstone.evaluations.plan import Engine, EvaluationJob, Plan, count_pairs, plan_job, say
from cornerstone.evaluations.provenance import provenance_of
from cornerstone.shapley.coalitions import ForEach
from cornerstone.system.durable_files import digest_of, remove_abandoned, write_json
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.progress import progress
from cornerstone.system.stopping import stopped_in_order

PROGRESS = {LOGLIKELIHOODS.name: ("evaluate", "token-sublayers"), ANSWERS.name: ("generate", "answers")}
"""What a line of progress calls the work, and its units."""


def run_evaluation_job(job: EvaluationJob, engine: Engine) -> None:
    """Evaluate what is missing and write the evaluation `job.output`, whole; of a shard, the note of it.

    Says on stderr what runs where, how far it is, and at the end what it took. Raises CornerstoneError
    for mistakes of the user, log-likelihoods that are not finite, and a full disk; what was finished
    before is kept.
    """
    started = time.monotonic()
    remove_abandoned(job.output.parent)
    plan = plan_job(job, engine)
    reused = count_pairs(plan.grid)
    counts = evaluate_missing(job, plan, engine)
    provenance = provenance_of(job, plan, reused, counts, started)
    if job.shard is None:
        _write_output(job, plan, provenance)
        _compact(plan.parts)
    else:
        write_json({"format": 1, "kind": "shard", "provenance": provenance}, job.note)
    say(_end_line(job, provenance))


def evaluate_missing(job: EvaluationJob, plan: Plan, engine: Engine) -> dict[str, Any]:
    """Evaluate what the grid lacks, saving parts on the way; return the engine's counts.

    Finished work is saved before whatever ends this is passed on: an error, a signal, a full disk.
    """
    counts: dict[str, Any] = {}
    indices, coalitions = missing_pairs(plan.grid)
    with stopped_in_order() as uninterrupted:
        keeper = _Keeper(job, plan, uninterrupted)
        try:
            if indices:
                alike = all(own == coalitions[0] for own in coalitions)
                with progress(*PROGRESS[plan.grid.kind.name]) as advance:
                    run = engine.generate if plan.grid.kind is ANSWERS else engine.evaluate
                    result = run(
                        plan.model,
                        [plan.encoded[index] for index in indices],
                        coalitions[0] if alike else ForEach(coalitions),
                        **({"means": plan.means} if plan.means else {}),
                        memory_bytes=job.memory_bytes,
                        on_block=partial(keeper.keep, indices),
                        on_progress=advance,
                    )
                counts = result.counts
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
        add_block(self.plan.grid, documents, block.coalitions, block.columns)
        now = time.monotonic()
        if (now - self.saved) + (now - self.before) > self.job.seconds_between_parts:
            self.save()
        self.before = now

    def save(self) -> None:
        """Write what is not yet saved as one part."""
        plan, now = self.plan, time.monotonic()
        devices = () if plan.model is None else (plan.model.device_name,)
        with self.uninterrupted():
            plan.parts.write(plan.grid, Work(seconds=now - self.saved, devices=devices), plan.prompts)
        self.saved = now


def _write_output(job: EvaluationJob, plan: Plan, provenance: dict[str, Any]) -> None:
    documents = [[key.index, key.digest] for key in plan.grid.documents]
    left_out = {"left_out": list(plan.left_out)} if plan.left_out else {}
    evaluation = Evaluation(
        model=job.model,
        task=job.task,
        design=job.design,
        sublayers=tuple(plan.parts.identity["sublayers"]),
        table=None,
        provenance=provenance,
        identity={**plan.parts.identity, "documents": digest_of(documents)},
        documents={
            "digest": plan.task.digest,
            "count": len(documents),
            "of": len(plan.task.documents),
            **left_out,
            **({"drawn_together": plan.together} if plan.together else {}),
        },
        players=None if plan.players.are_sublayers else plan.players,
    )
    write_grid(plan.grid, job.output, evaluation)


def _compact(parts: Parts) -> None:
    """Make one part of many; the evaluation is complete without, so a failure is only told."""
    try:
        parts.compact()
    except CornerstoneError as error:
        say(f"the parts were left as they are: {error}")


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
