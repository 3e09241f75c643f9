"""A family of each kind of structure against lm-eval's own HFLM, and families that must not be measured.

Every family that transformers knows: test_every_family.py.
"""

import re
from pathlib import Path

import pytest
import torch

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.refusals import Reason
from cornerstone.system.errors import CornerstoneError
from families import FAMILIES, SHAPE, as_model, random_network
from family_structures import STRUCTURES, measured
from family_sweep import NAMES, loglikelihoods
from hand_table import NOT_BUILT, REFUSED, players_of, removed
from lm_eval_harness import harness, harness_loglikelihoods, sublayer_modules
from tiny_families import tiny_network
from token_documents import MAX_LENGTH, PAIRS, encoded, some_coalitions

PAGE = (Path(__file__).parents[2] / "docs" / "families.md").read_text()


@pytest.mark.parametrize("name", STRUCTURES)
def test_loglikelihoods_are_those_of_lm_eval(name):
    found = measured(name)
    assert found.worst < 1e-4
    # Else the claim would be empty: every removal must be felt far beyond that difference.
    assert found.felt > 0.1


@pytest.mark.parametrize("name", STRUCTURES)
def test_rows_and_kinds_of_sublayers_are_the_expected_ones(name):
    found = measured(name)
    assert found.rows == STRUCTURES[name]
    assert found.found == found.players


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_family_costs_more_than_its_rows_need(name):
    counts = measured(name).counts
    assert counts["evaluations"] == counts["least_evaluations"]


@pytest.mark.parametrize("name", ["gpt_neox_japanese", "bloom", "gemma4_text", "nemotron_h"])
def test_plain_forwards_of_one_row_say_what_lm_eval_says(name):
    """What test_every_family.py holds the engine against."""
    network = tiny_network(name)
    players = players_of(network, name)
    for numbers in [(), (0,), tuple(range(0, len(players), 2))]:
        lm = harness(network, max_length=MAX_LENGTH)
        wanted = harness_loglikelihoods(lm, players, PAIRS, [numbers], removed)[0]
        with removed(players, numbers):
            ours = [loglikelihoods(network, document) for document in encoded(PAIRS)]
        assert max(abs(a - b).max() for a, b in zip(ours, wanted, strict=True)) < 2e-5


@pytest.mark.parametrize("name", ["bart", "doge (experts)", "gemma3n_text", "rwkv", "xmod", "zamba2"])
def test_a_family_that_cannot_be_measured_is_refused_in_one_line_that_says_why(name):
    network = tiny_network(name)
    with pytest.raises(CornerstoneError) as refusal:
        evaluate(as_model(network, name), encoded(PAIRS), [()])
    message = str(refusal.value)
    assert "\n" not in message and type(network).__name__ in message
    assert Reason[REFUSED[name][0]].value in message


def test_the_page_of_families_has_all_of_them():
    """Each of its lines is tested by test_every_family.py."""
    tables = re.findall(r"^\| (.+?) \| .* \| (?:tree|plain) \| < 1e-4 \|$", PAGE, re.MULTILINE)
    refused = re.findall(r"^- (.+?): ", PAGE, re.MULTILINE)
    assert sorted([*tables, *refused]) == sorted([*NAMES, *NOT_BUILT])
    assert set(tables) & set(REFUSED) == set()


def test_tiny_models_are_the_same_each_time():
    first, second = tiny_network("jamba").state_dict(), tiny_network("jamba").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def largest_difference(result, wanted):
    """Between the engine's and lm-eval's [coalition][document][choice], nats."""
    return max(
        abs(ours[number] - theirs).max()
        for number, documents in enumerate(wanted)
        for ours, theirs in zip(result.loglikelihoods, documents, strict=True)
    )


def test_a_multimodal_model_whose_vision_tower_has_as_many_blocks_is_measured_by_its_text_decoder():
    text = FAMILIES["gemma3"].settings | SHAPE
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


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "gpt_oss"])
def test_a_model_that_was_trained_with_a_loss_of_its_routers_is_measured(name):
    """Its config.json says to give back what the routers say, of which there is nothing where no router runs."""
    network = tiny_network(name)
    network.config.output_router_logits = True
    players, result = players_of(network, name), evaluate(as_model(network, name), encoded(PAIRS), [(), (1,)])
    lm = harness(network, max_length=MAX_LENGTH)
    wanted = harness_loglikelihoods(lm, players, PAIRS, result.coalitions, removed)
    assert largest_difference(result, wanted) < 1e-4
