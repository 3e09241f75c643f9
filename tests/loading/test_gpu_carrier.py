"""A GPU's way to streamed blocks, with main memory in the place of the GPU's."""

from contextlib import nullcontext

import pytest
import torch

from cornerstone.engine.evaluate import evaluate
from cornerstone.loading import gpu_carrier
from cornerstone.loading.checkpoint import ALIGNMENT
from streamed_models import COALITIONS, DOCUMENTS, largest_difference, resident, streamed


@pytest.fixture
def carried(monkeypatch):
    """A GPU's way, with main memory in the place of the GPU's: its places are used in turn, as there."""
    monkeypatch.setattr(gpu_carrier, "pinned_bytes", lambda size: torch.empty(size, dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: type("S", (), {"synchronize": lambda s: None})())
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)

    def carry(model, room):
        carrier = gpu_carrier.GpuCarrier(model.weights.checkpoint, torch.device("cpu"))
        carrier.room = room
        model.weights._carrier = carrier
        return carrier

    return carry


@pytest.mark.parametrize("name", ["llama", "mixtral", "gemma3", "gpt_neo"])
@pytest.mark.parametrize("blocks_kept", [0, 2, 3])
def test_blocks_in_two_places_in_turn_give_the_same(folder_of, carried, name, blocks_kept):
    expected = evaluate(resident(folder_of(name)), DOCUMENTS, COALITIONS, batch_tokens=100)
    model = streamed(folder_of(name))
    power = 1 << (max(model.weights.sizes) * 2).bit_length()
    carrier = carried(model, blocks_kept * power)
    result = evaluate(model, DOCUMENTS, COALITIONS, batch_tokens=100)
    assert largest_difference(result, expected) < 2e-5
    assert len(carrier.places) == 2
    assert len(carrier.kept) >= blocks_kept


def test_blocks_that_main_memory_has_room_for_are_read_once(folder, carried):
    model = streamed(folder)
    carried(model, 1 << 30)
    on_disk = sum(one.size for source in model.weights.checkpoint.sources for one in source.values())
    read = [evaluate(model, DOCUMENTS, COALITIONS, batch_tokens=1).counts for _ in range(2)]
    assert read[0]["weight_passes"] == len(DOCUMENTS)
    # And what the check holds: two blocks of the three.
    assert read[0]["weight_bytes_read"] < 2 * on_disk
    assert read[1]["weight_bytes_read"] < on_disk


def test_main_memory_that_another_job_has_taken_is_not_filled(folder, carried, monkeypatch):
    model = streamed(folder)
    carrier = carried(model, 1 << 30)
    monkeypatch.setattr(gpu_carrier, "free_memory", lambda device: 100)
    evaluate(model, DOCUMENTS, COALITIONS)
    assert not carrier.kept


def test_tensors_lie_aligned_in_a_buffer_and_keep_their_kind():
    parameter = torch.nn.Parameter(torch.randn(3, 5), requires_grad=False)
    tensors = {"a": parameter, "b": torch.arange(7), "c": torch.tensor(2.5, dtype=torch.bfloat16)}
    layout, size = gpu_carrier.laid_out(tensors)
    buffer = torch.zeros(size, dtype=torch.uint8)
    for name, view in layout.items():
        view(buffer).copy_(tensors[name])
        assert (view(buffer).data_ptr() - buffer.data_ptr()) % ALIGNMENT == 0
    for name, view in layout.items():
        assert torch.equal(view(buffer), tensors[name])
        assert isinstance(view(buffer), torch.nn.Parameter) == (name == "a")
