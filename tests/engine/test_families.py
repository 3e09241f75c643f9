"""Every family against lm-eval's own HFLM, and the families that must not be measured."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from cornerstone.engine.evaluate import evaluate
from cornerstone.system.errors import CornerstoneError
from families import (
    FAMILIES,
    REFUSED,
    SHAPE,
    as_model,
    family_network,
    measured,
    random_network,
    refusal,
    table,
)
from lm_eval_harness import harness, harness_loglikelihoods, sublayer_modules
from token_documents import PAIRS, encoded, some_coalitions

TABLE = Path(__file__).parents[2] / "docs" / "families.md"


@pytest.mark.parametrize("name", FAMILIES)
def test_loglikelihoods_are_those_of_lm_eval(name):
    found = measured(name)
    assert found.worst < 1e-4
    # Else the claim would be empty: every removal must be felt far beyond that difference.
    assert found.spread > 0.01


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_and_kinds_of_sublayers_are_the_expected_ones(name):
    found = measured(name)
    assert found.rows == FAMILIES[name].rows
    assert found.kinds == FAMILIES[name].kinds


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_costs_more_than_its_rows_need(name):
    counts = measured(name).counts
    assert counts["evaluations"] == counts["least_evaluations"]


@pytest.mark.parametrize("name", REFUSED)
def test_families_that_cannot_be_driven_are_refused_in_one_line(name):
    message = refusal(name)
    assert "\n" not in message
    assert REFUSED[name][0].removesuffix("Config").removesuffix("Text") in message.replace("ForCausalLM", "")


def test_shared_keys_and_values_are_refused_whatever_the_family():
    settings = {
        "head_dim": 8,
        "num_kv_shared_layers": 1,
        "layer_types": ["full_attention"] * 3,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": 97,
    }
    with pytest.raises(CornerstoneError, match="shares keys and values between layers"):
        as_model(random_network("Gemma4TextConfig", settings))


def test_the_table_of_families_is_the_committed_one():
    assert TABLE.read_text() == table(), f"{TABLE} is out of date: python tests/families.py > {TABLE}"


def largest_difference(result, wanted):
    """Between the engine's and lm-eval's [coalition][document][choice], nats."""
    return max(
        abs(ours[number] - theirs).max()
        for number, documents in enumerate(wanted)
        for ours, theirs in zip(result.loglikelihoods, documents, strict=True)
    )


def test_a_multimodal_model_is_measured_by_its_text_decoder():
    text = FAMILIES["gemma3"].settings | SHAPE
    # As many blocks as the text decoder has.
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    settings = {
        "text_config": text,
        "vision_config": {**vision, "image_size": 28, "patch_size": 14},
        "mm_tokens_per_image": 1,
        "image_token_index": 90,
    }
    network = random_network("Gemma3Config", settings)
    model = as_model(network)
    assert [type(block.module).__name__ for block in model.blocks] == ["Gemma3DecoderLayer"] * 3
    result = evaluate(model, encoded(PAIRS), some_coalitions(6))
    modules = sublayer_modules(network, "model.language_model.layers", ("self_attn",), "mlp")
    wanted = harness_loglikelihoods(harness(network), modules, PAIRS, result.coalitions)
    assert largest_difference(result, wanted) < 1e-4


# Families broken on purpose


class Broken(nn.Module):
    """An attention whose output is multiplied by something that an attention must not depend on."""

    def __init__(self, attention, factor):
        super().__init__()
        self.attention = attention
        self.factor = factor

    def forward(self, hidden_states, **arguments):
        output, *rest = self.attention(hidden_states, **arguments)
        return (output * self.factor(output)).to(output.dtype), *rest


def broken_network(factor, block=1):
    network = family_network("llama")
    layer = network.model.layers[block]
    layer.self_attn = Broken(layer.self_attn, factor)
    return network


def index_in_sequence(output):
    """What the model means by a position, where rows are paths; wrong where they are trees."""
    return 1 + 0.1 * torch.arange(output.shape[1])[:, None]


def index_in_batch(output):
    return 1 + 0.1 * torch.arange(output.shape[0])[:, None, None]


def mean_over_batch(output):
    return 1 + output.mean(0, keepdim=True)


def length_of_rows(output):
    return 1 + 0.1 * output.shape[1]


def future(output):
    return 1 + output.mean(1, keepdim=True)


def test_a_family_that_is_wrong_on_tree_rows_falls_back_to_plain_rows(caplog):
    caplog.set_level(logging.INFO, logger="cornerstone")
    network = broken_network(index_in_sequence)
    result = evaluate(as_model(network, "Broken"), encoded(PAIRS), some_coalitions(6))
    assert result.counts["rows"] == "plain"
    assert any("Broken cannot use tree rows: off by" in message for message in caplog.messages)
    assert any("plain rows agree" in message for message in caplog.messages)
    modules = sublayer_modules(network, "model.layers", ("self_attn",), "mlp")
    wanted = harness_loglikelihoods(harness(network), modules, PAIRS, result.coalitions)
    assert largest_difference(result, wanted) < 1e-4


@pytest.mark.parametrize("factor", [index_in_batch, mean_over_batch, length_of_rows, future])
def test_a_family_that_is_wrong_on_plain_rows_too_is_refused(factor):
    with pytest.raises(CornerstoneError) as caught:
        evaluate(as_model(broken_network(factor), "Broken"), encoded(PAIRS), [()])
    message = str(caught.value)
    assert "\n" not in message
    assert "Broken (LlamaForCausalLM) cannot be measured" in message
    assert "tree rows: off by" in message
    assert "plain rows: off by" in message


@pytest.mark.parametrize("block", [0, 1, 2])
def test_one_broken_block_of_any_place_is_caught(block):
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(as_model(broken_network(mean_over_batch, block)), encoded(PAIRS), [()])


def test_a_family_that_looks_at_the_padding_of_a_batch_is_refused():
    # Each document's own rows are equally long: only documents that run together show it.
    pairs = [[([5, 6, 7] * size, [8, 9]), ([9, 6, 7] * size, [8, 9])] for size in (2, 4, 6)]
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(as_model(broken_network(length_of_rows)), encoded(pairs), [()], rows="plain")


def test_a_single_document_suffices_to_catch_it():
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(as_model(broken_network(index_in_batch)), encoded(PAIRS[:1]), some_coalitions(6))


def test_a_hidden_state_changed_between_blocks_is_refused():
    network = family_network("llama")
    network.model.layers[2].register_forward_pre_hook(lambda _, inputs: (2 * inputs[0], *inputs[1:]))
    with pytest.raises(CornerstoneError, match="changes the hidden state between its blocks"):
        evaluate(as_model(network), encoded(PAIRS), [()])


def test_a_broken_family_is_caught_in_bfloat16_too():
    network = broken_network(mean_over_batch).to(torch.bfloat16)
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(as_model(network), encoded(PAIRS), [()])
