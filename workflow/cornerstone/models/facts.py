"""The shape and the size on disk of a model, from config.json and the headers of its weights.

facts = facts_from_folder("resources/demo/models/demo_llama")
weights_of_sublayers(folder, labels).numbers["FFN 3"]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from cornerstone.models.block_names import blocks_of, find_block_list, is_of_sublayer, sublayers_of_blocks
from cornerstone.models.folder import check_config, read_model_config
from cornerstone.models.kinds import KINDS, block_of
from cornerstone.models.weights import EMBEDDINGS, IN_A_BLOCK, weight_files, weight_shapes
from cornerstone.shapley.players import Players
from cornerstone.system.errors import CornerstoneError

WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "n_embed", "model_dim", "dim")
EXPERT_COUNT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
USED_EXPERTS_KEYS = (
    *("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts"),
    *("moe_k", "moe_topk", "moe_top_k"),
)
"""How many experts a token is sent to."""


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model without its weights.

    labels:     of the token mixers, FFNs and MoEs of all blocks.
    width:      of the hidden states.
    vocabulary: how many tokens the head gives a logit.
    numbers:    of all weights; active_numbers: those of the blocks that one token is multiplied with.
    disk_bytes, missing_bytes: the files' size, and what of it is not on this disk yet.
    block_bytes: what one decoder block takes of disk_bytes, the mean over blocks; 0 where names tell no blocks.
    """

    labels: tuple[str, ...]
    width: int
    vocabulary: int
    numbers: int
    active_numbers: float
    disk_bytes: int
    missing_bytes: int
    block_bytes: float

    @property
    def sublayers(self) -> int:
        """How many there are."""
        return len(self.labels)


def facts_from_folder(folder: Path | str) -> ModelFacts:
    """The facts of a local model, from the headers of its weights. Raises CornerstoneError where it is not a model."""
    folder = Path(folder)
    config = read_model_config(folder)
    check_config(config, str(folder))
    files = weight_files(folder)
    shapes = {name: shape for path in files for name, shape in weight_shapes(path).items()}
    return facts_of(config, shapes, sum(path.stat().st_size for path in files), 0)


def facts_of(config: dict[str, Any], shapes: Mapping[str, Any], disk: int, missing: int) -> ModelFacts:
    """The facts of a model with these tensors. disk, missing: bytes of its files, and of those not on this disk yet."""
    decoder = config.get("text_config") or config
    numbers = sum(prod(shape) for shape in shapes.values())
    embedding = _embedding_shape(shapes)
    return ModelFacts(
        labels=sublayer_labels(config, shapes),
        width=_told(WIDTH_KEYS, decoder, embedding[1], "width of the hidden states"),
        vocabulary=_told(("vocab_size",), decoder, embedding[0], "size of the vocabulary"),
        numbers=numbers,
        active_numbers=sum(
            prod(shape) * _active_part(name, shape, decoder)
            for name, shape in shapes.items()
            if len(shape) > 1 and IN_A_BLOCK.search(name)
        ),
        disk_bytes=disk,
        missing_bytes=missing,
        block_bytes=disk * _numbers_of_a_block(config, shapes) / max(1, numbers),
    )


def _numbers_of_a_block(config: Mapping[str, Any], shapes: Mapping[str, Any]) -> float:
    """Of weights in a decoder block, the mean over blocks; 0 where the names of tensors tell no blocks."""
    try:
        blocks = find_block_list(config, shapes)
    except CornerstoneError:
        return 0.0
    numbers = {name: blocks.number_of(name) for name in shapes}
    inside = (name for name, number in numbers.items() if number is not None and number < blocks.n_blocks)
    return sum(prod(shapes[name]) for name in inside) / blocks.n_blocks


def labels_of_folder(folder: Path | str) -> tuple[str, ...]:
    """`sublayer_labels` of a local model, from its files. Raises CornerstoneError where it is none."""
    names = [name for path in weight_files(Path(folder)) for name in weight_shapes(path)]
    return sublayer_labels(read_model_config(folder), names)


