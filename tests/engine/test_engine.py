"""The engine computes each thing once, keeps what is done, and stops where a number cannot be right."""

import json
import logging
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cornerstone.engine.evaluate
from cornerstone.engine.check import TOLERANCES
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.reference import reference_loglikelihoods
from cornerstone.engine.walk import Walk
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest
from cornerstone.shapley.coalitions import ablation, exact, windows
from cornerstone.system.errors import CornerstoneError
from families import as_model, family_network
from golden_engine import GOLDEN, golden_tables, largest_difference
from token_documents import MAX_LENGTH, PAIRS, encoded, some_coalitions

N_SUBLAYERS = 6
WINDOWS = [*ablation(N_SUBLAYERS), *windows(N_SUBLAYERS, 4)]


def random_coalitions(count, seed=0):
    """Coalitions of any size, emptied blocks and the lone embedding among them."""
    drawn = random.Random(seed)
    sizes = [drawn.randrange(N_SUBLAYERS + 1) for _ in range(count)]
    return [tuple(sorted(drawn.sample(range(N_SUBLAYERS), size))) for size in sizes]


DESIGNS = {
    "windows": WINDOWS,
    "exact": exact(N_SUBLAYERS),
    "random": random_coalitions(25),
    "full model": [()],
    "no sublayer": [tuple(range(N_SUBLAYERS))],
}


def random_documents(count, seed=0, longest=MAX_LENGTH):
    """Documents of 2 to 5 choices whose contexts share, in part or not at all."""
    drawn = random.Random(seed)

    def text(length):
        return [drawn.randrange(3, 97) for _ in range(length)]

    pairs = []
    for _ in range(count):
        context = text(drawn.randrange(1, longest - 8))
        choices = drawn.randrange(2, 6)
        own_contexts = drawn.random() < 0.3
        pairs.append(
            [
                (context[: drawn.randrange(len(context))] + text(1) if own_contexts else context, text(n))
                for n in (drawn.randrange(1, 9) for _ in range(choices))
            ]
        )
    return encoded(pairs)


DOCUMENTS = random_documents(30)


@pytest.fixture(scope="module")
def llama():
    return as_model(family_network("llama"), "tiny")


@pytest.fixture(scope="module")
def expected(llama):
    return evaluate(llama, DOCUMENTS, WINDOWS)


def assert_same(result, expected, tolerance=2e-5):
    assert result.coalitions == expected.coalitions
    for ours, theirs in zip(result.loglikelihoods, expected.loglikelihoods, strict=True):
        assert np.abs(ours - theirs).max() < tolerance


# The least work


def least_tokens(documents):
    """Nodes of each document's own trie: its requests' distinct prefixes."""
    return sum(
        len({request.tokens[:end] for request in d.requests for end in range(1, len(request.tokens) + 1)})
        for d in documents
    )


def least_plain_tokens(documents):
    """Tokens of each document's distinct requests that are no other one's prefix."""
    total = 0
    for document in documents:
        texts = {request.tokens for request in document.requests}
        total += sum(
            len(text) for text in texts if not any(t != text and t[: len(text)] == text for t in texts)
        )
    return total


def least_states(coalitions):
    """Distinct (removed before a sublayer, sublayer) that some coalition with that sublayer needs."""
    return len(
        {
            (frozenset(s for s in removed if s < sublayer), sublayer)
            for removed in coalitions
            for sublayer in range(N_SUBLAYERS)
            if sublayer not in removed
        }
    )


@pytest.mark.parametrize("design", DESIGNS)
def test_tree_rows_take_the_least_possible_evaluations(llama, design):
    counts = evaluate(llama, DOCUMENTS, DESIGNS[design]).counts
    assert counts["rows"] == "tree"
    assert counts["row_tokens"] == least_tokens(DOCUMENTS)
    assert counts["evaluations"] == least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert counts["least_evaluations"] == counts["evaluations"]


