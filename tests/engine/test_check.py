"""The check before each job: what the engine cannot drive rightly is told from what it can, by numbers."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.samples import documents_at_lengths, extreme_documents, numbers_between
from cornerstone.engine.token_tree import tree_row
from cornerstone.system.errors import CornerstoneError
from families import as_model, family_network, random_network
from lm_eval_harness import harness, harness_loglikelihoods, sublayer_modules
from token_documents import MAX_LENGTH, PAIRS, encoded, some_coalitions, tokens

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
    assert largest_difference(result, one_by_one(network, PAIRS, result.coalitions)) < 1e-4


@pytest.mark.parametrize("factor", [index_in_batch, mean_over_batch])
def test_a_family_that_is_wrong_on_plain_rows_too_is_refused(factor):
    with pytest.raises(CornerstoneError) as caught:
        evaluate(as_model(broken_network(factor), "Broken"), encoded(PAIRS), [()])
    message = str(caught.value)
    assert "\n" not in message
    assert "Broken (LlamaForCausalLM) cannot be measured" in message
    assert "tree rows: off by" in message
    assert "plain rows: off by" in message


def test_a_family_that_looks_at_later_tokens_is_refused():
    with pytest.raises(
        CornerstoneError, match=r"Broken \(LlamaForCausalLM\) cannot be measured: it attends to later tokens"
    ):
        evaluate(as_model(broken_network(future), "Broken"), encoded(PAIRS), [()])


@pytest.mark.parametrize("block", [0, 1, 2])
def test_one_broken_block_of_any_place_is_caught(block):
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(as_model(broken_network(mean_over_batch, block)), encoded(PAIRS), [()])


def one_by_one(network, pairs, coalitions, blocks="model.layers", mixer=("self_attn",), feed_forward="mlp"):
    """lm-eval's log-likelihoods where no request shares a batch with another."""
    modules = sublayer_modules(network, blocks, mixer, feed_forward)
    return harness_loglikelihoods(harness(network, batch_size=1), modules, pairs, coalitions)


def largest_difference(result, wanted):
    """Between the engine's and lm-eval's [coalition][document][choice], nats."""
    return max(
        abs(ours[number] - theirs).max()
        for number, documents in enumerate(wanted)
        for ours, theirs in zip(result.loglikelihoods, documents, strict=True)
    )


@pytest.mark.parametrize("sizes", [(2, 4, 6), (3, 3, 3, 5)])
def test_a_family_that_looks_at_padding_is_given_none(sizes):
    # Each document's own rows are equally long: only documents that run together show it.
    pairs = [[([5, 6, 7] * size, [8, 9]), ([9, 6, 7] * size, [8, 9])] for size in sizes]
    network = broken_network(length_of_rows)
    for documents in (pairs, PAIRS):
        result = evaluate(as_model(network), encoded(documents), some_coalitions(6))
        assert largest_difference(result, one_by_one(network, documents, result.coalitions)) < 1e-4


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


# Lengths at which a model changes its ways


def longrope(seed=0):
    """Phi-3 whose rotary embeddings are others in sequences of more than 20 tokens, for their first tokens too."""
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "long_factor": [4.0] * 4,
        "short_factor": [1.0] * 4,
        "original_max_position_embeddings": 20,
    }
    settings = {"original_max_position_embeddings": 20, "rope_parameters": rope}
    return random_network("Phi3Config", settings, seed)


def sparse_attention():
    """DeepSeek-V3.2 whose attention chooses 12 tokens: which of equals it takes depends on the length of the row."""
    sizes = ("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    settings = dict.fromkeys(sizes, 8) | {
        "num_key_value_heads": 4,
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "index_topk": 12,
        "index_head_dim": 16,
        "index_n_heads": 2,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "mlp_layer_types": ["dense", "sparse", "sparse"],
    }
    return random_network("DeepseekV32Config", settings)


def documents_of(lengths, seed=3):
    """A document of two choices for each length in tokens, all with other tokens."""
    random = np.random.RandomState(seed)
    return [
        [(context := tokens(random, length - 2), tokens(random, 2)), (context, tokens(random, 2))]
        for length in lengths
    ]


