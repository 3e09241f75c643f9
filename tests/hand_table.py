"""What each family's sublayers are, written by hand from the families' own code: what the finder is held against.

    players = players_of(network, "bloom")      # per block, its sublayers in execution order
    with removed(players, [3]): network(...)    # plain transformers without sublayer 3

A sublayer is written by the modules of the block that it consists of: "fc1+fc2". One that adds the residual itself
is written with the name of the argument: "mlp=residual". A sublayer that a block lacks is left out: hybrids.
"""

import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import nn

DEFAULT = ("model.layers", ("self_attn", "mlp"))
GPT2 = ("transformer.h", ("attn", "mlp"))
MAMBA = ("backbone.layers", ("mixer",))

TABLE = {
    "bamba": ("model.layers", ("mamba", "self_attn", "feed_forward")),
    "biogpt": ("biogpt.layers", ("self_attn", "fc1+fc2")),
    "bloom": ("transformer.h", ("self_attention=residual", "mlp=residual")),
    "codegen": GPT2,
    "ctrl": ("transformer.h", ("multi_head_attention", "ffn")),
    "dbrx": ("transformer.blocks", ("norm_attn_norm.attn", "ffn")),
    "falcon": ("transformer.h", ("self_attention", "mlp")),
    "falcon_h1": ("model.layers", ("mamba", "self_attn", "feed_forward")),
    "falcon_mamba": MAMBA,
    "gemma4_text": (
        "model.layers",
        ("self_attn", "mlp+router+experts", "mlp", "per_layer_input_gate+per_layer_projection"),
    ),
    "gpt2": GPT2,
    "gpt-sw3": GPT2,
    "gpt_bigcode": GPT2,
    "gpt_neo": GPT2,
    "gpt_neox": ("gpt_neox.layers", ("attention", "mlp")),
    "gpt_neox_japanese": ("gpt_neox_japanese.layers", ("attention", "mlp")),
    "gptj": GPT2,
    "granitemoe": ("model.layers", ("self_attn", "block_sparse_moe")),
    "granitemoe_swa": ("model.layers", ("self_attn", "block_sparse_moe+shared_mlp", "block_sparse_moe")),
    "granitemoehybrid": (
        "model.layers",
        ("mamba", "self_attn", "block_sparse_moe+shared_mlp", "shared_mlp"),
    ),
    "granitemoeshared": ("model.layers", ("self_attn", "block_sparse_moe+shared_mlp", "block_sparse_moe")),
    "jamba": ("model.layers", ("mamba", "self_attn", "feed_forward")),
    "jetmoe": ("model.layers", ("self_attention", "mlp")),
    "lfm2": ("model.layers", ("conv", "self_attn", "feed_forward")),
    "lfm2_moe": ("model.layers", ("conv", "self_attn", "feed_forward")),
    "lfm3": ("model.layers", ("conv", "self_attn", "feed_forward")),
    "llama4_text": ("model.layers", ("self_attn", "feed_forward")),
    "mamba": MAMBA,
    "mamba2": MAMBA,
    "modernbert-decoder": ("model.layers", ("attn", "mlp")),
    "mpt": ("transformer.blocks", ("attn", "ffn=residual")),
    "nemotron_h": ("model.layers", ("mixer",)),
    "opt": ("model.decoder.layers", ("self_attn", "fc1+fc2")),
    "recurrent_gemma": ("model.layers", ("temporal_block", "mlp_block")),
    "xglm": ("model.layers", ("self_attn", "fc1+fc2")),
}
LINEAR = ("model.layers", ("self_attn", "linear_attn", "mlp"))
TABLE |= dict.fromkeys(("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "olmo_hybrid"), LINEAR)


@dataclass(frozen=True)
class HandPlayer:
    """block: its number; modules: what it consists of; residual: the argument that each of them adds, or None."""

    block: int
    modules: tuple[nn.Module, ...]
    residual: str | None


def players_of(network, name):
    """The sublayers of all blocks, in execution order."""
    path, written = TABLE.get(name, DEFAULT)
    found = []
    for number, block in enumerate(network.get_submodule(path)):
        taken = set()
        for player in written:
            names, _, residual = player.partition("=")
            modules = tuple(_at(block, one) for one in names.split("+"))
            if None in modules or taken & set(modules):
                continue
            taken |= set(modules)
            found.append(HandPlayer(number, modules, residual or None))
    return found


def _at(block, path):
    for name in path.split("."):
        block = getattr(block, name, None)
    return block if isinstance(block, nn.Module) else None


@contextmanager
def removed(players, numbers):
    """Plain transformers without some sublayers: hooks put zeros, or the residual alone, in the place of outputs."""
    with ExitStack() as stack:
        for player in (players[number] for number in numbers):
            for module in player.modules:
                hook = module.register_forward_hook(_without(player.residual), with_kwargs=True)
                stack.callback(hook.remove)
        yield


def _without(residual):
    def hook(module, args, kwargs, output):
        main = output[0] if isinstance(output, tuple | list) else output
        main = main * 0
        if residual is not None:
            given = inspect.signature(type(module).forward).bind(module, *args, **kwargs).arguments
            main = given[residual]
        return (main, *output[1:]) if isinstance(output, tuple | list) else main

    return hook


def weights_of(player):
    """Its weights of two or more dimensions, each once."""
    found = {id(w): w for module in player.modules for w in module.parameters() if w.ndim >= 2}
    return list(found.values())