@pytest.mark.parametrize("design", DESIGNS)
def test_plain_rows_take_the_least_possible_evaluations_of_such_rows(llama, design):
    counts = evaluate(llama, DOCUMENTS, DESIGNS[design], rows="plain").counts
    assert counts["rows"] == "plain"
    assert counts["evaluations"] == least_plain_tokens(DOCUMENTS) * least_states(DESIGNS[design])


@pytest.mark.parametrize("design", ["windows", "exact", "random"])
def test_the_models_own_matrices_see_no_more_than_is_counted(monkeypatch, llama, design):
    """Counted where the model multiplies, by nothing of the engine's."""
    seen = 0

    def count(module, inputs):
        nonlocal seen
        seen += inputs[0].shape[:-1].numel()

    def check_then_count(*arguments):
        nonlocal seen
        kind = choose_rows(*arguments)
        seen = 0
        return kind

    choose_rows = cornerstone.engine.evaluate.choose_rows
    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", check_then_count)
    layers = llama.network.model.layers
    hooks = [
        matrix.register_forward_pre_hook(count)
        for layer in layers
        for matrix in (layer.self_attn.q_proj, layer.mlp.gate_proj)
    ]
    try:
        counts = evaluate(llama, DOCUMENTS, DESIGNS[design]).counts
    finally:
        for hook in hooks:
            hook.remove()
    least = least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert seen == counts["padded_evaluations"]
    print(f"{design}: padding adds {seen / least - 1:.1%}")
    # Few and short documents share a batch at any padding; real ones: tests/test_against_lm_eval.py.
    assert least <= seen < 1.5 * least


def test_documents_of_one_length_need_no_padding(llama):
    documents = encoded([[([n + 3] * 10, [5, 6]), ([n + 3] * 10, [7, 8])] for n in range(9)])
    counts = evaluate(llama, documents, WINDOWS).counts
    assert counts["padded_evaluations"] == counts["evaluations"]


def test_only_scored_positions_become_logits_each_once(llama):
    positions = sum(
        len({r.tokens[: len(r.tokens) - back] for r in d.requests for back in range(len(r.targets))})
        for d in DOCUMENTS
    )
    assert evaluate(llama, DOCUMENTS, WINDOWS).counts["logits"] == positions * len(WINDOWS)


# The same numbers however the work is cut


@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 300_000])
def test_subtrees_give_the_same_results_at_the_same_count(llama, expected, memory_bytes):
    blocks = []
    result = evaluate(llama, DOCUMENTS, WINDOWS, memory_bytes=memory_bytes, on_block=blocks.append)
    assert_same(result, expected)
    assert result.counts["evaluations"] == expected.counts["evaluations"]
    # Else nothing was cut: with so little room no document has all its coalitions at once.
    assert max(len(block.coalitions) for block in blocks) < len(WINDOWS)


@pytest.mark.parametrize("batch_tokens", [1, 100, 100_000])
def test_the_size_of_a_batch_does_not_move_results(llama, expected, batch_tokens):
    assert_same(evaluate(llama, DOCUMENTS, WINDOWS, batch_tokens=batch_tokens), expected)


def test_plain_rows_give_the_results_of_tree_rows(llama, expected):
    assert_same(evaluate(llama, DOCUMENTS, WINDOWS, rows="plain"), expected)


def test_a_document_gets_the_same_numbers_alone_as_among_others(llama, expected):
    for position in (0, 11, 29):
        alone = evaluate(llama, [DOCUMENTS[position]], WINDOWS)
        assert np.abs(alone.loglikelihoods[0] - expected.loglikelihoods[position]).max() < 2e-5


def test_results_come_in_the_order_given_with_repeats_dropped(llama, expected):
    shuffled = random.Random(1).sample(WINDOWS, len(WINDOWS))
    result = evaluate(llama, DOCUMENTS, [*shuffled, shuffled[3], ()])
    assert result.coalitions == shuffled
    order = [expected.coalitions.index(removed) for removed in shuffled]
    for ours, theirs in zip(result.loglikelihoods, expected.loglikelihoods, strict=True):
        assert np.abs(ours - theirs[order]).max() < 2e-5


