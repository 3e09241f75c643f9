"""How far a study's jobs are, and its evaluations: what `snakemake watch` shows.

    seen = Watcher(study).look()
    seen.rows[0].states, seen.rows[0].shares["windows"]     # {State.RUNNING: 1}, 0.41

By files alone. Pairs are counted as the overview counts them; what a job has evaluated since it last saved, its log
tells.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from cornerstone.evaluations.job_log import Stage, read_stages
from cornerstone.evaluations.parts import parts_folder
from cornerstone.study.config import StudyConfig
from cornerstone.study.job_states import Log, Marks, State, read_log, read_marks, state_of, written
from cornerstone.study.jobs import Job, benchmark_path, jobs_of, log_path
from cornerstone.study.overview import Pairs, pairs_by_design

AT_WORK = (State.RUNNING, State.SILENT)


@dataclass(frozen=True)
class SeenJob:
    """A job, and what its log says unless it is done.

    before: what the attempt before said, of a job at work. path: of the log. quiet: seconds since its last line.
    """

    job: Job
    state: State
    path: Path
    log: Log | None = None
    before: Log | None = None
    quiet: float = 0.0
    stages: tuple[Stage, ...] = ()

    @property
    def pairs_a_second(self) -> float:
        """Of the design it works on, since it began with that; 0 before the first line of progress."""
        stage = self.stages[-1] if self.stages and self.state is State.RUNNING else None
        if stage is None or stage.shown is None or not stage.shown.elapsed:
            return 0.0
        return (stage.done - stage.reused) / stage.shown.elapsed


@dataclass(frozen=True)
class Row:
    """A model on a task.

    states:  how many of its evaluate jobs are in which.
    shares:  done of each of its designs, in parts of 1; empty before its model and documents are there.
    pairs:   (coalition × document) pairs that are done, and all that are wanted.
    rate:    pairs a second of the jobs at work; 0 where there are none, or none tells yet.
    left:    seconds until all is evaluated, at this rate. Where there is none, seconds of work for one job, as the
             parts that are there took it; None where there are none.
    """

    model: str
    task: str
    states: Mapping[State, int]
    shares: Mapping[str, float]
    pairs: tuple[float, int]
    rate: float
    left: float | None


@dataclass(frozen=True)
class Seen:
    """All of it at one moment.

    is_locked: whether a Snakemake works in the working directory, or was killed there. is_over: whether all is there,
    and no job was handed out that makes some of it anew.
    """

    rows: tuple[Row, ...]
    jobs: tuple[SeenJob, ...]
    is_locked: bool
    is_over: bool


class Watcher:
    """Looks at a study again and again; pairs are counted anew where a file changed."""

    def __init__(self, study: StudyConfig) -> None:
        self.study = study
        self.jobs = jobs_of(study)
        self._counted: dict[tuple[str, str], tuple[object, dict[str, Pairs] | None]] = {}

    def look(self) -> Seen:
        """How far the study is now."""
        marks, now = read_marks(), time.time()
        of_all = list(product(self.study.model_names, self.study.task_names))
        pairs = {(model, task): self._pairs(model, task) for model, task in of_all}
        done = {job for job in self.jobs if _is_done(job, pairs.get((job.model, job.task)))}
        evaluated = {
            model
            for model in self.study.model_names
            if done >= {j for j in self.jobs if j.model == model and j.task}
        }
        jobs = [
            SeenJob(job, State.DONE, log_path(self.study, job))
            if job in done or (job.model in evaluated and job.task is None)
            else self._seen(job, marks, now)
            for job in self.jobs
        ]
        rows = [
            self._row(
                model,
                task,
                pairs[model, task],
                [s for s in jobs if (s.job.model, s.job.task) == (model, task)],
            )
            for model, task in of_all
        ]
        is_remade = any(str(path) in marks.handed_out for job in self.jobs for path in job.outputs)
        is_over = not is_remade and all(job.state is State.DONE for job in jobs)
        return Seen(tuple(rows), tuple(jobs), marks.is_locked, is_over)

    def _pairs(self, model: str, task: str) -> dict[str, Pairs] | None:
        signature = _signature(self.study, model, task)
        if self._counted.get((model, task), (None,))[0] != signature:
            self._counted[model, task] = signature, pairs_by_design(self.study, model, task)
        return self._counted[model, task][1]

    def _seen(self, job: Job, marks: Marks, now: float) -> SeenJob:
        path = log_path(self.study, job)
        log = read_log(path)
        stages = tuple(read_stages(log.text)) if log and job.task else ()
        state = state_of(
            job.outputs,
            log,
            written(benchmark_path(self.study, job)),
            marks,
            now=now,
            pause=stages[-1].pause if stages else 0.0,
        )
        before = read_log(path.with_name(f"{path.name}.before")) if state in AT_WORK else None
        return SeenJob(job, state, path, log, before, max(0.0, now - log.written) if log else 0.0, stages)

    def _row(self, model: str, task: str, pairs: Mapping[str, Pairs] | None, jobs: Sequence[SeenJob]) -> Row:
        done = {design: _done(design, each, jobs) for design, each in (pairs or {}).items()}
        wanted = {design: each.wanted for design, each in (pairs or {}).items()}
        rate = sum(job.pairs_a_second for job in jobs)
        return Row(
            model,
            task,
            Counter(job.state for job in jobs),
            {design: done[design] / wanted[design] for design in done if wanted[design]},
            (sum(done.values()), sum(wanted.values())),
            rate,
            _left({design: wanted[design] - done[design] for design in done}, pairs or {}, rate),
        )


def _signature(study: StudyConfig, model: str, task: str) -> object:
    """Equal to that of before where nothing changed of what is counted."""
    outputs = [study.work_path(model, task, *one) for one in study.evaluated_as(model).values()]
    files = [
        study.manifest_path(model),
        study.documents_path(task),
        study.unscorable_path(model, task),
        study.means_path(model),
        study.orders_path(model, task),
        *outputs,
    ]
    folders = [parts_folder(study.work_path(model, task, design)) for design in study.designs_of(model)]
    parts = [sorted(folder.glob("[!.]*.parquet")) for folder in folders]
    return [written(path) for path in files], parts


def _is_done(job: Job, pairs: Mapping[str, Pairs] | None) -> bool:
    """Whether the job's files are there; an evaluation may be of fewer documents than are wanted now."""
    of_designs = [pairs[path.stem] for path in job.outputs if pairs and path.stem in pairs]
    return all(path.exists() for path in job.outputs) and all(each.is_whole for each in of_designs)


def _done(design: str, pairs: Pairs, jobs: Sequence[SeenJob]) -> float:
    """Pairs of a design that are on the disk, or that the jobs at work tell of, whichever is more."""
    told = sum(
        stage.done for job in jobs if job.state in AT_WORK for stage in job.stages if stage.design == design
    )
    return max(pairs.done, min(told, pairs.wanted))


def _left(missing: Mapping[str, float], pairs: Mapping[str, Pairs], rate: float) -> float | None:
    if not any(missing.values()):
        return None
    if rate:
        return sum(missing.values()) / rate
    known = [each.seconds for each in pairs.values() if each.seconds is not None]
    if not known:
        return None
    mean = sum(known) / len(known)
    return sum(missing[design] * (pairs[design].seconds or mean) for design in missing)
