"""A clone whose evaluations are slowed down and keep a journal, for tests that break them in the middle.

    paced = pace(clone, seconds_per_block=0.1)
    ...
    paced.pairs()       # (coalition × document) pairs that all its evaluations have evaluated, doubles too

The engine and the numbers are the real ones; each block of finished work takes a little longer to be taken in.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_PARTS = 2.0

PACED = """

import os

_add_block = add_block


def add_block(grid, documents, coalitions, columns):
    _add_block(grid, documents, coalitions, columns)
    with open({journal!r}, "a") as journal:
        journal.write(f"{{os.getpid()}} {{time.time()}} {{sum(map(len, coalitions))}}\\n")
    time.sleep({seconds})
"""


@dataclass(frozen=True)
class Journal:
    """What the evaluations of a clone wrote down, a line a block: process, time, pairs."""

    path: Path

    def lines(self) -> list[tuple[int, float, int]]:
        """A line that is only half written is left out."""
        if not self.path.exists():
            return []
        whole = self.path.read_text().rpartition("\n")[0]
        split = [line.split() for line in whole.splitlines()]
        return [(int(process), float(moment), int(pairs)) for process, moment, pairs in split]

    def pairs(self) -> int:
        """Pairs that were evaluated, doubles counted as often as they were."""
        return sum(pairs for _, _, pairs in self.lines())

    def processes(self) -> list[int]:
        """Processes that evaluated something, in the order of their first line."""
        return list(dict.fromkeys(process for process, _, _ in self.lines()))

    def most_in(self, seconds: float) -> int:
        """The most pairs that one process evaluated in so many seconds."""
        lines = self.lines()
        return max(
            sum(n for q, then, n in lines if q == process and now - seconds <= then <= now)
            for process, now, _ in lines
        )


def pace(clone: Path, seconds_per_block: float) -> Journal:
    """Edit the clone's evaluate step; progress is saved every SECONDS_BETWEEN_PARTS."""
    evaluations = clone / "workflow" / "cornerstone" / "evaluations"
    plan, job = evaluations / "plan.py", evaluations / "job.py"
    text, before = plan.read_text(), "SECONDS_BETWEEN_PARTS = 60.0"
    assert before in text
    plan.write_text(text.replace(before, f"SECONDS_BETWEEN_PARTS = {SECONDS_BETWEEN_PARTS}"))
    journal = Journal(clone / "journal")
    job.write_text(job.read_text() + PACED.format(journal=str(journal.path), seconds=seconds_per_block))
    return journal


def running_evaluations(clone: Path) -> list[int]:
    """The processes that evaluate in this clone now."""
    listed = subprocess.run(
        ["pgrep", "-f", r"\.snakemake/scripts/.*evaluate\.py"], capture_output=True, text=True
    )
    own = []
    for number in map(int, listed.stdout.split()):
        try:
            if Path(os.readlink(f"/proc/{number}/cwd")) == clone.resolve():
                own.append(number)
        except OSError:  # it ended meanwhile
            continue
    return own


def kill(processes: list[int]) -> None:
    """As the kernel does when memory ends: nothing is told."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
