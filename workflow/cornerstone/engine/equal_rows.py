"""Which rows of a batch run a sublayer for all: rows in the same state once, rows that are without it not at all.

    while_reading(removed, prompts, sublayers)      # by sublayer, while prompts are read
    afterwards(removed, sublayers)                  # by sublayer, token by token

Rows of one prompt that are without the same sublayers so far have the same states: two trees, as where log-likelihoods
are computed. Later each row goes on with a token of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cornerstone.shapley.coalitions import Removed

WORTH_LEAVING_OUT = 1 / 8
"""Rows are left out where they are at least this part of the batch: to copy the others costs something too."""


@dataclass(frozen=True)
class Running:
    """The rows that run a sublayer, none where all are without it.

    rows:   (U,) their places in the batch.
    places: (R,) for each row of the batch, which of these has its output.
    """

    rows: Tensor
    places: Tensor


def while_reading(
    removed: Sequence[Removed], prompts: Sequence[Hashable], sublayers: int, device: torch.device
) -> dict[int, Running]:
    """By sublayer the rows that run while prompts are read; not there where all do.

    prompts: equal for rows that read the same.
    """
    found = {}
    states = _numbered(prompts)
    sets = [frozenset(coalition) for coalition in removed]
    for sublayer in range(sublayers):
        if running := _running(sublayer, sets, states, device):
            found[sublayer] = running
        states = _numbered([(state, sublayer in own) for state, own in zip(states, sets, strict=True)])
    return found


def afterwards(removed: Sequence[Removed], sublayers: int, device: torch.device) -> dict[int, Running]:
    """By sublayer the rows that run where each has states of its own; not there where all do."""
    sets = [frozenset(coalition) for coalition in removed]
    found = {sublayer: _running(sublayer, sets, range(len(sets)), device) for sublayer in range(sublayers)}
    return {sublayer: running for sublayer, running in found.items() if running}


def _running(
    sublayer: int, removed: Sequence[Collection[int]], states: Sequence[int], device: torch.device
) -> Running | None:
    """Of rows in the same state that are not without the sublayer, the first."""
    place_of: dict[int, int] = {}
    rows: list[int] = []
    for row, (state, own) in enumerate(zip(states, removed, strict=True)):
        if sublayer not in own and state not in place_of:
            place_of[state] = len(rows)
            rows.append(row)
    if len(rows) > len(removed) * (1 - WORTH_LEAVING_OUT):
        return None
    places = [place_of.get(state, 0) for state in states]
    return Running(torch.tensor(rows, device=device, dtype=torch.long), torch.tensor(places, device=device))


def _numbered(states: Sequence[Hashable]) -> list[int]:
    """Numbers in their stead, equal where they are equal."""
    number_of: dict[Hashable, int] = {}
    return [number_of.setdefault(state, len(number_of)) for state in states]
