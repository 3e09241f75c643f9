"""Floating-point operations from shapes, in one place: what the engine's work costs at the least.

A product of an (m, k) by a (k, n) matrix counts 2·m·k·n; norms, activations and rotations count nothing.
"""

from __future__ import annotations

from torch import nn

from cornerstone.loading.load import LanguageModel


def sublayer_flops(model: LanguageModel) -> list[float]:
    """Operations of each sublayer's weight products per token; of a MoE, its router's and chosen experts'."""
    config = model.network.config
    chosen = getattr(config, "num_experts_per_tok", None) or 1
    return [
        2.0 * sum(_weights_per_token(module, sublayer.kind == "moe", chosen) for module in parts)
        for block in model.blocks
        for sublayer, parts in zip(block.sublayers, block.parts, strict=True)
    ]


def _weights_per_token(module: nn.Module, is_moe: bool, chosen: int) -> float:
    total = 0.0
    for name, weight in module.named_parameters():
        if weight.ndim == 2:
            total += weight.numel()
        elif weight.ndim == 3 and is_moe and "expert" in name:  # (experts, out, in)
            total += weight[0].numel() * chosen
    return total


def attention_flops(model: LanguageModel, attended: int) -> float:
    """Operations of one attention sublayer's scores and sums over `attended` (query, key) pairs."""
    config = model.network.config
    width = (getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads) * (
        config.num_attention_heads
    )
    return 4.0 * width * attended


def head_flops(model: LanguageModel) -> float:
    """Operations of the head per scored token."""
    config = model.network.config
    return 2.0 * config.hidden_size * config.vocab_size
