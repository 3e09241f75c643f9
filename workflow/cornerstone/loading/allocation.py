"""Main memory that is freed and taken again many times a second, kept by the process in between."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of giving it back: whether it took the wish.

    Activations of megabytes come and go with every operation. By default each is mapped anew and its pages
    are cleared by the kernel: some 8 % of an evaluation's time on a CPU. Elsewhere than on Linux with glibc
    this does nothing.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(parameter, LARGEST) == 1 for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)
    )