def test_two_runs_give_the_same_numbers(llama):
    first, again = (evaluate(llama, DOCUMENTS[:8], WINDOWS, batch_tokens=200) for _ in range(2))
    assert_same(again, first, tolerance=1e-5)


def test_documents_come_from_the_models_own_maximum_length_too(llama):
    tokens = tuple(range(3, 3 + MAX_LENGTH))
    whole = EncodedDocument(0, (EncodedRequest(tokens, (*tokens[1:], 9)),), (0,), (1,), "")
    result = evaluate(llama, [whole], [(), (0, 1)])
    for place, removed in enumerate(result.coalitions):
        wanted = reference_loglikelihoods(llama, whole, removed)
        assert np.abs(result.loglikelihoods[0][place] - wanted).max() < 1e-4 + 2e-6 * abs(wanted[0])


def test_nothing_to_do_is_done_at_once(llama):
    assert evaluate(llama, [], WINDOWS).loglikelihoods == []
    assert evaluate(llama, DOCUMENTS, []).loglikelihoods[0].shape == (0, DOCUMENTS[0].n_choices)


def test_the_model_is_left_as_it_was(monkeypatch, llama):
    inputs = torch.arange(3, 23)[None]
    before = llama.network(inputs).logits
    evaluate(llama, DOCUMENTS[:3], WINDOWS)
    monkeypatch.setattr(Walk, "run", lambda walk: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(llama, DOCUMENTS[:3], WINDOWS)
    assert torch.equal(llama.network(inputs).logits, before)
    assert not any("forward" in vars(module) for module in llama.network.modules())


# Handing over


class Kept:
    """What on_block was given."""

    def __init__(self):
        self.pairs = []
        self.numbers = {}

    def __call__(self, block):
        for document, table in zip(block.documents, block.loglikelihoods, strict=True):
            for removed, numbers in zip(block.coalitions, table, strict=True):
                self.pairs.append((document, removed))
                self.numbers[document, removed] = numbers

    def assert_complete(self, expected):
        """Every pair came once, with the right numbers."""
        assert len(self.pairs) == len(set(self.pairs))
        assert set(self.pairs) == {(d, c) for d in range(len(DOCUMENTS)) for c in expected.coalitions}
        for place, removed in enumerate(expected.coalitions):
            for document, table in enumerate(expected.loglikelihoods):
                assert np.abs(self.numbers[document, removed] - table[place]).max() < 2e-5


@pytest.mark.parametrize("settings", [{}, {"memory_bytes": 60_000}, {"rows": "plain", "batch_tokens": 150}])
def test_every_coalition_of_every_document_is_handed_over_once(llama, expected, settings):
    kept = Kept()
    evaluate(llama, DOCUMENTS, WINDOWS, on_block=kept, **settings)
    kept.assert_complete(expected)


def test_less_time_between_blocks_makes_smaller_blocks(llama):
    blocks = {}
    for seconds in (1e-6, 1e6):
        blocks[seconds] = []
        evaluate(llama, DOCUMENTS, WINDOWS, seconds_between_blocks=seconds, on_block=blocks[seconds].append)
    assert len(blocks[1e-6]) > 3 * len(blocks[1e6])


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("settings", [{}, {"memory_bytes": 60_000}])
def test_progress_never_falls_and_ends_at_the_total(llama, design, settings):
    calls = []
    evaluate(llama, DOCUMENTS, DESIGNS[design], on_progress=lambda *call: calls.append(call), **settings)
    total = least_tokens(DOCUMENTS) * least_states(DESIGNS[design])
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {total for _, total in calls} <= {total}
    assert not calls or calls[-1] == (total, total)
    assert calls or not total


# Memory


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


@pytest.mark.parametrize("call", [40, 57, 90, 131, 200])
def test_running_out_of_memory_in_mid_work_keeps_what_is_done(monkeypatch, llama, expected, call):
    failed = []

    def once(calls, hidden):
        if calls == call:
            failed.append(calls)
            return torch.OutOfMemoryError("out of memory")

    short_of_memory(monkeypatch, once)
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


def test_a_document_that_never_fits_is_named(monkeypatch, llama):
    choose_rows = cornerstone.engine.evaluate.choose_rows

    def then_run_short(*arguments):
        kind = choose_rows(*arguments)
        short_of_memory(monkeypatch, lambda calls, hidden: MemoryError())
        return kind

    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", then_run_short)
    with pytest.raises(CornerstoneError, match=r"^tiny: document \d+ \(\d+ tokens\) does not fit the memory"):
        evaluate(llama, DOCUMENTS, WINDOWS)


def test_a_check_that_never_fits_says_so(monkeypatch, llama):
    short_of_memory(monkeypatch, lambda calls, hidden: MemoryError() if calls > 3 else None)
    with pytest.raises(CornerstoneError, match=r"^tiny: the check of documents .* does not fit the memory"):
        evaluate(llama, DOCUMENTS, WINDOWS)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch, llama):
    choose_rows = cornerstone.engine.evaluate.choose_rows

    def then_break(*arguments):
        kind = choose_rows(*arguments)
        short_of_memory(monkeypatch, lambda calls, hidden: RuntimeError("mat1 and mat2 do not match"))
        return kind

    monkeypatch.setattr(cornerstone.engine.evaluate, "choose_rows", then_break)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        evaluate(llama, DOCUMENTS, WINDOWS)


