"""Mistakes of the user, told in one line: what was given, what was needed, what to do."""


class CornerstoneError(Exception):
    """A mistake the user can mend. Its message is one line; scripts print it without a stack trace."""
