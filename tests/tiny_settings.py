"""What tiny configs of transformers' families are made of: rules by names of settings, and what a family needs beyond.

Every length at which a model changes its ways (windows, chunks, longrope's switch, an indexer's top k) is shorter than
the longest documents, which have MAX_LENGTH tokens.
"""

from token_documents import MAX_LENGTH, VOCABULARY

N_BLOCKS = 4
WINDOW = 7
CHUNK = 8
TOP_K = 12
SWITCH = 20
"""Tokens of a short context window, after which longrope's and others' factors change."""


def _rules():
    """Attribute of a config → its value."""
    by_value = (
        (VOCABULARY, "vocab_size vocab_size_per_layer_input decoder_vocab_size unpadded_vocab_size"),
        (
            32,
            "hidden_size d_model n_embd emb_dim dim lru_width embedding_size word_embed_proj_dim embedding_dim "
            "input_embedding_size output_embedding_size attention_hidden_size backbone_hidden_size out_hidden_size "
            "embed_dim projection_dim",
        ),
        (
            48,
            "intermediate_size ffn_dim d_inner dff dim_ff feed_forward_size n_inner encoder_ffn_dim decoder_ffn_dim "
            "block_ff_dim ffn_hidden_size intermediate_size_mlp dense_intermediate_size",
        ),
        (
            24,
            "moe_intermediate_size shared_intermediate_size shared_expert_intermediate_size expert_ffn_hidden_size "
            "moe_shared_expert_intermediate_size shared_experts_intermediate_size",
        ),
        (
            N_BLOCKS,
            "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_blocks depth",
        ),
        (
            4,
            "num_attention_heads n_head n_heads num_heads attention_heads decoder_attention_heads "
            "encoder_attention_heads linear_num_value_heads linear_num_heads mamba_n_heads "
            "mamba_num_heads swa_num_attention_heads",
        ),
        (
            2,
            "num_key_value_heads num_global_key_value_heads num_kv_heads swa_num_key_value_heads linear_num_key_heads",
        ),
        (
            8,
            "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim global_head_dim attention_head_size kv_channels "
            "dim_head linear_key_head_dim linear_value_head_dim d_kv swa_head_dim linear_head_dim index_head_dim "
            "d_head attention_head_dim swa_v_head_dim rotary_dim",
        ),
        (4, "num_experts num_local_experts n_routed_experts moe_num_experts"),
        (2, "num_experts_per_tok num_experts_per_token moe_topk moe_top_k top_k_experts moe_k"),
        (1, "n_shared_experts num_shared_experts moe_num_shared_experts n_group topk_group num_expert_group"),
        (1, "first_k_dense_replace num_dense_layers moe_layer_start_index"),
        (
            MAX_LENGTH,
            "max_position_embeddings n_positions max_seq_len seq_length n_ctx max_sequence_length model_max_length "
            "context_length max_target_positions",
        ),
        (
            WINDOW,
            "sliding_window window_size attention_window_size sliding_window_size attention_chunk_size "
            "local_attention_window_len keep_window_size",
        ),
        (2 * WINDOW, "local_attention"),
        (CHUNK, "chunk_size mamba_chunk_size linear_chunk_size"),
        (TOP_K, "index_topk"),
        (
            16,
            "index_n_heads",
        ),  # with few, the rectified scores of many tokens are zero, and which come first is chance
        (SWITCH, "original_max_position_embeddings"),
        (16, "mamba_d_head mamba_head_dim mamba_headdim q_lora_rank kv_lora_rank o_lora_rank"),
        (8, "mamba_d_state state_size ssm_state_size"),
        (1, "mamba_n_groups n_groups mamba_ngroups"),
        (4, "time_step_rank mamba_dt_rank"),
        (8, "hidden_size_per_layer_input"),
        (0, "pad_token_id"),
        (1, "bos_token_id decoder_start_token_id"),
        (2, "eos_token_id"),
        (True, "is_decoder"),
        (28, "image_size"),
        (14, "patch_size"),
        (16, "num_position_embeddings"),
        ([0], "deepstack_visual_indexes fullatt_block_indexes"),
        (
            0,
            "image_token_id video_token_id audio_token_id image_token_index vision_start_token_id vision_end_token_id "
            "image_start_token_id image_end_token_id video_start_token_id video_end_token_id",
        ),
    )
    return {name: value for value, names in by_value for name in names.split()}


RULES = _rules()

# Of these None means none or that the family's code works it out badly; of all other attributes None is derived.
MAY_BE_NONE = {"pad_token_id", "num_key_value_heads", "sliding_window", "head_dim"}

