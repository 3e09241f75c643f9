"""Models: a folder of config, tokenizer and safetensors weights becomes a network ready to be evaluated.

model = load_model(Path("resources/demo/models/demo_llama"))
[sublayer.label for sublayer in model.sublayers]
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from torch import nn

from cornerstone.loading.checkpoint import blocks_left_out, missing_tensors
from cornerstone.loading.devices import choose_placement, pick_device
from cornerstone.loading.encoding import Encoder, load_encoder, refuse_remote_code
from cornerstone.loading.memory import free_memory
from cornerstone.loading.refusals import own_code
from cornerstone.loading.streaming import StreamedWeights, refuse_too_large
from cornerstone.loading.sublayers import Block, Sublayer, find_blocks, first_parameter
from cornerstone.models.folder import weight_files, weight_shapes
from cornerstone.system.errors import CornerstoneError, one_line

log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LanguageModel:
    """A network in evaluation mode with its encoder and its blocks.

    name:  how errors name it.
    dtype: of the weights and the hidden states, a key of DTYPES.
    weights: of the blocks, where they are streamed: then only the engine can run the network. None where they
             are resident.
    """

    name: str
    network: nn.Module
    encoder: Encoder
    blocks: tuple[Block, ...]
    dtype: str
    weights: StreamedWeights | None = None

    @property
    def sublayers(self) -> tuple[Sublayer, ...]:
        return tuple(sublayer for block in self.blocks for sublayer in block.sublayers)

    @property
    def device(self) -> torch.device:
        return first_parameter(self.network).device if self.weights is None else self.weights.device

    @property
    def device_name(self) -> str:
        """Where it is, for people: "cpu", "cuda:0 (NVIDIA H100)"."""
        name = str(self.device)
        return f"{name} ({torch.cuda.get_device_name(self.device)})" if name.startswith("cuda") else name

    @property
    def peak_device_memory_bytes(self) -> int | None:
        """The most memory that tensors took on its GPU so far, in bytes; None where it runs on none."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None


def load_model(
    folder: Path | str,
    dtype: str = "float32",
    device: str = "auto",
    *,
    name: str | None = None,
    allow_remote_code: bool = False,
    placement: str = "auto",
) -> LanguageModel:
    """Load a model folder; `device` is auto, cpu, cuda or mps, `name` what errors call it (default: the folder's).

    placement: "resident": the weights are in the device's memory; "streamed": a block's are only while it is
    used (see `streaming`); "auto": resident where they fit.
    Raises CornerstoneError where the folder holds no model that can be loaded whole, one that needs remote
    code without `allow_remote_code`, one that does not fit the memory, or one whose sublayers cannot be told apart.
    """
    folder = Path(folder)
    where = pick_device(device)
    needed, free = weight_bytes(folder, _dtype(dtype)), free_memory(where)
    chosen = choose_placement(placement, needed, free, dtype, where, folder)
    log.info("%s", chosen)
    arguments = (folder, dtype, where, name or folder.name, allow_remote_code)
    if chosen.name == "streamed":
        return _load_streamed(*arguments, free)
    if where.type != "cpu":
        # What cannot be read block by block, and what is wrong with the files, is for from_pretrained.
        with suppress(CornerstoneError):
            return _load_by_blocks(*arguments, free)
    return _load_whole(*arguments)


def _load_whole(
    folder: Path, dtype: str, device: torch.device, name: str, allow_remote_code: bool
) -> LanguageModel:
    network = _load_network(folder, _dtype(dtype), allow_remote_code).to(device)
    encoder = load_encoder(folder, network.config, allow_remote_code=allow_remote_code)
    return language_model(network, encoder, name)


def _load_by_blocks(
    folder: Path, dtype: str, device: torch.device, name: str, allow_remote_code: bool, free: int
) -> LanguageModel:
    """With resident weights; main memory is needed for one block at a time.

    from_pretrained alone would first have the whole model there, of its own wherever it fuses or casts tensors.
    """
    model = _load_streamed(folder, dtype, device, name, allow_remote_code, free)
    model.weights.stay()
    return replace(model, weights=None)


def _load_streamed(
    folder: Path, dtype: str, device: torch.device, name: str, allow_remote_code: bool, free: int
) -> LanguageModel:
    """free: bytes on the device that streaming has to do with."""
    with blocks_left_out() as opened:
        network = _load_network(folder, _dtype(dtype), allow_remote_code)
    encoder = load_encoder(folder, network.config, allow_remote_code=allow_remote_code)
    weights = StreamedWeights(opened[0], device)
    refuse_too_large(weights, folder, free)
    network._apply(lambda tensor: tensor if tensor.is_meta else tensor.to(device))
    return replace(language_model(network, encoder, name), weights=weights)


def language_model(network: nn.Module, encoder: Encoder, name: str) -> LanguageModel:
    """A network that is already there, as a LanguageModel; it is put into evaluation mode."""
    network.eval()
    network.config.return_dict = True
    for extra in ("output_attentions", "output_hidden_states"):
        setattr(network.config, extra, False)  # with what these add, blocks may return another form
    dtype = str(first_parameter(network).dtype).removeprefix("torch.")
    with own_code(network, name):
        return LanguageModel(name, network, encoder, find_blocks(network), dtype)


def weight_bytes(folder: Path, dtype: torch.dtype) -> int:
    """What the weights take in memory."""
    return dtype.itemsize * sum(
        prod(shape) for path in weight_files(folder) for shape in weight_shapes(path).values()
    )


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise CornerstoneError(f"dtype {name!r} is not known: choose one of {', '.join(DTYPES)}")
    return DTYPES[name]


def _refuse_misfits(network: nn.Module, loading: dict, folder: Path) -> None:
    """Raise CornerstoneError where config.json is of another shape than the weights, or of fewer blocks."""
    for name, stored, asked in sorted(loading["mismatched_keys"]):
        raise CornerstoneError(
            f"{folder / 'config.json'} does not fit the weights beside it: {name} is {list(stored)} there, and "
            f"{list(asked)} by config.json; put the model's own there"
        )
    known = {re.sub(r"\d+", "0", name) for name in network.state_dict()}
    for name in sorted(loading["unexpected_keys"]):  # heads for other tasks are left over too, and rightly
        if re.sub(r"\d+", "0", name) in known:
            raise CornerstoneError(
                f"{folder / 'config.json'} does not fit the weights beside it: they have {name}, in a block too many; "
                "put the model's own there"
            )


def _load_network(folder: Path, dtype: torch.dtype, allow_remote_code: bool = False) -> nn.Module:
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a log file has lines, and each streamed block would show a bar of its own
    try:
        network, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=allow_remote_code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, in words
        )
    except CornerstoneError:
        raise
    except Exception as error:  # transformers, safetensors and their parsers raise many kinds
        refuse_remote_code(error, folder)
        raise CornerstoneError(
            f"no model could be loaded from {folder}, by its config.json and safetensors files ({one_line(error)})"
        ) from error
    _refuse_misfits(network, loading, folder)
    # transformers fills missing weights with random numbers and only warns.
    if missing := sorted(loading["missing_keys"]):
        raise missing_tensors(str(folder), missing)
    return network
