"""A checkpoint that is read block by block, each exactly as from_pretrained would put it into the network.

    with blocks_left_out() as opened:
        network = AutoModelForCausalLM.from_pretrained(folder)      # all but its blocks is loaded
    opened[0].read_block(3)                                         # {"model.layers.3.mlp.up_proj.weight": …}

from_pretrained renames, fuses and casts what the files hold, differently for each family. So it runs as it is,
and only its step that reads the tensors is ours: that first goes through the whole checkpoint with tensors that
have a shape and no numbers, which tells what is missing, and then reads what lies outside the blocks. A block
is read later by the same conversion, given the block's tensors alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cornerstone.loading.memory import says_out_of_memory
from cornerstone.loading.stored_tensors import READERS, StoredTensor, stored_tensors
from cornerstone.loading.sublayers import find_blocks
from cornerstone.system.errors import CornerstoneError

# Tensors lie at multiples of this many bytes in a buffer, as CUDA's own allocations do at the least.
ALIGNMENT = 256


@dataclass(frozen=True)
class _Lazy:
    """A stand-in for a slice of a safetensors file in transformers' conversion: indexing it gives the tensor."""

    give: Callable[[], Tensor]

    def __getitem__(self, index: Any) -> Tensor:
        return self.give()


class Checkpoint:
    """The stored weights of a network whose blocks lie on the device `meta`.

    names:      per block, the full names of the parameters and buffers that the files provide.
    bytes_read: from the files so far, of blocks.
    stopped:    set it to end a reading in another thread.
    """

    def __init__(self, network: nn.Module, stored: Mapping[str, StoredTensor], settings: Any) -> None:
        """settings: of from_pretrained (dtype, conversions), as it hands them to the step that reads tensors."""
        self.network, self.settings = network, settings
        self.bytes_read = 0
        self.stopped = False
        self._converts = False
        places = {id(module): name for name, module in network.named_modules()}
        self.prefixes = [places[id(block.module)] + "." for block in find_blocks(network)]
        self.sources: list[dict[str, StoredTensor]] = [{} for _ in self.prefixes]
        self.outside: dict[str, StoredTensor] = {}
        for name, block in self._blocks_of(stored).items():
            (self.outside if block is None else self.sources[block])[name] = stored[name]
        self.names: list[list[str]] = [[] for _ in self.prefixes]

    def refuse_shared_between_blocks(self) -> None:
        """Raise CornerstoneError for a network whose blocks cannot be read one by one."""
        shared = getattr(self.network, "all_tied_weights_keys", None) or {}
        for name in (name for pair in shared.items() for name in pair):
            if self.block_of(name) is not None:
                raise CornerstoneError(
                    f"{type(self.network).__name__} shares {name} between its blocks or with its embeddings, so "
                    "its blocks cannot be read one by one: choose placement: resident and a device with room for it"
                )

    def block_of(self, name: str) -> int | None:
        """The block that a parameter is in, by its full name."""
        return next((n for n, prefix in enumerate(self.prefixes) if name.startswith(prefix)), None)

    def _blocks_of(self, stored: Mapping[str, StoredTensor]) -> dict[str, int | None]:
        """Where each stored tensor goes, by the names that transformers' conversion gives it."""
        from transformers.core_model_loading import (
            WeightConverter,
            WeightRenaming,
            dot_natural_key,
            rename_source_key,
        )

        mapping = self.settings.weight_mapping or []
        renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
        converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
        expected = self.network.state_dict()
        found = {}
        for name in sorted(stored, key=dot_natural_key):  # some renamings wait for one that comes before
            renamed, converter = rename_source_key(
                name, renamings, converters, self.network.base_model_prefix, expected
            )
            self._converts |= converter is not None
            found[name] = self.block_of(name if renamed not in expected and name in expected else renamed)
        return found

    def rehearse(self) -> Any:
        """Load the whole checkpoint without data; returns transformers' report of missing and unexpected tensors."""
        everything = self.outside | {name: one for source in self.sources for name, one in source.items()}
        shadows = {name: _Lazy(one.shadow) for name, one in everything.items()}
        account = self._convert(shadows, replace(self.settings, device_map={"": "meta"}))
        for name in self.network.state_dict():
            if (block := self.block_of(name)) is not None and name not in account.missing_keys:
                self.names[block].append(name)
        return account

    def load_outside(self) -> None:
        """Load what lies outside the blocks."""
        with ThreadPoolExecutor(READERS) as readers:
            tensors = {name: _Lazy(lambda one=one: one.read(readers)) for name, one in self.outside.items()}
            self._convert(tensors, self.settings)

    @property
    def place_size(self) -> int:
        """The size in bytes of the largest block's stored tensors."""
        return max(sum(aligned(one.size) for one in source.values()) for source in self.sources)

    @property
    def copies(self) -> bool:
        """Whether a block's tensors are copies of what was read, which were cast or fused."""
        stored = {one.dtype for source in self.sources for one in source.values()}
        return self._converts or stored != {self.settings.dtype}

    def read_block(self, number: int, place: Tensor | None = None) -> dict[str, Tensor]:
        """A block's parameters and buffers in main memory, by their full names.

        place: bytes that the files are read into, `place_size` of them; the result may lie there. New memory
        takes longer to get than a cached file to read.
        Raises CornerstoneError naming the file that could not be read.
        """
        shadows = {name: tensor_at(self.network, name) for name in self.names[number]}
        source = self.sources[number]
        try:
            with ThreadPoolExecutor(READERS, "readers") as readers:
                account = self._convert(self._lazily(source, readers, place), self.settings)
        finally:  # the network is to have them only while they are needed
            tensors = {name: put_at(self.network, name, shadow) for name, shadow in shadows.items()}
        errors = " ".join(map(str, account.conversion_errors.values()))
        if says_out_of_memory(errors):  # which smaller batches help against
            raise MemoryError(errors)
        if account.conversion_errors or any(tensor.is_meta for tensor in tensors.values()):
            raise CornerstoneError(
                f"block {number} of {type(self.network).__name__} cannot be read by itself: choose placement: resident"
            )
        self.bytes_read += sum(one.size for one in source.values())
        return tensors

    def _lazily(
        self, source: Mapping[str, StoredTensor], readers: Executor, place: Tensor | None
    ) -> dict[str, _Lazy]:
        lazy, start = {}, 0
        for name, one in source.items():
            into = None if place is None else place[start : start + one.size]
            lazy[name] = _Lazy(lambda one=one, into=into: one.read(readers, lambda: self.stopped, into))
            start += aligned(one.size)
        return lazy

    def _convert(self, tensors: Mapping[str, _Lazy], settings: Any) -> Any:
        from transformers.core_model_loading import convert_and_load_state_dict_in_model

        account, _ = convert_and_load_state_dict_in_model(self.network, dict(tensors), settings)
        return account


