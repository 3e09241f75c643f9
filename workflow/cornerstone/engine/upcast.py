"""Weights in float32 for a while: in 8 or 11 bits of mantissa a check could not tell a wrong mask from rounding.

with in_float32(network, blocks): ...    # these blocks and what lies outside all blocks
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def in_float32(network: nn.Module, left_out: Sequence[nn.Module]) -> Iterator[None]:
    """Put float32 copies in the place of weights and buffers of fewer bits, but not of the modules left out."""
    elsewhere = {id(part) for module in left_out for part in module.modules()}
    copies: dict[int, torch.Tensor] = {}
    before: list[tuple[dict, str, torch.Tensor]] = []
    try:
        for module in network.modules():
            if id(module) in elsewhere:
                continue
            for own in (module._parameters, module._buffers):
                for name, tensor in own.items():
                    if tensor is None or not tensor.is_floating_point() or tensor.itemsize >= 4:
                        continue
                    before.append((own, name, tensor))
                    if id(tensor) not in copies:  # tied weights stay one
                        copies[id(tensor)] = _copy(tensor)
                    own[name] = copies[id(tensor)]
        yield
    finally:
        for own, name, tensor in before:
            own[name] = tensor


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    copy = tensor.detach().to(torch.float32)
    return nn.Parameter(copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else copy
