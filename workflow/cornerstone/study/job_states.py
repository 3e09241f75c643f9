"""The state of a job, from files alone: its outputs, its log and Snakemake's notes. So it is told on any machine.

    state_of(job.outputs, read_log(path), written(benchmark), read_marks(), now=time.time())     # State.RUNNING

    its outputs are there, as they are wanted                        done: not looked for here
    Snakemake noted that it was handed out, and its log is older     queued: SLURM's queue, or about to begin
    the log says how it failed                                       failed
    the log had a line a moment ago                                  running
    it had none for longer than lines take to come                   silent, while Snakemake waits for it; else failed
    there is no log, or it is of a job that succeeded                waiting

A job that was killed leaves a log without an end. Snakemake takes its note away once it knows; until then, and after
Snakemake itself was killed, only the silence tells.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ENDINGS = ("Cornerstone: ", "failed: ", "stopped")
"""What the last line of a job that did not succeed begins with; see cornerstone.system.logged."""
SILENT_AFTER = 120.0
"""Seconds. Lines of progress come every ten; a model that is loaded is silent longer."""
PAUSES = 3
"""So many times the longest time between two lines so far is silence too: a block of work may take minutes."""
DOUBT = 30.0
"""Seconds in which the files of a job that has just ended may be seen in another order than they were written."""
METADATA = Path(".snakemake", "metadata")
"""Where Snakemake notes, in the working directory, what its outputs were made of."""
INCOMPLETE = Path(".snakemake", "incomplete")
"""Where Snakemake notes, in the working directory, the outputs of jobs that it has handed out."""
LOCKS = Path(".snakemake", "locks")
"""Where it notes which files a run makes."""


class State(StrEnum):
    """The most urgent first."""

    FAILED = "failed"
    SILENT = "silent"
    RUNNING = "running"
    QUEUED = "queued"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True)
class Log:
    """A log: its text, and when it was written to last (seconds since 1970)."""

    text: str
    written: float

    @property
    def last_line(self) -> str:
        return next((line.strip() for line in reversed(self.text.splitlines()) if line.strip()), "")

    @property
    def tells_failure(self) -> bool:
        return self.last_line.startswith(ENDINGS)


@dataclass(frozen=True)
class Marks:
    """What Snakemake notes in the working directory.

    handed_out: when each output's job was handed out, seconds since 1970, by the path as the rules have it.
    is_locked:  whether a Snakemake works there, or was killed.
    """

    handed_out: dict[str, float]
    is_locked: bool


def read_log(path: Path) -> Log | None:
    """None where there is none."""
    try:
        return Log(path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mtime)
    except OSError:
        return None


def written(path: Path) -> float | None:
    """When a file was written to last, seconds since 1970; None where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def read_marks() -> Marks:
    """The notes of the Snakemake that works here, in the layout of Snakemake 9."""
    return Marks(_noted(INCOMPLETE), is_locked())


def recorded_outputs() -> set[str]:
    """The outputs, by the path as the rules have it, of which Snakemake knows here what they were made of."""
    return set(_noted(METADATA))


def _noted(folder: Path) -> dict[str, float]:
    """When each output was noted in a folder of Snakemake's, seconds since 1970."""
    noted = {}
    for path in folder.rglob("*"):
        # The name is the output's, in base 64, and one too long for a file is cut: folders begin with @.
        name = "".join(part.removeprefix("@") for part in path.relative_to(folder).parts)
        with suppress(OSError, ValueError, binascii.Error):
            if path.is_file():
                noted[base64.urlsafe_b64decode(name).decode()] = path.stat().st_mtime
    return noted


def is_locked() -> bool:
    """Whether a Snakemake works in the working directory, or was killed there."""
    return any(LOCKS.glob("*"))


def state_of(
    outputs: tuple[Path, ...],
    log: Log | None,
    succeeded: float | None,
    marks: Marks,
    *,
    now: float,
    pause: float = 0,
) -> State:
    """The state of a job whose outputs are not all there, or not as they are wanted.

    succeeded: when it last succeeded (its benchmark), seconds since 1970, or None. pause: between its lines so far.
    """
    handed_out = max((marks.handed_out.get(str(path), 0.0) for path in outputs), default=0.0)
    is_in_flight = bool(handed_out) and marks.is_locked
    if is_in_flight and (log is None or log.written < handed_out):
        return State.QUEUED
    if log is None or (succeeded is not None and succeeded >= log.written):
        return State.WAITING
    if log.tells_failure:
        return State.FAILED
    # Without a lock nothing is known: a Snakemake that was told --nolock, or that works in another folder.
    most = max(SILENT_AFTER, PAUSES * pause) if is_in_flight or not marks.is_locked else DOUBT
    if now - log.written <= most:
        return State.RUNNING
    return State.SILENT if is_in_flight else State.FAILED
