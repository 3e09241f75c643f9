"""Streamed weights give exactly what resident ones give, for every family."""

import sys

import pytest
import torch
from safetensors.torch import load_file

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.walk import Walk
from cornerstone.system.errors import CornerstoneError
from families import FAMILIES, random_network
from seldom import only_some
from streamed_models import COALITIONS, DOCUMENTS, largest_difference, resident, save, streamed, tensors_of

EACH_TIME = ("llama", "mixtral", "gemma3", "falcon", "minimax", "qwen3_next")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_tensor_is_the_one_that_from_pretrained_gives(folder_of, name, dtype):
    whole = tensors_of(resident(folder_of(name), dtype).network)
    model = streamed(folder_of(name), dtype)
    model.weights.stay()
    found = tensors_of(model.network)
    assert found.keys() == whole.keys()
    for key, tensor in whole.items():
        assert (found[key].dtype, found[key].device) == (tensor.dtype, tensor.device), key
        assert torch.equal(found[key], tensor), key


@pytest.mark.parametrize("name", only_some(FAMILIES, EACH_TIME))
def test_every_family_gets_exactly_the_log_likelihoods_of_resident_weights(folder_of, name):
    expected = evaluate(resident(folder_of(name)), DOCUMENTS, COALITIONS)
    result = evaluate(streamed(folder_of(name)), DOCUMENTS, COALITIONS)
    assert largest_difference(result, expected) == 0
    assert result.counts["rows"] == expected.counts["rows"]
    assert result.counts["padded_evaluations"] == expected.counts["padded_evaluations"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_are_cast_as_when_they_are_resident(folder, dtype):
    expected = evaluate(resident(folder, dtype), DOCUMENTS, COALITIONS)
    assert largest_difference(evaluate(streamed(folder, dtype), DOCUMENTS, COALITIONS), expected) == 0


def test_the_files_hold_what_the_conversion_must_fuse(folder_of):
    """Else the families would not test it: each of Mixtral's experts has tensors of its own there."""
    stored = {name for path in folder_of("mixtral").glob("*.safetensors") for name in load_file(path)}
    assert "model.layers.2.block_sparse_moe.experts.3.w2.weight" in stored
    names = streamed(folder_of("mixtral")).weights.checkpoint.names[2]
    assert "model.layers.2.mlp.experts.down_proj" in names


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_that_is_the_embedding_stays_so(tmp_path, tied):
    folder = save(random_network("LlamaConfig", {"tie_word_embeddings": tied}), tmp_path)
    model = streamed(folder)
    head, embedding = model.network.get_output_embeddings(), model.network.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS)
    assert largest_difference(evaluate(model, DOCUMENTS, COALITIONS), expected) == 0


@pytest.mark.parametrize("design", [[()], [(0, 1, 2, 3, 4, 5)], [(2, 3)], [(0,), (2, 3, 5)]])
def test_blocks_without_any_sublayer_left_need_no_weights_and_get_the_same(folder, design):
    expected = evaluate(resident(folder), DOCUMENTS, design)
    assert largest_difference(evaluate(streamed(folder), DOCUMENTS, design), expected) == 0


@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 300_000])
def test_subtrees_and_small_batches_move_nothing(folder, memory_bytes):
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS)
    result = evaluate(streamed(folder), DOCUMENTS, COALITIONS, memory_bytes=memory_bytes)
    assert largest_difference(result, expected) < 2e-5
    assert result.counts["evaluations"] == expected.counts["evaluations"]


def test_several_batches_go_through_the_blocks_side_by_side(folder, monkeypatch):
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS, batch_tokens=60)
    lanes = []
    run = Walk.run
    monkeypatch.setattr(Walk, "run", lambda walk: lanes.append(len(walk.lanes)) or run(walk))
    monkeypatch.setitem(sys.modules["cornerstone.engine.budget"].CHUNK_TOKENS, "cpu", 60)
    result = evaluate(streamed(folder), DOCUMENTS, COALITIONS)
    assert max(lanes) > 1
    assert largest_difference(result, expected) < 2e-5
    assert result.counts["weight_passes"] == 1


def test_a_family_that_cannot_be_driven_is_refused_when_it_is_streamed_too(folder, monkeypatch):
    from transformers.models.llama.modeling_llama import LlamaAttention

    forward = LlamaAttention.forward

    def broken(self, hidden_states, *arguments, **settings):
        output, *rest = forward(self, hidden_states, *arguments, **settings)
        return output * (1 + output.mean(0, keepdim=True)), *rest

    monkeypatch.setattr(LlamaAttention, "forward", broken)
    with pytest.raises(CornerstoneError, match="cannot be measured"):
        evaluate(streamed(folder), DOCUMENTS, [()])
