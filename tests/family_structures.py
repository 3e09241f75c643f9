"""A family of each kind of structure: what `make test` runs of the sweep over all of them."""

STRUCTURES = {
    "bamba": "plain",
    "biogpt": "tree",
    "bloom": "plain",
    "dbrx": "tree",
    "falcon_h1": "plain",
    "gemma4_text": "tree",
    "granitemoehybrid": "plain",
    "granitemoehybrid (dense)": "plain",
    "granitemoeshared": "tree",
    "jamba": "plain",
    "jetmoe": "tree",
    "lfm2_moe": "plain",
    "llama": "tree",
    "mamba": "plain",
    "mamba2": "plain",
    "minimax": "plain",
    "mpt": "plain",
    "nemotron_h": "plain",
    "opt": "tree",
    "opt (post-norm)": "tree",
    "qwen2_moe": "tree",
    "qwen3_next": "plain",
    "recurrent_gemma": "plain",
}
"""Of each the rows that its documents become."""
