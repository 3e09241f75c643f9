"""Which sublayers a decoder has: its blocks, and in each block the token mixer and the FFN or MoE.

    [s.label for b in find_blocks(network) for s in b.sublayers]      Attn 0, FFN 0, Attn 1, ...

No list of families: blocks are the one ModuleList of num_hidden_layers modules, and the names that
families give to their sublayers are few (`models.kinds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from cornerstone.models.kinds import ATTENTION, FEED_FORWARD, GROUPS, KINDS
from cornerstone.system.errors import CornerstoneError

# What in a config says that later layers reuse the keys and values of earlier ones (Gemma 3n): a state
# of ours would then not hold all that the rest of the model depends on.
SHARED_KEYS_AND_VALUES = ("num_kv_shared_layers", "kv_sharing")

# The names of a block's modules that are a sublayer of one of a group's kinds.
MODULE_NAMES = {
    group: {name for kind in KINDS.values() if kind.group == group for name in kind.modules}
    for group in GROUPS
}


@dataclass(frozen=True)
class Sublayer:
    """A sublayer. index: execution order over the whole model; block: its block; kind: a name in KINDS."""

    index: int
    block: int
    kind: str

    @property
    def label(self) -> str:
        return f"{KINDS[self.kind].label} {self.block}"


@dataclass(frozen=True)
class Block:
    """One decoder block and its sublayers' modules, in execution order."""

    module: nn.Module
    sublayers: tuple[Sublayer, ...]
    modules: tuple[nn.Module, ...]


def first_parameter(network: nn.Module) -> nn.Parameter:
    """The first of the parameters that are in memory: those of streamed blocks mostly are not."""
    return next(parameter for parameter in network.parameters() if not parameter.is_meta)


def find_blocks(network: nn.Module) -> tuple[Block, ...]:
    """The decoder blocks of a causal language model.

    Raises CornerstoneError, naming the model's class, where blocks or sublayers are not recognised or
    where layers share keys and values.
    """
    config = getattr(network.config, "text_config", None) or network.config
    _refuse_shared_keys_and_values(network, config)
    modules = _block_list(network, config.num_hidden_layers)
    blocks: list[Block] = []
    for number, module in enumerate(modules):
        parts = _sublayer_modules(network, number, module)
        first = sum(len(block.sublayers) for block in blocks)
        sublayers = tuple(Sublayer(first + n, number, kind) for n, (kind, _) in enumerate(parts))
        blocks.append(Block(module, sublayers, tuple(part for _, part in parts)))
    return tuple(blocks)


def _refuse_shared_keys_and_values(network: nn.Module, config: object) -> None:
    if any(getattr(config, name, None) for name in SHARED_KEYS_AND_VALUES):
        raise CornerstoneError(
            f"{type(network).__name__} shares keys and values between layers, so a removed layer would still "
            "be felt elsewhere: Cornerstone cannot measure it, choose a model without sharing"
        )


def _block_list(network: nn.Module, count: int) -> nn.ModuleList:
    """The ModuleList that holds the decoder blocks: as long as the config says, each with a token mixer."""
    # The text decoder first: the vision tower of a multimodal model may have as many blocks.
    decoder = network.get_decoder() if hasattr(network, "get_decoder") else None
    for module in [*(decoder or network).modules(), *network.modules()]:
        if isinstance(module, nn.ModuleList) and len(module) == count and _named(module[0], ATTENTION):
            return module
    raise CornerstoneError(
        f"{type(network).__name__} has no list of {count} decoder blocks with an attention sublayer "
        f"({', '.join(KINDS['attn'].modules)}): Cornerstone measures decoder-only transformers"
    )


def _named(block: nn.Module, group: str) -> list[nn.Module]:
    """The block's modules that are called as the sublayers of a group of kinds are."""
    return [child for name, child in block.named_children() if name in MODULE_NAMES[group]]


def _sublayer_modules(network: nn.Module, number: int, block: nn.Module) -> list[tuple[str, nn.Module]]:
    found = {group: _named(block, group) for group in GROUPS}
    mixers, feed_forwards = found[ATTENTION], found[FEED_FORWARD]
    if len(mixers) != 1 or len(feed_forwards) != 1:
        names = ", ".join(name for name, _ in block.named_children())
        raise CornerstoneError(
            f"block {number} of {type(network).__name__} has {len(mixers)} attention and "
            f"{len(feed_forwards)} FFN or MoE sublayers among {names}: one of each is needed"
        )
    return [(_kind_of(module, group), module) for group, (module,) in found.items()]


def _kind_of(module: nn.Module, group: str) -> str:
    """Its kind among those of a group: mixed models label their dense blocks FFN, and those with experts MoE."""
    kinds = [kind for kind in KINDS.values() if kind.group == group]
    inside = [name for name, _ in module.named_modules()]
    marked = [kind for kind in kinds if kind.inside and any(kind.inside in name for name in inside)]
    return (marked or kinds)[0].name


def kinds_of_blocks(network: nn.Module, blocks: Sequence[Block]) -> list[int]:
    """For each block the first one of its kind: of the same modules, shapes and settings.

    Settings are the numbers, words and switches that its modules were given; a number that is another one in
    each block of the same modules is its index, or as good as one, and tells no kind.
    """
    config = getattr(network.config, "text_config", None) or network.config
    types = getattr(config, "layer_types", None) or [None] * len(blocks)
    by_build: dict[tuple, list[int]] = {}
    for number, block in enumerate(blocks):
        by_build.setdefault((_build_of(block.module), types[number]), []).append(number)
    kinds = list(range(len(blocks)))
    for numbers in by_build.values():
        settings = [_settings_of(blocks[number].module) for number in numbers]
        columns = [column for column in zip(*settings, strict=True) if not _is_index(column)]
        first: dict[tuple, int] = {}
        for place, number in enumerate(numbers):
            kinds[number] = first.setdefault(tuple(column[place] for column in columns), number)
    return kinds


def one_of_each_kind(kinds: Sequence[int]) -> list[int]:
    """The first block of each kind, and of the commonest kind the middle one too."""
    commonest = max(kinds, key=kinds.count)
    alike = [number for number, kind in enumerate(kinds) if kind == commonest]
    return sorted({*kinds, alike[len(alike) // 2]})


def _build_of(block: nn.Module) -> tuple:
    modules = [
        (name, type(module), tuple(sorted(_plain_attributes(module))))
        for name, module in block.named_modules()
    ]
    tensors = [*block.named_parameters(), *block.named_buffers()]
    return tuple(modules), tuple((name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors)


def _settings_of(block: nn.Module) -> list[Any]:
    found = ((name, _plain_attributes(module)) for name, module in block.named_modules())
    return [attributes[key] for _, attributes in found for key in sorted(attributes)]


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    return {key: value for key, value in vars(module).items() if isinstance(value, plain) and key[0] != "_"}


def _is_index(column: Sequence[Any]) -> bool:
    numbers = [value for value in column if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(column) > 1 and len(numbers) == len(column) == len(set(numbers))
