"""Whether a local folder holds a whole model: config.json, safetensors weights, a tokenizer.

    check_model_folder(Path("resources/demo/models/demo_llama"))

Reads headers only, so that it can be asked before anything runs; nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from cornerstone.system.errors import CornerstoneError

SINGLE = "model.safetensors"
"""The weights in one file. transformers reads it alone where it is there, whatever else is."""
INDEX = "model.safetensors.index.json"
"""Names the shards of a model that is cut into several files."""

BLOCK_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""What families call their number of decoder blocks in config.json, the usual name first."""

DTYPE_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of a number in each format that safetensors has."""
LONGEST_HEADER = 100_000_000
"""Bytes; safetensors itself reads no longer one."""

TOKENIZER_FILES = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("tiktoken.model",),
)
"""Each line is enough for a tokenizer; the usual one first."""


def check_model_folder(folder: Path | str) -> None:
    """Raise CornerstoneError unless `folder` has a config.json, whole safetensors weights and a tokenizer."""
    folder = Path(folder)
    if not os.path.isdir(folder):  # unlike Path's, it has an answer to a name that no disk allows
        raise CornerstoneError(f"model folder {folder} does not exist: give a folder with config.json in it")
    check_config(read_model_config(folder), str(folder))
    for weights in weight_files(folder):
        weight_shapes(weights)
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZER_FILES):
        raise CornerstoneError(
            f"model folder {folder} has no tokenizer: put its tokenizer.json there "
            "(transformers' tokenizer.save_pretrained writes it)"
        )


def read_model_config(folder: Path | str) -> dict[str, Any]:
    """The folder's config.json. Raises CornerstoneError where it is missing or is no JSON object."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise CornerstoneError(f"model folder {folder} has no config.json: give a Hugging Face model folder")
    return _read_json_object(path)


def check_config(config_json: dict[str, Any], where: str) -> None:
    """Raise CornerstoneError where a parsed config.json is of a model that cannot be evaluated.

    where: the folder or the page on the hub, for the error.
    """
    parts = [part for part in (config_json, config_json.get("text_config")) if isinstance(part, dict)]
    for key in ("quantization_config", "compression_config"):
        for settings in (part[key] for part in parts if part.get(key)):
            method = settings.get("quant_method", "unknown") if isinstance(settings, dict) else "unknown"
            raise CornerstoneError(
                f"{where} is a quantised checkpoint ({key}: {method}): weights are evaluated as float32, bfloat16 or "
                "float16; give the checkpoint that it was made from"
            )
    if config_json.get("is_encoder_decoder"):
        raise CornerstoneError(f"{where} is an encoder-decoder model: give a decoder-only one")
    count_sublayers_from_config(config_json)


def count_sublayers_from_config(config_json: dict[str, Any]) -> int:
    """Sublayers of a decoder that has an attention and an FFN or MoE in each block: 2 × blocks.

    config_json is a parsed config.json; a model with several parts has its decoder under `text_config`.
    Hybrids may have fewer: the engine counts the modules themselves. Raises CornerstoneError where the
    number of blocks is not said.
    """
    text_config = config_json.get("text_config")
    decoder = text_config if isinstance(text_config, dict) else config_json
    for key in BLOCK_COUNT_KEYS:
        blocks = decoder.get(key)
        if isinstance(blocks, int) and not isinstance(blocks, bool) and blocks > 0:
            return 2 * blocks
    raise CornerstoneError(
        f"config.json (model_type {config_json.get('model_type')!r}) gives no number of blocks: "
        f"it needs {BLOCK_COUNT_KEYS[0]}, as decoder-only models have it"
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the model, all of its shards, in name order: those that transformers reads.

    Raises CornerstoneError where there are none or a shard that the index names is missing.
    """
    index = folder / INDEX
    if (folder / SINGLE).is_file():
        files = [folder / SINGLE]
    elif index.is_file():
        files = _shards_of(index)
    else:
        files = sorted(path for path in folder.glob("*.safetensors") if not is_twin(path.name))
    if not files:
        pickled = any(folder.glob("pytorch_model*.bin"))
        hint = (
            "convert its pytorch_model.bin, a pickle, to safetensors"
            if pickled
            else "put model.safetensors there"
        )
        raise CornerstoneError(f"model folder {folder} has no safetensors weights: {hint}")
    for path in files:
        if not path.is_file():
            raise CornerstoneError(
                f"model folder {folder} lacks {path.name}, which {index.name} names: copy it too"
            )
    return files


def _shards_of(index: Path) -> list[Path]:
    """The files that an index names, in name order. Raises CornerstoneError where it names none, or files elsewhere."""
    weight_map = _read_json_object(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise CornerstoneError(
            f"{index} names no files of its folder as its weight_map: download or copy it again"
        )
    return [index.with_name(name) for name in sorted(set(names))]


def weight_shapes(path: Path) -> dict[str, list[int]]:
    """The shape of each tensor in a safetensors file, by name; see `read_weight_header`."""
    _, tensors = read_weight_header(path)
    return {name: tensor["shape"] for name, tensor in tensors.items()}


def read_weight_header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Where the data of a safetensors file begin (bytes), and what its header says of each tensor, by name.

    Layout: 8 bytes n, little endian | n bytes of JSON: {tensor: {dtype, shape, data_offsets: [from, to]}} | the data
    Raises CornerstoneError where the file is cut off or something else.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (header_size,) = struct.unpack("<Q", file.read(8))
            if header_size > min(size - 8, LONGEST_HEADER):
                raise ValueError("header longer than the file")
            header = json.loads(file.read(header_size))
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        misfit = next((name for name, tensor in tensors.items() if not _is_tensor(tensor)), None)
        end = max(tensor["data_offsets"][1] for tensor in tensors.values()) if misfit is None else 0
    except (OSError, struct.error, ValueError, RecursionError, AttributeError) as error:
        raise CornerstoneError(
            f"{path} is no safetensors file or is cut off: download or copy it again"
        ) from error
    if misfit is not None:
        raise CornerstoneError(
            f"{path}: its header says what cannot be of the tensor {misfit[:100]!r} ({str(tensors[misfit])[:200]}): "
            "download or copy it again"
        )
    if size < 8 + header_size + end:
        raise CornerstoneError(
            f"{path} is cut off: {size} of {8 + header_size + end} bytes are there; download or copy it again"
        )
    return 8 + header_size, tensors


def _is_tensor(entry: Any) -> bool:
    """Whether an entry of a header tells a tensor: a format, a shape, and as many bytes as they take."""
    if not isinstance(entry, Mapping) or str(entry.get("dtype")) not in DTYPE_BITS:
        return False
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        return False
    return 8 * (offsets[1] - offsets[0]) == prod(shape) * DTYPE_BITS[entry["dtype"]]


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def is_twin(name: str) -> bool:
    """Whether a file has the same weights again, in another layout (Mistral's repositories)."""
    return name.startswith("consolidated")


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CornerstoneError(
            f"{path} cannot be read ({error.strerror}): mend that, or copy it again"
        ) from error
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        raise CornerstoneError(f"{path} is not JSON ({error}): download or copy it again") from error
    if not isinstance(content, dict):
        raise CornerstoneError(f"{path} is no JSON object: download or copy it again")
    return content
