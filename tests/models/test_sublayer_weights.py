"""The parameters of each sublayer by the headers of the files, against the modules of the loaded network."""

import pytest

from cornerstone.models.facts import weights_of_sublayers
from families import as_model
from tiny_families import tiny_network

FAMILIES = (
    "llama",
    "mixtral",
    "gemma2",
    "gpt2",
    "bloom",
    "opt",
    "qwen2_moe",
    "gpt_neox",
    "falcon",
    "phi",
    "olmo2",
)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_sublayer_has_the_parameters_of_its_modules(name, tmp_path):
    network = tiny_network(name)
    network.save_pretrained(tmp_path)
    sublayers = [
        (sublayer.label, parts)
        for block in as_model(network, name).blocks
        for sublayer, parts in zip(block.sublayers, block.parts, strict=True)
    ]
    found = weights_of_sublayers(tmp_path, [label for label, _ in sublayers])
    expected = {
        label: sum(p.numel() for module in parts for p in module.parameters()) for label, parts in sublayers
    }
    assert found.numbers == expected
    assert found.all_numbers == sum(p.numel() for p in network.parameters())
    assert all(0 < found.active[label] <= found.numbers[label] for label in expected)
    assert sum(found.active.values()) < found.all_active


def test_of_routed_experts_a_token_is_multiplied_with_some(tmp_path):
    network = tiny_network("mixtral")
    network.save_pretrained(tmp_path)
    labels = [sublayer.label for block in as_model(network, "mixtral").blocks for sublayer in block.sublayers]
    found, config = weights_of_sublayers(tmp_path, labels), network.config
    experts = 3 * config.hidden_size * config.intermediate_size
    router = config.hidden_size * config.num_local_experts
    assert found.active[labels[1]] == router + config.num_experts_per_tok * experts


MIXTURES = (
    *("dbrx", "granitemoe", "granitemoeshared", "jetmoe", "ernie4_5_moe", "aria_text", "hunyuan_v1_moe"),
    *("bailing_hybrid", "kimi_linear", "gemma4_text", "deepseek_v3", "qwen3_moe", "gpt_oss"),
)


@pytest.mark.parametrize("name", MIXTURES)
def test_of_each_familys_experts_a_token_is_multiplied_with_two_of_four(name, tmp_path):
    """Whatever the family calls their numbers, and whether they are stacked in one tensor or not."""
    network = tiny_network(name)
    network.save_pretrained(tmp_path)
    labels = [sublayer.label for block in as_model(network, name).blocks for sublayer in block.sublayers]
    found = weights_of_sublayers(tmp_path, labels)
    mixtures = [label for label in labels if label.startswith("MoE")]
    assert mixtures
    for label in mixtures:
        routed = 2 * (found.numbers[label] - found.active[label])
        assert 0.5 * found.numbers[label] < routed <= found.numbers[label]
        assert routed % 4 == 0  # four experts of one size
