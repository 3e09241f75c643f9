"""Whether a local folder holds a whole model: config.json, safetensors weights, a tokenizer.

    check_model_folder(Path("resources/demo/models/demo_llama"))

Reads headers only, so that it can be asked before anything runs; nothing here imports torch.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from cornerstone.errors import CornerstoneError

SINGLE = "model.safetensors"
"""The weights in one file. transformers reads it alone where it is there, whatever else is."""
INDEX = "model.safetensors.index.json"
"""Names the shards of a model that is cut into several files."""

BLOCK_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""What families call their number of decoder blocks in config.json, the usual name first."""

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
    if not folder.is_dir():
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
    parts = [config_json, config_json.get("text_config") or {}]
    for key in ("quantization_config", "compression_config"):
        for told in (part[key] for part in parts if part.get(key)):
            method = told.get("quant_method", "unknown") if isinstance(told, dict) else "unknown"
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
        shards = _read_json_object(index).get("weight_map", {})
        files = [folder / name for name in sorted(set(shards.values()))]
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


def weight_shapes(path: Path) -> dict[str, list[int]]:
    """The shape of each tensor in a safetensors file, by name; reads its header alone.

    Layout: 8 bytes n, little endian | n bytes of JSON: {tensor: {dtype, shape, data_offsets: [from, to]}} | the data
    Raises CornerstoneError where the file is cut off or something else.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (header_size,) = struct.unpack("<Q", file.read(8))
            if header_size > size - 8:
                raise ValueError("header longer than the file")
            header = json.loads(file.read(header_size))
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        end = max(tensor["data_offsets"][1] for tensor in tensors.values())
        shapes = {name: tensor["shape"] for name, tensor in tensors.items()}
    except (struct.error, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CornerstoneError(
            f"{path} ({size} bytes) is no safetensors file or is cut off: download or copy it again"
        ) from error
    if size < 8 + header_size + end:
        raise CornerstoneError(
            f"{path} is cut off: {size} of {8 + header_size + end} bytes are there; download or copy it again"
        )
    return shapes


def is_twin(name: str) -> bool:
    """Whether a file has the same weights again, in another layout (Mistral's repositories)."""
    return name.startswith("consolidated")


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise CornerstoneError(f"{path} is not JSON ({error}): download or copy it again") from error
    if not isinstance(content, dict):
        raise CornerstoneError(f"{path} is no JSON object: download or copy it again")
    return content
