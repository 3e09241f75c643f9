"""Which sublayers a decoder has: its blocks, and in each block the token mixer and the FFN or MoE.

    [s.label for b in find_blocks(network) for s in b.sublayers]      Attn 0, FFN 0, Attn 1, ...

No list of families: blocks are the one ModuleList of num_hidden_layers modules, and the names that
families give to their sublayers are few.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from cornerstone.errors import CornerstoneError

MIXER_NAMES = ("self_attn", "attn", "attention", "self_attention", "linear_attn")
FEED_FORWARD_NAMES = ("mlp", "ffn", "feed_forward", "block_sparse_moe", "moe")

# What in a config says that later layers reuse the keys and values of earlier ones (Gemma 3n): a state
# of ours would then not hold all that the rest of the model depends on.
SHARED_KEYS_AND_VALUES = ("num_kv_shared_layers", "kv_sharing")
KIND_TITLES = {"attn": "Attn", "ffn": "FFN", "moe": "MoE"}


@dataclass(frozen=True)
class Sublayer:
    """One player. index: execution order over the whole model; block: its block; kind: attn, ffn or moe."""

    index: int
    block: int
    kind: str

    @property
    def label(self) -> str:
        return f"{KIND_TITLES[self.kind]} {self.block}"


@dataclass(frozen=True)
class Block:
    """One decoder block and its sublayers' modules, in execution order."""

    module: nn.Module
    sublayers: tuple[Sublayer, ...]
    modules: tuple[nn.Module, ...]


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
        if isinstance(module, nn.ModuleList) and len(module) == count and _named(module[0], MIXER_NAMES):
            return module
    raise CornerstoneError(
        f"{type(network).__name__} has no list of {count} decoder blocks with an attention sublayer "
        f"({', '.join(MIXER_NAMES)}): Cornerstone measures decoder-only transformers"
    )


def _named(block: nn.Module, names: tuple[str, ...]) -> list[nn.Module]:
    return [child for name, child in block.named_children() if name in names]


def _sublayer_modules(network: nn.Module, number: int, block: nn.Module) -> list[tuple[str, nn.Module]]:
    mixers, feed_forwards = _named(block, MIXER_NAMES), _named(block, FEED_FORWARD_NAMES)
    if len(mixers) != 1 or len(feed_forwards) != 1:
        names = ", ".join(name for name, _ in block.named_children())
        raise CornerstoneError(
            f"block {number} of {type(network).__name__} has {len(mixers)} attention and "
            f"{len(feed_forwards)} FFN or MoE sublayers among {names}: one of each is needed"
        )
    return [("attn", mixers[0]), (_feed_forward_kind(feed_forwards[0]), feed_forwards[0])]


def _feed_forward_kind(module: nn.Module) -> str:
    """`moe` where the module has experts: mixed models label their dense blocks FFN."""
    return "moe" if any("expert" in name for name, _ in module.named_modules()) else "ffn"
