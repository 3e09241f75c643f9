"""What the log of an evaluate job tells of its work: a stage for each design that it has begun, one after another.

    stages = read_stages(Path("results/logs/evaluate/demo_llama/boolq.log").read_text())
    stages[-1].design, stages[-1].share         # "windows", 0.41

The first line of a stage says how much there is to do, and its last what was done (`plan.plan_job`,
`job.run_evaluation_job`); lines of progress stand between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from cornerstone.system.progress import Shown, read_progress

BEGUN = re.compile(
    r"^\S+ on \S+, (?P<design>[\w.]+)(?:, shard \d+ of \d+)?: \w+, device .*?; "
    r"(?:.* = (?P<pairs>\d+) pairs, (?P<done>\d+) done already|\d+ documents)$",
    re.MULTILINE,
)
ENDED = re.compile(r"^evaluated (\d+) pairs, reused (\d+), in ", re.MULTILINE)
LINES_LOOKED_AT = 50
"""The last ones of a stage."""


@dataclass(frozen=True)
class Stage:
    """How far a job is with one design.

    pairs:   how many (coalition × document) pairs it is asked for; 0 where the model does not tell before it is loaded.
    reused:  how many of these it found done.
    shown:   its last line of progress; None before the first.
    pause:   the longest time between two of its last lines, or before its only one, seconds.
    """

    design: str
    pairs: int
    reused: int
    shown: Shown | None
    pause: float
    is_ended: bool

    @property
    def done(self) -> float:
        """How many of its pairs are done, by now; progress counts work, of which pairs take about the same."""
        share = 1.0 if self.is_ended else self.shown.share if self.shown else 0.0
        return self.reused + share * (self.pairs - self.reused)


def read_stages(log: str) -> list[Stage]:
    """The stages of a job by what its log says so far, in their order."""
    begun = list(BEGUN.finditer(log))
    ends = [match.start() for match in begun[1:]]
    return [_stage(match, log[match.end() : end]) for match, end in zip_longest(begun, ends)]


def _stage(begun: re.Match[str], text: str) -> Stage:
    last = text.splitlines()[-LINES_LOOKED_AT:]
    lines = [
        shown for line in last if (shown := read_progress(line)) is not None
    ]  # others stand between them
    times = [line.elapsed for line in lines]
    ended = ENDED.search(text)
    evaluated, reused = map(int, ended.groups()) if ended else (0, int(begun["done"] or 0))
    return Stage(
        design=begun["design"],
        pairs=evaluated + reused if ended else int(begun["pairs"] or 0),
        reused=reused,
        shown=lines[-1] if lines else None,
        pause=max((later - sooner for sooner, later in pairwise(times)), default=sum(times)),
        is_ended=ended is not None,
    )
