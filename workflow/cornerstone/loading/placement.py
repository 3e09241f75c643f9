"""Where a model's weights are while it is evaluated: resident in the device's memory, or streamed through it.

choose_placement("auto", 141_100_000_000, 78_300_000_000, "bfloat16", torch.device("cuda:0"), folder)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from cornerstone.system.errors import CornerstoneError

PLACEMENTS = ("auto", "resident", "streamed")
# `auto` leaves this part of the free memory to states and activations: with less, few documents run together.
LEFT_FOR_STATES = 0.1


@dataclass(frozen=True)
class Placement:
    """name: "resident" or "streamed"; reason: with the numbers that it was chosen by."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose_placement(
    wanted: str, needed: int, free: int, dtype: str, device: torch.device, folder: Path
) -> Placement:
    """Where the weights will be, which need so many bytes of those that are free.

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
