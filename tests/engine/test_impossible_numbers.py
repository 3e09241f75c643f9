"""Where a number cannot be right the engine stops, and names the document and the coalition."""

import re

import pytest

from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.walk import Walk
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.system.errors import CornerstoneError
from engine_cases import DOCUMENTS, N_SUBLAYERS, WINDOWS, Kept
from families import as_model, family_network
from token_documents import encoded


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_stops_with_its_coalition_and_document(monkeypatch, llama, number):
    documents = [
        EncodedDocument(100 + n, d.requests, d.gold, d.choice_lengths, d.digest)
        for n, d in enumerate(DOCUMENTS[:9])
    ]
    run = Walk.run

    def poisoned(walk):
        for leaves, sums in run(walk):
            for leaf, numbers in zip(leaves, sums, strict=True):
                # Not in the check, whose coalitions are windows of one block.
                if walk.forest.leaves[leaf] == (1, 2, 3):
                    numbers[0, -1] = number
            yield leaves, sums

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