@pytest.mark.parametrize("lengths", [(12, 31), (8, 16, 19, 20, 21, 22, 30), (30, 12, 33, 14, 35, 36, 16)])
@pytest.mark.parametrize("network", [longrope, sparse_attention])
def test_documents_on_both_sides_of_a_switch_are_as_alone(network, lengths):
    network = network()
    pairs = documents_of(lengths)
    result = evaluate(as_model(network), encoded(pairs), some_coalitions(6))
    assert largest_difference(result, one_by_one(network, pairs, result.coalitions)) < 1e-4


def test_a_document_whose_choices_lie_on_both_sides_is_as_alone():
    random = np.random.RandomState(7)
    context = tokens(random, 15)
    pairs = [[(context, tokens(random, count)) for count in (2, 5, 6, 7, 12)], *documents_of([10, 25])]
    network = longrope()
    result = evaluate(as_model(network), encoded(pairs), some_coalitions(6))
    assert result.counts["rows"] == "tree"
    assert largest_difference(result, one_by_one(network, pairs, result.coalitions)) < 1e-4


def test_rows_stay_trees_where_no_document_reaches_the_switch():
    result = evaluate(as_model(longrope()), encoded(documents_of([8, 12, 15])), [()])
    assert result.counts["rows"] == "tree"


def test_a_document_in_bfloat16_is_checked_in_float32(caplog):
    """A wrong switch moves log-likelihoods by nats, which bfloat16's own tolerance would take for rounding."""
    caplog.set_level(logging.INFO, logger="cornerstone")
    pairs = documents_of([12, 14, 31, 33])
    network = longrope().to(torch.bfloat16)
    result = evaluate(as_model(network), encoded(pairs), [()])
    assert any("in float32" in message for message in caplog.messages)
    wanted = one_by_one(network.float(), pairs, [()])
    assert largest_difference(result, wanted) < 0.5
    assert first_dtype(network) == torch.float32


def first_dtype(network):
    return next(network.parameters()).dtype


def test_weights_are_the_same_after_the_check():
    network = family_network("mixtral").to(torch.bfloat16)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    evaluate(as_model(network), encoded(PAIRS), [()])
    after = dict(network.named_parameters())
    assert before.keys() == after.keys()
    assert all(
        after[name].dtype == torch.bfloat16 and torch.equal(before[name], after[name]) for name in before
    )


# Which documents the check runs


def test_the_check_runs_a_real_tree_where_the_longest_documents_are_cut_from_the_left():
    """GPT-Neo's local band is over the index in the row: only a tree whose beginning is shared shows it."""
    random = np.random.RandomState(5)
    long, short = tokens(random, MAX_LENGTH + 9), tokens(random, 18)
    pairs = [
        [(long, tokens(random, count)) for count in (4, 6, 9)],
        [(short, tokens(random, count)) for count in (5, 6, 5)],
        [([4], [5]), ([4], [6])],
    ]
    network = family_network("gpt_neo")
    result = evaluate(as_model(network), encoded(pairs), some_coalitions(6))
    assert result.counts["rows"] == "plain"
    wanted = one_by_one(network, pairs, result.coalitions, "transformer.h", ("attn",))
    assert largest_difference(result, wanted) < 1e-4


def test_extreme_documents_have_the_longest_the_shortest_and_the_most_stretched():
    random = np.random.RandomState(2)
    shared = tokens(random, 20)
    pairs = [
        *documents_of([9, 30, 12, 15]),
        [(shared, tokens(random, 3)) for _ in range(5)],
    ]
    documents = encoded(pairs)
    chosen = [document.index for document in extreme_documents(documents)]
    assert {0, 1, 4} <= set(chosen)
    assert len(chosen) == len(set(chosen))


def test_both_sides_of_a_number_are_sampled_and_the_number_itself():
    documents = encoded(documents_of([9, 12, 21, 20, 22, 35]))
    lengths = {len(tree_row(0, one).tokens) for one in documents_at_lengths(documents, [20])}
    depths = {max(tree_row(0, one).depths) + 1 for one in documents_at_lengths(documents, [20])}
    assert {19, 20, 21} & depths and min(depths) < 20 < max(depths)
    assert min(lengths) < 20 < max(lengths)


def test_whole_numbers_are_found_wherever_they_stand_in_a_config():
    config = longrope().config
    assert 20 in numbers_between(config, 5, 36)
    assert 20 not in numbers_between(config, 5, 19)
    assert True not in numbers_between(config, 0, 0)
