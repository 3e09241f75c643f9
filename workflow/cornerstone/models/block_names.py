"""The decoder blocks in the names of a model's tensors: model.layers.3.mlp.up_proj.weight is of block 3.

    layers = find_block_list(config, names)      # BlockList("model.layers", 32)
    layers.number_of("model.layers.3.mlp.up_proj.weight")      # 3

No modules, no torch: names in files are those of the modules, or of what transformers fuses into them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cornerstone.models.folder import count_blocks, told_blocks
from cornerstone.models.kinds import (
    EXPERT_PARTS,
    FEED_FORWARD,
    KINDS,
    KINDS_BY_NAME,
    KINDS_OF_LOOSE,
    Kind,
    kind_of,
)
from cornerstone.models.weights import IN_A_BLOCK
from cornerstone.system.errors import CornerstoneError

OF_IMAGES_OR_SOUND = re.compile(r"vision|visual|image|audio|speech")
"""Names of the parts of a model, besides its decoder, that have numbered blocks too."""
SUBLAYER_OF = {
    **dict.fromkeys(EXPERT_PARTS, FEED_FORWARD),
    **{
        name: FEED_FORWARD if kinds[0].group == FEED_FORWARD else name
        for name, kinds in KINDS_BY_NAME.items()
    },
    **{layer: kind.name for layers, kind in KINDS_OF_LOOSE.items() for layer in layers},
}
"""The sublayer of a block by the name of one of its parts; feed-forward parts are one together."""


@dataclass(frozen=True)
class BlockList:
    """The decoder's list of blocks in the names of tensors. path: "model.layers"."""

    path: str
    n_blocks: int

    def number_of(self, name: str) -> int | None:
        """The block that a tensor is of, n_blocks or more for those after the last; None outside the list."""
        found = re.match(rf"{re.escape(self.path)}\.(\d+)\.", name)
        return int(found[1]) if found else None

    def part_of(self, name: str) -> str:
        """What comes after the number: mlp.up_proj.weight."""
        return name[len(self.path) + 1 :].partition(".")[2]

    def renumbered(self, name: str, number: int) -> str:
        """The name of the same tensor in another block."""
        return f"{self.path}.{number}.{self.part_of(name)}"


def find_block_list(config: Mapping[str, Any], names: Collection[str]) -> BlockList:
    """The list of a decoder's blocks. Raises CornerstoneError where no list of names has so many."""
    n_blocks = blocks_of(config, names)
    path = _decoder_of(_sublayers_by_list(names), n_blocks)
    if path is None:
        raise CornerstoneError(
            f"the names of its tensors have no list of {n_blocks} decoder blocks (such as model.layers.0.…): "
            "files must name the blocks that tensors are in, as transformers' save_pretrained writes them"
        )
    return BlockList(path, n_blocks)


def blocks_of(config: Mapping[str, Any], names: Collection[str]) -> int:
    """Decoder blocks, by config.json or else by the longest list in the names of tensors.

    Raises CornerstoneError where neither tells.
    """
    return told_blocks(config) or _longest_list(names) or count_blocks(config)


def _longest_list(names: Collection[str]) -> int:
    return max((max(of_list) + 1 for of_list in _sublayers_by_list(names).values()), default=0)


def sublayers_of_blocks(names: Collection[str], n_blocks: int) -> dict[int, list[Kind]]:
    """The kinds of the sublayers that the names in each of a decoder's blocks tell, in the order of KINDS.

    Nothing where no list has so many blocks.
    """
    found = _sublayers_by_list(names)
    path = _decoder_of(found, n_blocks)
    if path is None:
        return {}
    order = list(KINDS.values())
    return {
        number: sorted(map(_kind_by_names, of_block.values()), key=order.index)
        for number, of_block in found[path].items()
    }


_Tensors = list[tuple[str, str]]
"""Of one sublayer: of each tensor the part of the block that it is in, and its name within that."""


def _sublayers_by_list(names: Collection[str]) -> dict[str, dict[int, dict[str, _Tensors]]]:
    """The sublayers that are told in each block of each numbered list."""
    found: dict[str, dict[int, dict[str, _Tensors]]] = {}
    for name in names:
        if (place := IN_A_BLOCK.search(name)) and not OF_IMAGES_OR_SOUND.search(name[: place.start()]):
            of_block = found.setdefault(name[: place.start()], {}).setdefault(int(place[0].strip(".")), {})
            parts = name[place.end() :].split(".")
            if part := next((part for part in parts if part in SUBLAYER_OF), None):
                inside = ".".join(parts[parts.index(part) + 1 :])
                of_block.setdefault(SUBLAYER_OF[part], []).append((part, inside))
    return found


def _kind_by_names(tensors: _Tensors) -> Kind:
    part = tensors[0][0]
    if SUBLAYER_OF[part] == FEED_FORWARD:
        is_moe = KINDS["moe"].is_inside(f"{part}.{inside}" for part, inside in tensors)
        return KINDS["moe" if is_moe else "ffn"]
    kinds = KINDS_BY_NAME.get(part) or [KINDS[SUBLAYER_OF[part]]]
    told = [kind for kind in kinds if kind.is_inside(inside for _, inside in tensors)]
    untold = [kind for kind in kinds if kind.inside is None]
    return next(iter([*told, *untold, *kinds]))


def _decoder_of(found: Mapping[str, Mapping[int, Collection[str]]], n_blocks: int) -> str | None:
    """The list with that many blocks, and of several the one with the most sublayers."""
    whole = [path for path, blocks in found.items() if blocks.keys() >= set(range(n_blocks))]
    return max(whole, key=lambda path: sum(map(len, found[path].values())), default=None)


def is_of_sublayer(part: str, label: str) -> bool:
    """Whether a tensor of a block is of the sublayer with this label in that block.

    part: of the tensor's name, what comes after the block's number: mlp.up_proj.weight is of "FFN 3", and of "MoE 3".
    """
    first = next((name for name in part.split(".") if name in SUBLAYER_OF), None)
    return first in PARTS_OF[kind_of(label).name]


def _names_of(kind: Kind) -> set[str]:
    return {name for one in kind.modules for name in ([one] if isinstance(one, str) else one)}


_FFN_OR_MOE = {*EXPERT_PARTS, *_names_of(KINDS["ffn"]), *_names_of(KINDS["moe"])}
PARTS_OF = {kind.name: _names_of(kind) for kind in KINDS.values()} | dict.fromkeys(
    ("ffn", "moe"), _FFN_OR_MOE
)
"""The names that the parts of a sublayer may have, by its kind; those of FFNs and MoEs are the same."""
