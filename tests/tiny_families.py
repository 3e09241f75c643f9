"""A tiny random model of every causal family that transformers knows.

    network = tiny_network("falcon_h1")
    FAMILY_NAMES                                # all of them, by the model_type of their config

Made by rules about the names of config settings, not by a list of configs: a family that comes with a new version
of transformers is there, too. What switches at a length (windows, chunks, sparse attention) switches at lengths
that documents of 40 tokens pass.
"""

import numpy as np
import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from token_documents import MAX_LENGTH, VOCABULARY

FAMILY_NAMES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
N_BLOCKS = 4
SWITCH = 20
WINDOW = 7

# Settings by what they are; a name stands for the same in all families.
VALUES = {
    32: "hidden_size d_model n_embd emb_dim dim lru_width embedding_size word_embed_proj_dim attention_hidden_size "
    "embedding_dim input_embedding_size output_embedding_size",
    48: "intermediate_size ffn_dim d_inner dff dim_ff feed_forward_size n_inner encoder_ffn_dim decoder_ffn_dim "
    "ffn_hidden_size",
    24: "moe_intermediate_size shared_intermediate_size shared_expert_intermediate_size "
    "moe_shared_expert_intermediate_size",
    N_BLOCKS: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_blocks "
    "num_attention_heads n_head n_heads num_heads attention_heads decoder_attention_heads encoder_attention_heads "
    "num_experts num_local_experts n_routed_experts moe_num_experts index_n_heads linear_num_value_heads "
    "linear_num_key_heads linear_num_heads mamba_n_heads mamba_num_heads swa_num_attention_heads index_num_heads "
    "time_step_rank mamba_dt_rank",
    2: "num_key_value_heads multi_query_group_num num_global_key_value_heads swa_num_key_value_heads "
    "num_experts_per_tok num_experts_per_token moe_topk moe_top_k top_k_experts moe_k eos_token_id",
    1: "n_shared_experts num_shared_experts moe_num_shared_experts mamba_n_groups n_groups mamba_ngroups "
    "first_k_dense_replace num_dense_layers first_k_dense_layers bos_token_id decoder_start_token_id n_group "
    "topk_group num_expert_group",
    0: "pad_token_id",
    8: "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim global_head_dim attention_head_size kv_channels "
    "dim_head linear_key_head_dim linear_value_head_dim d_kv swa_head_dim linear_head_dim attention_head_dim "
    "swa_v_head_dim chunk_size mamba_chunk_size linear_chunk_size mamba_d_state state_size ssm_state_size rotary_dim "
    "hidden_size_per_layer_input",
    16: "q_lora_rank kv_lora_rank mamba_d_head mamba_head_dim mamba_headdim index_head_dim gated_norm_rank",
    12: "index_topk",
    WINDOW: "sliding_window window_size attention_window_size sliding_window_size attention_chunk_size "
    "local_attention local_attention_window_len",
    SWITCH: "original_max_position_embeddings",
    MAX_LENGTH: "max_position_embeddings n_positions max_seq_len seq_length n_ctx max_sequence_length "
    "model_max_length context_length",
    VOCABULARY: "vocab_size vocab_size_per_layer_input",
}
SETTINGS = {name: value for value, names in VALUES.items() for name in names.split()}
# None in a config may mean a behaviour of its own, save for these.
SET_ANYWAY = ("pad_token_id", "num_key_value_heads", "n_group", "topk_group", "sliding_window")

# What the rules do not know of a family.
OWN_SETTINGS = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "bloom": {"n_head": 4},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2, "hidden_size": 32},
    },
    "falcon_h1": {"mamba_d_ssm": 64},
    "gemma4_text": {"enable_moe_block": True, "num_kv_shared_layers": 0},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "gpt_neox_japanese": {"intermediate_multiple_size": 2},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
    },
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "mamba2": {"head_dim": 16},
    "phi3": {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "long_factor": [4.0] * 4,
            "short_factor": [1.0] * 4,
            "original_max_position_embeddings": SWITCH,
        }
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
}


def tiny_config(name):
    """The config of a family at a tiny size; of a multimodal one, of its text decoder."""
    return _tiny(CONFIG_MAPPING[name], OWN_SETTINGS.get(name, {}))


def _tiny(config_class, own):
    default = config_class().to_dict()
    settings = {}
    for name, value in default.items():
        if name in SETTINGS and (value is not None or name in SET_ANYWAY):
            settings[name] = SETTINGS[name]
        elif isinstance(value, list) and len(value) >= 8:
            settings[name] = _each_kind(value)
    for general, special in getattr(config_class, "attribute_map", {}).items():
        if general in SETTINGS and special in default:
            settings[special] = SETTINGS[general]
    if "kv_lora_rank" in default:  # keys are made for each head
        settings["num_key_value_heads"] = settings["num_attention_heads"]
    return config_class(**settings | own)


def _each_kind(values):
    """As many entries as there are blocks, of each kind that the list has."""
    kinds = (
        list(dict.fromkeys(values))
        if all(isinstance(value, int | float | str) for value in values)
        else values
    )
    return (kinds * N_BLOCKS)[:N_BLOCKS]


def tiny_network(name, scale=0.2, seed=0):
    """A network of the family with random weights, so large that every removal is felt far beyond rounding."""
    config = tiny_config(name)
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    multimodal = name not in FAMILY_NAMES
    auto = transformers.AutoModelForImageTextToText if multimodal else transformers.AutoModelForCausalLM
    return randomised(auto.from_config(config, dtype=torch.float32), scale, seed)


def randomised(network, scale=0.2, seed=0):
    """Weights from numpy's frozen generator: the same numbers on every platform and with every torch."""
    random = np.random.RandomState(seed)
    with torch.no_grad():
        for name, weights in sorted(network.named_parameters()):
            noise = torch.from_numpy(random.standard_normal(tuple(weights.shape))).to(weights.dtype)
            if name.endswith("A_log"):  # a decay: of another sign, states would grow without end
                weights.copy_(noise.abs())
            elif weights.ndim > 1:
                weights.copy_(scale * noise)
            else:
                weights.add_(0.1 * noise)
    return network.eval()


def image_text_names():
    """The multimodal families whose language model is not listed among the causal ones."""
    return tuple(name for name in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES if name not in FAMILY_NAMES)
