"""Streamed weights: a block is in memory only while the live states go through it; meanwhile the next is loaded.

    with weights.loading():
        weights.expect([0, 1, 2, 3])        # the order in which the walk will want blocks
        weights.use(0)                      # there once this returns; block 1 is being read

One thread reads ahead, and at most two blocks are in memory: the one in use and the next. Three ways to do this
were weighed. accelerate's offloading loads each module when it is called, in the thread that computes, and keeps
a second copy on the disk of every weight that transformers converts (Mixtral's experts). A safetensors memory
map would read lazily in that thread too, and a file that is truncated then ends the process. So the files are read
here, the conversion is transformers' own (see `checkpoint`), and the thread hides both behind the computation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from cornerstone.loading.checkpoint import Checkpoint, block_bytes, put_at
from cornerstone.loading.gpu_carrier import GpuCarrier, as_kind_of
from cornerstone.loading.memory import anonymous_memory
from cornerstone.loading.sublayers import (
    find_blocks,
    first_parameter,
    kinds_of_blocks,
    one_of_each_kind,
)
from cornerstone.system.errors import CornerstoneError

# Blocks' worth of memory that making one takes where its tensors are cast and fused, the result included. Measured:
# 1.6 where they are only fused, 2.3 for the experts of a Qwen3-MoE from bfloat16 to float32.
CONVERSION = 2.3


@dataclass(frozen=True)
class _Ahead:
    """A block that is being loaded, and its tensors once it is."""

    number: int
    tensors: Future[dict[str, Tensor]]


class StreamedWeights:
    """The weights of a network's blocks, which lie in files and come into memory one after another.

    sizes:   bytes of each block in memory, in the network's dtype.
    outside_bytes: of what is always in memory; program_bytes: what else the process had taken before.
    waited:  seconds for which the walk stood still because a block was not there yet.
    bytes_loaded: of blocks that came for the walk, each time counted.
    peak_bytes: the most memory on the device that was seen while blocks were used.
    held:    blocks that are in memory until `let_go`.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.checkpoint, self.network, self.device = checkpoint, checkpoint.network, device
        self.sizes = [block_bytes(self.network, names) for names in checkpoint.names]
        blocks = {name for names in checkpoint.names for name in names}
        own = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        self.outside_bytes = block_bytes(self.network, [name for name in own if name not in blocks])
        self.program_bytes = max(0, taken_memory(device) - self.outside_bytes)
        self.waited = 0.0
        self.bytes_loaded = self.peak_bytes = 0
        self._carrier = GpuCarrier(checkpoint, device) if device.type == "cuda" else None
        self._pace = _Pace()
        self._shadows: dict[int, dict[str, Tensor]] = {}
        self.held: set[int] = set()
        self._current: int | None = None
        self._order: list[int] = []
        self._ahead: _Ahead | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._places: list[Tensor] = []

    @property
    def bytes_read(self) -> int:
        """From the files so far, of blocks."""
        return self.checkpoint.bytes_read

    @property
    def blocks_bytes(self) -> int:
        """The most bytes that blocks take on the device: the one in use and the next, and the tensors that they are
        made from."""
        if self.device.type != "cpu":
            return 2 * max(self.sizes)
        return 2 * self.checkpoint.place_size + self._made_bytes(in_use=1)

    @property
    def least_bytes(self) -> int:
        """What the device must have room for: blocks as they are used, and before that those that a check holds, cast
        to float32 with what is outside the blocks."""
        held = len(one_of_each_kind(kinds_of_blocks(self.network, find_blocks(self.network))))
        largest = max(self.sizes)
        if self.device.type != "cpu":
            in_check = held * largest
        else:  # where they were read into a place, they are copies
            in_check = self.checkpoint.place_size + max(held * largest, self._made_bytes(in_use=held))
        itemsize = first_parameter(self.network).itemsize
        if itemsize < 4:
            in_check += 4 // itemsize * (held * largest + self.outside_bytes)
        return self.outside_bytes + max(self.blocks_bytes, in_check)

    def _made_bytes(self, in_use: int) -> int:
        """Of blocks that were cast or fused in main memory, and of one that is about to be."""
        return int((in_use + CONVERSION) * max(self.sizes)) if self.checkpoint.copies else 0

    @property
    def bytes_to_come(self) -> int:
        """The bytes of these that are not loaded yet."""
        return 0 if self._carrier is not None and self._carrier.places else self.blocks_bytes

    def seconds_to_load(self, number: int) -> float:
        """What loading a block takes, judged by those that were loaded so far."""
        kept = self._carrier is not None and number in self._carrier.kept
        return self.sizes[number] * self._pace.seconds_per_byte(kept)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Run the thread that loads blocks. At the end, after an error too, the thread and the blocks are gone."""
        self.checkpoint.stopped = False
        self.waited, self.bytes_loaded, self.peak_bytes, self.checkpoint.bytes_read = 0.0, 0, 0, 0
        with ThreadPoolExecutor(1, "weights") as pool:
            self._pool = pool
            try:
                yield
            finally:
                self.checkpoint.stopped = True
                self._ahead, self._order, self._pool = None, [], None
                pool.shutdown(cancel_futures=True)
                self._release()
                self.let_go()
                self._places.clear()

    def stay(self) -> None:
        """Load every block into the network for good, each through the main memory of one block."""
        with self.loading():
            blocks = self._pool.submit(self._load_to_hold, range(len(self.sizes))).result()
        for name, tensor in (item for tensors in blocks for item in tensors.items()):
            put_at(self.network, name, tensor)

    def hold(self, numbers: Sequence[int]) -> None:
        """Load some blocks and keep them beside those in use, until `let_go`."""
        wanted = sorted(set(numbers) - self.held)
        for number, tensors in zip(
            wanted, self._pool.submit(self._load_to_hold, wanted).result(), strict=True
        ):
            self._attach(number, tensors)
            self.held.add(number)

    def let_go(self) -> None:
        """Drop the blocks that were held."""
        for number in self.held:
            self._detach(number)
        self.held.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def expect(self, order: Sequence[int]) -> None:
        """Announce the order in which blocks will be used, each any number of times in a row; load the first."""
        self._order = [number for number, _ in groupby(order)]
        if self._ahead is None and self._order and self._order[0] != self._current:
            self._load_ahead(self._order[0])

    def use(self, number: int) -> None:
        """Put a block's weights into the network in place of the last block's; the next one is loaded meanwhile.

        Raises CornerstoneError naming the file that could not be read.
        """
        if number == self._current or number in self.held:
            return
        self.peak_bytes = max(self.peak_bytes, taken_memory(self.device))
        if self.device.type == "cuda":
            # What still computes with the old block must have ended before its place is overwritten, and the
            # clock below is to run only while nothing computes.
            torch.cuda.current_stream(self.device).synchronize()
        self._release()
        if self._ahead is None or self._ahead.number != number:
            self._load_ahead(number)
        ahead, self._ahead = self._ahead, None
        started = time.monotonic()
        tensors = ahead.tensors.result()
        self.waited += time.monotonic() - started
        self.bytes_loaded += self.sizes[number]
        self._attach(number, tensors)
        self._current = number
        if number in self._order:  # else the walk goes another way than was expected
            del self._order[: self._order.index(number) + 1]
            if self._order:
                self._load_ahead(self._order[0])

    def _load_ahead(self, number: int) -> None:
        self._ahead = _Ahead(number, self._pool.submit(self._load, number))

    def _load(self, number: int) -> dict[str, Tensor]:
        kept = self._carrier is not None and number in self._carrier.kept
        with self._pace.measured(self.sizes[number], kept):
            if self._carrier is not None:
                return self._carrier.carry(number)
            # The other place is of the block that was used before, or was loaded in vain.
            self._places.append(
                self._places.pop(0)
                if len(self._places) == 2
                else torch.empty(self.checkpoint.place_size, dtype=torch.uint8)
            )
            tensors = self._moved(self.checkpoint.read_block(number, self._places[-1]))
        self.peak_bytes = max(self.peak_bytes, taken_memory(self.device))
        return tensors

    def _load_to_hold(self, numbers: Sequence[int]) -> list[dict[str, Tensor]]:
        place = torch.empty(self.checkpoint.place_size, dtype=torch.uint8)
        found = []
        for number in numbers:
            self._pace.forget_files()  # all but the last: the first takes new memory, as no later one does
            with self._pace.measured(self.sizes[number], kept=False):
                tensors = self.checkpoint.read_block(number, place)
            found.append({name: self._kept(tensor, place) for name, tensor in tensors.items()})
        return found

    def _kept(self, tensor: Tensor, place: Tensor) -> Tensor:
        """The tensor on the device, out of the place that the next block is read into."""
        in_place = tensor.untyped_storage().data_ptr() == place.untyped_storage().data_ptr()
        return as_kind_of(tensor, tensor.detach().to(self.device, copy=in_place))

    def _moved(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.device.type == "cpu":
            return tensors
        return {name: as_kind_of(tensor, tensor.to(self.device)) for name, tensor in tensors.items()}

    def _attach(self, number: int, tensors: dict[str, Tensor]) -> None:
        self._shadows[number] = {name: put_at(self.network, name, tensor) for name, tensor in tensors.items()}

    def _detach(self, number: int) -> None:
        for name, shadow in self._shadows.pop(number).items():
            put_at(self.network, name, shadow)

    def _release(self) -> None:
        if self._current is not None:
            self._detach(self._current)
            self._current = None


def refuse_too_large(weights: StreamedWeights, folder: Path, free: int) -> None:
    """Raise CornerstoneError where not even what streaming keeps on the device fits what is free there (bytes)."""
    needed = weights.least_bytes
    if needed > free:
        raise CornerstoneError(
            f"the weights in {folder} need {needed / 1e9:.1f} GB even when they are streamed (a few blocks, and what "
            f"is outside the blocks), and {free / 1e9:.1f} GB are free on {weights.device}: choose a device with more "
            "memory, or a smaller dtype"
        )


def taken_memory(device: torch.device) -> int:
    """Bytes that this process takes on a device now: on a GPU the most so far, on a CPU without file pages."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.current_allocated_memory()
    return anonymous_memory()


class _Pace:
    """How fast blocks were loaded: from files, and from main memory where they are kept."""

    def __init__(self) -> None:
        self.bytes = {False: 0, True: 0}
        self.seconds = {False: 0.0, True: 0.0}

    def forget_files(self) -> None:
        self.bytes[False], self.seconds[False] = 0, 0.0

    @contextmanager
    def measured(self, size: int, kept: bool) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.bytes[kept] += size
        self.seconds[kept] += time.monotonic() - started

    def seconds_per_byte(self, kept: bool) -> float:
        kept = kept and self.bytes[True] > 0
        return self.seconds[kept] / max(1, self.bytes[kept])
