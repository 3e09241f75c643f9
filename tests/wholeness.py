"""The proof that players are whole: weights are changed, and what the network says changes or does not.

    faults_of(network, "model.layers", players, removed)        what speaks against it, in words; empty: nothing does

It knows no names: `players` are whoever `removed(players, numbers)` can take away, each with its `block` and what
`weights_of` says, whether the hand table wrote them or Cornerstone found them.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from cornerstone.engine.reference import sublayers_removed
from hand_table import weights_of
from token_documents import MAX_LENGTH, VOCABULARY

FELT = 1e-3
"""Logits that move less than this are as they were, but for rounding."""

TOKENS = torch.from_numpy(np.random.RandomState(5).randint(3, VOCABULARY, (1, MAX_LENGTH - 8)))


@torch.inference_mode()
def logits(network):
    return network(input_ids=TOKENS, use_cache=False).logits


@contextmanager
def changed(weights):
    """The weights are others within this; afterwards they are as before."""
    before = [weight.detach().clone() for weight in weights]
    random = np.random.RandomState(1)
    for weight in weights:
        noise = torch.from_numpy(random.standard_normal(tuple(weight.shape))).to(weight.dtype)
        weight.data += 0.5 * noise
    try:
        yield
    finally:
        for weight, old in zip(weights, before, strict=True):
            weight.data.copy_(old)


def matrices(module):
    """Its weights of two or more dimensions."""
    return {name: weight for name, weight in module.named_parameters() if weight.ndim >= 2}


def faults_of(network, blocks, players, removed):
    """Each fault in words.

    removed(players, numbers): a context within which the network does without these players.
    """
    faults = []
    for number, block in enumerate(network.get_submodule(blocks)):
        own = [place for place, player in enumerate(players) if player.block == number]
        faults += _not_in_one(number, block, [players[place] for place in own])
        with removed(players, own):
            bare = logits(network)
            with changed(list(matrices(block).values())):
                if not torch.equal(logits(network), bare):
                    faults.append(f"block {number}: without its players its weights are felt")
        for place in own:
            faults += _not_alone(network, players, removed, own, place)
    return faults


def _not_in_one(number, block, players):
    """Weights of a block that are in none of its players, or in several."""
    held = [id(weight) for player in players for weight in weights_of(player)]
    counts = {name: held.count(id(weight)) for name, weight in matrices(block).items()}
    return [f"block {number}: {name} is in {count} players" for name, count in counts.items() if count != 1]


def _not_alone(network, players, removed, own, place):
    """What speaks against a player being gone when it is removed, and the others being there."""
    faults = []
    with removed(players, [place]):
        without = logits(network)
        with changed(weights_of(players[place])):
            if not torch.equal(logits(network), without):
                faults.append(f"player {place} is felt though it is removed")
        for other in own:
            if other == place:
                continue
            with changed(weights_of(players[other])):
                if float((logits(network) - without).abs().max()) < FELT:
                    faults.append(f"player {other} is gone when player {place} is removed")
    return faults


# Players that Cornerstone finds


@dataclass(frozen=True)
class Found:
    """A sublayer as Cornerstone finds it."""

    block: int
    kind: str
    modules: tuple


def found_players(model):
    """The sublayers of a model, in execution order."""
    return [
        Found(sublayer.block, sublayer.kind, tuple(parts))
        for block in model.blocks
        for sublayer, parts in zip(block.sublayers, block.parts, strict=True)
    ]


def removed_from(model):
    """What `removed` is for sublayers of a model."""
    return lambda players, numbers: sublayers_removed(model, tuple(numbers))
