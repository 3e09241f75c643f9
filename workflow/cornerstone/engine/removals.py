"""Ways of removing a sublayer: each says what replaces its output. Another way is another entry.

Decoder(network, blocks, removal=REMOVALS["zero"])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Removal:
    """One way of removing.

    output: what takes the place of a removed sublayer's output (B, T, D), made from a tensor of its shape, dtype
            and device: the engine gives the hidden state that enters the sublayer, the check the real output.
    """

    name: str
    output: Callable[[Tensor], Tensor]


REMOVALS = {removal.name: removal for removal in (Removal("zero", torch.zeros_like),)}