def sublayer_labels(config: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """The sublayers of a decoder, by its config.json and the names of its tensors (model.layers.3.mlp.up_proj.weight).

    Attention and FFN for a block in which no name is known, and several mixers of a block in the order of KINDS: the
    engine, which has the modules, tells for certain.
    Raises CornerstoneError where neither config.json nor the names say how many blocks there are.
    """
    n_blocks = blocks_of(config, names)
    blocks, usual = sublayers_of_blocks(names, n_blocks), (KINDS["attn"], KINDS["ffn"])
    return tuple(
        f"{kind.label} {number}" for number in range(n_blocks) for kind in blocks.get(number) or usual
    )


@dataclass(frozen=True)
class SublayerWeights:
    """How many numbers each sublayer's weights have, by its label; and all of the model.

    active: those that one token is multiplied with: of routed experts, those that it is sent to.
    """

    numbers: Mapping[str, int]
    active: Mapping[str, float]
    all_numbers: int
    all_active: float

    def of_players(self, players: Players) -> SublayerWeights:
        """The same by the label of each player, with all its sublayers' weights."""
        numbers, active = (
            {
                label: sum(of[part] for part in players.parts_of(number))
                for number, label in enumerate(players)
            }
            for of in (self.numbers, self.active)
        )
        return replace(self, numbers=numbers, active=active)


def weights_of_sublayers(folder: Path | str, labels: Sequence[str]) -> SublayerWeights:
    """The weights of a local model by sublayer, from the headers of its files. labels: "Attn 0", "FFN 0", …

    all_active counts the blocks and the head. Raises CornerstoneError where no tensor belongs to a sublayer.
    """
    folder = Path(folder)
    config = read_model_config(folder)
    decoder = config.get("text_config") or config
    shapes = {name: shape for path in weight_files(folder) for name, shape in weight_shapes(path).items()}
    blocks = find_block_list(config, shapes)
    of_blocks: dict[int | None, list[str]] = {}
    for label in labels:
        of_blocks.setdefault(block_of(label), []).append(label)
    numbers, active = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0.0)
    for name, shape in shapes.items():
        for label in of_blocks.get(blocks.number_of(name), ()):
            if is_of_sublayer(blocks.part_of(name), label):
                numbers[label] += prod(shape)
                active[label] += prod(shape) * _active_part(name, shape, decoder) * (len(shape) > 1)
    if without := [label for label in labels if not numbers[label]]:
        raise CornerstoneError(
            f"{folder}: no tensor is known to belong to {without[0]}, so its parameters cannot be counted"
        )
    facts = facts_of(decoder, shapes, 0, 0)
    return SublayerWeights(
        numbers, active, facts.numbers, facts.active_numbers + facts.vocabulary * facts.width
    )


def _first_of(keys: Sequence[str], decoder: Mapping[str, Any]) -> int | None:
    """Of a list, an entry a block (Hunyuan's moe_topk), the first."""
    given = (decoder.get(key) for key in keys)
    firsts = (value[0] if isinstance(value, list) and value else value for value in given)
    return next((value for value in firsts if isinstance(value, int)), None)


def _told(keys: Sequence[str], decoder: Mapping[str, Any], by_embedding: int, meaning: str) -> int:
    if told := _first_of(keys, decoder) or by_embedding:
        return told
    raise CornerstoneError(f"config.json gives no {meaning}: it needs {keys[0]}")


def _embedding_shape(shapes: Mapping[str, Any]) -> tuple[int, int]:
    """(vocabulary, width) by the largest embedding outside the blocks; zeros where no name is known for one."""
    outside = [tuple(shape) for name, shape in shapes.items() if EMBEDDINGS.search(name) and len(shape) == 2]
    return max(outside, default=(0, 0))


def _active_part(name: str, shape: Sequence[int], decoder: Mapping[str, Any]) -> float:
    """How much of a tensor one token is multiplied with: of routed experts, those that it is sent to.

    Experts are in tensors of that name, or stacked in one tensor of a matrix each. All of them where nothing says how
    many a token is sent to.
    """
    said = {**(decoder.get("ffn_config") or {}), **decoder}  # DBRX has them apart
    experts, used = _first_of(EXPERT_COUNT_KEYS, said), _first_of(USED_EXPERTS_KEYS, said)
    is_routed = ".experts" in name or (len(shape) > 2 and shape[0] == experts)
    return used / experts if is_routed and experts and used else 1.0
