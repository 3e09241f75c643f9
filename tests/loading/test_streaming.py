"""Streamed weights give what resident ones give, with two blocks in memory, and end in order whatever happens."""

import functools
import json
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.walk import Walk
from cornerstone.loading import gpu_carrier, streaming
from cornerstone.loading import load as models
from cornerstone.loading.checkpoint import ALIGNMENT, Checkpoint, block_bytes
from cornerstone.loading.load import DTYPES, load_model
from cornerstone.loading.sublayers import find_blocks, kinds_of_blocks, one_of_each_kind
from cornerstone.shapley.coalition_tree import coalition_tree, walk_order
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.system.errors import CornerstoneError
from families import FAMILIES, family_network, random_network
from lm_eval_harness import word_tokenizer
from token_documents import PAIRS, encoded, some_coalitions

DOCUMENTS = encoded(PAIRS)
COALITIONS = some_coalitions(6)
BLOCKS = [(0, 1), (2, 3), (4, 5)]


def save(network, folder, **settings):
    """As a checkpoint of the hub: the names that the family's files have, cut into several."""
    network.save_pretrained(folder, max_shard_size="40KB", **settings)
    word_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """A tiny model of a family, on the disk."""
    return functools.cache(lambda name: save(family_network(name), tmp_path_factory.mktemp(name)))


@pytest.fixture
def folder(folder_of):
    return folder_of("llama")


def streamed(folder, dtype="float32"):
    return load_model(folder, dtype, "cpu", placement="streamed")


def resident(folder, dtype="float32"):
    return load_model(folder, dtype, "cpu", placement="resident")


def largest_difference(result, other):
    assert result.coalitions == other.coalitions
    return max(
        float(np.abs(ours - theirs).max())
        for ours, theirs in zip(result.loglikelihoods, other.loglikelihoods, strict=True)
    )


def tensors_of(network):
    return dict(network.named_parameters(remove_duplicate=False)) | dict(
        network.named_buffers(remove_duplicate=False)
    )


# The same numbers


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


@pytest.mark.parametrize("name", FAMILIES)
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


# How often, in which order, and how much of it in memory


class Seen:
    """What is read of a checkpoint, and how many blocks were in memory when a reading began."""

    def __init__(self, monkeypatch):
        self.numbers, self.in_memory, self.used = [], [], []
        self.alive = weakref.WeakSet()
        read_block, use = Checkpoint.read_block, streaming.StreamedWeights.use

        def read(checkpoint, number, *place):
            self.in_memory.append(len(self.alive))
            self.numbers.append(number)
            tensors = read_block(checkpoint, number, *place)
            self.alive.add(next(iter(tensors.values())))
            return tensors

        def used(weights, number):
            if not self.used or self.used[-1] != number:
                self.used.append(number)
            use(weights, number)

        monkeypatch.setattr(Checkpoint, "read_block", read)
        monkeypatch.setattr(streaming.StreamedWeights, "use", used)


@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 10_000_000])
def test_no_block_is_read_that_the_walk_does_not_use_next(folder, monkeypatch, memory_bytes):
    model = streamed(folder)
    kinds = len(one_of_each_kind(kinds_of_blocks(model.network, model.blocks)))
    seen = Seen(monkeypatch)
    result = evaluate(model, DOCUMENTS, COALITIONS, memory_bytes=memory_bytes)
    # The blocks that the check holds come first; the last walk is followed by none, so nothing is read in vain.
    assert seen.numbers[kinds:] == seen.used[-len(seen.numbers[kinds:]) :]
    assert result.counts["weight_passes"] == pytest.approx(len(seen.numbers[kinds:]) / 3)


def test_at_most_two_blocks_are_in_memory(folder, monkeypatch):
    model = streamed(folder)
    seen = Seen(monkeypatch)
    evaluate(model, DOCUMENTS, COALITIONS, memory_bytes=60_000)
    assert len(seen.numbers) > 10
    # A reading begins while one block is in use; the check holds one of each kind before.
    assert max(seen.in_memory[2:]) == 1
    assert not seen.alive


def test_the_next_block_is_read_while_one_computes(folder, monkeypatch):
    model = streamed(folder)
    started, finished = threading.Event(), threading.Event()
    read_block, run_block = Checkpoint.read_block, Decoder.run_block

    def read(checkpoint, number, *place):
        started.set()
        tensors = read_block(checkpoint, number, *place)
        finished.set()
        return tensors

    together = []

    def run(decoder, number, *arguments, **settings):
        output = run_block(decoder, number, *arguments, **settings)
        if decoder.weights is not None and number == 0:
            together.append(started.wait(5) and finished.wait(5))  # without the walk asking for block 1
        return output

    monkeypatch.setattr(Checkpoint, "read_block", read)
    monkeypatch.setattr(Decoder, "run_block", run)
    evaluate(model, DOCUMENTS, [()])
    assert together and all(together)


