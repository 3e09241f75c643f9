"""Models: a folder of config, tokenizer and safetensors weights becomes a network ready to be evaluated.

model = load_model(Path("resources/demo/models/demo_llama"))
[sublayer.label for sublayer in model.sublayers]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cornerstone.encoding import Encoder, load_encoder, one_line
from cornerstone.errors import CornerstoneError
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


def load_model(folder: Path | str, dtype: str = "float32", device: str = "auto") -> LanguageModel:
    """Load a model folder; `device` is auto, cpu, cuda or mps.

    Raises CornerstoneError where the folder holds no model that can be loaded whole without remote code, or
    one whose sublayers cannot be told apart.
    """
    folder = Path(folder)
    network = _load_network(folder, _dtype(dtype)).to(pick_device(device))
    encoder = load_encoder(folder, network.config)
    return language_model(network, encoder, folder.name)


def language_model(network: nn.Module, encoder: Encoder, name: str) -> LanguageModel:
    """A network that is already there, as a LanguageModel; it is put into evaluation mode."""
    network.eval()
    dtype = str(next(network.parameters()).dtype).removeprefix("torch.")
    return LanguageModel(name, network, encoder, find_blocks(network), dtype)


def pick_device(device: str) -> torch.device:
    """`auto` takes CUDA, else MPS, else the CPU."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise CornerstoneError(f"dtype {name!r} is not known: choose one of {', '.join(DTYPES)}")
    return DTYPES[name]


def _load_network(folder: Path, dtype: torch.dtype) -> nn.Module:
    from transformers import AutoModelForCausalLM

    try:
        network, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # transformers, safetensors and their parsers raise many kinds
        raise CornerstoneError(f"no model could be loaded from {folder} ({one_line(error)})") from error
    # transformers fills missing weights with random numbers and only warns.
    if missing := sorted(loading["missing_keys"]):
        raise CornerstoneError(
            f"the weights in {folder} lack {len(missing)} of the model's tensors, {missing[0]} first: "
            "put the complete safetensors files there"
        )
    return network
