"""One job a GPU on a machine with several: each job takes one that no other job of this study has.

free_gpu(4)    # 0, and in another process meanwhile 1

A scheduler that gives each job its own GPU shows it one alone; then there is nothing to choose.
"""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import TextIO

LOCKS = Path(".snakemake", "gpus")
_held: dict[int, TextIO] = {}
"""Open until the process ends, however it ends: then the system gives the locks back."""


def free_gpu(count: int, locks: Path = LOCKS) -> int:
    """The first of `count` GPUs that no process has taken here, taken now; the first where all are.

    Asked again, a process has the one that it took.
    """
    if count < 2:
        return 0
    if _held:
        return next(iter(_held))
    locks.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        file = (locks / f"{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another job has it
            file.close()
            continue
        except OSError as error:
            file.close()
            print(
                f"{locks} is on a file system without locks ({error.strerror}), so jobs cannot tell which GPU is free: "
                "this one takes the first; run one job at a time (--resources gpu=1), or work in a local folder",
                file=sys.stderr,
            )
            return 0
        _held[number] = file
        return number
    return 0
