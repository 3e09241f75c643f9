"""A tiny random model of each family, and how far the engine is from lm-eval's own log-likelihoods on it.

    python tests/families.py > docs/families.md        writes the table of families anew

The reference shares nothing with the engine: lm-eval's HFLM runs the model, and the removed sublayers are
zeroed by hooks on modules that this file names for each family.
"""

import functools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # for `python tests/families.py`

import numpy as np
import torch
import transformers

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import Encoder
from cornerstone.loading.load import language_model
from cornerstone.system.errors import CornerstoneError
from lm_eval_harness import harness, harness_loglikelihoods, sublayer_modules
from token_documents import MAX_LENGTH, PAIRS, VOCABULARY, encoded, some_coalitions

# Matrices this small only lose time when threads share them.
torch.set_num_threads(1)
transformers.logging.set_verbosity_error()

WINDOW = 7
N_BLOCKS = 3

SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": MAX_LENGTH,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2_SHAPE = {"n_embd": 32, "n_layer": N_BLOCKS, "n_head": 4, "n_positions": MAX_LENGTH}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
FINE_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
MIXED_WINDOWS = {
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
MIXED_LINEAR = {"layer_types": ["linear_attention", "full_attention", "linear_attention"]}


FFN = "attn ffn attn ffn attn ffn"
MOE = "attn moe attn moe attn moe"


@dataclass(frozen=True)
class Family:
    """A family's model, and what this test must know of it to judge the engine.

    config: its transformers config and what differs from SHAPE; blocks: where the decoder blocks are;
    mixer, feed_forward: names of the two sublayers in a block (mixer: one of several may be there);
    kinds: what the sublayers must be called; rows: what its documents must become; note: its attention.
    """

    title: str
    config: str
    settings: dict = field(default_factory=dict)
    blocks: str = "model.layers"
    mixer: tuple[str, ...] = ("self_attn",)
    feed_forward: str = "mlp"
    kinds: str = FFN
    rows: str = "tree"
    note: str = "full attention"


GPT2_NAMES = {"blocks": "transformer.h", "mixer": ("attn",)}
FALCON_NAMES = {"blocks": "transformer.h", "mixer": ("self_attention",)}
FAMILIES = {
    "llama": Family("Llama", "LlamaConfig"),
    "mistral": Family("Mistral", "MistralConfig", {"sliding_window": WINDOW}, note="sliding window"),
    "mixtral": Family("Mixtral", "MixtralConfig", EXPERTS, kinds=MOE),
    "qwen2": Family(
        "Qwen2",
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
        note="full and sliding window",
    ),
    "qwen3": Family("Qwen3", "Qwen3Config", {"head_dim": 8}),
    "qwen3_moe": Family(
        "Qwen3-MoE",
        "Qwen3MoeConfig",
        {"head_dim": 8, **FINE_EXPERTS, "mlp_only_layers": [0]},
        kinds="attn ffn attn moe attn moe",
        note="full attention, first block dense",
    ),
    "gemma2": Family(
        "Gemma 2", "Gemma2Config", {"head_dim": 8, "sliding_window": WINDOW}, note="full and sliding window"
    ),
    "gemma3": Family(
        "Gemma 3", "Gemma3TextConfig", {"head_dim": 8, **MIXED_WINDOWS}, note="full and sliding window"
    ),
    "olmo2": Family("OLMo 2", "Olmo2Config"),
    "olmo3": Family("OLMo 3", "Olmo3Config", MIXED_WINDOWS, note="full and sliding window"),
    "phi3": Family("Phi-3", "Phi3Config"),
    "gpt_neox": Family("GPT-NeoX", "GPTNeoXConfig", blocks="gpt_neox.layers", mixer=("attention",)),
    "gpt2": Family("GPT-2", "GPT2Config", GPT2_SHAPE, **GPT2_NAMES, note="learned positions"),
    "gpt_neo": Family(
        "GPT-Neo",
        "GPTNeoConfig",
        {
            "num_layers": N_BLOCKS,
            "num_heads": 4,
            "attention_types": [[["global", "local", "global"], 1]],
            "window_size": WINDOW,
        },
        **GPT2_NAMES,
        rows="plain",
        note="full and local attention: its band is over row index",
    ),
    "falcon": Family("Falcon (rotary)", "FalconConfig", {"multi_query": True}, **FALCON_NAMES),
    "falcon_alibi": Family(
        "Falcon (ALiBi)",
        "FalconConfig",
        {"alibi": True, "multi_query": False},
        **FALCON_NAMES,
        rows="plain",
        note="ALiBi: biases over row index",
    ),
    "cohere": Family("Cohere", "CohereConfig"),
    "cohere2": Family("Cohere 2", "Cohere2Config", MIXED_WINDOWS, note="full and sliding window"),
    "granite": Family(
        "Granite",
        "GraniteConfig",
        {
            "residual_multiplier": 0.5,
            "logits_scaling": 3.0,
            "embedding_multiplier": 2.0,
            "attention_multiplier": 0.3,
        },
    ),
    "gpt_oss": Family(
        "gpt-oss",
        "GptOssConfig",
        {"head_dim": 8, **EXPERTS, **MIXED_WINDOWS},
        kinds=MOE,
        note="full and sliding window, sinks",
    ),
    "minimax": Family(
        "MiniMax",
        "MiniMaxConfig",
        {"head_dim": 8, **EXPERTS, **MIXED_LINEAR, "block_size": 16},
        kinds=MOE,
        rows="plain",
        note="linear attention",
    ),
    "qwen3_next": Family(
        "Qwen3-Next",
        "Qwen3NextConfig",
        {
            "head_dim": 8,
            **FINE_EXPERTS,
            **MIXED_LINEAR,
            "shared_expert_intermediate_size": 24,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
        mixer=("self_attn", "linear_attn"),
        kinds=MOE,
        rows="plain",
        note="linear attention (gated delta rule)",
    ),
}

REFUSED = {
    "Gemma 3n": (
        "Gemma3nTextConfig",
        {
            "head_dim": 8,
            "num_kv_shared_layers": 1,
            "layer_types": ["full_attention"] * N_BLOCKS,
            "activation_sparsity_pattern": [0.0] * N_BLOCKS,
            "vocab_size_per_layer_input": VOCABULARY,
            "laurel_rank": 4,
            "hidden_size_per_layer_input": 8,
        },
    ),
}


def random_network(config_name, settings, seed=0):
    """A causal language model with random weights, large enough for errors to show; no bias or gain is idle.

    Filled by numpy's frozen generator: the same numbers on every platform and with every torch.
    """
    random = np.random.RandomState(seed)
    config = getattr(transformers, config_name)(**{**SHAPE, **settings})
    torch.manual_seed(seed)
    network = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for _, weights in sorted(network.named_parameters()):
            noise = torch.from_numpy(random.standard_normal(tuple(weights.shape))).float()
            if weights.ndim > 1:
                weights.copy_(0.15 * noise)
            else:
                weights.add_(0.1 * noise)
    return network.eval()


def family_network(name, seed=0):
    return random_network(FAMILIES[name].config, FAMILIES[name].settings, seed)


def as_model(network, name="model"):
    """The network as the engine takes it; token ids need no tokenizer."""
    return language_model(network, Encoder(None, MAX_LENGTH), name)


# What is measured of a family


@dataclass(frozen=True)
class Measured:
    """rows: tree or plain; worst: largest difference to lm-eval (nats); spread: how far coalitions lie apart;
    kinds: of the sublayers in order; counts: the engine's."""

    rows: str
    worst: float
    spread: float
    kinds: str
    counts: dict


@functools.cache
def measured(name):
    """The engine against lm-eval on a tiny random model of a family."""
    family = FAMILIES[name]
    network = family_network(name)
    model = as_model(network, family.title)
    coalitions = some_coalitions(len(model.sublayers))
    result = evaluate(model, encoded(PAIRS), coalitions)
    modules = sublayer_modules(network, family.blocks, family.mixer, family.feed_forward)
    wanted = harness_loglikelihoods(harness(network), modules, PAIRS, result.coalitions)
    ours = np.concatenate(result.loglikelihoods, axis=1)
    theirs = np.array([np.concatenate(documents) for documents in wanted])
    return Measured(
        rows=result.counts["rows"],
        worst=float(np.abs(ours - theirs).max()),
        spread=float(np.abs(theirs[1:] - theirs[0]).max(axis=1).min()),
        kinds=" ".join(sublayer.kind for sublayer in model.sublayers),
        counts=result.counts,
    )


def refusal(name):
    """The line that refuses a family which cannot be driven."""
    config, settings = REFUSED[name]
    try:
        evaluate(as_model(random_network(config, settings), name), encoded(PAIRS), [()])
    except CornerstoneError as error:
        return str(error)
    raise AssertionError(f"{name} is not refused")


def within(worst):
    """A difference as the table gives it: an upper bound which does not change with the machine."""
    return "< 1e-4" if worst < 1e-4 else f"{worst:.0e}"


def table():
    """docs/families.md."""
    lines = [
        "# Families",
        "",
        "Tiny random models of these families, evaluated by the engine and by lm-eval's HFLM with the",
        "removed sublayers' outputs zeroed: full model, single removals, windows and arbitrary coalitions.",
        f"Documents have up to 5 choices and {MAX_LENGTH} tokens, more than a sliding or local window of",
        f"{WINDOW} holds.",
        "Tree rows compute what a document's choices share once; plain rows hold a request each.",
        "",
        "The tests make this table: `python tests/families.py > docs/families.md`.",
        "",
        "| family | rows | attention | worst difference to lm-eval (nats) |",
        "| --- | --- | --- | --- |",
    ]
    for name, family in FAMILIES.items():
        found = measured(name)
        lines.append(f"| {family.title} | {found.rows} | {family.note} | {within(found.worst)} |")
    lines += ["", "Refused, each in a line:", ""]
    lines += [f"- {name}: {refusal(name)}" for name in REFUSED]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(table(), end="")
