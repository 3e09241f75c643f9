"""How much memory is free, on a GPU or in the machine, within what a cluster job was given."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device: a CUDA or Apple GPU's own, else the machine's."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return _available_memory()


def _available_memory() -> int:
    """Bytes that the system, or the control group of a cluster job, still has to give."""
    found = [_meminfo_available(), *_control_group_left()]
    found = [number for number in found if number is not None]
    # Where the system does not tell (macOS), a quarter of what it has.
    return min(found) if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")), None)


def _control_group_left() -> list[int | None]:
    folder = Path("/sys/fs/cgroup")
    names = [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ]
    left = []
    for limit, used in names:
        try:
            left.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
        except (OSError, ValueError):  # no such controller, or "max": no limit
            continue
    return left
