"""Cheap measures: how much the hidden state changes in a sublayer or a block, from one pass of the full model.

    MEASURES["block_influence"].of(enters, leaves)      # a number per token, of two tensors (tokens, width)
    [measure.name for measure in MEASURES]

Pruning methods rank sublayers and blocks by such numbers, for they cost one pass where values cost hundreds. Of each,
more says that more changed, which is taken for more important. What enters and leaves a sublayer is told in
`engine.measure`. An entry is all that there is of a measure: nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING

from cornerstone.system.registry import LAST, Registry

if TYPE_CHECKING:
    from torch import Tensor

SUBLAYER, BLOCK, GROUP = "sublayer", "block", "group"
"""What is measured, as files call it; a group is some neighbouring blocks."""

MEASURES_VERSION = 1
"""Of what makes measures besides the engine: raise it with any change that moves a number."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure.

    name:   of its column.
    title:  what tables and sentences call it.
    about:  what it is, with its range.
    source: the paper that ranks by it.
    of:     from two float32 tensors (tokens, width), the states that enter and those that leave, to a number per token,
            shape (tokens,). No state is zero throughout. Methods of the tensors are enough: torch is not imported here,
            since tables and figures run without it.
    order:  its place among the measures.
    """

    name: str
    title: str
    about: str
    source: str
    of: Callable[[Tensor, Tensor], Tensor]
    order: float = LAST


MEASURES: Registry[Measure] = Registry("measure", "cornerstone.measures")


def _norm(states: Tensor) -> Tensor:
    return states.norm(dim=-1)


def _directions(enters: Tensor, leaves: Tensor) -> tuple[Tensor, Tensor]:
    """Both as vectors of length 1."""
    return enters / _norm(enters)[:, None], leaves / _norm(leaves)[:, None]


def block_influence(enters: Tensor, leaves: Tensor) -> Tensor:
    """1 − cosine, as half the square of the chord: of two near directions 1 − cosine itself is mostly rounding."""
    one, other = _directions(enters, leaves)
    return _norm(one - other) ** 2 / 2


def angular_distance(enters: Tensor, leaves: Tensor) -> Tensor:
    """The angle over π, by Kahan's formula: the arc cosine loses half of the digits of a small angle."""
    one, other = _directions(enters, leaves)
    return 2 * _norm(one - other).arctan2(_norm(one + other)) / pi


def relative_norm(enters: Tensor, leaves: Tensor) -> Tensor:
    """The norm of what is added, in norms of what enters."""
    return _norm(leaves - enters) / _norm(enters)


MEASURES.register(
    Measure(
        name="block_influence",
        title="block influence",
        about="1 − the cosine of what enters and what leaves, 0 to 2",
        source="Men et al. 2024 (ShortGPT, arXiv 2403.03853); of sublayers He et al. 2024 (LLM-Drop, arXiv 2406.15786)",
        of=block_influence,
        order=10,
    )
)
MEASURES.register(
    Measure(
        name="angular_distance",
        title="angular distance",
        about="the angle between what enters and what leaves over π, 0 to 1",
        source="Gromov et al. 2024 (The Unreasonable Ineffectiveness of the Deeper Layers, arXiv 2403.17887)",
        of=angular_distance,
        order=20,
    )
)
MEASURES.register(
    Measure(
        name="relative_norm",
        title="relative norm",
        about="the norm of what is added over the norm of what enters, 0 or more",
        source="Samragh et al. 2023 (Weight subcloning, arXiv 2312.09299)",
        of=relative_norm,
        order=30,
    )
)
