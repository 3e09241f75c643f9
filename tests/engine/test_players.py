"""Sublayers that are whole: every weight of a block is in one of them, and gone when it is removed."""

import pytest
import torch

from families import as_model
from family_structures import OTHER_STRUCTURES
from hand_table import layout, players_of, removed
from hand_table import weights_of as weights
from tiny_families import tiny_network
from wholeness import faults_of, found_players, removed_from


@pytest.fixture(scope="module", params=["llama", "qwen3_next", *OTHER_STRUCTURES])
def family(request):
    network = tiny_network(request.param)
    return request.param, network, players_of(network, request.param)


def test_the_hand_table_is_whole_by_changing_weights(family):
    name, network, players = family
    assert faults_of(network, layout(name).blocks, players, removed) == []


def test_the_finder_finds_what_the_hand_table_has(family):
    name, network, players = family
    found = found_players(as_model(network, name))
    assert [(one.block, one.kind) for one in found] == [(one.block, one.kind) for one in players]
    for ours, theirs in zip(found, players, strict=True):
        assert {id(weight) for weight in weights(ours)} == {id(weight) for weight in weights(theirs)}


def test_what_the_finder_finds_is_whole_by_changing_weights(family):
    name, network, _ = family
    model = as_model(network, name)
    players = found_players(model)
    assert faults_of(network, layout(name).blocks, players, removed_from(model)) == []


@pytest.mark.parametrize("lost", ["router", "experts", "per_layer_projection"])
def test_the_proof_finds_a_part_that_belongs_to_no_player(lost):
    network = tiny_network("gemma4_text")
    players = players_of(network, "gemma4_text")
    incomplete = [without_part(player, lost) for player in players]
    assert any(f"{lost}." in fault for fault in faults_of(network, "model.layers", incomplete, removed))


def test_the_proof_finds_a_player_that_is_still_felt_when_it_is_removed():
    """Falcon-H1's Mamba runs beside its attention: a removal of one is none of the other."""
    network = tiny_network("falcon_h1")
    players = [player for player in players_of(network, "falcon_h1") if player.kind != "mamba"]
    faults = faults_of(network, "model.layers", players, removed)
    assert "block 0: without its players its weights are felt" in faults


def without_part(player, lost):
    parts = {path: module for path, module in player.parts.items() if path != lost}
    kept = {id(module) for module in parts.values()}
    outputs = tuple(output for output in player.outputs if id(output[0]) in kept)
    return type(player)(player.block, player.kind, parts, outputs)


def test_weights_are_as_before_after_the_proof():
    network = tiny_network("opt")
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    faults_of(network, layout("opt").blocks, players_of(network, "opt"), removed)
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())
