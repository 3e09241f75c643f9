"""Sublayers that are whole: every weight of a block is in one of them, and gone when it is removed.

The proof knows no names: weights are changed, and what the network says changes or does not.
"""

import numpy as np
import pytest
import torch

from cornerstone.loading.sublayers import find_blocks
from hand_table import players_of, removed, weights_of
from tiny_families import tiny_network

# A family of each kind of structure, and what its sublayers are called.
KINDS = {
    "llama": ["attn ffn"] * 4,
    "mixtral": ["attn moe"] * 4,
    "opt": ["attn ffn"] * 4,
    "bloom": ["attn ffn"] * 4,
    "mpt": ["attn ffn"] * 4,
    "dbrx": ["attn moe"] * 4,
    "jetmoe": ["attn moe"] * 4,
    "granitemoeshared": ["attn moe"] * 4,
    "granitemoehybrid": ["mamba moe", "attn moe"] * 2,
    "lfm2": ["conv ffn", "attn ffn"] * 2,
    "jamba": ["mamba ffn", "attn moe"] * 2,
    "falcon_h1": ["mamba attn ffn"] * 4,
    "gemma4_text": ["attn moe ple"] * 4,
    "recurrent_gemma": ["rglru ffn", "attn ffn"] * 2,
    "mamba2": ["mamba"] * 4,
    "nemotron_h": ["mamba", "moe", "attn", "ffn"],
    "qwen2_moe": ["attn moe"] * 4,
    "qwen3_next": ["attn moe"] * 4,
}
TOKENS = torch.arange(3, 15)[None]


@pytest.fixture(params=KINDS)
def family(request):
    network = tiny_network(request.param)
    return request.param, network, players_of(network, request.param)


@torch.inference_mode()
def logits(network):
    return network(input_ids=TOKENS, use_cache=False).logits


class changed:
    """Weights are others within this; afterwards they are as before."""

    def __init__(self, weights):
        self.weights = weights

    def __enter__(self):
        self.before = [weight.clone() for weight in self.weights]
        random = np.random.RandomState(1)
        for weight in self.weights:
            weight.data += 0.5 * torch.from_numpy(random.standard_normal(tuple(weight.shape))).float()

    def __exit__(self, *_):
        for weight, before in zip(self.weights, self.before, strict=True):
            weight.data.copy_(before)


def test_the_hand_table_is_whole_by_changing_weights(family):
    name, network, players = family
    blocks = {
        player.block: [n for n, p in enumerate(players) if p.block == player.block] for player in players
    }
    for numbers in blocks.values():
        with removed(players, numbers):
            bare = logits(network)
            with changed([weight for number in numbers for weight in weights_of(players[number])]):
                assert torch.equal(logits(network), bare), name
        for number in numbers:
            with removed(players, [number]):
                without = logits(network)
                with changed(weights_of(players[number])):
                    assert torch.equal(logits(network), without), (name, number)
                for other in set(numbers) - {number}:
                    with changed(weights_of(players[other])):
                        assert not torch.allclose(logits(network), without, atol=1e-3), (name, number, other)


def test_every_weight_of_a_block_is_in_one_sublayer_of_the_hand_table(family):
    name, network, players = family
    blocks = find_blocks(network)
    for number, block in enumerate(blocks):
        held = [id(w) for player in players if player.block == number for w in weights_of(player)]
        assert len(held) == len(set(held))
        assert set(held) == {id(w) for w in block.module.parameters() if w.ndim >= 2}, name


def test_the_finder_finds_what_the_hand_table_has(family):
    name, network, players = family
    blocks = find_blocks(network)
    assert [" ".join(s.kind for s in block.sublayers) for block in blocks] == KINDS[name]
    found = [set(parts) for block in blocks for parts in block.parts]
    assert found == [set(player.modules) for player in players]


@pytest.mark.parametrize("name", ["opt", "bloom", "falcon_h1", "gemma4_text"])
def test_every_removal_is_felt(name):
    network = tiny_network(name)
    players = players_of(network, name)
    full = logits(network).log_softmax(-1)
    for number in range(len(players)):
        with removed(players, [number]):
            assert float((logits(network).log_softmax(-1) - full).abs().max()) > 0.1
