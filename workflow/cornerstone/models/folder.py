"""Check that a local folder holds a complete model: config.json, safetensors weights, a tokenizer.

    check_model_folder(Path("resources/demo/models/demo_llama"))

Reads headers only, so that it can be asked before anything runs; nothing here imports torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from cornerstone.models.weights import MERGE, check_weights, read_json_object
from cornerstone.system.errors import CornerstoneError, shortened

BLOCK_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
"""What families call their number of decoder blocks in config.json, the usual name first."""
KINDS_OF_BLOCKS = ("layers_block_type", "hybrid_override_pattern")
"""What a config that gives no number says of each block, an entry a block (Nemotron-H)."""

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
OF_BYTES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
"""Tokenizers without a vocabulary: tokenizer_config.json names them, and no other file is needed."""
ADAPTER = "adapter_config.json"
"""What peft writes beside the weights of an adapter."""
CONFIGS = ("config.json", "tokenizer_config.json")
"""Where a model's own code is named."""
RUN_FOR_US = re.compile("AutoConfig|AutoModel|AutoTokenizer")
"""The beginnings of the entries of auto_map that matter to a language model; others are for images and sounds."""


def check_model_folder(folder: Path | str, allow_remote_code: bool | None = None) -> None:
    """Raise CornerstoneError unless `folder` holds a model that can be evaluated, and transformers loads all of it.

    That takes a config.json, whole safetensors weights and a tokenizer; no adapter beside them; and, where the model
    brings Python code of its own, a word on whether to run it: see `check_own_code`.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # unlike Path's, it has an answer to a name that no disk allows
        raise CornerstoneError(f"model folder {folder} does not exist: give a folder with config.json in it")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise CornerstoneError(
            f"model folder {folder} may not be read: give a folder that this user may read"
        )
    refuse_adapter(os.listdir(folder), f"model folder {folder}")
    config = read_model_config(folder)
    check_config(config, str(folder))
    check_folder_code(folder, allow_remote_code)
    check_weights(folder, config)
    check_tokenizer(folder, f"model folder {folder}")


def check_tokenizer(folder: Path, where: str) -> None:
    """Raise CornerstoneError unless the folder has files that a tokenizer can be made of. where: for the error."""
    if any(all((folder / name).is_file() for name in enough) for enough in TOKENIZER_FILES):
        return
    config = read_configs(folder).get("tokenizer_config.json", {})
    is_own = "AutoTokenizer" in (config.get("auto_map") or {})  # its code knows its files
    if not is_own and str(config.get("tokenizer_class", "")).removesuffix("Fast") not in OF_BYTES:
        raise CornerstoneError(
            f"{where} has no tokenizer: it needs a tokenizer.json (transformers' tokenizer.save_pretrained writes it)"
        )


def refuse_adapter(names: Collection[str], where: str) -> None:
    """Raise CornerstoneError where an adapter is among a model's files: it would be left out, or is all there is."""
    if ADAPTER in names:
        raise CornerstoneError(
            f"{where} holds an adapter ({ADAPTER}), such as LoRA's, which is not applied: {MERGE}, or the base model's"
        )


def check_folder_code(folder: Path, allow_remote_code: bool | None) -> None:
    """`check_own_code` of a folder."""
    check_own_code(read_configs(folder), os.listdir(folder), str(folder), allow_remote_code)


def read_configs(folder: Path) -> dict[str, dict[str, Any]]:
    """The parsed files of CONFIGS that a folder has, by name."""
    return {name: read_json_object(folder / name) for name in CONFIGS if (folder / name).is_file()}


def check_own_code(
    configs: Mapping[str, Any], names: Collection[str], where: str, allow_remote_code: bool | None
) -> None:
    """Raise CornerstoneError where a model brings code of its own and nobody says whether to run it.

    transformers runs code of its own in its place wherever it knows the model_type. That is right for a family that
    transformers has taken in since, and wrong for a changed model under an old name; no file tells the two apart.

    configs: the parsed files of CONFIGS, by name; names: of all files of the model; where: for the error.
    allow_remote_code: True: the model's own code runs, and all of it must be there; False: transformers' code is
    used, where it has some; None: nobody said.
    """
    named = [(name, module) for name, config in configs.items() for module in _own_modules(config)]
    for name, module in named:
        if allow_remote_code is None:
            raise CornerstoneError(
                f"{where} names Python code of its own (auto_map in {name}: {shortened(module)}), and transformers "
                "would silently use its own code for this model_type, if it has any: give this model "
                "`allow_remote_code: true` to run the model's code, if you trust whoever wrote it (and pin its "
                "revision to a commit), or `allow_remote_code: false` (or take auto_map out) to use transformers' code"
            )
        elsewhere, _, file = module.rpartition("--")
        if allow_remote_code and (elsewhere or f"{file}.py" not in names):
            raise CornerstoneError(
                f"{where} names Python code (auto_map in {name}: {shortened(module)}) that is not beside its "
                f"config.json: put {shortened(file)}.py there, and name it as {shortened(file)} alone"
            )


def _own_modules(config: Any) -> Iterator[str]:
    """The modules that a configuration's auto_map names: modeling_mine, or owner/repository--modeling_mine."""
    auto_map = config.get("auto_map") if isinstance(config, Mapping) else None
    entries = auto_map if isinstance(auto_map, Mapping) else {"AutoTokenizer": auto_map}
    for name, classes in entries.items():
        for reference in classes if isinstance(classes, list | tuple) else [classes]:
            if isinstance(reference, str) and RUN_FOR_US.match(name):
                yield reference.rpartition(".")[0] or reference


def read_model_config(folder: Path | str) -> dict[str, Any]:
    """The folder's config.json. Raises CornerstoneError where it is missing or is not a JSON object."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise CornerstoneError(f"model folder {folder} has no config.json: give a Hugging Face model folder")
    return read_json_object(path)


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
    decoder = config_json.get("text_config")
    if not isinstance(decoder, dict) or not decoder.keys().isdisjoint(BLOCK_COUNT_KEYS):
        count_blocks(config_json)  # of its text_config a model may leave to transformers what is usual


def count_blocks(config_json: Mapping[str, Any]) -> int:
    """Decoder blocks, by a parsed config.json. Raises CornerstoneError where their number is not said."""
    if blocks := told_blocks(config_json):
        return blocks
    raise CornerstoneError(
        f"config.json (model_type {config_json.get('model_type')!r}) gives no number of blocks: "
        f"it needs {BLOCK_COUNT_KEYS[0]}, as decoder-only models have it"
    )


def told_blocks(config_json: Mapping[str, Any]) -> int | None:
    """Decoder blocks that a parsed config.json tells of.

    A model with several parts has its decoder under `text_config`, where what is usual for its family may be left out:
    then None.
    """
    text_config = config_json.get("text_config")
    decoder = text_config if isinstance(text_config, dict) else config_json
    for key in BLOCK_COUNT_KEYS:
        blocks = decoder.get(key)
        if isinstance(blocks, int) and not isinstance(blocks, bool) and blocks > 0:
            return blocks
    for key in KINDS_OF_BLOCKS:
        if isinstance(of_blocks := decoder.get(key), list | str) and of_blocks:
            return len(of_blocks)
    return None
