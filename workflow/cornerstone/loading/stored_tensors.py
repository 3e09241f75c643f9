"""Tensors in safetensors files, read by several threads at once; errors name the file that changed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cornerstone.models.weights import read_weight_header
from cornerstone.system.errors import CornerstoneError, one_line

# What safetensors calls the formats that a checkpoint which is not quantised may hold.
STORED_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
# Threads that read pieces of so many bytes at once: one thread alone does not get what a fast disk gives.
READERS, PIECE = 4, 16 << 20


class StoppedReading(Exception):
    """Reading was ended before its time."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file: `size` bytes from byte `start`; `modified`: when the file was (ns)."""

    path: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    size: int
    modified: int

    def read(
        self, readers: Executor, stopped: Callable[[], bool] = lambda: False, into: Tensor | None = None
    ) -> Tensor:
        """Read the tensor into main memory, into the bytes `into` if they are given; `readers` share the work.

        Not through a memory map: where the file is truncated or the disk fails, that would end the process.
        Raises CornerstoneError naming the file, and StoppedReading once `stopped` says so.
        """
        buffer = torch.empty(self.size, dtype=torch.uint8) if into is None else into
        bytes_of = memoryview(buffer.numpy())
        pieces = [
            readers.submit(self._read_piece, bytes_of[first : first + PIECE], first, stopped)
            for first in range(0, self.size, PIECE)
        ]
        try:
            for piece in pieces:
                piece.result()
        except OSError as error:
            raise CornerstoneError(
                f"{self.path} could not be read ({one_line(error)}): streamed weights are read repeatedly; keep the "
                "file where it is until the evaluation ends"
            ) from error
        return buffer.view(self.dtype).reshape(self.shape)

    def _read_piece(self, place: memoryview, first: int, stopped: Callable[[], bool]) -> None:
        with self.path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_mtime_ns != self.modified:
                raise CornerstoneError(f"{self.path} was changed while the model was evaluated: start again")
            file.seek(self.start + first)
            while place:
                if stopped():
                    raise StoppedReading
                if not (count := file.readinto(place)):
                    raise CornerstoneError(f"{self.path} is truncated: download or copy it again")
                place = place[count:]

    def shadow(self) -> Tensor:
        """A tensor of the same shape and dtype without data (device meta)."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file by name. Raises CornerstoneError where it is truncated or something else."""
    modified = path.stat().st_mtime_ns  # before the header is read: what changes it later is noticed
    data_start, header = read_weight_header(path)
    found = {}
    for name, entry in header.items():
        if entry["dtype"] not in STORED_DTYPES:
            raise CornerstoneError(
                f"{path} holds {name} as {entry['dtype']}: weights that are streamed are floats or integers of "
                "8 to 64 bits; give a checkpoint that is not quantised"
            )
        first, last = entry["data_offsets"]
        dtype, shape = STORED_DTYPES[entry["dtype"]], tuple(entry["shape"])
        found[name] = StoredTensor(path, dtype, shape, data_start + first, last - first, modified)
    return found
