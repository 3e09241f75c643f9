"""Numbers, counts and lists as they are written in tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.values.units import POINTS

percent = POINTS.text
"""0.1234 as "12.3"; nothing for a number that does not exist. Shares are so, and scores that are accuracies."""
points = percent
"""Differences of these are in points of a hundred."""
interval_text = POINTS.interval
""" "11.0 – 13.4" percent; nothing where there is none."""


def duration(seconds: float) -> str:
    """ "12 s", "3 min", "4.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def counted(number: int, noun: str) -> str:
    """ "1 task", "6 tasks"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
