"""Tests of blocks before they are used, by running them on a few tokens.

returns_its_input(decoder, 3, hidden, arguments)    # may it be left out where all its sublayers are removed?
prove_players(decoder, [0, 3], hidden, arguments)   # is all of a sublayer gone when it is removed?

The second knows no names: a weight is in use where a number in it that is none (NaN) reaches the block's output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.switch import Player
from cornerstone.loading.refusals import Reason, refused
from cornerstone.loading.sublayers import Block


class RunsBlocks(Protocol):
    """The part of `Decoder` that is used here."""

    network: nn.Module
    blocks: tuple[Block, ...]
    players: tuple[tuple[Player, ...], ...]

    def run_block(
        self, number: int, hidden: Tensor, arguments: BlockArguments, removed: Sequence[int] = ()
    ) -> Tensor:
        """One block on hidden states (B, T, D), without the sublayers at the given places in it."""
        ...


def returns_its_input(decoder: RunsBlocks, number: int, hidden: Tensor, arguments: BlockArguments) -> bool:
    """Whether the block without all its sublayers returns its input exactly."""
    output = decoder.run_block(number, hidden, arguments, removed=range(len(decoder.players[number])))
    return torch.equal(output, hidden)


def prove_players(
    decoder: RunsBlocks, numbers: Sequence[int], hidden: Tensor, arguments: Sequence[BlockArguments]
) -> None:
    """Prove that removing sublayers of these blocks removes all of them and nothing else.

    hidden: (B, T, D), whatever enters the blocks. Raises CornerstoneError where the block loses the residual stream
    with a sublayer, where a weight is in use though its sublayer is removed, and where a sublayer has no effect.
    """
    for number in numbers:
        _Proof(decoder, number, hidden, arguments[number]).run()


class _Proof:
    """The proof for one block."""

    def __init__(self, decoder: RunsBlocks, number: int, hidden: Tensor, arguments: BlockArguments) -> None:
        self.decoder, self.number, self.hidden, self.arguments = decoder, number, hidden, arguments
        self.block = decoder.blocks[number].module
        self.labels = [sublayer.label for sublayer in decoder.blocks[number].sublayers]
        self.weights = {
            name: weight
            for name, weight in self.block.named_parameters()
            if weight.ndim >= 2 and weight.is_floating_point()
        }

    def run(self) -> None:
        places = tuple(range(len(self.labels)))
        if not torch.isfinite(self._output(())).all():
            return  # the check says so, with the document that it is about
        for removed in dict.fromkeys([*((place,) for place in places), places]):
            self._refuse_lost_stream(removed)
        self._refuse_use(self.weights, places)
        for place in places:
            own = self._weights_of(place)
            self._refuse_use(own, (place,))
            if not any(self._is_used(name, ()) for name in own):
                raise refused(
                    self.decoder.network, Reason.NOT_WHOLE, f"{self.labels[place]} has no effect at all"
                )

    def _output(self, removed: Sequence[int], hidden: Tensor | None = None) -> Tensor:
        entering = self.hidden if hidden is None else hidden
        return self.decoder.run_block(self.number, entering, self.arguments, removed)

    def _weights_of(self, place: int) -> list[str]:
        own = {id(w) for m in self.decoder.blocks[self.number].parts[place] for w in m.parameters()}
        return [name for name, weight in self.weights.items() if id(weight) in own]

    def _refuse_lost_stream(self, removed: Sequence[int]) -> None:
        """Refuse a block whose output, without its sublayers, does not depend on its input."""
        if torch.equal(self._output(removed), self._output(removed, self.hidden.flip(-1))):
            named = ", ".join(self.labels[place] for place in removed)
            raise refused(self.decoder.network, Reason.NO_RESIDUAL, f"{named} removed")

    def _refuse_use(self, names: Sequence[str], removed: Sequence[int]) -> None:
        for name in names:
            if self._is_used(name, removed):
                gone = ", ".join(self.labels[place] for place in removed)
                raise refused(
                    self.decoder.network, Reason.NOT_WHOLE, f"{name} of block {self.number}, without {gone}"
                )

    def _is_used(self, name: str, removed: Sequence[int]) -> bool:
        with _unknown(self.block, name):
            return bool(torch.isnan(self._output(removed)).any())


@contextmanager
def _unknown(block: nn.Module, name: str) -> Iterator[None]:
    """Set every number of a weight to NaN."""
    path, _, leaf = name.rpartition(".")
    own = block.get_submodule(path)._parameters
    before = own[leaf]
    own[leaf] = nn.Parameter(torch.full_like(before, torch.nan), requires_grad=False)
    try:
        yield
    finally:
        own[leaf] = before
