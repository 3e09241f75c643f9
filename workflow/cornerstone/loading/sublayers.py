"""Find the sublayers of a decoder: its blocks, and in each block its token mixers, its FFN or its MoE.

    [s.label for b in find_blocks(network) for s in b.sublayers]      Attn 0, FFN 0, Attn 1, ...

No list of families: blocks are the one ModuleList of num_hidden_layers modules, and the names that families give
to their sublayers are few (`models.kinds`). Every part of a block with weights of two or more dimensions belongs to
exactly one sublayer, or the model is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedConfig

from cornerstone.loading.refusals import Reason, refused
from cornerstone.models.kinds import EXPERT_PARTS, FEED_FORWARD, KINDS, KINDS_BY_NAME, KINDS_OF_LOOSE, Kind

# What in a config says that later layers reuse the keys and values of earlier ones (Gemma 3n): a state
# of ours would then not hold all that the rest of the model depends on.
SHARED_KEYS_AND_VALUES = ("num_kv_shared_layers", "kv_sharing")

# What in a config says how many residual streams there are (DeepSeek-V4, Gemma 3n).
HYPER_CONNECTIONS = ("hc_mult", "hc_count", "altup_num_inputs")

# Names of attentions to another model's output.
CROSS_ATTENTION = ("encoder_attn", "cross_attn", "crossattention", "cross_attention")


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
    """One decoder block and its sublayers, in execution order.

    parts: of each sublayer the modules that it consists of, mostly one.
    """

    module: nn.Module
    sublayers: tuple[Sublayer, ...]
    parts: tuple[tuple[nn.Module, ...], ...]


@dataclass(frozen=True)
class _Found:
    """A sublayer in a block: its kind and its modules by their paths in the block."""

    kind: Kind
    modules: dict[str, nn.Module]


def first_parameter(network: nn.Module) -> nn.Parameter:
    """The first of the parameters that are in memory: those of streamed blocks mostly are not."""
    return next(parameter for parameter in network.parameters() if not parameter.is_meta)


def text_config(network: nn.Module) -> Any:
    """The config of the text decoder: of a multimodal model a part of its own."""
    return network.config.get_text_config(decoder=True)


def find_blocks(network: nn.Module) -> tuple[Block, ...]:
    """The decoder blocks of a causal language model.

    Raises CornerstoneError, naming the model's class and the part, where blocks or sublayers are not recognised,
    or where blocks share weights, keys or values.
    """
    _refuse_shared_keys_and_values(network)
    _refuse_several_streams(network)
    modules = _block_list(network)
    _refuse_shared_weights(network, modules)
    blocks: list[Block] = []
    for number, module in enumerate(modules):
        found = _sublayers_of(network, number, module)
        first = sum(len(block.sublayers) for block in blocks)
        sublayers = tuple(Sublayer(first + n, number, one.kind.name) for n, one in enumerate(found))
        blocks.append(Block(module, sublayers, tuple(tuple(one.modules.values()) for one in found)))
    return tuple(blocks)


def _refuse_shared_keys_and_values(network: nn.Module) -> None:
    for name in SHARED_KEYS_AND_VALUES:
        if value := getattr(text_config(network), name, None):
            raise refused(network, Reason.SHARED_KEYS, f"{name} is {value} in its config")


def _refuse_several_streams(network: nn.Module) -> None:
    for name in HYPER_CONNECTIONS:
        if value := getattr(text_config(network), name, None):
            raise refused(network, Reason.SEVERAL_STREAMS, f"{name} is {value} in its config")


def _refuse_shared_weights(network: nn.Module, blocks: nn.ModuleList) -> None:
    owners: dict[int, int] = {}
    for number, block in enumerate(blocks):
        for name, parameter in block.named_parameters():
            if owners.setdefault(id(parameter), number) != number:
                where = f"{name} of block {number} is also in block {owners[id(parameter)]}"
                raise refused(network, Reason.SHARED_WEIGHTS, where)


def _block_list(network: nn.Module) -> nn.ModuleList:
    """The ModuleList that holds the decoder blocks: as long as the config says, each with a sublayer."""
    count = getattr(text_config(network), "num_hidden_layers", None)
    for module in _parts_for_text(network):
        if isinstance(module, nn.ModuleList) and len(module) == count and next(_named(module[0]), None):
            return module
    raise refused(network, Reason.NO_BLOCKS, f"its config says {count} blocks")


def _parts_for_text(network: nn.Module) -> Iterator[nn.Module]:
    """The modules of a network, the text decoder's first, and those of towers for images and sound not at all.

    A tower may have as many blocks; it has a config of its own.
    """
    ours = {type(network.config), type(text_config(network))}
    decoder = network.get_decoder() if hasattr(network, "get_decoder") else None
    towers: set[int] = set()
    for module in [*(decoder or network).modules(), *network.modules()]:
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig) and type(config) not in ours:
            towers |= {id(part) for part in module.modules()}
        if id(module) not in towers:
            yield module


def has_weights(module: nn.Module) -> bool:
    """Whether it holds weights of two or more dimensions: norms and biases have one."""
    return any(parameter.ndim >= 2 for parameter in module.parameters())


def _named(block: nn.Module, path: str = "") -> Iterator[tuple[str, str, nn.Module]]:
    """(path, name, module) of the parts of a block that are called as a sublayer or a part of one is.

    A part that goes by no such name may hold some that do (DBRX's attention stands beside its norms).
    """
    loose = {name for names in KINDS_OF_LOOSE for name in names}
    for name, child in block.named_children():
        if not has_weights(child):
            continue
        if name in KINDS_BY_NAME or name in EXPERT_PARTS or name in loose:
            yield path + name, name, child
        elif not isinstance(child, nn.ModuleList):
            yield from _named(child, f"{path}{name}.")


def _sublayers_of(network: nn.Module, number: int, block: nn.Module) -> list[_Found]:
    """The sublayers of a block, in execution order: mixers as the block lists them, then FFN or MoE."""
    named = list(_named(block))
    found = _loose_sublayers({path: module for path, _, module in named})
    loose = {path for one in found for path in one.modules}
    experts: dict[str, nn.Module] = {}
    for path, name, module in named:
        if path in loose:
            continue
        kind = _kind_of(name, module)
        if kind is None or kind.group == FEED_FORWARD:
            experts[path] = module
        else:
            found.append(_Found(kind, {path: module}))
    if experts:
        found.append(_Found(_feed_forward_kind(network, number, experts), experts))
    _refuse_doubles(network, number, found)
    _refuse_left_over(network, number, block, found)
    mixers = [one for one in found if one.kind.group != FEED_FORWARD]
    others = [one for one in found if one.kind.group == FEED_FORWARD]
    order = list(KINDS)
    return [*mixers, *sorted(others, key=lambda one: order.index(one.kind.name))]


def _loose_sublayers(modules: dict[str, nn.Module]) -> list[_Found]:
    return [
        _Found(kind, {name: modules[name] for name in names})
        for names, kind in KINDS_OF_LOOSE.items()
        if all(name in modules for name in names)
    ]


def _kind_of(name: str, module: nn.Module) -> Kind | None:
    """The kind of a part of this name, None where it is a part of an MoE alone."""
    kinds = KINDS_BY_NAME.get(name, [])
    inside = list(_names_inside(module))
    told = [kind for kind in kinds if kind.is_inside(inside)]
    untold = [kind for kind in kinds if kind.inside is None]
    return next(iter([*told, *untold, *kinds]), None)


def _names_inside(module: nn.Module) -> Iterator[str]:
    for name, part in module.named_modules():
        yield name
        yield type(part).__name__ if name else ""
    for name, _ in module.named_parameters():
        yield name


def _feed_forward_kind(network: nn.Module, number: int, parts: dict[str, nn.Module]) -> Kind:
    """Parts side by side are one sublayer where experts are among them: what they give is summed."""
    if any(KINDS["moe"].is_inside([path, *_names_inside(module)]) for path, module in parts.items()):
        return KINDS["moe"]
    if len(parts) == 1:
        return KINDS["ffn"]
    raise refused(network, Reason.SEVERAL_PLAYERS, f"block {number} has {', '.join(parts)}")


def _refuse_doubles(network: nn.Module, number: int, found: Sequence[_Found]) -> None:
    names = [one.kind.name for one in found]
    for one in found:
        if names.count(one.kind.name) > 1:
            paths = ", ".join(path for other in found if other.kind is one.kind for path in other.modules)
            raise refused(network, Reason.SEVERAL_PLAYERS, f"block {number} has {paths}")


def _refuse_left_over(network: nn.Module, number: int, block: nn.Module, found: Sequence[_Found]) -> None:
    """Raise CornerstoneError for weights of two or more dimensions in none of the sublayers, naming their part."""
    inside = {id(p) for one in found for module in one.modules.values() for p in module.parameters()}
    for name, parameter in block.named_parameters():
        if parameter.ndim < 2 or id(parameter) in inside:
            continue
        part = name.rpartition(".")[0] or name
        if any(word in part.split(".") for word in CROSS_ATTENTION):
            raise refused(network, Reason.CROSS_ATTENTION, f"block {number} has {part}")
        raise refused(
            network, Reason.NO_PLAYER, f"block {number} has {part}, with weights {list(parameter.shape)}"
        )
    if not found:
        raise refused(network, Reason.NO_PLAYER, f"block {number} has no part with weights")


def kinds_of_blocks(network: nn.Module, blocks: Sequence[Block]) -> list[int]:
    """For each block the first one of its kind: of the same modules, shapes and settings.

    Settings are the numbers, words and switches that its modules were given; a number that is another one in
    each block of the same modules is its index, or as good as one, and tells no kind.
    """
    types = getattr(text_config(network), "layer_types", None) or [None] * len(blocks)
    by_build: dict[tuple, list[int]] = {}
    for number, block in enumerate(blocks):
        by_build.setdefault((_build_of(block.module), types[number]), []).append(number)
    kinds = list(range(len(blocks)))
    for numbers in by_build.values():
        settings = [list(settings_by_name(blocks[number].module).values()) for number in numbers]
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


def settings_by_name(module: nn.Module, without: Sequence[nn.Module] = ()) -> dict[str, Any]:
    """The numbers, words and switches that a module and those in it were given, by path and name.

    without: modules in it that are left out, with all that is in them.
    """
    left_out = {id(part) for one in without for part in one.modules()}
    return {
        f"{path}.{key}" if path else key: value
        for path, part in module.named_modules()
        if id(part) not in left_out
        for key, value in sorted(_plain_attributes(part).items())
    }


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    return {key: value for key, value in vars(module).items() if isinstance(value, plain) and key[0] != "_"}


def _is_index(column: Sequence[Any]) -> bool:
    numbers = [value for value in column if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(column) > 1 and len(numbers) == len(column) == len(set(numbers))
