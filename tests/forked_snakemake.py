"""`snakemake ARGUMENTS` in a process that has Snakemake imported already: its imports are half of a dry run.

    code, said = forked_snakemake(["-n", "all"], folder, os.environ)

One process imports Snakemake with its plugins, and nothing of ours. It forks for each command: the child has the
folder, arguments, environment and output of the command, and finds the library as every Snakemake does. Only what
Python itself reads as it starts (PYTHONPATH and its like) stays that of the first process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


def forked_snakemake(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = 1200
) -> tuple[int, str]:
    """Its exit code and what it says, both streams together. Raises subprocess.TimeoutExpired."""
    forking = _forking()
    with tempfile.NamedTemporaryFile(suffix=".said") as said:
        asked = {"arguments": [*arguments], "folder": str(folder), "environment": {**environment}}
        forking.stdin.write(json.dumps({**asked, "output": said.name}) + "\n")
        forking.stdin.flush()
        if not select.select([forking.stdout], [], [], timeout)[0]:
            os.killpg(forking.pid, signal.SIGKILL)
            _forking.cache_clear()
            raise subprocess.TimeoutExpired(["snakemake", *arguments], timeout)
        return int(forking.stdout.readline()), Path(said.name).read_text(encoding="utf-8", errors="replace")


@cache
def _forking() -> subprocess.Popen:
    """The process that forks. It ends when this one does, which holds its input open."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, __file__], **pipes, start_new_session=True)


def _fork_for_each_line() -> None:
    from snakemake import cli

    cli.get_argument_parser()  # imports the plugins
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _become(**json.loads(line))
            cli.main()  # ends the process as it would end without us
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    for number, path in enumerate((os.devnull, output, output)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", *arguments]
    sys.path[0] = os.getcwd()  # as `python -m snakemake` has it


if __name__ == "__main__":
    _fork_for_each_line()
