"""Pruned models, loaded by plain transformers and by lm-eval, are the originals with blocks or sublayers removed.

What a block without its sublayers does is decided here by hooks on modules that the hand table names.
"""

import json
import shutil
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from configurations import message_of
from cornerstone.engine.pruned_checkpoint import Original, prune_blocks, zero_sublayers
from cornerstone.models.pruned_folder import new_folder
from cornerstone.models.pruned_weights import size_of
from cornerstone.system.errors import CornerstoneError
from family_sweep import NAMES
from hand_table import MAY_BE_REFUSED, NOT_BUILT, REFUSED, layout, players_of, removed
from lm_eval_harness import harness, harness_loglikelihoods, word_tokenizer
from seldom import only_some
from tiny_families import auto_class, randomised, tiny_config, tiny_network
from token_documents import MAX_LENGTH, PAIRS

FAMILIES = (
    "llama",
    "llama (tied)",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3_moe",
    "qwen2_moe (all sparse)",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "opt",
    "bloom",
    "falcon",
    "deepseek_v3",
    "granitemoehybrid",
    "nemotron_h",
    "recurrent_gemma",
    "llama4_text",
    "qwen3_vl",
)
OTHER_BLOCKS = {
    "diffllama": "block 2 would differ as block 1 (self_attn.lambda_init: ",
    "jamba": "(rules in its config: attn_layer_offset, attn_layer_period, expert_layer_offset, expert_layer_period)",
    "opt (post-norm)": "block 1 changes the hidden state even without its sublayers",
    "gemma4_text": "block 1 changes the hidden state even without its sublayers",
}
WITH_ALL_BLOCKS = {
    *("beam", "bloom (normed residual)", "diffllama", "doge", "gemma4", "gemma4_text", "gemma4_text (dense)"),
    *(
        "gemma4_unified",
        "gemma4_unified_text",
        "jamba",
        "minicpm3",
        "minicpm3 (longrope)",
        "minimax",
        "openai-gpt",
    ),
    "opt (post-norm)",
}
"""Families of which the block 1 cannot be left out."""
NOT_LOADED = {"emu3"}
"""What AutoModelForCausalLM saves of it, it does not load: the config that is saved is that of the text decoder."""
EVERY_FAMILY = [name for name in NAMES if name not in {*REFUSED, *MAY_BE_REFUSED, *NOT_BUILT, *NOT_LOADED}]
TOKENS = torch.tensor([context + answer for context, answer in PAIRS[0]][:1])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of tiny models, in several files and in bfloat16, by family, each made once."""
    made = {}

    def folder_of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("model")
            tiny_network(name).to(torch.bfloat16).save_pretrained(folder, max_shard_size="40KB")
            word_tokenizer().save_pretrained(folder)
            assert len(list(folder.glob("*.safetensors"))) > 1
            made[name] = folder
        return made[name]

    return folder_of


def load(folder, name):
    """What plain transformers makes of a folder; no weight may be missing or left over."""
    network, about = auto_class(name).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(about[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return network.eval()


def numbers_in(network):
    """Of parameters, each counted once, and of the few buffers that are saved with them (a router's correction)."""
    parameters = sum(weights.numel() for weights in network.parameters())
    saved = set(network.state_dict()) & {name for name, _ in network.named_buffers()}
    return parameters + sum(network.get_buffer(name).numel() for name in saved)


def logits(network):
    with torch.inference_mode():
        return network(input_ids=TOKENS, use_cache=False).logits


def input_returned(network, name, numbers):
    """Blocks of plain transformers return their input."""

    def hook(module, args, kwargs, output):
        hidden = args[0] if args else kwargs["hidden_states"]
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    stack = ExitStack()
    for number in numbers:
        block = network.get_submodule(layout(name).blocks)[number]
        stack.callback(block.register_forward_hook(hook, with_kwargs=True).remove)
    return stack


def original(folder, name):
    network = auto_class(name).from_pretrained(folder, dtype=torch.float32)
    words = {"attn": "Attn", "ffn": "FFN", "moe": "MoE", "mamba": "Mamba", "conv": "Conv", "rglru": "RG-LRU"}
    players = players_of(network, name)
    labels = [f"{words.get(player.kind, 'PLE')} {player.block}" for player in players]
    return network.eval(), players, Original(folder, name, labels)


def check_without_blocks(folder, target, name, dropped):
    """Prune and compare with plain transformers, whose blocks return their input or have their sublayers removed."""
    network, players, asked = original(folder, name)
    with new_folder(target) as unfinished:
        prune_blocks(asked, unfinished, dropped)
    pruned = load(target, name)
    with input_returned(network, name, dropped):
        expected = logits(network)
    assert torch.allclose(logits(pruned), expected, atol=1e-4)
    assert not torch.allclose(logits(network), expected, atol=1e-2)
    with removed(players, [number for number, player in enumerate(players) if player.block in dropped]):
        assert torch.allclose(logits(network), expected, atol=1e-4)
    assert size_of(target).parameters == numbers_in(pruned)


def check_zeros(folder, target, name):
    """Zero the first and the last sublayer, and compare with plain transformers that has them removed."""
    network, players, asked = original(folder, name)
    some = [0, len(players) - 1]
    with new_folder(target) as unfinished:
        zero_sublayers(asked, unfinished, some)
    with removed(players, some):
        expected = logits(network)
    assert torch.allclose(logits(load(target, name)), expected, atol=1e-4)
    assert not torch.allclose(logits(network), expected, atol=1e-2)
    assert size_of(target) == size_of(folder)


@pytest.mark.parametrize("dropped", [(1,), (0, 2)], ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_without_blocks_it_is_the_model_whose_blocks_return_their_input(saved, tmp_path, name, dropped):
    check_without_blocks(saved(name), tmp_path / "new", name, dropped)


@pytest.mark.parametrize("name", only_some(FAMILIES, ("llama", "qwen3_moe", "gemma3_text", "gpt2")))
def test_zeros_are_the_removal_of_sublayers_at_the_same_size(saved, tmp_path, name):
    check_zeros(saved(name), tmp_path / "new", name)


@pytest.mark.families
@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_every_family_is_pruned_rightly_or_refused(saved, tmp_path, name):
    check_zeros(saved(name), tmp_path / "zeros", name)
    try:
        check_without_blocks(saved(name), tmp_path / "new", name, (1,))
    except CornerstoneError as error:
        assert name in WITH_ALL_BLOCKS, error
    else:
        assert name not in WITH_ALL_BLOCKS


@pytest.mark.parametrize("name", OTHER_BLOCKS)
def test_a_model_of_which_blocks_cannot_be_left_out_is_refused_and_its_sublayers_zeroed(
    saved, tmp_path, name
):
    network, players, asked = original(saved(name), name)

    def prune():
        with new_folder(tmp_path / "new") as folder:
            prune_blocks(asked, folder, (1,))

    said = message_of(prune)
    assert OTHER_BLOCKS[name] in said
    assert said.endswith("remove sublayers in place of blocks (…-sublayers), which keeps all blocks")
    assert not (tmp_path / "new").exists()
    with new_folder(tmp_path / "new") as folder:
        zero_sublayers(asked, folder, (1,))
    with removed(players, [1]):
        assert torch.allclose(logits(load(tmp_path / "new", name)), logits(network), atol=1e-4)


def test_blocks_that_predict_further_ahead_go_with_the_pruned_ones(saved, tmp_path):
    """DeepSeek-V3 has one after its last block; transformers does not load it, and knows it by its number alone."""
    network, _, asked = original(saved("deepseek_v3"), "deepseek_v3")
    assert network.config.num_hidden_layers == 4
    further = shutil.copytree(saved("deepseek_v3"), tmp_path / "further")
    stored = {name: one for path in further.glob("*.safetensors") for name, one in load_file(path).items()}
    more = {
        name.replace(".3.", ".4.", 1): one.clone()
        for name, one in stored.items()
        if "model.layers.3." in name
    }
    for path in further.glob("model*"):
        path.unlink()
    save_file(stored | more, further / "model.safetensors", {"format": "pt"})
    config = json.loads((further / "config.json").read_text())
    (further / "config.json").write_text(json.dumps(config | {"num_nextn_predict_layers": 1}))
    with new_folder(tmp_path / "new") as folder:
        prune_blocks(Original(further, "further", asked.labels), folder, [1])
    with input_returned(network, "deepseek_v3", [1]):
        assert torch.allclose(logits(load(tmp_path / "new", "deepseek_v3")), logits(network), atol=1e-4)


def test_lm_eval_says_of_the_pruned_folder_what_it_says_of_the_model_without_the_blocks(saved, tmp_path):
    from lm_eval.models.huggingface import HFLM

    network, _, asked = original(saved("gemma3_text"), "gemma3_text")
    with new_folder(tmp_path / "new") as folder:
        prune_blocks(asked, folder, [1])
    settings = {"dtype": "float32", "device": "cpu", "softmax_dtype": "float32", "batch_size": 8}
    lm = HFLM(pretrained=str(tmp_path / "new"), max_length=MAX_LENGTH, **settings)
    (ours,) = harness_loglikelihoods(lm, [], PAIRS, [()])
    with input_returned(network, "gemma3_text", [1]):
        (theirs,) = harness_loglikelihoods(harness(network, max_length=MAX_LENGTH), [], PAIRS, [()])
    assert np.abs(np.concatenate(ours) - np.concatenate(theirs)).max() < 1e-4


def test_another_model_than_the_rankings_is_refused(saved, tmp_path):
    other = Original(saved("llama"), "llama", ["Attn 0", "FFN 0"])
    assert "has 8 sublayers, Attn 0 to FFN 3, and its evaluations have 2" in message_of(
        prune_blocks, other, tmp_path, [0]
    )


OLD_CONFIGS = {
    "gemma2": ("layer_types", {}),
    "gemma3_text": ("layer_types _sliding_window_pattern", {"sliding_window_pattern": 2}),
    "qwen2": ("layer_types", {}),
    "qwen2_moe": ("layer_types", {}),
    "cohere2": ("layer_types", {"sliding_window_pattern": 2}),
    "qwen3_next": ("layer_types", {"full_attention_interval": 4}),
    "llama4_text": ("layer_types moe_layers no_rope_layers", {"no_rope_layer_interval": 2}),
    "smollm3": ("layer_types no_rope_layers", {"no_rope_layer_interval": 2}),
    "gpt_neo": ("attention_layers layer_types", {}),
    "exaone4": ("layer_types", {"sliding_window_pattern": 2}),
    "lfm2": ("layer_types", {"full_attn_idxs": [1]}),
    "nemotron_h": ("layers_block_type layer_types", {"hybrid_override_pattern": "ME*-"}),
    "granitemoehybrid": ("layers_block_type", {}),
}
"""Keys of today's config.json that older ones, as the hub has them, do not have, and what these say in their place."""


@pytest.mark.parametrize("dropped", [(1,), (0, 2)], ids=str)
@pytest.mark.parametrize("name", OLD_CONFIGS)
def test_older_configs_that_say_less_are_understood(saved, tmp_path, name, dropped):
    folder = shutil.copytree(saved(name), tmp_path / "old")
    left_out, said = OLD_CONFIGS[name]
    config = json.loads((folder / "config.json").read_text())
    old = {key: value for key, value in config.items() if key not in left_out.split()} | said
    (folder / "config.json").write_text(json.dumps(old))
    check_without_blocks(folder, tmp_path / "new", name, dropped)


def test_an_moe_in_every_second_block_becomes_a_list_of_the_others(tmp_path):
    config = tiny_config("qwen3_moe")
    config.decoder_sparse_step, config.mlp_only_layers = 2, []
    network = randomised(auto_class("qwen3_moe").from_config(config, dtype=torch.float32))
    network.save_pretrained(tmp_path / "model")
    word_tokenizer().save_pretrained(tmp_path / "model")
    check_without_blocks(tmp_path / "model", tmp_path / "new", "qwen3_moe", (0,))
    new = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (new["decoder_sparse_step"], new["mlp_only_layers"]) == (1, [1])
