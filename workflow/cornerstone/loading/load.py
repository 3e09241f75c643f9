"""Models: a folder of config, tokenizer and safetensors weights becomes a network ready to be evaluated.

model = load_model(Path("resources/demo/models/demo_llama"))
[sublayer.label for sublayer in model.sublayers]
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cornerstone.loading.checkpoint import blocks_left_out, missing_tensors
from cornerstone.loading.devices import choose_placement, pick_device
from cornerstone.loading.encoding import Encoder, load_encoder
from cornerstone.loading.memory import free_memory
from cornerstone.loading.refusals import Refusal, own_code
from cornerstone.loading.streaming import StreamedWeights, refuse_too_large
from cornerstone.loading.sublayers import Block, Sublayer, find_blocks, first_parameter, text_config
from cornerstone.loading.transformers_says import refuse_remote_code, warnings_in_lines, why
from cornerstone.models.folder import check_model_folder, read_model_config
from cornerstone.models.weights import (
    INTEGERS,
    Tensor,
    are_equal,
    read_tensors,
    tied_and_not,
    weight_files,
    weight_shapes,
)
from cornerstone.system.errors import CornerstoneError, one_line

log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# What older checkpoints hold of what is worked out today: rotary frequencies, masks.
WORKED_OUT = {"inv_freq", "masked_bias", "causal_mask", "embed_positions", "cos_cached", "sin_cached"}


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
        """The name of its device, for people: "cpu", "cuda:0 (NVIDIA H100)"."""
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
    allow_remote_code: bool | None = None,
    placement: str = "auto",
) -> LanguageModel:
    """Load a model folder; `device` is auto, cpu, cuda or mps, `name` what errors call it (default: the folder's).

    placement: "resident": the weights are in the device's memory; "streamed": a block's are only while it is
    used (see `streaming`); "auto": resident where they fit.
    allow_remote_code: whether Python code that comes with the model is run; see `check_own_code`.
    Raises CornerstoneError where `check_model_folder` does, where transformers would load something else than the
    files hold, and for a model that does not fit in memory or whose sublayers cannot be told apart.
    """
    folder = Path(folder)
    check_model_folder(folder, allow_remote_code)
    where = pick_device(device)
    needed, free = weight_bytes(folder, _dtype(dtype)), free_memory(where)
    chosen = choose_placement(placement, needed, free, dtype, where, folder)
    log.info("%s", chosen)
    name = name or folder.name
    arguments = (folder, dtype, where, name, bool(allow_remote_code))
    with _failing_in_one_line(folder, name):
        if chosen.name == "streamed":
            return _load_streamed(*arguments, free)
        if where.type != "cpu":
            # What cannot be read block by block, and what is wrong with the files, is for from_pretrained.
            with suppress(CornerstoneError):
                return _load_by_blocks(*arguments, free)
        return _load_whole(*arguments)


def check_loading(
    folder: Path | str,
    *,
    name: str | None = None,
    allow_remote_code: bool | None = None,
    chat_template: str | None = None,
) -> Encoder:
    """The model's tokenizer. Raises CornerstoneError where `load_model` would refuse the folder on any device.

    The model is made on a CPU, without the numbers of its weights: that takes seconds, whatever its size.
    chat_template: as of `load_encoder`.
    """
    folder = Path(folder)
    check_model_folder(folder, allow_remote_code)
    with _failing_in_one_line(folder, name or folder.name):
        with blocks_left_out(read_outside=False):
            network = _load_network(folder, torch.float32, bool(allow_remote_code))
        find_blocks(network)
        return load_encoder(
            folder, network.config, allow_remote_code=allow_remote_code, chat_template=chat_template
        )


@contextmanager
def _failing_in_one_line(folder: Path, name: str) -> Iterator[None]:
    """Turn any exception in the block into a CornerstoneError: a model's code and settings may fail anywhere."""
    try:
        yield
    except Refusal as error:
        raise error.named(name) from error
    except CornerstoneError:
        raise
    except Exception as error:
        raise CornerstoneError(f"no model could be loaded from {folder} ({one_line(error)})") from error


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
    """A network that is already built, as a LanguageModel; it is put into evaluation mode."""
    network.eval()
    network.config.return_dict = True
    for config in (network.config, text_config(network)):
        # With what these add, blocks and the model give back something else.
        for extra in ("output_attentions", "output_hidden_states", "output_router_logits"):
            setattr(config, extra, False)
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


def _auto_class(folder: Path, allow_remote_code: bool) -> Any:
    """What loads the model: that of language models, and of images with text where only that knows the family.

    Such a model is measured by its text decoder, on texts alone.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=allow_remote_code)
    is_language = type(config) in AutoModelForCausalLM._model_mapping
    is_multimodal = type(config) in AutoModelForImageTextToText._model_mapping
    return AutoModelForImageTextToText if is_multimodal and not is_language else AutoModelForCausalLM


def _load_network(folder: Path, dtype: torch.dtype, allow_remote_code: bool = False) -> nn.Module:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a log file has lines, and each streamed block would show a bar of its own
    try:
        with warnings_in_lines(folder) as said:
            network, loading = _auto_class(folder, allow_remote_code).from_pretrained(
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
            f"no model could be loaded from {folder}, by its config.json and safetensors files ({why(error, said)})"
        ) from error
    _refuse_misfits(network, loading["mismatched_keys"], folder)
    _refuse_left_out(network, loading["unexpected_keys"], folder)
    # transformers fills missing weights with random numbers and only warns.
    if missing := sorted(loading["missing_keys"]):
        raise missing_tensors(str(folder), missing)
    _refuse_untied(network, folder)
    _tell_another_class(network, folder)
    return network


def _refuse_misfits(network: nn.Module, mismatched: Collection[tuple], folder: Path) -> None:
    """Raise CornerstoneError where config.json is of another shape than the weights."""
    for name, stored, asked in sorted(mismatched):
        raise CornerstoneError(
            f"{folder / 'config.json'} does not fit the weights beside it: {name} is {list(stored)} there, and "
            f"{list(asked)} by config.json; put the model's own there"
        )


def _refuse_left_out(network: nn.Module, unexpected: Collection[str], folder: Path) -> None:
    """Raise CornerstoneError where the files hold more of the decoder than the network takes from them.

    Parts that a causal language model does not have, such as a head for another task, are left out with a line in
    the log; what is worked out anew, such as rotary frequencies and masks, without.
    """
    if not unexpected:
        return
    stored = {name: one for path in weight_files(folder) for name, one in read_tensors(path).items()}
    own = set(network.state_dict())
    known, blocks = {_without_numbers(name) for name in own}, {_before_number(name) for name in own} - {None}
    owners = {name.rpartition(".")[0] for name in own} - {""}
    worked_out = {name for name, _ in network.named_buffers()}
    left_out = [
        name
        for name in sorted(unexpected)
        if not (
            name in worked_out or _is_worked_out(name, stored.get(name)) or _predicts_further(network, name)
        )
    ]
    for name in left_out:
        if _without_numbers(name) in known:
            raise _more_weights(folder, name, "in a block too many")
        if _before_number(name) in blocks or name.rpartition(".")[0] in owners:
            raise _more_weights(folder, name, f"which {type(network).__name__} does not read")
    if left_out:
        log.warning(
            "%s: %d tensors of its weights, %s first, are not read: they are no parts of a %s",
            *(folder, len(left_out), left_out[0], type(network).__name__),
        )


def _more_weights(folder: Path, name: str, how: str) -> CornerstoneError:
    return CornerstoneError(
        f"{folder / 'config.json'} does not fit the weights beside it: they have {name}, {how}; "
        "put the model's own there"
    )


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "0", name)


def _before_number(name: str) -> str | None:
    """The list of blocks that a name leads into: model.layers, of model.layers.3.mlp.up_proj.weight."""
    found = re.match(r"(.*?)\.\d+\.", name)
    return found[1] if found else None


def _is_worked_out(name: str, tensor: Tensor | None) -> bool:
    """Whether a tensor holds what networks of today work out themselves: masks, positions, rotary frequencies."""
    is_mask = tensor is not None and (
        tensor.dtype in INTEGERS or (len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1))
    )
    return is_mask or name.rpartition(".")[2] in WORKED_OUT


def _predicts_further(network: nn.Module, name: str) -> bool:
    """Whether a tensor is of the blocks after the last that predict tokens further ahead, and no logits of ours."""
    config = text_config(network)
    blocks, more = (getattr(config, key, None) for key in ("num_hidden_layers", "num_nextn_predict_layers"))
    number = re.search(r"\.(\d+)\.", name)
    known = isinstance(blocks, int) and isinstance(more, int) and number is not None
    return known and blocks <= int(number[1]) < blocks + more


def _refuse_untied(network: nn.Module, folder: Path) -> None:
    """Raise CornerstoneError for a head of its own that `tie_weights`, which lm-eval calls, would replace."""
    for target, source in network.get_expanded_tied_weights_keys(all_submodels=True).items():
        one, other = (network.get_parameter_or_buffer(name) for name in (target, source))
        if one is not other and not _are_equal(one, other, (target, source), folder):
            raise tied_and_not(str(folder), target, source)


def _are_equal(one: torch.Tensor, other: torch.Tensor, names: tuple[str, str], folder: Path) -> bool:
    """Whether two of the network's tensors are the same numbers; those on meta are compared in the files.

    True where the files call them otherwise than the network, or hold them in two formats.
    """
    if not one.is_meta:
        return torch.equal(one, other)
    stored = {name: tensor for path in weight_files(folder) for name, tensor in read_tensors(path).items()}
    if not stored.keys() >= set(names):
        return True
    return are_equal(stored[names[0]], stored[names[1]]) is not False


def _tell_another_class(network: nn.Module, folder: Path) -> None:
    """Say in the log where config.json names another class than the one that the model_type stands for."""
    named = read_model_config(folder).get("architectures")
    if isinstance(named, list) and named and type(network).__name__ not in named:
        log.warning(
            "%s: its config.json names %s, and %s is loaded", folder, named[0], type(network).__name__
        )
