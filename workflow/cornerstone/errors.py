"""Mistakes of the user, told in one line: what was given, what was needed, what to do."""

from __future__ import annotations


class CornerstoneError(Exception):
    """A mistake the user can mend. Its message is one line; scripts print it without a stack trace."""


def one_line(error: BaseException) -> str:
    """An exception's first line with its type, for errors that pass on what a library said."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}" if text else type(error).__name__
