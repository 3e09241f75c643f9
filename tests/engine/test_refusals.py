"""A model that cannot be measured is refused in one line, for one of a closed list of reasons: a test for each."""

import pytest
import torch
from torch import nn

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.refusals import Reason
from cornerstone.system.errors import CornerstoneError
from families import as_model, family_network, random_network
from tiny_families import tiny_network
from token_documents import PAIRS, encoded

LONGER = [[(list(range(3, length)), [5, 6]), (list(range(3, length)), [7])] for length in (26, 33)]
DOCUMENTS = encoded([*PAIRS, *LONGER])
WIDTH = 32


def llama():
    return family_network("llama")


def without_blocks():
    network = llama()
    network.model.layers = nn.ModuleList(list(network.model.layers)[:2])  # the config says 3
    return network


def with_an_unknown_part():
    network = llama()
    network.model.layers[1].engram = nn.Linear(WIDTH, WIDTH)
    return network


def with_two_ffns():
    network = llama()
    network.model.layers[1].feed_forward = network.model.layers[0].mlp.__class__(network.config)
    return network


def with_shared_keys():
    network = llama()
    network.config.num_kv_shared_layers = 1
    return network


def with_shared_weights():
    network = llama()
    network.model.layers[2].mlp = network.model.layers[0].mlp
    return network


def with_several_streams():
    network = llama()
    network.config.hc_mult = 4
    return network


def with_a_change_between_blocks():
    network = llama()
    network.model.layers[2].register_forward_pre_hook(lambda _, inputs: (2 * inputs[0], *inputs[1:]))
    return network


class HoldsTheResidual(nn.Module):
    def __init__(self, ffn, norm):
        super().__init__()
        self.ffn, self.norm = ffn, norm

    def forward(self, hidden):
        return self.norm(hidden + self.ffn(hidden))


def with_the_residual_in_its_ffn():
    network = llama()
    layer = network.model.layers[1]
    layer.mlp = HoldsTheResidual(layer.mlp, nn.LayerNorm(WIDTH))
    run = layer.forward

    def forward(hidden, **rest):
        return layer.mlp(layer.self_attn(layer.input_layernorm(hidden), **rest)[0] + hidden)

    layer.forward = forward
    assert run is not forward
    return network


def with_weights_used_twice():
    network = llama()
    layer = network.model.layers[1]
    run = layer.forward
    layer.forward = lambda hidden, **rest: (
        run(hidden, **rest) + hidden @ layer.mlp.down_proj.weight[:, :WIDTH]
    )
    return network


def with_an_ffn_that_runs_twice():
    network = llama()
    layer = network.model.layers[1]
    run = layer.forward
    layer.forward = lambda hidden, **rest: run(hidden, **rest) + layer.mlp(hidden)
    return network


def that_looks_ahead():
    network = llama()
    attention = network.model.layers[1].self_attn
    run = attention.forward

    def forward(*args, **rest):
        output, *others = run(*args, **rest)
        return output + output.mean(1, keepdim=True), *others

    attention.forward = forward
    return network


def that_remembers_lengths():
    rope = {
        "rope_type": "dynamic",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 20,
    }
    return random_network("LlamaConfig", {"rope_parameters": rope, "max_position_embeddings": 20})


def with_code_that_fails():
    network = llama()

    def forward(*args, **rest):
        raise ValueError("first line\nthe reason")

    network.model.layers[1].self_attn.forward = forward
    return network


def without_logits():
    network = llama()
    run = network.forward
    network.forward = lambda **inputs: tuple(run(**inputs).values())
    return network


def that_disagrees():
    network = llama()
    attention = network.model.layers[1].self_attn
    run = attention.forward

    def forward(*args, **rest):
        output, *others = run(*args, **rest)
        return output * (1 + output.mean(0, keepdim=True)), *others

    attention.forward = forward
    return network


REFUSED = {
    Reason.NO_BLOCKS: (without_blocks, "3 blocks"),
    Reason.NO_PLAYER: (with_an_unknown_part, "block 1 has engram"),
    Reason.SEVERAL_PLAYERS: (with_two_ffns, "block 1 has mlp, feed_forward"),
    Reason.CROSS_ATTENTION: (lambda: tiny_network("bart"), "encoder_attn"),
    Reason.SHARED_KEYS: (with_shared_keys, "num_kv_shared_layers is 1"),
    Reason.SHARED_WEIGHTS: (with_shared_weights, "mlp.gate_proj.weight of block 2 is also in block 0"),
    Reason.SEVERAL_STREAMS: (with_several_streams, "hc_mult is 4"),
    Reason.BETWEEN_BLOCKS: (with_a_change_between_blocks, "before block 2"),
    Reason.PASSED_ON: (lambda: tiny_network("zaya"), "block 1 is given what block 0 made"),
    Reason.NO_RESIDUAL: (with_the_residual_in_its_ffn, "FFN 1 removed"),
    Reason.NOT_WHOLE: (with_weights_used_twice, "mlp.down_proj.weight of block 1"),
    Reason.ORDER: (with_an_ffn_that_runs_twice, "block 1 runs Attn 1, FFN 1, FFN 1"),
    Reason.NOT_CAUSAL: (that_looks_ahead, "another last token"),
    Reason.HISTORY: (that_remembers_lengths, "tokens after"),
    Reason.OWN_CODE_FAILS: (with_code_that_fails, "the reason"),
    Reason.NO_LOGITS: (without_logits, "tuple"),
    Reason.DISAGREES: (that_disagrees, "plain rows: off by"),
}


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_is_given_where_it_holds(reason):
    make, detail = REFUSED[reason]
    with pytest.raises(CornerstoneError) as caught:
        evaluate(as_model(make(), "mine"), DOCUMENTS, [(), (0,)])
    message = str(caught.value)
    assert reason.value in message
    assert detail in message
    assert message.startswith("mine (") and "cannot be measured" in message
    assert "\n" not in message


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_that_was_refused_is_as_it_was(dtype):
    network = that_disagrees().to(dtype)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    forwards = {name: module.forward for name, module in network.named_modules()}
    with pytest.raises(CornerstoneError):
        evaluate(as_model(network), DOCUMENTS, [()])
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())
    assert {name: module.forward for name, module in network.named_modules()} == forwards
