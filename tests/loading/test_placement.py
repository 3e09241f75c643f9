"""Loading refuses what is wrong alike for streamed and resident weights, and says where the weights are and why."""

import logging

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading import load as models
from cornerstone.loading.checkpoint import Checkpoint, block_bytes
from cornerstone.loading.load import DTYPES, load_model
from cornerstone.system.errors import CornerstoneError
from families import family_network, random_network
from lm_eval_harness import word_tokenizer
from streamed_models import (
    COALITIONS,
    DOCUMENTS,
    Seen,
    largest_difference,
    resident,
    save,
    streamed,
    tensors_of,
)


def edit(folder, change):
    """Change the tensors of a checkpoint in one file."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def one_file(tmp_path):
    family_network("mixtral").save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["model.layers.1.self_attn.q_proj.weight", "model.norm.weight", "model.embed_tokens.weight"]
)
def test_a_missing_tensor_is_named_as_with_resident_weights(one_file, name):
    edit(one_file, lambda tensors: tensors.pop(name))
    for load in (resident, streamed):
        with pytest.raises(CornerstoneError, match=f"lack 1 of the model's tensors, {name} first"):
            load(one_file)


@pytest.mark.parametrize(
    "name", ["model.layers.1.block_sparse_moe.experts.2.w1.weight", "model.layers.1.self_attn.q_proj.weight"]
)
def test_a_tensor_of_another_shape_is_refused_as_with_resident_weights(one_file, name):
    edit(one_file, lambda tensors: tensors.update({name: tensors[name][:-1].clone()}))
    told = []
    for load in (resident, streamed):
        with pytest.raises(CornerstoneError, match=r"config\.json") as caught:
            load(one_file)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_weights_that_blocks_share_are_refused(one_file, monkeypatch):
    tied = {"model.layers.2.mlp.gate.weight": "model.layers.1.mlp.gate.weight"}
    monkeypatch.setattr(
        transformers.MixtralForCausalLM, "get_expanded_tied_weights_keys", lambda *_, **__: tied
    )
    with pytest.raises(CornerstoneError, match=r"shares .*between its blocks.*placement: resident"):
        streamed(one_file)


def test_loading_reads_no_block(folder, monkeypatch):
    seen = Seen(monkeypatch)
    model = streamed(folder)
    assert not seen.numbers
    assert model.dtype == "float32" and model.device == torch.device("cpu")
    assert model.weights.sizes == [
        block_bytes(model.network, names) for names in model.weights.checkpoint.names
    ]


def load_with_free_memory(monkeypatch, folder, free, placement="auto"):
    monkeypatch.setattr(models, "free_memory", lambda device: free)
    return load_model(folder, placement=placement, device="cpu")


def test_auto_streams_what_does_not_fit_and_says_why(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="cornerstone")
    folder = save(random_network("LlamaConfig", {"num_hidden_layers": 6}), tmp_path)
    needed = models.weight_bytes(folder, torch.float32)
    assert load_with_free_memory(monkeypatch, folder, 2 * needed).weights is None
    assert load_with_free_memory(monkeypatch, folder, needed - 1).weights is not None
    # Room for the weights and for nothing else is no room.
    assert load_with_free_memory(monkeypatch, folder, needed + 1).weights is not None
    first, second, _ = caplog.messages
    assert first == "resident: the weights need 0.0 GB as float32, 0.0 GB are free on cpu"
    assert second.startswith("streamed: the weights need ")


def test_resident_weights_that_do_not_fit_are_refused_with_both_numbers_and_a_way_out(folder, monkeypatch):
    needed = models.weight_bytes(folder, torch.float32)
    assert load_with_free_memory(monkeypatch, folder, needed, "resident").weights is None
    with pytest.raises(
        CornerstoneError,
        match=r"need .* GB as float32, and .* GB are free on cpu: choose placement: streamed",
    ):
        load_with_free_memory(monkeypatch, folder, needed - 1, "resident")


def test_a_device_without_room_for_a_few_blocks_is_refused(folder, monkeypatch):
    """What the check takes, too: a place to read into, and copies of the first block and the middle one."""
    weights = streamed(folder).weights
    enough = weights.outside_bytes + weights.checkpoint.place_size + 2 * max(weights.sizes)
    assert load_with_free_memory(monkeypatch, folder, enough).weights is not None
    with pytest.raises(CornerstoneError, match=r"need .* GB even when they are streamed .* free on cpu"):
        load_with_free_memory(monkeypatch, folder, enough - 1)


@pytest.mark.parametrize("name", ["llama", "mixtral", "gpt2"])
def test_a_gpu_gets_resident_weights_block_by_block(folder_of, name, monkeypatch):
    """Here main memory stands for the GPU's."""
    expected = evaluate(resident(folder_of(name)), DOCUMENTS, COALITIONS)
    seen = Seen(monkeypatch)
    model = as_on_a_gpu(monkeypatch, folder_of(name))
    assert seen.numbers == [0, 1, 2]
    assert model.weights is None
    assert not any(tensor.is_meta for tensor in tensors_of(model.network).values())
    assert largest_difference(evaluate(model, DOCUMENTS, COALITIONS), expected) == 0


def test_weights_that_no_block_can_be_read_of_go_to_a_gpu_as_a_whole(folder, monkeypatch):
    def refuse(checkpoint):
        raise CornerstoneError("its blocks share weights")

    monkeypatch.setattr(Checkpoint, "refuse_shared_between_blocks", refuse)
    model = as_on_a_gpu(monkeypatch, folder)
    assert model.weights is None
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS)
    assert largest_difference(evaluate(model, DOCUMENTS, COALITIONS), expected) == 0


def as_on_a_gpu(monkeypatch, folder):
    """Loaded with resident weights as onto a GPU, but into main memory."""

    class Device:
        type = "cuda"

    monkeypatch.setattr(models, "pick_device", lambda device: Device())
    monkeypatch.setattr(models, "free_memory", lambda device: 1 << 40)
    for name in ("_load_streamed", "_load_whole"):
        load = getattr(models, name)
        monkeypatch.setattr(
            models,
            name,
            lambda folder, dtype, device, *rest, load=load: load(folder, dtype, torch.device("cpu"), *rest),
        )
    return load_model(folder)


def test_a_placement_that_is_none_is_refused(folder):
    with pytest.raises(CornerstoneError, match="placement 'disk' is not known: choose one of auto"):
        load_model(folder, placement="disk")


def test_the_weights_bytes_are_those_of_the_network(folder_of):
    for name in ("llama", "mixtral"):
        network = resident(folder_of(name)).network
        for dtype in DTYPES.values():
            wanted = sum(p.numel() for p in network.parameters()) * dtype.itemsize
            assert models.weight_bytes(folder_of(name), dtype) == wanted
