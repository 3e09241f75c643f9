"""Streaming ends in order whatever happens: no thread is left, no block in memory, and the file at fault is named."""

import os
import threading
import time

import pytest
import torch

from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading import streaming
from cornerstone.loading.checkpoint import Checkpoint
from cornerstone.system.errors import CornerstoneError
from families import family_network
from streamed_models import COALITIONS, DOCUMENTS, largest_difference, resident, save, streamed, tensors_of


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


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt, KeyboardInterrupt),
        (SystemExit(143), SystemExit),
        (ZeroDivisionError("by nothing"), CornerstoneError),
    ],
)
def test_the_thread_ends_after_ctrl_c_and_after_errors(folder, monkeypatch, error, raised):
    model, before = streamed(folder), alive_threads()
    run_block = Decoder.run_block

    def fail(decoder, number, *arguments, **settings):
        if decoder.weights is not None and number == 1:
            raise error
        return run_block(decoder, number, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", fail)
    with pytest.raises(raised):
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
        (cut_off, r"is truncated: download or copy it again"),
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
        for position, own in zip(block.documents, block.coalitions, strict=True)
        for coalition in own
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
