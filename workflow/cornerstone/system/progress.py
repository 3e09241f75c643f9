"""Progress: a bar with rate and time left on a terminal, a plain line every few seconds in a log file.

with progress("download", unit="B") as advance:
    advance(done, total)

read_progress("download: 41% 1.23G/3.00G B [01:20<02:03, 15.4M B/s]")     # what such a line says
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0
LINE = "{desc}: {percentage:.0f}% {n_fmt}/{total_fmt}{unit} [{elapsed}<{remaining}, {rate_fmt}]"
WRITTEN = re.compile(
    r"(?P<title>\S.*): +\d+% (?P<done>[\d.]+[A-Za-z]?)/(?P<total>[\d.]+[A-Za-z]?) .*"
    r"\[(?P<elapsed>\d+(?::\d+)+)<(?P<left>\d+(?::\d+)+|\?), *(?P<rate>[^\]]*)\]"
)
"""A LINE that was written."""
LETTERS = " kMGTPEZY"
"""Of tqdm's large counts, thousands apart."""

Advance = Callable[[float, float], None]
"""`advance(done, total)`: how much is done so far, of how much; the total may change on the way."""


@contextmanager
def progress(
    title: str,
    unit: str,
    *,
    stream: TextIO | None = None,
    seconds_between_lines: float = SECONDS_BETWEEN_LINES,
    silent_for: float = 0.0,
) -> Iterator[Advance]:
    """Show the progress of some work on `stream` (default: stderr); call the yielded function as often as you like.

    Large counts are written with k, M, G. Nothing is shown before the first call, nor of work that takes no more than
    `silent_for` seconds.
    """
    stream = stream or sys.stderr
    bar: tqdm | None = None
    started = time.monotonic()

    def advance(done: float, total: float) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - started < silent_for:
            return
        if bar is None:
            bar = _bar(title, unit, stream, seconds_between_lines)
            bar.start_t -= time.monotonic() - started  # it began before it showed
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.close()


def _bar(title: str, unit: str, stream: TextIO, seconds_between_lines: float) -> tqdm:
    common = {"desc": title, "unit": f" {unit}", "unit_scale": True, "miniters": 1}
    if stream.isatty():
        return tqdm(**common, file=stream, dynamic_ncols=True)
    return tqdm(**common, file=_Lines(stream), mininterval=seconds_between_lines, bar_format=LINE, delay=1e-9)


class _Lines:
    """What tqdm draws over and over on one line ("\\r…"), as lines of their own."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
        if text := text.strip("\r\n "):
            self.stream.write(text + "\n")

    def flush(self) -> None:
        self.stream.flush()


@dataclass(frozen=True)
class Shown:
    """What a line of progress says. share: in parts of 1; elapsed, left: seconds, left is None where nobody knows."""

    title: str
    share: float
    elapsed: float
    left: float | None
    rate: str


def read_progress(line: str) -> Shown | None:
    """What a line says that `progress` wrote to a log; None of any other line."""
    if not (found := WRITTEN.fullmatch(line.strip())):
        return None
    left = None if found["left"] == "?" else _seconds(found["left"])
    total = _count(found["total"])
    share = _count(found["done"]) / total if total else 1.0
    return Shown(found["title"], share, _seconds(found["elapsed"]), left, found["rate"].strip())


def _count(text: str) -> float:
    """Of "3.00G" or "12.0"."""
    letter = text.lstrip("0123456789.")
    return float(text.removesuffix(letter)) * 1000.0 ** max(0, LETTERS.find(letter or " "))


def _seconds(clock: str) -> float:
    """Of "01:20" or "27:46:40"."""
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)
