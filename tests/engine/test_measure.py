"""Cheap measures against plain transformers, with hooks on modules that were chosen by reading each family's code."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from cornerstone.engine.decoder import Decoder
from cornerstone.engine.measure import counted_nodes, measure
from cornerstone.engine.token_tree import TREE, document_rows, plain_rows
from cornerstone.loading.load import LanguageModel
from cornerstone.measures import MEASURES
from cornerstone.system.errors import CornerstoneError
from engine_cases import least_tokens, random_documents
from families import N_BLOCKS, as_model, family_network
from family_structures import OTHER_STRUCTURES
from hand_table import layout, players_of, removed
from streamed_models import resident, save, streamed
from tiny_families import tiny_network
from token_documents import PAIRS, encoded

DOCUMENTS = encoded(PAIRS)


@dataclass(frozen=True)
class Streams:
    """Where a family's residual stream is seen.

    layers:  the path of the list of blocks.
    between: the module of a block whose input is the stream between attention and FFN.
    added:   in parallel blocks, the module whose output is all that attention adds to the stream.
    """

    layers: str
    between: str | None = None
    added: str | None = None


FAMILIES = {
    "llama": Streams("model.layers", between="post_attention_layernorm"),
    "mixtral": Streams("model.layers", between="post_attention_layernorm"),
    "granite": Streams("model.layers", between="post_attention_layernorm"),
    "gemma2": Streams("model.layers", between="pre_feedforward_layernorm"),
    "gemma3_text": Streams("model.layers", between="pre_feedforward_layernorm"),
    "olmo2": Streams("model.layers", between="mlp"),
    "bloom": Streams("transformer.h", between="post_attention_layernorm"),
    "mpt": Streams("transformer.blocks", between="norm_2"),
    "gptj": Streams("transformer.h", added="attn"),
    "phi": Streams("model.layers", added="self_attn"),
    "cohere": Streams("model.layers", added="self_attn"),
    "gpt_neox": Streams("gpt_neox.layers", added="attention"),
}


def tensor(value):
    """The tensor in what a module is given or returns."""
    return value[0] if isinstance(value, tuple) else value


@torch.no_grad()
def streams_of(network, family, tokens):
    """Of each block what enters it, the stream after its attention, and what leaves it: float64 (tokens, width)."""
    seen = {}

    def keep(key, value):
        seen[key] = tensor(value)[0].double().numpy()

    blocks = network.get_submodule(family.layers)
    with ExitStack() as stack:
        for number, block in enumerate(blocks):

            def before(module, args, kwargs, key=(number, "in")):
                keep(key, args or kwargs["hidden_states"])

            def after(module, args, output, key=(number, "out")):
                keep(key, output)

            def added(module, args, output, key=(number, "added")):
                keep(key, output)

            stack.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
            stack.callback(block.register_forward_hook(after).remove)
            if family.added:
                stack.callback(block.get_submodule(family.added).register_forward_hook(added).remove)
            else:

                def between(module, args, kwargs, key=(number, "between")):
                    keep(key, args or kwargs["hidden_states"])

                module = block.get_submodule(family.between)
                stack.callback(module.register_forward_pre_hook(between, with_kwargs=True).remove)
        network(input_ids=torch.tensor([tokens]), use_cache=False)
    middles = [
        seen[number, "in"] + seen[number, "added"] if family.added else seen[number, "between"]
        for number in range(len(blocks))
    ]
    return [(seen[n, "in"], middle, seen[n, "out"]) for n, middle in enumerate(middles)]


def plainly(one, other):
    """Block influence, angular distance and relative norm of each token, by their definitions: (3, tokens)."""
    lengths = [np.linalg.norm(states, axis=-1) for states in (one, other)]
    cosine = (one * other).sum(axis=-1) / (lengths[0] * lengths[1])
    return np.array(
        [1 - cosine, np.arccos(cosine.clip(-1, 1)) / np.pi, np.linalg.norm(other - one, axis=-1) / lengths[0]]
    )


def reference(network, family, document):
    """(measures, sublayers) and (measures, blocks): means over the distinct prefixes of a document's requests."""
    of_prefix = {}
    for request in document.requests:
        changes = [
            [plainly(*pair) for pair in ((entered, middle), (middle, left), (entered, left))]
            for entered, middle, left in streams_of(network, family, request.tokens)
        ]
        for end in range(len(request.tokens)):
            numbers = [[change[:, end] for change in of_block] for of_block in changes]
            of_prefix[request.tokens[: end + 1]] = numbers
    mean = np.mean(list(of_prefix.values()), axis=0)  # (blocks, three changes, measures)
    return mean[:, :2].reshape(-1, mean.shape[2]).T, mean[:, 2].T


