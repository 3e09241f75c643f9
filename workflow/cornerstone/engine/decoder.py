"""A decoder cut at its blocks into head, blocks and tail. Each part runs the model's own code.

    with Decoder(network, blocks) as decoder:
        hidden, arguments = decoder.head(token_ids)
        hidden = decoder.run_block(0, hidden, arguments[0], removed=(0,))
        logits = decoder.tail(hidden[:, -1])

No adapter per family: blocks are replaced by recorders for the head and the tail, and a removed sublayer
by what `removals` puts in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.block_arguments import BlockArguments, grown_dims, hidden_first
from cornerstone.engine.outlets import find_outlets
from cornerstone.engine.probing import prove_players, returns_its_input
from cornerstone.engine.removals import ZERO, Removal
from cornerstone.engine.switch import Form, Player, replaced_forward
from cornerstone.loading.refusals import Reason, refused
from cornerstone.loading.streaming import StreamedWeights
from cornerstone.loading.sublayers import Block, first_parameter, kinds_of_blocks, one_of_each_kind


class Decoder:
    """A causal language model cut into head, blocks and tail. Use it as a context manager.

    Raises CornerstoneError when the model does something between its blocks, when it loses the residual stream
    without a sublayer, and when it does not run its blocks and their sublayers once each, in order.

    weights: where the blocks' weights come from when they are not in memory; `weights.loading()` must be on then,
    and the blocks that the decoder learned from are held in memory when it is entered, for the check.
    removal: what takes the place of a removed sublayer's output.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[Block],
        weights: StreamedWeights | None = None,
        removal: Removal = ZERO,
    ) -> None:
        self.network = network
        self.blocks = tuple(blocks)
        self.weights = weights
        self.removal = removal
        self.device = first_parameter(network).device
        self.players = tuple(
            tuple(Player(modules, removal.outlets(block, place)) for place, modules in enumerate(block.parts))
            for block in self.blocks
        )
        self._forms: list[Form] = []
        self._skips: dict[int, bool] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Decoder:
        with self._stack as stack:
            for player in (player for players in self.players for player in players):
                for switch in player.all_switches:
                    stack.enter_context(replaced_forward(switch.module, switch))
            self._learn()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    # -- head ------------------------------------------------------------------------------------------

    def head(
        self,
        token_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Any = None,
    ) -> tuple[Tensor, list[BlockArguments]]:
        """Run everything before the blocks: the first hidden state (B, T, D) and each block's arguments.

        cache: of past keys and values, which the model hands to its blocks as it is.

        Which of their dimensions is the batch no shape tells for certain: it is the one that grows when the
        head runs once more with one row more.
        """
        optional = {"attention_mask": attention_mask, "position_ids": position_ids}
        inputs = {"input_ids": token_ids} | {
            name: value for name, value in optional.items() if value is not None
        }
        record = self._record(inputs, cache)
        wider = self._record({name: torch.cat([value, value[:1]]) for name, value in inputs.items()}, cache)
        arguments = [
            replace(one, batch_dims=grown_dims(one, other))
            for one, other in zip(record.arguments, wider.arguments, strict=True)
        ]
        return record.hidden, arguments

    def _record(self, inputs: dict[str, Tensor], cache: Any = None) -> _Record:
        record = _Record(self.network, self._forms)
        with ExitStack() as stack:
            for number, block in enumerate(self.blocks):
                stack.enter_context(replaced_forward(block.module, record.at(number)))
            past = {} if cache is None else {"past_key_values": cache}
            self.network.base_model(use_cache=False, **inputs, **past)
        return record

    # -- blocks ----------------------------------------------------------------------------------------

    def run_block(
        self,
        number: int,
        hidden: Tensor,
        arguments: BlockArguments,
        removed: Sequence[int] = (),
        *,
        keep: Sequence[int] = (),
        replay: Mapping[int, Sequence[Tensor]] = MappingProxyType({}),
        first: Tensor | None = None,
    ) -> Tensor:
        """One block on hidden states (B, T, D), without the sublayers at the given places in it (0, 1, …).

        keep leaves the outputs of the sublayers at these places in `players[number][place]`; replay puts such
        outputs in their places instead of computing them. first: (B, T) bool, which tokens are the first of their
        text, where `removal` keeps means; None: the first of each row.
        """
        if self.weights is not None:
            self.weights.use(number)
        players = self.players[number]
        for place, player in enumerate(players):
            player.set(place in removed, place in keep, replay.get(place), first)
        try:
            output = self.blocks[number].module(hidden, *arguments.args, **arguments.kwargs)
        finally:
            for player in players:
                player.set()
        return self._forms[number].main(output)

    # -- tail ------------------------------------------------------------------------------------------

    def tail(self, states: Tensor) -> Tensor:
        """Logits (n, vocabulary) of hidden states (n, D) that leave the last block: the model's own norm,
        head, scaling and caps."""
        ids = torch.zeros((states.shape[0], 1), dtype=torch.long, device=states.device)
        last = len(self.blocks) - 1
        with ExitStack() as stack:
            for number, block in enumerate(self.blocks):
                hand_in = states[:, None] if number == last else None
                stack.enter_context(replaced_forward(block.module, self._passing(number, hand_in)))
            return logits_of(self.network, self.network(input_ids=ids, use_cache=False))[:, -1]

    def _passing(self, number: int, hand_in: Tensor | None) -> Callable:
        """A forward that passes the hidden state on, or hands in another one."""

        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden, _ = hidden_first(args, kwargs)
            return self._forms[number].filled(hidden if hand_in is None else hand_in)

        return forward

    # -- learning the model's ways ---------------------------------------------------------------------

    def _learn(self) -> None:
        """Find, by running it on a few tokens, what the model's blocks return and which ones pass through."""
        if self.weights is None:
            self._learn_from(range(len(self.blocks)))
        else:
            self._learn_by_kind(self.weights)
        # Not the embeddings: a block may lose the stream where they happen to be zero.
        hidden, self._probe_arguments = self.head(_some_tokens(self.device))
        probe = torch.linspace(-1, 1, hidden.numel(), device=hidden.device).to(hidden.dtype)
        self._probe = probe.view_as(hidden)
        if self.weights is None:
            for number in range(len(self.blocks)):
                self.skips(number)

    def _learn_by_kind(self, weights: StreamedWeights) -> None:
        """From one block of each kind: a pass over streamed weights takes long."""
        kinds = kinds_of_blocks(self.network, self.blocks)
        weights.hold(one_of_each_kind(kinds))
        for number, kind in enumerate(kinds):
            if kind == number:
                with self.cut_to(range(number, len(self.blocks))):
                    self._learn_from([number])
                continue
            self._forms.append(self._forms[kind])
            for player, known in zip(self.players[number], self.players[kind], strict=True):
                for switch, other in zip(player.all_switches, known.all_switches, strict=True):
                    switch.form = other.form

    def _learn_from(self, numbers: Sequence[int]) -> None:
        """Run the network until the last of these blocks, and take down the forms of what they return.

        The forms of the blocks before them are known: these pass the hidden state on.
        """
        watch = _Watch(self, numbers)
        with watch.hooks(), suppress(_Seen):
            self.network(input_ids=_some_tokens(self.device), use_cache=False)
        watch.refuse_other_order()
        self._forms += [watch.forms[number] for number in numbers]

    @contextmanager
    def cut_to(self, numbers: Sequence[int]) -> Iterator[None]:
        """Let all other blocks return their input: the network then consists of these blocks."""
        with ExitStack() as stack:
            for number in set(range(len(self.blocks))) - set(numbers):
                forward = self._passing(number, None)
                stack.enter_context(replaced_forward(self.blocks[number].module, forward))
            yield

    def skips(self, number: int) -> bool:
        """Whether a block may be left out where all its sublayers are removed: it then returns its input.

        Never where means stay, however small they are.
        """
        if self.removal.means is not None:
            return False
        if number not in self._skips:
            arguments = self._probe_arguments[number]
            self._skips[number] = returns_its_input(self, number, self._probe, arguments)
        return self._skips[number]

    @property
    def probe(self) -> tuple[Tensor, list[BlockArguments]]:
        """A hidden state of a few tokens (B, T, D), none of it zero, and each block's arguments for it."""
        return self._probe, self._probe_arguments

    def prove_players(self, numbers: Sequence[int]) -> None:
        """See `probing.prove_players`; the weights of these blocks must be in memory."""
        prove_players(self, numbers, self._probe, self._probe_arguments)

    def outlets(self, number: int) -> list[tuple[str, ...]]:
        """See `outlets.find_outlets`; the weights of the block must be in memory."""
        return find_outlets(self, number, self._probe, self._probe_arguments[number])

    def counted(self) -> int:
        """(state × token × sublayer) evaluations made since `reset_counts`, padding included."""
        return sum(player.tokens for players in self.players for player in players)

    def reset_counts(self) -> None:
        for player in (player for players in self.players for player in players):
            player.reset_count()


