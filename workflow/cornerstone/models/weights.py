"""The weights of a model: the files that hold them, their headers, and errors in them.

    check_weights(Path("resources/demo/models/demo_llama"), {"num_hidden_layers": 6, "tie_word_embeddings": True})

Headers only, but where a head may be the embeddings again: then these two are compared. Nothing here imports torch.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cornerstone.system.errors import CornerstoneError, shortened

SINGLE = "model.safetensors"
"""The weights in one file. transformers reads it alone where it is there, whatever else is."""
INDEX = "model.safetensors.index.json"
"""Names the shards of a model that is cut into several files."""

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

FLOATS = ("F64", "F32", "F16", "BF16")
INTEGERS = ("I64", "I32", "I16", "I8", "U8", "BOOL")
"""Of masks and positions; weights of such a format are quantised."""

A_SHARD = re.compile(r"-\d+-of-\d+\.safetensors$")
OF_AN_ADAPTER = re.compile(r"^base_model\.model\.|\.lora_\w+|\.base_layer\.|\.modules_to_save\.|\.ia3_l\b")
"""Names that peft gives to tensors of an adapter that is not merged."""
IN_A_BLOCK = re.compile(r"\.\d+\.")
"""Tensors of the decoder blocks are numbered: model.layers.3.mlp.up_proj.weight."""
HEAD = re.compile(r"(?:^|\.)(?:lm_head|lm_head\.decoder|embed_out|output_projection)\.weight$")
MAYBE_HEAD = re.compile(r"(?:^|\.)(?:output|head|decoder)\.weight$")
EMBEDDINGS = re.compile(
    r"(?:^|\.)(?:embed|embed_tokens|embed_in|embeddings?|tok_embeddings|tokens_embed|word_embeddings?|wte|w)\.weight$"
)
"""What families call the two, lm_head.weight and model.embed_tokens.weight usually."""
MERGE = "merge the adapter into its base model (peft: merge_and_unload, then save_pretrained), and give that folder"
CHUNK = 8 << 20


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file: `size` bytes from byte `start`, in a format of safetensors."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def weight_names(there: Collection[str], index: Any, where: str, remedy: str) -> list[str]:
    """Which of a model's files hold its weights, all shards in name order: those that transformers reads.

    there: the names of all its files; index: the content of the index, None where there is none.
    where, remedy: for the error: what has no such files, and what to do about one that is missing.
    Raises CornerstoneError where nothing says which files it would be, or one of them is missing.
    """
    if SINGLE in there:
        return [SINGLE]
    if index is None:
        raise CornerstoneError(_without_weights(there, where, remedy))
    weight_map = index.get("weight_map") if isinstance(index, Mapping) else None
    names = list(weight_map.values()) if isinstance(weight_map, Mapping) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise CornerstoneError(
            f"the {INDEX} of {where} has no weight_map that names files beside it: {remedy}"
        )
    for name in sorted(set(names)):
        if name not in there:
            raise CornerstoneError(f"{where} lacks {name}, which {INDEX} names: {remedy}")
    return sorted(set(names))


def _without_weights(there: Collection[str], where: str, remedy: str) -> str:
    """The error for files among which are neither SINGLE nor INDEX: what is there instead."""
    stray = sorted(name for name in there if name.endswith(".safetensors") and not is_twin(name))
    if any(map(A_SHARD.search, stray)):
        return (
            f"{where} has shards such as {shortened(stray[0])} and no {INDEX}, without which transformers does not "
            f"read them: {remedy}"
        )
    if stray:
        return (
            f"{where} has {shortened(stray[0])}, and transformers reads weights from {SINGLE} alone (or the shards of "
            f"an {INDEX}): {remedy}"
        )
    pickled = any(name.endswith((".bin", ".pth", ".pt")) for name in there)
    hint = " (pickled ones, such as pytorch_model.bin, are never opened: convert them)" if pickled else ""
    return f"{where} has no safetensors weights{hint}: {remedy}"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the model, all of its shards, in name order: those that transformers reads.

    Raises CornerstoneError where there are none, no index tells which they are, or one of them is missing.
    """
    remedy = f"put the model's own {SINGLE}, or all its shards and their index, there"
    if not folder.is_dir():
        raise CornerstoneError(f"model folder {folder} does not exist: {remedy}")
    there = [path.name for path in folder.iterdir() if path.is_file()]
    index = read_json_object(folder / INDEX) if INDEX in there and SINGLE not in there else None
    return [folder / name for name in weight_names(there, index, f"model folder {folder}", remedy)]


