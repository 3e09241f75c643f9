"""Safetensors files without some tensors, with other names, or with zeros: copied byte by byte, in any format.

    rewrite_weights(folder, target, {"model.layers.1.mlp.up_proj.weight": "model.layers.0.mlp.up_proj.weight"})

Nothing is decoded, so bfloat16 stays what it is, and no more than a piece of a tensor is in memory at once.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cornerstone.models.weights import CHUNK, INDEX, SINGLE, Tensor, chunks, read_tensors, weight_files
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.progress import progress
from cornerstone.system.text import data_size

ALIGNED = 8
"""Bytes: safetensors pads its header to a multiple of this, so that numbers lie where they can be mapped."""


@dataclass(frozen=True)
class Size:
    """Of a model's weights: parameters counted from the shapes in the files, and the files' bytes."""

    parameters: int
    bytes: int


def size_of(folder: Path) -> Size:
    """The size of the weights in a model's folder, by the headers of its files."""
    files = weight_files(folder)
    numbers = (prod(one.shape) for path in files for one in read_tensors(path).values())
    return Size(sum(numbers), sum(path.stat().st_size for path in files))


def rewrite_weights(
    folder: Path, target: Path, names: Mapping[str, str], zeroed: Collection[str] = ()
) -> None:
    """Copy tensors of a model's folder into another folder, in as many files, with an index where these are several.

    names: the new name of each tensor by its old one; what is not in it is left out. zeroed: old names of tensors in
    the place of whose numbers zeros are written.
    Raises CornerstoneError where the disk has no room for them.
    """
    shards = [_kept(path, names) for path in weight_files(folder)]
    shards = [shard for shard in shards if shard]
    total = sum(one.size for shard in shards for one in shard.values())
    if total > (free := shutil.disk_usage(target).free):
        raise CornerstoneError(
            f"the weights take {data_size(total)}, and {data_size(free)} are free on the disk of {target.parent}: make "
            "room, then type the same command again"
        )
    files: dict[str, str] = {}
    done = 0
    with progress("writing the weights", "B") as advance:
        for number, shard in enumerate(shards, 1):
            file = SINGLE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            files |= {names[old]: file for old in shard}
            with (target / file).open("xb") as out:
                out.write(_header({names[old]: one for old, one in shard.items()}))
                for old, tensor in shard.items():
                    for piece in zeros(tensor.size) if old in zeroed else chunks(tensor):
                        out.write(piece)
                        done += len(piece)
                        advance(done, total)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
        (target / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _kept(path: Path, names: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a file that go on, by their old names, in the order in which they lie there."""
    tensors = sorted(read_tensors(path).items(), key=lambda item: item[1].start)
    return {name: one for name, one in tensors if name in names}


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """The beginning of a safetensors file of these tensors, one after another: see `weights.read_weight_header`."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, one in tensors.items():
        entries[name] = {"dtype": one.dtype, "shape": one.shape, "data_offsets": [start, start + one.size]}
        start += one.size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % ALIGNED)
    return struct.pack("<Q", len(header)) + header


def zeros(size: int) -> Iterator[bytes]:
    """So many zero bytes, in pieces: zero in every format of numbers."""
    for start in range(0, size, CHUNK):
        yield bytes(min(CHUNK, size - start))