def logits_of(network: nn.Module, output: Any) -> Tensor:
    """The logits (B, T, vocabulary) in what a network returns. Raises CornerstoneError where it has none."""
    logits = getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 3:
        raise refused(network, Reason.NO_LOGITS, f"it returns {type(output).__name__}")
    return logits


class _Seen(Exception):
    """Ends a forward pass early, once everything needed was recorded."""


class _Watch:
    """Records, while the network runs, what some blocks return and in which order their sublayers run."""

    def __init__(self, decoder: Decoder, numbers: Sequence[int]) -> None:
        self.decoder, self.numbers = decoder, numbers
        self.forms: dict[int, Form] = {}
        self.made: list[tuple[int, Tensor]] = []  # by which block, besides its hidden state
        self.calls: dict[int, list[int]] = {number: [] for number in numbers}
        self.trying = False

    @contextmanager
    def hooks(self) -> Iterator[None]:
        with ExitStack() as stack:
            for number in self.numbers:
                block = self.decoder.blocks[number].module
                hook = partial(self._returned, number)
                stack.callback(block.register_forward_hook(hook, with_kwargs=True).remove)
                for place, player in enumerate(self.decoder.players[number]):
                    for switch in player.switches:
                        hook = partial(self._called, number, place)
                        stack.callback(switch.module.register_forward_pre_hook(hook).remove)
            yield

    def _called(self, number: int, place: int, *_: Any) -> None:
        if not self.trying:
            self.calls[number].append(place)

    def _returned(self, number: int, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if number in self.forms:
            raise refused(self.decoder.network, Reason.ORDER, f"block {number} runs more than once")
        self.forms[number] = Form.of(output)
        given = BlockArguments(args, kwargs)
        self._refuse_passed_on(number, module, given, output)
        known = {id(tensor) for tensor in given.tensors()}
        others = BlockArguments((output,), {}).tensors()[1:]
        self.made += [(number, tensor) for tensor in others if id(tensor) not in known]
        if number == self.numbers[-1] != len(self.decoder.blocks) - 1:
            raise _Seen

    def _refuse_passed_on(self, number: int, module: nn.Module, given: BlockArguments, output: Any) -> None:
        """Raise CornerstoneError where a block uses what an earlier one made: without it other numbers come out."""
        makers = {id(tensor): maker for maker, tensor in self.made}
        passed = [tensor for tensor in given.tensors() if id(tensor) in makers]
        if not passed:
            return
        without = given.map(lambda tensor: None if id(tensor) in makers else tensor)
        self.trying = True
        try:
            other = self.forms[number].main(module.forward(*without.args, **without.kwargs))
            is_used = not torch.allclose(other, self.forms[number].main(output), rtol=1e-3, atol=1e-4)
        except Exception:  # a model's code may miss it in any way
            is_used = True
        finally:
            self.trying = False
        if is_used:
            maker, shape = makers[id(passed[0])], list(passed[0].shape)
            detail = f"block {number} is given what block {maker} made, of shape {shape}"
            raise refused(self.decoder.network, Reason.PASSED_ON, detail)

    def refuse_other_order(self) -> None:
        """Raise CornerstoneError unless each block ran once and each part of its sublayers once, in order."""
        for number in self.numbers:
            if number not in self.forms:
                raise refused(self.decoder.network, Reason.ORDER, f"block {number} is not run")
            wanted = [
                place for place, player in enumerate(self.decoder.players[number]) for _ in player.switches
            ]
            if (calls := self.calls[number]) != wanted:
                labels = [sublayer.label for sublayer in self.decoder.blocks[number].sublayers]
                ran = ", ".join(labels[place] for place in calls) or "none of its sublayers"
                raise refused(self.decoder.network, Reason.ORDER, f"block {number} runs {ran}")


class _Record:
    """Recorders for the head of a pass: blocks that keep what they are given and hand the hidden state on."""

    def __init__(self, network: nn.Module, forms: Sequence[Form]) -> None:
        self.network, self.forms = network, forms
        self.hidden: Tensor | None = None
        self.arguments: list[BlockArguments] = []

    def at(self, number: int) -> Callable:
        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden, rest = hidden_first(args, kwargs)
            if number != len(self.arguments):
                raise refused(
                    self.network, Reason.ORDER, f"block {number} runs after {len(self.arguments)} others"
                )
            if hidden.ndim != 3:
                raise refused(
                    self.network, Reason.SEVERAL_STREAMS, f"block {number} is given {tuple(hidden.shape)}"
                )
            if self.hidden is None:
                self.hidden = hidden
            elif hidden is not self.hidden and not torch.equal(hidden, self.hidden):
                raise refused(self.network, Reason.BETWEEN_BLOCKS, f"before block {number}")
            self.arguments.append(rest)
            return self.forms[number].filled(hidden)

        return forward


def _some_tokens(device: torch.device) -> Tensor:
    """A few tokens for probing, which every vocabulary has."""
    return torch.arange(5, device=device).repeat(2, 1)
