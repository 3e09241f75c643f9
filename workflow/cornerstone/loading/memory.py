"""Free memory on a GPU or in the machine, within the limits of a cluster job; and keeping freed memory."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
CONTROL_GROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
)
"""Limit, use and statistics: of version 2, and of version 1."""
# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device: a CUDA or Apple GPU's own, else the machine's.

    What PyTorch keeps of a CUDA GPU for later is free, too.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return _available_memory()


def anonymous_memory() -> int:
    """Bytes of main memory that this process takes now, pages of files not counted; 0 where it is not known."""
    return _bytes_in_proc("self/status", "RssAnon") or 0


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of giving it back to the system. Returns whether it does.

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


def says_out_of_memory(message: str) -> bool:
    """Whether an error's message tells of an allocation that failed, on a GPU or in main memory."""
    return any(words in message for words in ("can't allocate memory", "not enough memory", "out of memory"))


def _available_memory() -> int:
    """Bytes that the system, or the control group of a cluster job, still has to give."""
    found = [_bytes_in_proc("meminfo", "MemAvailable"), *_control_group_left()]
    found = [number for number in found if number is not None]
    # Where the system does not tell (macOS), a quarter of what it has.
    return min(found) if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def _bytes_in_proc(file: str, name: str) -> int | None:
    """Bytes, of a line NAME: … kB; None where the system has no such file or line."""
    try:
        lines = Path("/proc", file).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:")), None)


def _control_group_left(groups: Path = CONTROL_GROUPS, process: Path = OWN_GROUPS) -> list[int]:
    """What each control group that this process is in, the outer ones too, has left of its limit."""
    left = []
    for folder in _own_folders(groups, process):
        for limit, used, statistics in CONTROL_GROUP_FILES:
            try:
                most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
                left.append(most - taken + _file_pages(folder / statistics))
            except (OSError, ValueError):  # no such controller, or "max": no limit
                continue
    return left


def _own_folders(groups: Path, process: Path) -> list[Path]:
    """The folders of this process's memory control groups, from its own to the outermost."""
    try:
        lines = process.read_text().splitlines()
    except OSError:
        lines = []
    found = [groups, groups / "memory"]
    for line in lines:  # number:controllers:path; version 2 names no controllers
        _, controllers, path = line.split(":", 2)
        base = groups / "memory" if "memory" in controllers.split(",") else groups
        inner = base / path.lstrip("/")
        found += [folder for folder in (inner, *inner.parents) if folder != base and base in folder.parents]
    return found


def _file_pages(statistics: Path) -> int:
    """Bytes of the files that the group has read and not lately used: the system takes them back when asked."""
    for line in statistics.read_text().splitlines():
        name, _, number = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(number)
    return 0
