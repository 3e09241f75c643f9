"""What the scripts share: their output goes to the rule's log, and a user's mistake ends them in one line.

from logged import run_logged

run_logged(main, snakemake)
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from cornerstone.errors import CornerstoneError

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def run_logged(main: Callable[[Any], None], snakemake: Any, *, offline: bool = True) -> None:
    """Run `main(snakemake)` with stdout and stderr in the rule's log, a line at a time.

    Exits with 1 and one line for a CornerstoneError, and with the stack trace for anything else.
    `main` imports what it needs itself, so that the libraries see `offline` and the number of threads.
    """
    _write_to(snakemake.log[0])
    os.environ["OMP_NUM_THREADS"] = str(snakemake.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if offline:
        os.environ.update(dict.fromkeys(OFFLINE, "1"))
    try:
        main(snakemake)
    except CornerstoneError as error:
        print(f"Cornerstone: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _write_to(path: str) -> None:
    """Send this process's stdout and stderr, those of C libraries too, to a file."""
    log = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdout = sys.stderr = log
