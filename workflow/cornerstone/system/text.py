"""Counts, times and lists as they are written in tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """ "12 s", "3 min", "4.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def data_size(size: float) -> str:
    """ "12 B", "3.1 kB", "250 MB", "16 GB": of bytes."""
    units = ("B", "kB", "MB", "GB", "TB")
    steps = 0
    while size >= 999.5 and steps < len(units) - 1:
        size, steps = size / 1000, steps + 1
    return f"{size:.3g} {units[steps]}" if steps < len(units) - 1 else f"{size:,.1f} {units[steps]}"


def counted(number: int, noun: str) -> str:
    """ "1 task", "6 tasks"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
