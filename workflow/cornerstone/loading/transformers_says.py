"""What transformers says on the way, in lines: its warnings, and why it failed.

with warnings_in_lines(folder) as said:
    config = AutoConfig.from_pretrained(folder)
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cornerstone.system.errors import CornerstoneError, joined_lines, one_line

log = logging.getLogger(__name__)

REPORT = "LOAD REPORT"
"""What transformers calls its table of missing and unexpected tensors, over which we decide ourselves."""


@contextmanager
def warnings_in_lines(folder: Path) -> Iterator[list[str]]:
    """While active, collect each warning of transformers as a line in the list; the lines are logged at the end.

    Its table of missing and unexpected tensors is none of them: what it tells is decided on its own.
    """
    library = logging.getLogger("transformers")
    handlers, level, passes_on, said = library.handlers[:], library.level, library.propagate, []

    def keep(text: str) -> None:
        if REPORT not in text and (line := joined_lines(text)) not in said:
            said.append(line)

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            keep(record.getMessage())

    library.handlers = [Keeping(logging.WARNING)]
    library.setLevel(min(level or logging.WARNING, logging.WARNING))
    library.propagate = False  # transformers passes its own on where the environment says CI
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default", UserWarning)
            yield said
    finally:
        library.handlers = handlers
        library.setLevel(level)
        library.propagate = passes_on
        for one in caught:
            if issubclass(one.category, UserWarning):
                keep(str(one.message))
        for line in said:
            log.warning("transformers says of %s: %s", folder, line)


def why(error: Exception, said: Sequence[str]) -> str:
    """An exception of transformers in one line, with its earlier warnings: they often have the reason."""
    return "; ".join([one_line(error), *said])


def refuse_remote_code(error: Exception, folder: Path | str) -> None:
    """Raise CornerstoneError where transformers failed because the model brings code that it may not run."""
    if "trust_remote_code" in str(error):
        raise CornerstoneError(
            f"{folder} needs Python code that comes with the model, which is not run without permission: if you "
            "trust whoever wrote it, give this model `allow_remote_code: true` in the "
            "configuration and pin its revision to a commit"
        ) from error
