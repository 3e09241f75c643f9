"""Removal by mean in plain transformers: hooks on modules that are named by hand, nothing of the engine's.

means = plain_means(network, outlets, texts)
with mean_kept(outlets, means)(removed): ...      # what lm_eval_harness takes as `without`
"""

from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import signature

import torch

from hand_table import players_of
from tiny_families import model_type

GEMMA = {"self_attn": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"}
GLM = {"self_attn": "post_self_attn_layernorm", "mlp": "post_mlp_layernorm"}
LFM = {"self_attn": "post_operator_norm", "conv": "post_operator_norm", "feed_forward": "post_ffn_norm"}
LIKE_GEMMA = (
    *("beam", "exaone4", "flex_olmo", "gemma2", "gemma3", "gemma3_text", "gemma4_unified"),
    *("gemma4_unified_text", "olmo2", "olmo3", "olmo_hybrid"),
)
NORMS_AFTER = {
    **dict.fromkeys(LIKE_GEMMA, GEMMA),
    **dict.fromkeys(("glm4", "glm4v", "kolibri1"), GLM),
    "afmoe": {"self_attn": "post_attention_layernorm", "mlp": "post_mlp_layernorm"},
    "gemma4_text (dense)": {**GEMMA, "per_layer_projection": "post_per_layer_input_norm"},
    "hyperclovax": {"self_attn": "post_norm1", "mlp": "post_norm2"},
    "lfm3": LFM,
}
"""By family, of each part of a block the norm of its output, which is then added: read from its forward(). A block
without such a norm adds the part's own output (those of linear attention in OLMo Hybrid)."""
WITHOUT_MEANS = (
    *(
        "bloom (normed residual)",
        "cpmant",
        "gemma4",
        "gemma4_text",
        "minimax",
        "openai-gpt",
        "opt (post-norm)",
    ),
)
"""What their sublayers add is no module's output: a sum of several parts is normed, or the residual stream itself."""


def outlets_of(network, name):
    """Of each player the modules whose outputs are added to the residual stream, each with the argument that it adds
    itself, or None."""
    found = []
    for player in players_of(network, name):
        paths = {id(module): path for path, module in player.parts.items()}
        block = _block_of(network, player)
        norms = NORMS_AFTER.get(name, NORMS_AFTER.get(model_type(name), {}))
        found.append(
            [
                (getattr(block, norms.get(paths[id(module)], ""), module), residual)
                for module, residual in player.outputs
            ]
        )
    return found


def _block_of(network, player):
    """The module that holds a player's parts by their names."""
    path, part = next(iter(player.parts.items()))
    for _, module in network.named_modules():
        if dict(module.named_modules()).get(path) is part:
            return module
    raise AssertionError(path)


def _added(module, residual, args, kwargs, output):
    """What a module adds, and the residual that it holds besides."""
    main = output[0] if isinstance(output, tuple | list) else output
    if residual is None:
        return main, 0
    held = signature(type(module).forward).bind(module, *args, **kwargs).arguments[residual]
    return main - held, held


@torch.inference_mode()
def plain_means(network, outlets, texts):
    """Of each player, at each of its outlets: (mean at position 0, mean at all others), float64."""
    sums = {}

    def note(key, residual, module, args, kwargs, output):
        added, _ = _added(module, residual, args, kwargs, output)
        added = added.reshape(-1, added.shape[-1]).double()
        sums[key] = sums.get(key, 0) + torch.stack([added[0], added[1:].sum(0)])

    with ExitStack() as stack:
        for number, own in enumerate(outlets):
            for at, (module, residual) in enumerate(own):
                hook = partial(note, (number, at), residual)
                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        for text in texts:
            network(input_ids=torch.tensor([text]), use_cache=False)
    counts = torch.tensor([[len(texts)], [sum(len(text) - 1 for text in texts)]])
    return {key: total / counts for key, total in sums.items()}


def mean_kept(outlets, means):
    """A context, given modules (of which nothing is taken) and the removed players, in which their means are kept."""

    @contextmanager
    def without(_, removed):
        with ExitStack() as stack:
            for number in removed:
                for at, (module, residual) in enumerate(outlets[number]):
                    hook = partial(_put, means[number, at], residual)
                    stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
            yield

    return without


def _put(vectors, residual, module, args, kwargs, output):
    """The mean in the place of a module's output, the first position apart; rows begin at position 0."""
    added, held = _added(module, residual, args, kwargs, output)
    other = vectors[1].to(added).expand_as(added).clone()
    other[..., 0, :] = vectors[0].to(added)
    main = other + held
    return type(output)((main, *output[1:])) if isinstance(output, tuple | list) else main
