"""Carry streamed blocks to a GPU through pinned main memory, where they stay as long as there is room."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from cornerstone.loading.checkpoint import Checkpoint, aligned, tensor_at
from cornerstone.loading.memory import free_memory

# Of the main memory that is free: what may be filled with blocks on their way to a GPU.
HOST_SHARE = 0.5


class GpuCarrier:
    """Brings blocks to a GPU: through pinned main memory, on a stream of its own, to two places in turn.

    places: of the largest block's size, on the GPU.
    kept:   blocks that stay in pinned main memory, as many as have room there, so that later passes read no file.

    Only the thread that loads calls it. A block is whole on the GPU when `carry` returns, and nothing computes
    with the place that it is put into: the walk lets a block's computation end before it asks for the next.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.checkpoint, self.device = checkpoint, device
        self.layouts = [
            laid_out({name: tensor_at(checkpoint.network, name) for name in names})
            for names in checkpoint.names
        ]
        self.size = max(size for _, size in self.layouts)
        self.places: list[Tensor] = []
        self.kept: dict[int, Tensor] = {}
        self.room = int(HOST_SHARE * free_memory(torch.device("cpu")))
        self._spare: Tensor | None = None
        self._scratch: Tensor | None = None
        self._turn = 0

    def carry(self, number: int) -> dict[str, Tensor]:
        """A block's parameters and buffers on the GPU."""
        if not self.places:
            self.places = [torch.empty(self.size, dtype=torch.uint8, device=self.device) for _ in range(2)]
            self._stream = torch.cuda.Stream(self.device)
        layout, size = self.layouts[number]
        if number not in self.kept:
            if self._scratch is None:
                self._scratch = torch.empty(self.checkpoint.place_size, dtype=torch.uint8)
            self._fill(number, self.checkpoint.read_block(number, self._scratch))
        pinned = self.kept.get(number, self._spare)
        place = self.places[self._turn]
        self._turn = 1 - self._turn
        with torch.cuda.stream(self._stream):
            place[:size].copy_(pinned[:size], non_blocking=True)
        self._stream.synchronize()
        return {name: view(place) for name, view in layout.items()}

    def _fill(self, number: int, tensors: dict[str, Tensor]) -> None:
        """Put a block into pinned memory: to stay, or where there is no room for it, until the next comes."""
        layout, size = self.layouts[number]
        taken = 1 << (size - 1).bit_length()  # torch rounds pinned memory up to a power of two
        # Jobs on other GPUs of this machine fill the same main memory: what is free is asked each time.
        if taken <= min(self.room, HOST_SHARE * free_memory(torch.device("cpu"))):
            self.room -= taken
            pinned = self.kept[number] = pinned_bytes(size)
        else:
            if self._spare is None:
                self._spare = pinned_bytes(self.size)
            pinned = self._spare
        with torch.no_grad():
            for name, view in layout.items():
                view(pinned).copy_(tensors.pop(name))


def pinned_bytes(size: int) -> Tensor:
    """Main memory that a GPU can copy from while it computes."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=True)


def laid_out(tensors: dict[str, Tensor]) -> tuple[dict[str, Callable[[Tensor], Tensor]], int]:
    """Places for tensors one after another in a buffer: a function per tensor that gives its view, and the size."""
    layout: dict[str, Callable[[Tensor], Tensor]] = {}
    end = 0
    for name, tensor in tensors.items():
        first, last = end, end + prod(tensor.shape) * tensor.itemsize

        def view(buffer: Tensor, tensor: Tensor = tensor, first: int = first, last: int = last) -> Tensor:
            return as_kind_of(tensor, buffer[first:last].view(tensor.dtype).view(tensor.shape))

        layout[name] = view
        end = aligned(last)
    return layout, end


def as_kind_of(old: Tensor, new: Tensor) -> Tensor:
    """The new tensor as a parameter if the old one is a parameter, else as a buffer."""
    return nn.Parameter(new, requires_grad=False) if isinstance(old, nn.Parameter) else new