def check_weights(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise CornerstoneError where transformers would load other weights than the files hold, or none.

    config: the folder's parsed config.json.
    """
    if config.get("transformers_weights") is not None:
        raise CornerstoneError(
            f"{folder / 'config.json'} names another file of weights (transformers_weights): leave that out, and call "
            f"the file {SINGLE}"
        )
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        for name, tensor in read_tensors(path).items():
            if name in tensors:
                raise CornerstoneError(
                    f"{path} and {tensors[name].path.name} both hold {shortened(name)}: remove what is not the model's"
                )
            tensors[name] = tensor
    _check_index(folder, tensors)
    for name, tensor in tensors.items():
        _check_tensor(name, tensor)
    _check_head(folder, config, tensors)


def _check_index(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise CornerstoneError where a shard lacks a tensor that the index says is in it."""
    if (folder / SINGLE).is_file():
        return
    for name, file in read_json_object(folder / INDEX)["weight_map"].items():
        if name not in tensors or tensors[name].path.name != file:
            raise CornerstoneError(
                f"{folder / file} lacks {shortened(name)}, which {INDEX} says is there: download or copy both again"
            )


def _check_tensor(name: str, tensor: Tensor) -> None:
    """Raise CornerstoneError for a tensor of an adapter, and for one that is quantised."""
    if OF_AN_ADAPTER.search(name):
        raise CornerstoneError(
            f"{tensor.path} holds parts of an adapter ({shortened(name)}), which would be left out: {MERGE}"
        )
    is_weight = len(tensor.shape) > 1 and "weight" in name.rpartition(".")[2]
    if tensor.dtype not in FLOATS and (is_weight or tensor.dtype not in INTEGERS):
        raise CornerstoneError(
            f"{tensor.path} holds {shortened(name)} as {tensor.dtype}, so it is a quantised checkpoint: weights are "
            "evaluated as float32, bfloat16 or float16; give the checkpoint that it was made from"
        )


def _check_head(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Raise CornerstoneError where config.json and the weights disagree on whether the head is the embeddings."""
    tied = says_tied(config)
    outside = {
        name: one for name, one in tensors.items() if len(one.shape) == 2 and not IN_A_BLOCK.search(name)
    }
    embeddings = [name for name in outside if EMBEDDINGS.search(name)]
    shapes = {outside[name].shape for name in embeddings}
    heads = [
        name
        for name, one in outside.items()
        if HEAD.search(name) or (MAYBE_HEAD.search(name) and one.shape in shapes)
    ]
    if tied and heads and embeddings:
        head = outside[heads[0]]
        if all(are_equal(head, outside[name]) is False for name in embeddings):
            raise tied_and_not(str(folder), heads[0], embeddings[0])
    if (
        tied is False
        and embeddings
        and not heads
        and len([o for o in outside.values() if o.shape in shapes]) == 1
    ):
        raise CornerstoneError(
            f"{folder / 'config.json'} says tie_word_embeddings: false, and the weights have embeddings "
            f"({shortened(embeddings[0])}) and no head: give the head too, or say true if the two are one"
        )


def says_tied(config: Mapping[str, Any]) -> bool | None:
    """Whether config.json says that the head is the embeddings; None where it leaves that to the family.

    A model of several parts says it twice, and which one counts is the family's choice.
    """
    parts = [part for part in (config, config.get("text_config")) if isinstance(part, Mapping)]
    said = [part.get("tie_word_embeddings") for part in parts]
    return said[0] if isinstance(said[0], bool) and all(one is said[0] for one in said) else None


def tied_and_not(where: str, head: str, embeddings: str) -> CornerstoneError:
    """The error for a head that config.json says is the embeddings, and the files say is not."""
    return CornerstoneError(
        f"the config of {where} ties its head to its embeddings (tie_word_embeddings), and the weights have a "
        f"{shortened(head)} that differs from {shortened(embeddings)}, which lm-eval would overwrite: set "
        "tie_word_embeddings to false in config.json if that head is the model's, or take it out of the weights"
    )


def are_equal(one: Tensor, other: Tensor) -> bool | None:
    """Whether two tensors hold the same numbers; None where their formats differ, which only arithmetic could tell."""
    if one.shape != other.shape:
        return False
    if one.dtype != other.dtype:
        return None
    return all(a == b for a, b in zip(chunks(one), chunks(other), strict=True))


def chunks(tensor: Tensor) -> Iterator[bytes]:
    """The bytes of a tensor's numbers, in pieces."""
    with tensor.path.open("rb") as file:
        file.seek(tensor.start)
        for done in range(0, tensor.size, CHUNK):
            yield file.read(min(CHUNK, tensor.size - done))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name; see `read_weight_header`."""
    start, header = read_weight_header(path)
    return {
        name: Tensor(path, one["dtype"], tuple(one["shape"]), start + one["data_offsets"][0], _size(one))
        for name, one in header.items()
    }


def _size(entry: Mapping[str, Any]) -> int:
    return entry["data_offsets"][1] - entry["data_offsets"][0]


def weight_shapes(path: Path) -> dict[str, list[int]]:
    """The shape of each tensor in a safetensors file, by name; see `read_weight_header`."""
    _, tensors = read_weight_header(path)
    return {name: tensor["shape"] for name, tensor in tensors.items()}


def read_weight_header(path: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Where the data of a safetensors file begin (bytes), and what its header says of each tensor, by name.

    Layout: 8 bytes n, little endian | n bytes of JSON: {tensor: {dtype, shape, data_offsets: [from, to]}} | the data
    Raises CornerstoneError where the file is truncated or something else.
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
    except OSError as error:
        raise CornerstoneError(
            f"{path} cannot be read ({error.strerror}): fix that, or copy it again"
        ) from error
    except (struct.error, ValueError, RecursionError, AttributeError) as error:
        raise CornerstoneError(
            f"{path} is not a safetensors file or is truncated: download or copy it again"
        ) from error
    if misfit is not None:
        raise CornerstoneError(
            f"{path}: its header is inconsistent for the tensor {misfit[:100]!r} ({str(tensors[misfit])[:200]}): "
            "download or copy it again"
        )
    if size < 8 + header_size + end:
        raise CornerstoneError(
            f"{path} is truncated: {size} of {8 + header_size + end} bytes are there; download or copy it again"
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


def read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CornerstoneError(
            f"{path} cannot be read ({error.strerror}): fix that, or copy it again"
        ) from error
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8
        raise CornerstoneError(f"{path} is not JSON ({error}): download or copy it again") from error
    if not isinstance(content, dict):
        raise CornerstoneError(f"{path} is not a JSON object: download or copy it again")
    return content
