"""Every family against lm-eval's own HFLM, and the families that must not be measured."""

from pathlib import Path

import pytest

from cornerstone.engine.evaluate import evaluate
from cornerstone.system.errors import CornerstoneError
from families import (
    FAMILIES,
    REFUSED,
    SHAPE,
    as_model,
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
