"""Tiny random models of some families, of three blocks, for tests of anything but families.

Every family that transformers knows, and what its sublayers are, is in tiny_families and hand_table.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import transformers

from cornerstone.loading.encoding import Encoder
from cornerstone.loading.load import language_model
from token_documents import MAX_LENGTH, VOCABULARY

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


@dataclass(frozen=True)
class Family:
    """A family's model. config: its transformers config; settings: what differs from SHAPE."""

    config: str
    settings: dict = field(default_factory=dict)


FAMILIES = {
    "llama": Family("LlamaConfig"),
    "mistral": Family("MistralConfig", {"sliding_window": WINDOW}),
    "mixtral": Family("MixtralConfig", EXPERTS),
    "qwen2": Family(
        "Qwen2Config", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}
    ),
    "qwen3": Family("Qwen3Config", {"head_dim": 8}),
    "qwen3_moe": Family("Qwen3MoeConfig", {"head_dim": 8, **FINE_EXPERTS, "mlp_only_layers": [0]}),
    "gemma2": Family("Gemma2Config", {"head_dim": 8, "sliding_window": WINDOW}),
    "gemma3": Family("Gemma3TextConfig", {"head_dim": 8, **MIXED_WINDOWS}),
    "olmo2": Family("Olmo2Config"),
    "olmo3": Family("Olmo3Config", MIXED_WINDOWS),
    "phi3": Family("Phi3Config"),
    "gpt_neox": Family("GPTNeoXConfig"),
    "gpt2": Family("GPT2Config", GPT2_SHAPE),
    "gpt_neo": Family(
        "GPTNeoConfig",
        {
            "num_layers": N_BLOCKS,
            "num_heads": 4,
            "attention_types": [[["global", "local", "global"], 1]],
            "window_size": WINDOW,
        },
    ),
    "falcon": Family("FalconConfig", {"multi_query": True}),
    "falcon_alibi": Family("FalconConfig", {"alibi": True, "multi_query": False}),
    "cohere": Family("CohereConfig"),
    "cohere2": Family("Cohere2Config", MIXED_WINDOWS),
    "granite": Family(
        "GraniteConfig",
        {
            "residual_multiplier": 0.5,
            "logits_scaling": 3.0,
            "embedding_multiplier": 2.0,
            "attention_multiplier": 0.3,
        },
    ),
    "gpt_oss": Family("GptOssConfig", {"head_dim": 8, **EXPERTS, **MIXED_WINDOWS}),
    "minimax": Family("MiniMaxConfig", {"head_dim": 8, **EXPERTS, **MIXED_LINEAR, "block_size": 16}),
    "qwen3_next": Family(
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