MIXED = {"layer_types": ["sliding_attention", "full_attention"] * 2}
CONV = {"layer_types": ["conv", "full_attention", "conv", "conv"]}
DENSE_FIRST = {"mlp_layer_types": ["dense", "sparse", "sparse", "sparse"]}
WINDOWS_LATER = {"use_sliding_window": True, "max_window_layers": 2}
AXIAL = {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16]}
PADDED_POSITIONS = {"max_position_embeddings": MAX_LENGTH + 1}
"""Positions are counted from the padding token's id + 1 on."""
LONGROPE = {
    "original_max_position_embeddings": SWITCH,
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "long_factor": [4.0] * 4,
        "short_factor": [1.0] * 4,
        "original_max_position_embeddings": SWITCH,
        "factor": 2.0,
    },
}
DOTS3 = {
    **DENSE_FIRST,
    "layer_types": ["indexed_attention", "sliding_attention"] * 2,
    "swa_num_attention_heads": 4,
    "swa_num_key_value_heads": 4,
    "swa_q_lora_rank": 16,
    "swa_kv_lora_rank": 16,
    "swa_head_dim": 16,
    "swa_qk_nope_head_dim": 8,
    "swa_v_head_dim": 8,
}
PHIMOE_LONGROPE = {
    "rope_parameters": {
        **LONGROPE["rope_parameters"],
        "short_mscale": 1.1,
        "long_mscale": 1.3,
    }
}
BLT_PART = {"sliding_window": WINDOW, "max_position_embeddings": 4 * MAX_LENGTH, "hidden_size_global": 32}

