"""Models: a folder of config, tokenizer and safetensors weights becomes a network ready to be evaluated.

model = load_model(Path("resources/demo/models/demo_llama"))
[sublayer.label for sublayer in model.sublayers]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import nn

from cornerstone.encoding import Encoder, load_encoder, refuse_remote_code
from cornerstone.errors import CornerstoneError, one_line
from cornerstone.gpus import free_gpu
from cornerstone.memory import free_memory
from cornerstone.model_folder import weight_files, weight_shapes
from cornerstone.sublayers import Block, Sublayer, find_blocks

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LanguageModel:
    """A network in evaluation mode with its encoder and its blocks.

    name:  how errors name it.
    dtype: of the weights and the hidden states, a key of DTYPES.
    """

    name: str
    network: nn.Module
    encoder: Encoder
    blocks: tuple[Block, ...]
    dtype: str

    @property
    def sublayers(self) -> tuple[Sublayer, ...]:
        return tuple(sublayer for block in self.blocks for sublayer in block.sublayers)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device


def load_model(
    folder: Path | str,
    dtype: str = "float32",
    device: str = "auto",
    *,
    name: str | None = None,
    allow_remote_code: bool = False,
) -> LanguageModel:
    """Load a model folder; `device` is auto, cpu, cuda or mps, `name` what errors call it (default: the folder's).

    Raises CornerstoneError where the folder holds no model that can be loaded whole, one that needs remote
    code without `allow_remote_code`, one that does not fit the memory, or one whose sublayers cannot be told apart.
    """
    folder = Path(folder)
    where = pick_device(device)
    check_fits(folder, _dtype(dtype), where)
    network = _load_network(folder, _dtype(dtype), allow_remote_code).to(where)
    encoder = load_encoder(folder, network.config, allow_remote_code=allow_remote_code)
    return language_model(network, encoder, name or folder.name)


def language_model(network: nn.Module, encoder: Encoder, name: str) -> LanguageModel:
    """A network that is already there, as a LanguageModel; it is put into evaluation mode."""
    network.eval()
    dtype = str(next(network.parameters()).dtype).removeprefix("torch.")
    return LanguageModel(name, network, encoder, find_blocks(network), dtype)


def pick_device(device: str) -> torch.device:
    """`auto` takes CUDA, else MPS, else the CPU; of several GPUs one that no other job has taken."""
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return torch.device("cuda", free_gpu(torch.cuda.device_count()))
    if device != "auto":
        return torch.device(device)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def check_fits(folder: Path, dtype: torch.dtype, device: torch.device, free: int | None = None) -> None:
    """Raise CornerstoneError where the weights alone need more than the memory that is free (bytes)."""
    numbers = sum(prod(shape) for path in weight_files(folder) for shape in weight_shapes(path).values())
    free = free_memory(device) if free is None else free
    needed = numbers * dtype.itemsize
    if needed > free:
        raise CornerstoneError(
            f"the weights in {folder} need {needed / 1e9:.1f} GB as {str(dtype).removeprefix('torch.')}, and "
            f"{free / 1e9:.1f} GB are free on {device}: choose a device with more memory, or a smaller dtype"
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
    from transformers.utils import logging

    logging.disable_progress_bar()  # a log file has lines
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
    except Exception as error:  # transformers, safetensors and their parsers raise many kinds
        refuse_remote_code(error, folder)
        raise CornerstoneError(
            f"no model could be loaded from {folder}, by its config.json and safetensors files ({one_line(error)})"
        ) from error
    _refuse_misfits(network, loading, folder)
    # transformers fills missing weights with random numbers and only warns.
    if missing := sorted(loading["missing_keys"]):
        raise CornerstoneError(
            f"the weights in {folder} lack {len(missing)} of the model's tensors, {missing[0]} first: "
            "put the complete safetensors files there"
        )
    return network
