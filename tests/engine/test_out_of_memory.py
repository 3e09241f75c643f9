"""Memory that runs out makes batches smaller; nothing that is done is lost, and no other error is taken for it."""

import logging

import pytest
import torch

import cornerstone.engine.evaluate
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.system.errors import CornerstoneError
from engine_cases import DOCUMENTS, WINDOWS, Kept, assert_same


def out_of_memory_errors():
    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 8 bytes."),
        MemoryError(),
    ]


def short_of_memory(monkeypatch, when):
    """Blocks run out of memory where `when` says so; `when` is given the call's number and its hidden states."""
    run_block = Decoder.run_block
    calls = 0

    def fail_or_run(decoder, number, hidden, *arguments, **settings):
        nonlocal calls
        calls += 1
        if error := when(calls, hidden):
            raise error
        return run_block(decoder, number, hidden, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", fail_or_run)


@pytest.mark.parametrize("error", out_of_memory_errors(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("most", [70, 300, 600])
def test_running_out_of_memory_halves_the_batch_and_goes_on(
    monkeypatch, caplog, llama, expected, error, most
):
    caplog.set_level(logging.INFO, logger="cornerstone")
    short_of_memory(monkeypatch, lambda _, hidden: error if hidden.shape[:2].numel() > most else None)
    kept = Kept()
    result = evaluate(llama, DOCUMENTS, WINDOWS, on_block=kept)
    assert_same(result, expected)
    kept.assert_complete(expected)
    assert any("out of memory" in message for message in caplog.messages)


def after_the_check(monkeypatch, when):
    """Blocks run out of memory, or fail, as `short_of_memory` says, from the end of the check on."""
    choose_rows = cornerstone.engine.evaluate.choose_rows

    def then_fail(*arguments):
        kind = choose_rows(*arguments)
        short_of_memory(monkeypatch, when)
        return kind

    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", then_fail)


@pytest.mark.usefixtures("checked_once")
@pytest.mark.parametrize("call", [1, 9, 40, 57, 90])
def test_running_out_of_memory_in_mid_work_keeps_what_is_done(monkeypatch, llama, expected, call):
    failed = []

    def once(calls, hidden):
        if calls == call:
            failed.append(calls)
            return torch.OutOfMemoryError("out of memory")

    after_the_check(monkeypatch, once)
    kept = Kept()
    result = evaluate(llama, DOCUMENTS, WINDOWS, memory_bytes=100_000, on_block=kept)
    assert failed
    assert_same(result, expected)
    kept.assert_complete(expected)


def test_progress_never_passes_the_total_after_running_out_of_memory(monkeypatch, llama):
    short_of_memory(monkeypatch, lambda _, h: MemoryError() if h.shape[:2].numel() > 200 else None)
    calls = []
    evaluate(llama, DOCUMENTS, WINDOWS, on_progress=lambda *call: calls.append(call))
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.usefixtures("checked_once")
def test_a_document_that_never_fits_is_named(monkeypatch, llama):
    choose_rows = cornerstone.engine.evaluate.choose_rows

    def then_run_short(*arguments):
        kind = choose_rows(*arguments)
        short_of_memory(monkeypatch, lambda calls, hidden: MemoryError())
        return kind

    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", then_run_short)
    with pytest.raises(CornerstoneError, match=r"^tiny: document \d+ \(\d+ tokens\) does not fit in memory"):
        evaluate(llama, DOCUMENTS, WINDOWS)


def test_a_check_that_never_fits_says_so(monkeypatch, llama):
    short_of_memory(monkeypatch, lambda calls, hidden: MemoryError() if calls > 3 else None)
    with pytest.raises(CornerstoneError, match=r"^tiny: the check of documents .* does not fit in memory"):
        evaluate(llama, DOCUMENTS, WINDOWS)


@pytest.mark.usefixtures("checked_once")
def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch, llama):
    after_the_check(monkeypatch, lambda calls, hidden: RuntimeError("mat1 and mat2 do not match"))
    with pytest.raises(CornerstoneError, match=r"its own code fails.*mat1 and mat2"):
        evaluate(llama, DOCUMENTS, WINDOWS)