@pytest.mark.parametrize("most", [1, 2, 5, 1000])
@pytest.mark.parametrize("coalitions", [COALITIONS, [*ablation(6), *windows(6, 4)], [()], [(0,), (0, 1)]])
def test_the_order_is_known_before_the_walk_and_so_is_each_visits_work(folder, coalitions, most):
    model = resident(folder)
    tree = coalition_tree(coalitions, BLOCKS)
    visits = walk_order(tree, most)
    seen = []

    class Recorded(Decoder):
        def run_block(self, number, hidden, *arguments, **settings):
            seen.append(number)
            return super().run_block(number, hidden, *arguments, **settings)

    from cornerstone.engine.budget import Budget
    from cornerstone.engine.token_tree import rows_of
    from cornerstone.engine.walk import Counts, make_batch

    counts = Counts()
    with torch.inference_mode(), Recorded(model.network, model.blocks) as decoder:
        batch = make_batch(decoder, rows_of(DOCUMENTS[:1], "tree"), {0: 0}, (None,) * 3)
        seen.clear()
        list(Walk(decoder, [batch], tree, Budget(9999, 9999, 9999, most, 999), counts).run())

    def without_repeats(numbers):
        return [n for place, n in enumerate(numbers) if place == 0 or numbers[place - 1] != n]

    assert without_repeats(seen) == without_repeats([v.block for v in visits if v.evaluations])
    assert counts.tokens == batch.tokens * sum(visit.evaluations for visit in visits)


def test_blocks_that_only_differ_in_their_place_are_of_one_kind():
    def kinds(network):
        return kinds_of_blocks(network, find_blocks(network))

    assert kinds(family_network("llama")) == [0, 0, 0]
    assert kinds(family_network("qwen3_moe")) == [0, 1, 1]
    assert kinds(family_network("gpt_neo")) == [0, 1, 0]
    assert kinds(family_network("gemma3")) == [0, 1, 0]
    assert kinds(family_network("qwen3_next")) == [0, 1, 0]
    assert one_of_each_kind([0, 0, 2, 0, 0, 2]) == [0, 2, 3]


# What ends it


def alive_threads():
    return {t for t in threading.enumerate() if t is not threading.main_thread() and t.is_alive()}


def assert_ended(model, before):
    """No thread is left, and no block in memory."""
    until = time.monotonic() + 5
    while alive_threads() - before and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive_threads() - before
    names = [name for names in model.weights.checkpoint.names for name in names]
    assert all(tensors_of(model.network)[name].is_meta for name in names)


def test_the_thread_ends_with_the_evaluation_and_another_may_follow(folder):
    model, before = streamed(folder), alive_threads()
    results = []
    for _ in range(2):
        results.append(evaluate(model, DOCUMENTS, COALITIONS))
        assert_ended(model, before)
    assert largest_difference(*results) == 0
    assert results[0].counts["weight_bytes_read"] == results[1].counts["weight_bytes_read"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(143), ZeroDivisionError])
def test_the_thread_ends_after_ctrl_c_and_after_errors(folder, monkeypatch, error):
    model, before = streamed(folder), alive_threads()
    run_block = Decoder.run_block

    def fail(decoder, number, *arguments, **settings):
        if decoder.weights is not None and number == 1:
            raise error
        return run_block(decoder, number, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", fail)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        evaluate(model, DOCUMENTS, COALITIONS)
    assert_ended(model, before)


def spoil_during_the_run(monkeypatch, spoil):
    """Spoil the files once the check is over."""
    let_go = streaming.StreamedWeights.let_go

    def then_spoil(weights):
        let_go(weights)
        monkeypatch.setattr(streaming.StreamedWeights, "let_go", let_go)
        spoil(weights.checkpoint.sources[1])

    monkeypatch.setattr(streaming.StreamedWeights, "let_go", then_spoil)


def files(source):
    return sorted({one.path for one in source.values()})


def cut_off(source):
    path = files(source)[0]
    times = path.stat()
    os.truncate(path, 400)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove(source):
    files(source)[0].unlink()


def change(source):
    path = files(source)[0]
    path.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut_off, r"is cut off: download or copy it again"),
        (remove, r"could not be read \(FileNotFoundError"),
        (change, r"was changed while the model was evaluated"),
    ],
)
def test_a_file_that_goes_bad_in_mid_run_is_named_in_one_line(tmp_path, monkeypatch, spoil, told):
    model, before = streamed(save(family_network("llama"), tmp_path)), alive_threads()
    spoil_during_the_run(monkeypatch, spoil)
    with pytest.raises(CornerstoneError, match=rf"model-0000\d-of-0000\d\.safetensors {told}") as caught:
        evaluate(model, DOCUMENTS, COALITIONS)
    assert "\n" not in str(caught.value)
    assert_ended(model, before)