def aligned(size: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def tensor_at(network: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of this full name."""
    path, _, leaf = name.rpartition(".")
    return getattr(network.get_submodule(path), leaf)


def put_at(network: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """Replace a parameter or buffer by a tensor; returns the old one."""
    path, _, leaf = name.rpartition(".")
    module = network.get_submodule(path)
    own = module._parameters if leaf in module._parameters else module._buffers
    before, own[leaf] = own[leaf], tensor
    return before


@contextmanager
def blocks_left_out(*, read_outside: bool = True) -> Iterator[list[Checkpoint]]:
    """While this is active, from_pretrained does not load the blocks' weights; puts their checkpoint into the list.

    read_outside: whether what lies outside the blocks is loaded. Else no number is, and all tensors are on meta.
    """
    import transformers

    model_class = transformers.PreTrainedModel
    if "_load_pretrained_model" not in vars(model_class):
        raise CornerstoneError(
            f"transformers {transformers.__version__} loads models in a way that streaming does not support: "
            "install the version that requirements.txt names, or choose placement: resident"
        )
    opened: list[Checkpoint] = []

    def load(network: nn.Module, state_dict: None, files: list[str], settings: Any, *rest: Any) -> tuple:
        stored: dict[str, StoredTensor] = {}
        for file in files:
            stored |= stored_tensors(Path(file))
        checkpoint = Checkpoint(network, stored, settings)
        if read_outside:
            checkpoint.refuse_shared_between_blocks()
        account = checkpoint.rehearse()
        lacking = [name for name in account.missing_keys if _must_be_stored(checkpoint, name)]
        if lacking and not account.conversion_errors:  # which from_pretrained tells itself
            raise missing_tensors(str(Path(files[0]).parent), lacking)
        if read_outside:
            checkpoint.load_outside()
        opened.append(checkpoint)
        return account, None

    # Threads of transformers' own would come and go with each block, and each keep some of what it freed; without
    # them, it also converts a tensor at a time and not all of a block at once.
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"
    before = vars(model_class)["_load_pretrained_model"]
    model_class._load_pretrained_model = staticmethod(load)
    try:
        yield opened
    finally:
        model_class._load_pretrained_model = before


def _must_be_stored(checkpoint: Checkpoint, name: str) -> bool:
    """Whether a missing tensor is a block's own, which would be filled with random numbers in main memory."""
    ignored = checkpoint.network._keys_to_ignore_on_load_missing or ()
    return checkpoint.block_of(name) is not None and not any(re.search(one, name) for one in ignored)


def missing_tensors(folder: str, missing: list[str]) -> CornerstoneError:
    """The error that says which of a model's tensors its files lack."""
    return CornerstoneError(
        f"the weights in {folder} lack {len(missing)} of the model's tensors, {min(missing)} first: "
        "put the complete safetensors files there"
    )


def block_bytes(network: nn.Module, names: list[str]) -> int:
    """What the tensors of these names take in memory."""
    return sum(
        prod(tensor.shape) * tensor.itemsize for tensor in (tensor_at(network, name) for name in names)
    )
