"""A model's folder without some of its decoder blocks, or with zeros in the place of some sublayers' weights.

    with new_folder(Path("results/pruned/demo_llama/values-2")) as folder:
        write_without_blocks(original, folder, dropped=[1, 4], derived=…)

Any program that loads a model of this family loads it: nothing of Cornerstone's is needed. What is not weights or
config.json (tokenizer, generation settings, licence) is copied. `engine.pruned_check` proves what comes out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cornerstone.models.block_names import BlockList, blocks_of, find_block_list, is_of_sublayer
from cornerstone.models.chat_template import MORE_TEMPLATES
from cornerstone.models.folder import read_model_config
from cornerstone.models.kinds import block_of
from cornerstone.models.pruned_config import pruned_config
from cornerstone.models.pruned_weights import rewrite_weights
from cornerstone.models.weights import read_tensors, weight_files
from cornerstone.system.durable_files import TEMPORARY_SUFFIX, put_in_place, sync, told_what_to_do
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.stopping import stopped_in_order

PRUNED_VERSION = 1
"""Raised where the same model and ranking give other files: they are then written again."""
WEIGHTS = (
    *(".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".onnx", ".gguf", ".npz"),
    ".index.json",
)
"""Endings of files that hold the weights of the whole model, in this or another format, or list them."""
OF_THE_ORIGINAL = {"config.json", "README.md", ".gitattributes"}
"""Files that are written anew, or say what is true of the original alone."""
BY_WIDTH = "hidden_size_per_layer_input"
"""Where it is not 0, tensors outside the blocks hold something for each of them (Gemma 3n and 4)."""


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target`; when the block succeeds, it is moved to `target`, with all its files on the disk.

    Where the block fails or the job is stopped, nothing is left. Raises CornerstoneError where files cannot be
    written.
    """
    unfinished = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
    with stopped_in_order():
        try:
            with told_what_to_do(target):
                shutil.rmtree(unfinished, ignore_errors=True)  # of a job that was killed
                unfinished.mkdir(parents=True)
                yield unfinished
                for path in unfinished.iterdir():
                    sync(path)
                if target.is_dir():
                    target.rmdir()  # made by Snakemake, and empty
                put_in_place(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def check_number(asked: int, there: int | None, unit: str) -> None:
    """Raise CornerstoneError unless so many of a model's parts can be removed, and some are left.

    there: how many it has, None where that is not known yet; unit: what they are, "blocks" or "sublayers".
    """
    if asked < 1 or (there is not None and asked >= there):
        most = "" if there is None else f" and at most {there - 1}, of the {there} that it has"
        raise CornerstoneError(f"{asked} {unit} cannot be removed from a model: give at least 1{most}")


def write_without_blocks(
    folder: Path, target: Path, dropped: Collection[int], derived: Mapping[str, Any]
) -> None:
    """Write a model without some blocks: their tensors absent, later blocks renumbered, config.json to fit.

    derived: what transformers makes of config.json; see `pruned_config`.
    Raises CornerstoneError where no list of blocks is found in the tensors' names, and for a model with tensors outside
    its blocks that hold something for each of them.
    """
    config = read_model_config(folder)
    names = _tensor_names(folder)
    n_blocks = blocks_of(config, names)
    check_number(len(dropped), n_blocks, "blocks")
    if width := derived.get(BY_WIDTH):
        raise CornerstoneError(
            f"{folder} has inputs for each block beside its blocks ({BY_WIDTH} is {width} in its config), which cannot "
            "be left out with them: give a model of another family, or zero sublayers in place of blocks"
        )
    blocks = find_block_list(config, names)
    kept = [block for block in range(n_blocks) if block not in dropped]
    new_names = _names_without(blocks, names, kept)
    further = any((blocks.number_of(name) or 0) >= n_blocks for name in names)
    new_config = pruned_config(config, derived, kept, predicts_further=not further)
    rewrite_weights(folder, target, new_names)
    _write_config(new_config, target)
    _copy_others(folder, target)


def write_with_zeros(folder: Path, target: Path, labels: Sequence[str]) -> None:
    """Write a model in which all weights of the sublayers with these labels ("Attn 3") are zero: it has the same size.

    Raises CornerstoneError where a sublayer has no weights of its name in the files.
    """
    config = read_model_config(folder)
    names = _tensor_names(folder)
    blocks = find_block_list(config, names)
    zeroed: set[str] = set()
    for label in labels:
        found = {name for name in names if _is_of(blocks, name, label)}
        if not found:
            raise CornerstoneError(
                f"{label} has no weights that are told by their names in {folder}: choose a model of another family"
            )
        zeroed |= found
    rewrite_weights(folder, target, {name: name for name in names}, zeroed)
    _write_config(config, target)
    _copy_others(folder, target)


def _is_of(blocks: BlockList, name: str, label: str) -> bool:
    number = blocks.number_of(name)
    return number == block_of(label) and is_of_sublayer(blocks.part_of(name), label)


def _tensor_names(folder: Path) -> list[str]:
    return [name for path in weight_files(folder) for name in read_tensors(path)]


def _names_without(blocks: BlockList, names: Sequence[str], kept: Sequence[int]) -> dict[str, str]:
    """The new name of each tensor that stays. Those of blocks after the last, which predict further ahead, go too."""
    place = {block: number for number, block in enumerate(kept)}
    new = {}
    for name in names:
        number = blocks.number_of(name)
        if number is None:
            new[name] = name
        elif number in place:
            new[name] = blocks.renumbered(name, place[number])
    return new


def _write_config(config: Mapping[str, Any], target: Path) -> None:
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (target / "config.json").write_text(text + "\n", encoding="utf-8")


def _copy_others(folder: Path, target: Path) -> None:
    """Copy the files that are not weights: never as links, for a cache that they lead into may go."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in OF_THE_ORIGINAL and not path.name.endswith(WEIGHTS):
            shutil.copyfile(path, target / path.name)
    if (templates := folder / MORE_TEMPLATES).is_dir():
        shutil.copytree(templates, target / MORE_TEMPLATES)