def test_running_out_of_memory_halves_the_batch_and_goes_on(folder, monkeypatch):
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS)
    run_block = Decoder.run_block

    def fail_or_run(decoder, number, hidden, *arguments, **settings):
        if decoder.weights is not None and hidden.shape[:2].numel() > 150:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run_block(decoder, number, hidden, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", fail_or_run)
    kept = []
    result = evaluate(streamed(folder), DOCUMENTS, COALITIONS, on_block=kept.append)
    assert largest_difference(result, expected) < 2e-5
    pairs = [
        (position, coalition)
        for block in kept
        for position in block.documents
        for coalition in block.coalitions
    ]
    assert len(pairs) == len(set(pairs)) == len(DOCUMENTS) * len(result.coalitions)


def test_memory_that_the_loading_lacks_halves_the_batch_too(folder, monkeypatch):
    expected = evaluate(resident(folder), DOCUMENTS, COALITIONS)
    read_block, calls = Checkpoint.read_block, []

    def fail_once(checkpoint, number, *place):
        calls.append(number)
        if len(calls) == 5:
            raise MemoryError
        return read_block(checkpoint, number, *place)

    monkeypatch.setattr(Checkpoint, "read_block", fail_once)
    result = evaluate(streamed(folder), DOCUMENTS, COALITIONS)
    assert len(calls) > 5
    assert largest_difference(result, expected) < 2e-5


def test_a_conversion_that_lacks_memory_says_so(folder_of, monkeypatch):
    """transformers keeps what goes wrong in a conversion as a text."""
    weights = streamed(folder_of("mixtral")).weights

    def fail(*arguments, **settings):
        raise RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )

    monkeypatch.setattr(torch, "stack", fail)
    with pytest.raises(MemoryError, match="can't allocate memory"):
        weights.checkpoint.read_block(0)


# Loading


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
    "name", ["model.layers.1.self_attn.q_proj.weight", "model.norm.weight", "lm_head.weight"]
)
def test_a_missing_tensor_is_named_as_with_resident_weights(one_file, name):
    edit(one_file, lambda tensors: tensors.pop(name))
    for load in (resident, streamed):
        with pytest.raises(CornerstoneError, match=f"lack 1 of the model's tensors, {name} first"):
            load(one_file)


@pytest.mark.parametrize(
    "name",
    ["model.layers.1.block_sparse_moe.experts.2.w1.weight", "model.layers.1.self_attn.q_proj.weight"],
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


# Where they are


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

    monkeypatch.setattr(Checkpoint, "_refuse_shared_between_blocks", refuse)
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


# On the way to a GPU


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


# Memory

CHILD = """
import json, sys, threading
from pathlib import Path
from cornerstone.engine import budget
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.memory import anonymous_memory
from cornerstone.loading.load import load_model
sys.path.insert(0, sys.argv[3])
from token_documents import PAIRS, encoded

budget.CHUNK_TOKENS["cpu"] = 64
sys.modules["cornerstone.engine.check"].CHUNK_TOKENS["cpu"] = 64
def evaluated(folder):
    model = load_model(folder, "bfloat16", "cpu", placement=sys.argv[2])
    return evaluate(model, encoded(PAIRS)[1:2], [(), (4,)])
evaluated(sys.argv[4])  # imports all that it takes
before, peak, done = anonymous_memory(), 0, threading.Event()
def sample():
    global peak
    while not done.wait(0.002):
        peak = max(peak, anonymous_memory())
thread = threading.Thread(target=sample)
thread.start()
result = evaluated(sys.argv[1])
done.set()
thread.join()
found = [table.tolist() for table in result.loglikelihoods]
print(json.dumps({"taken": peak - before, "found": found}))
"""


def test_streamed_weights_take_the_memory_of_two_blocks(tmp_path, folder):
    """In another dtype than the files': else resident weights are file pages and no memory of the process."""
    settings = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 24}
    save(random_network("LlamaConfig", settings).to(torch.float16), tmp_path)
    told = {}
    for placement in ("resident", "streamed"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                CHILD,
                str(tmp_path),
                placement,
                str(Path(__file__).parents[1]),
                str(folder),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        told[placement] = json.loads(done.stdout)
    assert told["streamed"]["found"] == told["resident"]["found"]
    weights = models.weight_bytes(tmp_path, torch.bfloat16)
    print({placement: one["taken"] / 1e6 for placement, one in told.items()}, weights / 1e6)
    assert weights > 140e6
    assert told["resident"]["taken"] > weights
    assert told["streamed"]["taken"] < weights / 2