@pytest.mark.parametrize("together", [2, 3])
def test_a_group_is_measured_from_what_enters_its_first_block_to_what_leaves_its_last(together):
    for name in ("llama", "olmo2"):
        network = tiny_network(name)
        model = as_model(network, name)
        firsts = range(0, len(model.blocks), together)
        groups = [(first, min(first + together, len(model.blocks)) - 1) for first in firsts]
        assert len(groups) > 1
        found, alone = measure(model, DOCUMENTS, blocks_together=together), measure(model, DOCUMENTS)
        for position, document in enumerate(DOCUMENTS):
            of_prefix = {}
            for request in document.requests:
                streams = streams_of(network, FAMILIES[name], request.tokens)
                changes = [plainly(streams[first][0], streams[last][2]) for first, last in groups]
                for end in range(len(request.tokens)):
                    of_prefix[request.tokens[: end + 1]] = [change[:, end] for change in changes]
            wanted = np.mean(list(of_prefix.values()), axis=0).T
            assert found.groups[:, position] == pytest.approx(wanted, abs=1e-4)
        assert found.sublayers == pytest.approx(alone.sublayers, abs=1e-6)
        assert found.blocks == pytest.approx(alone.blocks, abs=1e-6)
        assert alone.groups.shape[2] == 0


def tiny_llama(seed=0) -> LanguageModel:
    return as_model(family_network("llama", seed), "tiny")


@pytest.mark.parametrize("name", FAMILIES)
def test_measures_are_those_of_the_residual_stream_that_hooks_see(name):
    network = tiny_network(name)
    found = measure(as_model(network, name), DOCUMENTS)
    assert MEASURES.names == ("block_influence", "angular_distance", "relative_norm")
    for position, document in enumerate(DOCUMENTS):
        sublayers, blocks = reference(network, FAMILIES[name], document)
        assert found.sublayers[:, position] == pytest.approx(sublayers, abs=1e-4)
        assert found.blocks[:, position] == pytest.approx(blocks, abs=1e-4)
    # Else the claim would be empty: sublayers and documents must differ far beyond that.
    assert np.ptp(found.sublayers, axis=(1, 2)).min() > 0.01


@torch.no_grad()
def states_without(network, name, request):
    """By plain transformers without some players of a block: what enters each block, and what leaves it with none of
    its players, with the first, …, with all; float64 (tokens, width)."""
    players, blocks = players_of(network, name), network.get_submodule(layout(name).blocks)

    def seen_at(number, without=()):
        seen = {}
        block = blocks[number]

        def hook(module, args, kwargs, output):
            seen["in"], seen["out"] = tensor(args or kwargs["hidden_states"]), tensor(output)

        handle = block.register_forward_hook(hook, with_kwargs=True)
        with removed(players, without):
            network(input_ids=torch.tensor([request.tokens]), use_cache=False)
        handle.remove()
        return [seen[side][0].double().numpy() for side in ("in", "out")]

    found = []
    for number in range(len(blocks)):
        own = [place for place, player in enumerate(players) if player.block == number]
        entered, _ = seen_at(number)
        found.append((entered, [seen_at(number, own[present:])[1] for present in range(len(own) + 1)]))
    return found


@pytest.mark.parametrize("name", OTHER_STRUCTURES)
def test_measures_of_any_structure_are_those_of_blocks_without_their_later_sublayers(name):
    network = tiny_network(name)
    documents = [DOCUMENTS[1], DOCUMENTS[3]]
    found = measure(as_model(network, name), documents)
    for position, document in enumerate(documents):
        of_prefix = {}
        for request in document.requests:
            states = states_without(network, name, request)
            changes = [plainly(*pair) for _, of_block in states for pair in pairwise(of_block)]
            changes += [plainly(entered, of_block[-1]) for entered, of_block in states]
            for end in range(len(request.tokens)):
                of_prefix[request.tokens[: end + 1]] = [change[:, end] for change in changes]
        wanted = np.mean(list(of_prefix.values()), axis=0).T
        ours = np.concatenate([found.sublayers[:, position], found.blocks[:, position]], axis=1)
        assert ours == pytest.approx(wanted, abs=1e-4, rel=1e-4)


