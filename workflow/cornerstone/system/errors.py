"""Errors for a user's mistake, in one line: what was given, what was needed, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, those that end a line somewhere, and halves of characters, which no file can hold."""
LONGEST_MESSAGE = 3000
LONGEST_QUOTE = 600
"""Characters of what a library said."""
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What colours and moves the text on a terminal."""


class CornerstoneError(Exception):
    """A mistake that the user can correct. Its message is one line; scripts print it without a stack trace.

    What it quotes, names of fields and files, may hold anything: what would end or garble the line is escaped.
    """

    def __init__(self, message: str) -> None:
        line = UNWRITABLE.sub(lambda found: ascii(found[0])[1:-1], message)
        super().__init__(line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 3] + "...")


def shown(value: Any) -> str:
    """A value as an error quotes it: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def shortened(name: str) -> str:
    """A name as an error gives it, cut after 100 characters."""
    return name if len(name) <= 100 else name[:97] + "..."


def known_names(name: str, known: Iterable[str], most: int = 12) -> str:
    """The known names in one phrase, the nearest to `name` first; at most so many."""

    def distance(other: str) -> float:
        return -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    ordered = sorted(known, key=distance)
    left_out = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {left_out} more" if left_out > 0 else "")


def one_line(error: BaseException) -> str:
    """An exception's type and what it says, in one line, for errors that pass on what a library said.

    Libraries put the reason in the first line, in the last or in between, or leave it to the exception that theirs
    was raised from: all lines are kept, and of a long text its beginning and its end.
    """
    said = f"{type(error).__name__}: {joined_lines(str(error))}".removesuffix(": ")
    cause = error.__cause__
    if cause is None or isinstance(error, CornerstoneError) or joined_lines(str(cause)) in said:
        return said
    return f"{said}, because of {one_line(cause)}" if len(said) <= LONGEST_QUOTE else said


def joined_lines(text: str) -> str:
    """A text of several lines as one, without colours and rulers; the middle of a long one is left out."""
    lines = [" ".join(line.split()) for line in TERMINAL_CODES.sub("", text).splitlines()]
    line = " ".join(line for line in lines if re.search(r"\w", line))
    if len(line) <= LONGEST_QUOTE:
        return line
    half = LONGEST_QUOTE // 2
    return f"{line[:half].rstrip()} ... {line[-half:].lstrip()}"
