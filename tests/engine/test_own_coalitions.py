"""Per-document coalitions: the numbers of a shared design, and no more work than each document needs."""

import random

import numpy as np
import pytest
import torch

from cornerstone.engine import evaluate as engine
from cornerstone.engine.check import choose_rows
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.token_tree import tree_row
from cornerstone.loading.load import load_model
from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ForEach, exact
from cornerstone.system.errors import CornerstoneError
from families import as_model, family_network
from lm_eval_harness import word_tokenizer
from seldom import only_some
from tiny_families import tiny_network
from token_documents import PAIRS, encoded

FAMILIES = ("llama", "gpt2", "mixtral", "gemma3_text", "gpt_neo", "bloom", "mamba", "falcon_h1")
DOCUMENTS = encoded(PAIRS * 3)


def drawn(n_sublayers, seed=0, most=20):
    """Other coalitions for each document; copies of a document have others too, and one has none."""
    rng = random.Random(seed)
    some = rng.sample(exact(n_sublayers), min(2**n_sublayers, 60))
    own = [rng.sample(some, rng.randint(1, min(most, len(some)))) for _ in DOCUMENTS]
    own[3] = []
    return own


def every(model, own):
    """By document and coalition, all log-likelihoods, from a design that all documents share."""
    coalitions = sorted({coalition for of_document in own for coalition in of_document})
    numbers = evaluate(model, DOCUMENTS, coalitions).loglikelihoods
    return [dict(zip(coalitions, of_document, strict=True)) for of_document in numbers]


def worst_difference(result, own, expected):
    differences = [0.0]
    for numbers, coalitions, wanted in zip(result.loglikelihoods, own, expected, strict=True):
        assert numbers.shape[0] == len(coalitions)
        differences += [
            np.abs(row - wanted[removed]).max() for row, removed in zip(numbers, coalitions, strict=True)
        ]
    return max(differences)


def least(model, own):
    """Worked out a document at a time: nothing is shared between documents."""
    tokens = [len(tree_row(0, document).tokens) for document in DOCUMENTS]
    n_sublayers = len(model.sublayers)
    return sum(
        n * least_evaluations(coalitions, n_sublayers)
        for n, coalitions in zip(tokens, own, strict=True)
        if coalitions
    )


@pytest.mark.parametrize("name", only_some(FAMILIES, ("llama", "mixtral", "gemma3_text", "mamba")))
@pytest.mark.parametrize("memory_bytes", [None, 100_000])
def test_numbers_are_those_of_a_shared_design_and_the_work_is_the_least(name, memory_bytes):
    model = as_model(tiny_network(name))
    own = drawn(len(model.sublayers))
    expected = every(model, own)
    for rows in ("auto", "plain"):
        result = evaluate(model, DOCUMENTS, ForEach(own), rows=rows, memory_bytes=memory_bytes)
        assert worst_difference(result, own, expected) < 1e-4
        assert result.counts["evaluations"] == result.counts["least_evaluations"]
        if result.counts["rows"] == "tree":
            assert result.counts["evaluations"] == least(model, own)


def test_documents_run_together_wherever_they_need_the_same_sublayer(monkeypatch):
    """Documents of one length are one batch, and a block runs once for each pattern of its removals."""
    model = as_model(family_network("llama"))
    documents = encoded([PAIRS[0]] * 8)
    with torch.inference_mode(), Decoder(model.network, model.blocks) as decoder:
        kind = choose_rows(model, decoder, documents)
    monkeypatch.setattr(engine, "choose_rows", lambda *_: kind)
    run_block, calls = Decoder.run_block, []

    def counted(decoder, number, hidden, *arguments, **settings):
        calls.append((number, settings.get("removed", arguments[1:]), hidden.shape[0]))
        return run_block(decoder, number, hidden, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", counted)
    own = [[tuple(sorted(random.Random(n).sample(range(6), 3)))] for n in range(len(documents))]
    evaluate(model, documents, ForEach(own))
    probes = len(model.blocks)  # whether a bare block passes its input on
    ran = calls[probes:]
    assert len(ran) == len({(number, str(removed)) for number, removed, _ in ran})
    for number in range(3):
        bare = sum({2 * number, 2 * number + 1} <= set(coalition) for ((coalition),) in own)
        assert sum(rows for at, _, rows in ran if at == number) == len(documents) - bare


def test_streamed_weights_give_the_same_numbers(tmp_path):
    family_network("llama").save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    resident = load_model(tmp_path, placement="resident")
    own = drawn(len(resident.sublayers))
    expected = every(resident, own)
    for memory_bytes in (10_000, 60_000, 10_000_000):
        streamed = load_model(tmp_path, placement="streamed")
        result = evaluate(streamed, DOCUMENTS, ForEach(own), memory_bytes=memory_bytes)
        assert worst_difference(result, own, expected) < 1e-4
        assert result.counts["evaluations"] == result.counts["least_evaluations"]
        assert result.counts["placement"] == "streamed"


def test_what_was_finished_before_memory_ran_out_is_not_evaluated_again(monkeypatch):
    model = as_model(family_network("llama"))
    own = drawn(len(model.sublayers))
    expected = every(model, own)
    run_block, calls = Decoder.run_block, []

    def fail_or_run(decoder, number, hidden, *arguments, **settings):
        calls.append(number)
        if len(calls) > 300 and hidden.shape[:2].numel() > 200:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run_block(decoder, number, hidden, *arguments, **settings)

    monkeypatch.setattr(Decoder, "run_block", fail_or_run)
    handed = []
    result = evaluate(model, DOCUMENTS, ForEach(own), memory_bytes=100_000, on_block=handed.append)
    assert worst_difference(result, own, expected) < 1e-4
    pairs = [
        (position, coalition)
        for block in handed
        for position, coalitions in zip(block.documents, block.coalitions, strict=True)
        for coalition in coalitions
    ]
    assert len(pairs) == len(set(pairs)) == sum(map(len, own))


def test_a_list_for_each_document_is_asked_for_and_each_coalition_is_looked_at():
    model = as_model(family_network("llama"))
    with pytest.raises(CornerstoneError, match="2 lists of coalitions were given for 18 documents"):
        evaluate(model, DOCUMENTS[:18], ForEach([[()], [()]]))
    with pytest.raises(CornerstoneError, match=r"coalition \(9,\): give the removed sublayers"):
        evaluate(model, DOCUMENTS[:2], ForEach([[()], [(9,)]]))
    result = evaluate(model, DOCUMENTS[:2], ForEach([[], []]))
    assert [numbers.shape[0] for numbers in result.loglikelihoods] == [0, 0]
