"""Ways of removing a sublayer: each says what takes the place of its output.

Decoder(network, blocks, removal=ZERO)
Decoder(network, blocks, removal=Removal("mean", means))

Zero takes away all that a sublayer adds to the residual stream. Mean keeps what it adds on average, and so takes away
only what it computes from its input: a replacement depends on the sublayer and on whether the token is the first of
its text, so that coalitions share their work as with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cornerstone.loading.sublayers import Block
from cornerstone.models.means import Means

Replace = Callable[[Tensor, Tensor | None], Tensor]
"""What takes the place of a module's output, made from a tensor of its shape, dtype and device, and from which tokens
are the first of their text: (B, T) bool, or None where the first of each row is."""


@dataclass(frozen=True)
class Removal:
    """One way of removing.

    means: what each sublayer adds on average, which stays when it is removed; None: nothing stays.
    """

    name: str
    means: Means | None = None

    def outlets(self, block: Block, place: int) -> dict[nn.Module, Replace]:
        """The modules whose outputs are what a sublayer (by its place in the block) adds to the residual stream, each
        with what takes the place of its output.

        Mostly the sublayer's own modules; a norm after them, where the block has one and the mean stays.
        """
        if self.means is None:
            return dict.fromkeys(block.parts[place], zeros)
        sites, vectors = self.means.of(block.sublayers[place].label)
        return {
            block.module.get_submodule(site): kept_mean(torch.from_numpy(vector))
            for site, vector in zip(sites, vectors, strict=True)
        }


def zeros(like: Tensor, first: Tensor | None) -> Tensor:
    """Nothing is added."""
    return torch.zeros_like(like)


def kept_mean(vectors: Tensor) -> Replace:
    """Add the mean. vectors: (2, D), at the first position of a text and at all others."""
    made: dict[tuple, Tensor] = {}  # of each dtype and device

    def replace(like: Tensor, first: Tensor | None) -> Tensor:
        key = like.dtype, like.device
        if key not in made:
            made[key] = vectors.to(like)
        at_first, elsewhere = made[key]
        if first is None:
            first = torch.zeros(like.shape[:-1], dtype=torch.bool, device=like.device)
            first[..., 0] = True
        # Some modules are given tokens, not rows.
        return torch.where(first.reshape((*like.shape[:-1], 1)), at_first, elsewhere)

    return replace


ZERO = Removal("zero")