def test_rows_of_any_kind_count_the_same_tokens():
    documents = random_documents(30)
    tree, plain = (measure(tiny_llama(), documents, rows=rows) for rows in ("tree", "plain"))
    assert (tree.counts["rows"], plain.counts["rows"]) == ("tree", "plain")
    assert tree.counts["row_tokens"] < plain.counts["row_tokens"]
    assert tree.sublayers == pytest.approx(plain.sublayers, abs=1e-5)
    assert tree.blocks == pytest.approx(plain.blocks, abs=1e-5)


def test_each_prefix_of_a_document_counts_once():
    for document in random_documents(20, seed=1):
        rows = document_rows(0, document, TREE)
        assert sum(map(len, counted_nodes(rows))) == least_tokens([document])
        assert sum(map(len, counted_nodes(plain_rows(0, document)))) == least_tokens([document])


def test_neighbours_and_padding_are_not_felt():
    documents = random_documents(30)
    together = measure(tiny_llama(), documents)
    apart = measure(tiny_llama(), documents, batch_tokens=1)
    assert together.sublayers == pytest.approx(apart.sublayers, abs=1e-5)
    assert together.blocks == pytest.approx(apart.blocks, abs=1e-5)


def test_no_sublayer_runs_twice():
    documents = random_documents(30)
    counts = measure(tiny_llama(), documents, batch_tokens=1).counts
    assert counts["evaluations"] == counts["padded_evaluations"] == 6 * least_tokens(documents)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["mixtral", "gemma2", "cohere"])
def test_streamed_weights_give_what_resident_ones_give(tmp_path, name, dtype):
    folder = save(family_network(name), tmp_path)
    expected, found = (
        measure(load(folder, dtype), DOCUMENTS, blocks_together=2) for load in (resident, streamed)
    )
    for part in ("sublayers", "blocks", "groups"):
        assert (getattr(found, part) == getattr(expected, part)).all()


def test_a_smaller_dtype_is_near(tmp_path):
    folder = save(family_network("llama"), tmp_path)
    whole, small = (measure(resident(folder, dtype), DOCUMENTS) for dtype in ("float32", "bfloat16"))
    assert small.sublayers == pytest.approx(whole.sublayers, abs=0.02, rel=0.02)
    assert np.abs(small.sublayers - whole.sublayers).max() > 1e-5


def test_what_does_not_fit_in_memory_goes_in_smaller_batches(monkeypatch):
    documents = random_documents(30)
    expected = measure(tiny_llama(), documents)
    most, run_block = 300, Decoder.run_block

    def with_little_memory(decoder, number, hidden, *rest, **settings):
        if number == 2 and hidden.shape[0] * hidden.shape[1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_block(decoder, number, hidden, *rest, **settings)

    model = tiny_llama()
    monkeypatch.setattr(Decoder, "run_block", with_little_memory)
    monkeypatch.setattr("cornerstone.engine.measure.choose_rows", unchecked)
    found = measure(model, documents)
    assert found.sublayers == pytest.approx(expected.sublayers, abs=1e-5)
    most = 10
    with pytest.raises(
        CornerstoneError, match=r"document \d+ \(\d+ tokens\) does not fit in memory even alone"
    ):
        measure(model, documents)


def unchecked(*_):
    """Tree rows, without the check."""
    return replace(TREE, windows=(None,) * N_BLOCKS)


def test_progress_ends_with_all_of_it():
    told = []
    measure(tiny_llama(), DOCUMENTS, on_progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1][0] == told[-1][1] == 6 * least_tokens(DOCUMENTS)


def test_a_token_without_a_direction_does_not_count():
    network = family_network("llama")
    with torch.no_grad():
        network.model.embed_tokens.weight[7] = 0
    model = as_model(network, "tiny")
    (found,) = measure(model, encoded([[([5, 6, 7], [8, 9])]])).sublayers[0, :, 0]
    entered, middle, _ = streams_of(network, FAMILIES["llama"], [5, 6, 7, 8])[0]
    others = [0, 1, 3]
    assert not entered[2].any() and entered[others].any(axis=1).all()
    assert found == pytest.approx(plainly(entered[others], middle[others])[0].mean(), abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e30, float("inf")])
def test_states_that_cannot_be_measured_are_refused_in_one_line(value, monkeypatch):
    network = family_network("llama")
    model = as_model(network, "tiny")
    monkeypatch.setattr("cornerstone.engine.measure.choose_rows", unchecked)
    with torch.no_grad():
        network.model.embed_tokens.weight[:] = value
    with pytest.raises(
        CornerstoneError, match=r"tiny: the block influence of Attn 0 on document \d+ is nan: its"
    ):
        measure(model, DOCUMENTS)
