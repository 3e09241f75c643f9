"""What the scripts share: their output goes to the rule's log, and a user's mistake ends them in one line.

from cornerstone.system.logged import run_logged

run_logged(main, snakemake)
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from cornerstone.system.errors import CornerstoneError, one_line
from cornerstone.system.registry import is_own, load_extension

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN")
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def run_logged(
    main: Callable[[Any], None], snakemake: Any, *, offline: bool = True, shown: bool = False
) -> None:
    """Run `main(snakemake)` with stdout and stderr in the rule's log, a line at a time; `shown`: on the terminal too.

    Exits with 1 and one line for a CornerstoneError, and with the stack trace for anything else. The last line of a job
    that does not succeed begins with one of `cornerstone.study.job_states.ENDINGS`, unless it was killed.
    `main` imports what it needs itself, so that the libraries see `offline` and the number of threads.
    """
    # Importing torch and transformers makes millions of objects that live as long as the process: looking for garbage
    # among them, while they are made and once more at the end, is a quarter of a small job.
    gc.set_threshold(100_000, 20, 20)
    _write_to(snakemake.log[0], _tokens(), shown)
    os.environ["OMP_NUM_THREADS"] = str(snakemake.threads)
    # How long OpenMP's threads spin for each other: its default makes a small model eight times slower as soon
    # as another process wants a core; none at all makes it slower on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if offline:
        os.environ.update(dict.fromkeys(OFFLINE, "1"))
        for name in TOKENS:  # what needs no network needs no token
            os.environ.pop(name, None)
    # What the library tells of itself: the check, where the weights are, memory that ran out.
    library = logging.getLogger("cornerstone")
    library.setLevel(logging.INFO)
    library.addHandler(logging.StreamHandler(sys.stderr))
    try:
        _load_own_files(snakemake)
        main(snakemake)
    except CornerstoneError as error:
        print(f"Cornerstone: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except SystemExit as stop:  # of `stopped_in_order`: a time limit, scancel
        print("stopped", file=sys.stderr)
        sys.exit(stop.code)
    except Exception as error:
        traceback.print_exc()
        print(f"failed: {one_line(error)}", file=sys.stderr)
        sys.exit(1)
    finally:
        gc.freeze()


def _load_own_files(snakemake: Any) -> None:
    """Run the user's own files that the job needs: those among its code, and what its rule names besides."""
    code = snakemake.input.get("code", [])
    for file in [*([code] if isinstance(code, str) else code), *snakemake.params.get("extensions", [])]:
        if is_own(file):
            load_extension(file)


def _write_to(path: str, secrets: Sequence[str], shown: bool) -> None:
    """Send this process's stdout and stderr, those of C libraries too, to a file; Python's without secrets.

    What an earlier attempt said is kept beside it, as `….log.before`: it tells why there is a second one.
    """
    streams = [os.fdopen(os.dup(number), "w", buffering=1, encoding="utf-8") for number in (1, 2)]
    if os.path.isfile(path):
        os.replace(path, path + ".before")
    log = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    terminal, errors = streams
    sys.stdout = sys.stderr = _Redacted([log, *([terminal] if shown else [])], errors, secrets)


class _Redacted:
    """Text streams in one that write *** in the place of each secret: no library's message can tell it.

    What a stream cannot take (the log, on a full disk) goes to `errors`: a line less is no reason to end a job, and
    the last one may say that the disk is full.
    """

    def __init__(self, streams: Sequence[TextIO], errors: TextIO, secrets: Sequence[str]) -> None:
        self._streams, self._errors, self._secrets = streams, errors, secrets

    def write(self, text: str) -> int:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for stream in self._streams:
            try:
                stream.write(text)
                stream.flush()
            except OSError:
                with suppress(OSError):
                    self._errors.write(text)
        return len(text)

    def flush(self) -> None:
        """Each write is passed on at once."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams[0], name)


def _tokens() -> list[str]:
    """The hub's tokens that huggingface_hub would find: in the environment and in its file."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", os.path.join(caches, "huggingface"))
    file = Path(os.path.expandvars(os.environ.get("HF_TOKEN_PATH", os.path.join(home, "token")))).expanduser()
    found = [os.environ.get(name, "") for name in TOKENS]
    with suppress(OSError, UnicodeDecodeError):
        found.append(file.read_text(encoding="utf-8"))
    return [token.strip() for token in found if token.strip()]