# Numbers that cannot be right


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_stops_with_its_coalition_and_document(monkeypatch, llama, number):
    documents = [
        EncodedDocument(100 + n, d.requests, d.gold, d.choice_lengths, d.digest)
        for n, d in enumerate(DOCUMENTS[:9])
    ]
    run = Walk.run

    def poisoned(walk):
        for coalitions, sums in run(walk):
            # Not in the check, whose coalitions are windows of one block.
            if (1, 2, 3) in coalitions:
                sums[coalitions.index((1, 2, 3)), -1] = number
            yield coalitions, sums

    monkeypatch.setattr(Walk, "run", poisoned)
    kept = Kept()
    with pytest.raises(CornerstoneError) as caught:
        evaluate(llama, documents, WINDOWS, batch_tokens=1, on_block=kept)
    message = str(caught.value)
    named = re.match(r"tiny: the log-likelihood of document (\d+), choice (\d+), without sublayers", message)
    position, choice = int(named[1]) - 100, int(named[2])
    assert choice == documents[position].n_choices - 1
    assert f"without sublayers [1,2,3] is {number}: " in message
    assert "\n" not in message
    # What was refused is not handed over either.
    assert not kept.pairs


def test_weights_that_are_no_numbers_stop_the_check_with_document_and_coalition():
    network = family_network("llama")
    network.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(CornerstoneError, match=r"document \d+, choice 0, without sublayers \[\] is nan"):
        evaluate(as_model(network), DOCUMENTS, WINDOWS)


def test_a_document_beyond_the_check_whose_embedding_is_no_number_is_named():
    network = family_network("llama")
    rare = 96
    network.model.embed_tokens.weight.data[rare] = float("nan")
    pairs = [[([5] * size, [6]), ([5] * size, [7])] for size in (3, 8, 12, 16)]
    pairs.insert(2, [([5] * 6 + [rare], [6]), ([5] * 6 + [rare], [7])])
    with pytest.raises(CornerstoneError, match=r"document 2, choice 0, without sublayers \[\] is nan"):
        evaluate(as_model(network), encoded(pairs), [()])


