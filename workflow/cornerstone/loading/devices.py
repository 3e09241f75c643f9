"""Which device a model runs on, and whether its weights stay in its memory or are streamed through it.

    where = pick_device("auto")
    choose_placement("auto", 141_100_000_000, 78_300_000_000, "bfloat16", where, folder)

One job a GPU on a machine with several: each takes one that no other job of this study has. A scheduler that gives
each job its own GPU shows it one alone; then there is nothing to choose.
"""

from __future__ import annotations

import fcntl
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch

from cornerstone.system.errors import CornerstoneError

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
PLACEMENTS = ("auto", "resident", "streamed")
# `auto` leaves this part of the free memory to states and activations: with less, few documents run together.
LEFT_FOR_STATES = 0.1
LOCKS = Path(".snakemake", "gpus")
_held: dict[int, TextIO] = {}
"""Open until the process ends, however it ends: then the system gives the locks back."""


def pick_device(device: str) -> torch.device:
    """`auto` takes CUDA, else MPS, else the CPU; of several GPUs one that no other job has taken.

    Raises CornerstoneError for a device that is not known, or not here.
    """
    if not DEVICE.fullmatch(device):
        raise CornerstoneError(f"device {device!r} is not known: choose auto, cpu, cuda (or cuda:0 …) or mps")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device != "auto" and not there.get(torch.device(device).type, True):
        raise CornerstoneError(
            f"device {device} was asked for, and PyTorch {torch.__version__} finds none here: choose device: auto or "
            "cpu, or install a PyTorch for this machine's GPU and driver"
        )
    if device == "cuda" or (device == "auto" and there["cuda"]):
        return torch.device("cuda", free_gpu(torch.cuda.device_count()))
    if device != "auto":
        return torch.device(device)
    return torch.device("mps" if there["mps"] else "cpu")


def free_gpu(count: int, locks: Path = LOCKS) -> int:
    """Take the first of `count` GPUs that no other process holds; the first one where all are held.

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


@dataclass(frozen=True)
class Placement:
    """Where the weights are. name: "resident" or "streamed"; reason: why, with the numbers."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose_placement(
    wanted: str, needed: int, free: int, dtype: str, device: torch.device, folder: Path
) -> Placement:
    """Choose where the weights go, from the bytes that they need and those that are free.

    Raises CornerstoneError for a word that is no placement, and where they must be resident and do not fit.
    """
    if wanted not in PLACEMENTS:
        raise CornerstoneError(f"placement {wanted!r} is not known: choose one of {', '.join(PLACEMENTS)}")
    numbers = f"{needed / 1e9:.1f} GB as {dtype}, {free / 1e9:.1f} GB are free on {device}"
    if wanted == "resident" and needed > free:
        raise CornerstoneError(
            f"the weights in {folder} need {needed / 1e9:.1f} GB as {dtype}, and {free / 1e9:.1f} GB are free on "
            f"{device}: choose placement: streamed, a device with more memory, or a smaller dtype"
        )
    if wanted != "auto":
        return Placement(wanted, f"as configured; the weights need {numbers}")
    streamed = needed > (1 - LEFT_FOR_STATES) * free
    return Placement("streamed" if streamed else "resident", f"the weights need {numbers}")
