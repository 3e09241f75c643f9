"""Families beyond the causal ones, one by one: other structures of a family, and decoders of multimodal models."""

from tiny_settings import LONGROPE, PHIMOE_LONGROPE, SWITCH, WINDOW

VARIANTS = {
    "bert (encoder)": {"is_decoder": False},
    "bloom (normed residual)": {"apply_residual_connection_post_layernorm": True},
    "doge (experts)": {"is_moe": True, "num_experts": 16, "num_experts_per_tok": 4},
    "falcon (ALiBi)": {"alibi": True, "multi_query": False},
    "falcon (new architecture)": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon (sequential)": {"parallel_attn": False},
    "gemma4_text (dense)": {"enable_moe_block": False},
    "gemma4_text (shared keys)": {
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "gemma3n_text (shared keys)": {"num_kv_shared_layers": 2},
    "glm_moe_dsa (shared indexers)": {"indexer_types": ["full", "shared", "full", "shared"]},
    "gpt_neox (sequential)": {"use_parallel_residual": False},
    "granitemoehybrid (dense)": {"num_local_experts": 0, "num_experts_per_tok": 0},
    "llama (dynamic rotary)": {
        "max_position_embeddings": SWITCH,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    },
    "llama (yarn)": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 2.0,
            "original_max_position_embeddings": SWITCH,
        },
    },
    "llama (tied)": {"tie_word_embeddings": True},
    "minicpm3 (longrope)": LONGROPE,
    "opt (post-norm)": {"do_layer_norm_before": False, "word_embed_proj_dim": 16},
    "paligemma (causal)": {"text_config": {"use_bidirectional_attention": False}},
    "phi3 (windows)": {"sliding_window": WINDOW},
    "phimoe (longrope)": PHIMOE_LONGROPE,
    "qwen2_moe (all sparse)": {"mlp_only_layers": []},
    "rwkv (not rescaled)": {"rescale_every": 0},
    "stablelm (parallel)": {"use_parallel_residual": True},
    "xlnet (both ways)": {"attn_type": "bi"},
}
"""Other structures of a family, in a model type's words with a name in brackets: what differs from OWN."""

MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}}
MULTIMODAL = {
    "mistral3": {"text_config": {"sliding_window": WINDOW}},
    "qwen2_vl": {"text_config": MROPE},
    "qwen2_5_vl": {"text_config": MROPE},
    "qwen3_vl": {"text_config": MROPE},
    "qwen3_vl_moe": {"text_config": MROPE},
    "llava": {},
    "llava_next": {},
    "llava_onevision": {},
    "paligemma": {},
    "smolvlm": {},
    "idefics3": {},
    "internvl": {},
    "glm4v": {"text_config": MROPE},
    "glm4v_moe": {
        "text_config": {"rope_parameters": MROPE["rope_parameters"] | {"mrope_section": [1, 1, 0]}}
    },
    "aya_vision": {},
}
"""Families of images with text, which people know by these ids: their text decoders are measured."""