OWN = {
    "bailing_hybrid": {**DENSE_FIRST, "layer_types": ["linear_attention", "full_attention"] * 2},
    "bamba": {"attn_layer_indices": [1, 3]},
    "big_bird": {"attention_type": "original_full"},
    "blt": {
        "encoder_hash_byte_group_vocab": 97,
        "patcher_config": {**BLT_PART, "hidden_size": 32},
        "encoder_config": {**BLT_PART, "num_hidden_layers": 1},
        "decoder_config": {**BLT_PART, "num_hidden_layers": 2},
        "global_config": {"hidden_size": 32, "num_hidden_layers": 2, "num_key_value_heads": 4},
    },
    "camembert": PADDED_POSITIONS,
    "cohere": {"logit_scale": 0.5},
    "cohere2": {"logit_scale": 0.5},
    "cohere2_moe": {"logit_scale": 0.5, **DENSE_FIRST},
    "cohere_compass_text": {
        "logit_scale": 0.5,
        **MIXED,
        "rope_parameters": {
            name: {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
            for name in ("full_attention", "sliding_attention")
        },
    },
    "data2vec-text": PADDED_POSITIONS,
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2, "hidden_size": 32},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_v4": {
        "layer_types": ["heavily_compressed_attention", "compressed_sparse_attention"] * 2,
        "mlp_layer_types": ["hash_moe", "moe", "moe", "moe"],
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 8},
        "num_key_value_heads": 1,
        "index_topk": 2,
        "o_groups": 2,
    },
    "doge": {},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "max_window_layers": 2},
    "dots3_note_text": DOTS3,
    "dots3_note": {
        "vision_config": {
            "mlp_layer_types": ["dense"] * N_BLOCKS,
            "adapter_in_dim": 32,
            "adapter_out_dim": 32,
        },
        "audio_config": {"adapter_input_size": 32, "adapter_out_dim": 32, "downsample_hidden_size": 8},
        "text_config": DOTS3,
    },
    "exaone4": MIXED,
    "falcon_h1": {"mamba_d_ssm": 64, "embedding_multiplier": 2.0, "lm_head_multiplier": 0.5},
    "falcon_mamba": {"intermediate_size": 64},
    "flint": {"mlp_only_layers": [0], **MIXED},
    "fuyu": {"image_size": 4, "patch_size": 2, "text_config": {"head_dim": 8}},
    "gemma3n_text": {
        "num_kv_shared_layers": 0,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0, 0.0],
        **MIXED,
    },
    "gemma4_text": {
        "enable_moe_block": True,
        "num_experts": 4,
        "top_k_experts": 2,
        "moe_intermediate_size": 24,
    },
    "gemma4_assistant": {
        "text_config": {
            "model_type": "gemma4_text",
            "hidden_size_per_layer_input": 0,
            "vocab_size_per_layer_input": 0,
            "num_kv_shared_layers": N_BLOCKS,
        }
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "gpt_neox_japanese": {"intermediate_multiple_size": 2},
    "granite": {
        "residual_multiplier": 0.5,
        "logits_scaling": 3.0,
        "embedding_multiplier": 2.0,
        "attention_multiplier": 0.3,
    },
    "granite_swa": {**MIXED, "residual_multiplier": 0.5, "logits_scaling": 2.0},
    "granitemoe": {"residual_multiplier": 0.5, "logits_scaling": 2.0},
    "granitemoe_swa": {**MIXED, "residual_multiplier": 0.5},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba", "mamba"], "residual_multiplier": 0.5},
    "hunyuan_v1_moe": {"num_experts": 4, "moe_topk": 2},
    "hrm_text": {"head_dim": 8, "L_cycles": 2, "num_hidden_layers": 2},
    "hy_v4": {"indexer_types": ["full", "shared", "full", "shared"]},
    "inkling2_text": {"log_scaling_n_floor": TOP_K, "rel_extent": 16, "d_rel": 4},
    "inkling_text": {**DENSE_FIRST, "logits_mup_width_multiplier": 2.0, "rel_extent": 16, "d_rel": 4},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
    },
    "laguna": {**MIXED, "num_attention_heads_per_layer": [4, 8, 4, 8]},
    "lfm2": {**CONV, "block_auto_adjust_ff_dim": False},
    "lfm2_moe": CONV,
    "llama4": {"text_config": {"interleave_moe_layer_step": 2, "floor_scale": TOP_K, "attn_scale": 0.5}},
    "llama4_text": {"interleave_moe_layer_step": 2, "floor_scale": TOP_K, "attn_scale": 0.5},
    "longcat_flash": {"zero_expert_num": 2},
    "mamba": {"intermediate_size": 64},
    "mamba2": {"head_dim": 16},
    "mellum": {**MIXED, **DENSE_FIRST},
    "minimax": {"block_size": 16, "layer_types": ["linear_attention", "full_attention"] * 2},
    "minimax_m3_vl_text": {
        **DENSE_FIRST,
        "layer_types": ["full_attention", "minimax_m3_sparse"] * 2,
        "index_block_size": 4,
        "index_n_heads": 4,
        "index_topk_blocks": 2,
        "rotary_dim": 8,
    },
    "minicpm3": {"dim_model_base": 32, "scale_emb": 2},
    "ministral": MIXED,
    "mllama": {"text_config": {"cross_attention_layers": [1], "pad_token_id": 0}},
    "moss_transcribe_diarize": {"text_config": {"use_sliding_window": True, "max_window_layers": 2}},
    "nemotron_h": {"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"]},
    "phi3": {**LONGROPE, "sliding_window": None},
    "phi4_multimodal": LONGROPE,
    "phimoe": {"sliding_window": WINDOW},
    "prophetnet": {
        "num_encoder_layers": N_BLOCKS,
        "num_decoder_layers": N_BLOCKS,
        "num_encoder_attention_heads": 4,
        "num_decoder_attention_heads": 4,
        "max_position_embeddings": MAX_LENGTH + 2,
    },
    "qwen2": WINDOWS_LATER,
    "qwen2_moe": {**WINDOWS_LATER, "mlp_only_layers": [0]},
    "qwen3": WINDOWS_LATER,
    "qwen3_moe": {"mlp_only_layers": [0]},
    "qwen3_next": {"mlp_only_layers": [0]},
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": TOP_K,
        "indexer_compress_ratio": 4,
        "hc_lowrank": 8,
        "ple_layer_ids": [1],
        "ple_embed_dim": 32,
        "ngram_vocab_size_base": 97,
        "split_ngram_parts": 1,
        "eos_token_id": 2,
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {
        **AXIAL,
        "is_decoder": True,
        "attn_layers": ["local", "lsh", "local", "lsh"],
        "local_attn_chunk_length": CHUNK,
        "lsh_attn_chunk_length": CHUNK,
        "max_position_embeddings": 64,
    },
    "roberta": PADDED_POSITIONS,
    "roberta-prelayernorm": PADDED_POSITIONS,
    "roc_bert": {"pronunciation_vocab_size": 97, "shape_vocab_size": 97},
    "rwkv": {"rescale_every": 2},
    "smollm3": {"use_sliding_window": True, **MIXED},
    "xlm": {"causal": True},
    "xlm-roberta": PADDED_POSITIONS,
    "xlm-roberta-xl": PADDED_POSITIONS,
    "xlnet": {"attn_type": "uni"},
    "xlstm": {"qk_dim_factor": 1.0, "v_dim_factor": 1.0, "ffn_round_up_to_multiple_of": 8, "hidden_size": 64},
    "xmod": {**PADDED_POSITIONS, "languages": ["en_XX", "de_DE"], "default_language": "en_XX"},
    "zamba": {
        "num_hidden_layers": 6,
        "layers_block_type": ["mamba", "hybrid"] * 3,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "n_mamba_heads": 2,
        "use_mamba_kernels": False,
    },
    "zamba2": {
        "num_hidden_layers": 6,
        "layers_block_type": ["mamba", "hybrid"] * 3,
        "num_mem_blocks": 2,
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "adapter_rank": 4,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "num_key_value_heads": 4,
    },
    "zaya": {
        "num_experts_per_tok": 1,
        "layer_types": ["hybrid", "hybrid_sliding"] * 2,
        "router_hidden_size": 16,
    },
}
"""What a family needs beyond the rules: its model_type → attributes; a part's in a dict of the part's name."""
for _whole, _part in (
    ("gemma3n", "gemma3n_text"),
    ("gemma4", "gemma4_text"),
    ("qwen4_exp", "qwen4_exp_text"),
):
    OWN[_whole] = {"text_config": OWN[_part]}
OWN["gemma4_unified_assistant"] = {
    "text_config": OWN["gemma4_assistant"]["text_config"] | {"model_type": "gemma4_unified_text"}
}