@pytest.mark.parametrize("removed", [(1, 0), (2, 2), (-1,), (N_SUBLAYERS,), (0, 1, 17)])
def test_coalitions_of_other_sublayers_are_refused(llama, removed):
    with pytest.raises(CornerstoneError) as caught:
        evaluate(llama, DOCUMENTS, [(), removed])
    assert str(caught.value).startswith(
        f"coalition {removed!r}: give the removed sublayers as a sorted tuple"
    )
    assert "from 0 to 5 (tiny has 6 sublayers)" in str(caught.value)


# dtypes


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_shorter_numbers_agree_with_the_model_within_their_tolerance(dtype):
    model = as_model(family_network("llama").to(getattr(torch, dtype)))
    assert model.dtype == dtype
    documents = encoded(PAIRS)
    result = evaluate(model, documents, some_coalitions(N_SUBLAYERS))
    assert result.counts["rows"] == "tree"
    absolute, relative = TOLERANCES[dtype]
    for document, table in zip(documents, result.loglikelihoods, strict=True):
        for removed, numbers in zip(result.coalitions, table, strict=True):
            wanted = np.array(reference_loglikelihoods(model, document, removed))
            assert (np.abs(numbers - wanted) <= absolute + relative * np.abs(wanted)).all()


def test_log_probabilities_are_float32_whatever_the_dtype():
    model = as_model(family_network("llama").to(torch.bfloat16))
    result = evaluate(model, encoded(PAIRS), [()])
    numbers = np.concatenate(result.loglikelihoods, axis=1)
    # bfloat16's steps at these sizes are an eighth and more: hardly a number falls on one.
    assert (numbers * 8 % 1 != 0).mean() > 0.9


# Identity


def explanation(stored, tables):
    """What has to be done about a golden table; empty where it holds."""
    if stored["engine_version"] != ENGINE_VERSION:
        return "ENGINE_VERSION was raised: write the golden table anew (python tests/golden_engine.py)"
    difference = largest_difference(stored["tables"], tables)
    if difference >= 1e-4:
        return (
            f"log-likelihoods moved by {difference:.2g} nats: evaluations kept by users no longer hold. If this is "
            "meant, raise ENGINE_VERSION in workflow/cornerstone/evaluations/identity.py and run "
            "python tests/golden_engine.py"
        )
    return ""


def test_results_are_those_of_this_engine_version():
    stored = json.loads(GOLDEN.read_text())
    problem = explanation(stored, golden_tables())
    assert not problem, problem


def test_a_moved_result_demands_a_new_engine_version():
    stored = json.loads(GOLDEN.read_text())
    moved = json.loads(GOLDEN.read_text())["tables"]
    moved["llama"]["1,2"][3][1] += 0.001
    assert "raise ENGINE_VERSION" in explanation(stored, moved)
    assert "write the golden table anew" in explanation(stored | {"engine_version": -1}, stored["tables"])


# What it needs

ALONE = """
import sys

# What other steps need: importing any of it fails.
for name in ("lm_eval", "datasets", "snakemake", "pandas", "pyarrow", "jsonschema", "matplotlib", "seaborn"):
    sys.modules[name] = None

import transformers
from cornerstone.shapley.coalitions import ablation
from cornerstone.documents.document import Document, Request
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest, Encoder, encode_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.load import language_model, load_model

config = transformers.LlamaConfig(
    vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2,
)
model = language_model(transformers.AutoModelForCausalLM.from_config(config), Encoder(None, 64), "tiny")
requests = (EncodedRequest((3, 4, 5), (6,)), EncodedRequest((3, 4, 7), (7, 8)))
result = evaluate(model, [EncodedDocument(0, requests, (0,), (1, 1), "")], ablation(4))
print(result.loglikelihoods[0].shape)
"""


def test_the_engine_needs_only_torch_and_transformers():
    workflow = Path(__file__).parents[2] / "workflow"
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={"PYTHONPATH": str(workflow), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(5, 2)\n"
