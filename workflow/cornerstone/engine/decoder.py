"""A decoder cut at its blocks into head, blocks and tail. Each part runs the model's own code.

    with Decoder(network, blocks) as decoder:
        hidden, arguments = decoder.head(token_ids)
        hidden = decoder.run_block(0, hidden, arguments[0], removed=(0,))
        logits = decoder.tail(hidden[:, -1])

No adapter per family: blocks are replaced by recorders for the head and the tail, and a removed sublayer
by what `removals` puts in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.block_arguments import BlockArguments, grown_dims, hidden_first
from cornerstone.engine.removals import REMOVALS, Removal
from cornerstone.engine.switch import Form, Switch, replaced_forward
from cornerstone.loading.streaming import StreamedWeights
from cornerstone.loading.sublayers import Block, first_parameter, kinds_of_blocks, one_of_each_kind
from cornerstone.system.errors import CornerstoneError


class Decoder:
    """A causal language model cut into head, blocks and tail. Use it as a context manager.

    Raises CornerstoneError when the model does something between its blocks, or adds the residual inside a
    sublayer, so that zeroing that sublayer would lose the stream.

    weights: where the blocks' weights come from when they are not in memory; `weights.loading()` must be on then,
    and the blocks that the decoder learned from are held in memory when it is entered, for the check.
    removal: what takes the place of a removed sublayer's output.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[Block],
        weights: StreamedWeights | None = None,
        removal: Removal = REMOVALS["zero"],
    ) -> None:
        self.network = network
        self.blocks = tuple(blocks)
        self.weights = weights
        self.removal = removal
        self.device = first_parameter(network).device
        self.switches = tuple(
            tuple(Switch(module, removal) for module in block.modules) for block in self.blocks
        )
        self._forms: list[Form] = []
        self._skips: dict[int, bool] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Decoder:
        with self._stack as stack:
            for block, switches in zip(self.blocks, self.switches, strict=True):
                for module, switch in zip(block.modules, switches, strict=True):
                    stack.enter_context(replaced_forward(module, switch))
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
    ) -> tuple[Tensor, list[BlockArguments]]:
        """Run everything before the blocks: the first hidden state (B, T, D) and each block's arguments.

        Which of their dimensions is the batch no shape tells for certain: it is the one that grows when the
        head runs once more with one row more.
        """
        optional = {"attention_mask": attention_mask, "position_ids": position_ids}
        inputs = {"input_ids": token_ids} | {
            name: value for name, value in optional.items() if value is not None
        }
        record = self._record(inputs)
        wider = self._record({name: torch.cat([value, value[:1]]) for name, value in inputs.items()})
        arguments = [
            replace(one, batch_dims=grown_dims(one, other))
            for one, other in zip(record.arguments, wider.arguments, strict=True)
        ]
        return record.hidden, arguments

    def _record(self, inputs: dict[str, Tensor]) -> _Record:
        record = _Record(self._forms)
        with ExitStack() as stack:
            for number, block in enumerate(self.blocks):
                stack.enter_context(replaced_forward(block.module, record.at(number)))
            self.network.base_model(use_cache=False, **inputs)
        if record.changed_between is not None:
            raise CornerstoneError(
                f"{type(self.network).__name__} changes the hidden state between its blocks (before block "
                f"{record.changed_between}), outside any sublayer: Cornerstone cannot measure it"
            )
        return record

    # -- blocks ----------------------------------------------------------------------------------------

    def run_block(
        self,
        number: int,
        hidden: Tensor,
        arguments: BlockArguments,
        removed: Sequence[int] = (),
        *,
        keep_first: bool = False,
        replay_first: Tensor | None = None,
    ) -> Tensor:
        """One block on hidden states (B, T, D), without the sublayers at the given places in it (0, 1).

        keep_first leaves the first sublayer's output in `switches[number][0].kept`; replay_first puts such
        an output in its place instead of computing it.
        """
        if self.weights is not None:
            self.weights.use(number)
        switches = self.switches[number]
        for place, switch in enumerate(switches):
            switch.removed = place in removed
        switches[0].keep, switches[0].replay = keep_first, replay_first
        try:
            output = self.blocks[number].module(hidden, *arguments.args, **arguments.kwargs)
        finally:
            for switch in switches:
                switch.removed, switch.keep, switch.replay = False, False, None
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
            return self.network(input_ids=ids, use_cache=False).logits[:, -1]

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
            self._learn_forms()
        else:
            self._learn_forms_by_kind(self.weights)
        # Not the embeddings: a block may lose the stream where they happen to be zero.
        hidden, self._probe_arguments = self.head(_some_tokens(self.device))
        probe = torch.linspace(-1, 1, hidden.numel(), device=hidden.device).to(hidden.dtype)
        self._probe = probe.view_as(hidden)
        if self.weights is None:
            for number in range(len(self.blocks)):
                self.skips(number)

    def _learn_forms(self) -> None:
        forms: list[Form] = []
        hooks = [
            b.module.register_forward_hook(lambda *call: forms.append(Form.of(call[2]))) for b in self.blocks
        ]
        try:
            self.network(input_ids=_some_tokens(self.device), use_cache=False)
        finally:
            for hook in hooks:
                hook.remove()
        self._forms = forms

    def _learn_forms_by_kind(self, weights: StreamedWeights) -> None:
        """As `_learn_forms`, from one block of each kind: a pass over streamed weights takes long."""
        kinds = kinds_of_blocks(self.network, self.blocks)
        weights.hold(one_of_each_kind(kinds))
        for number, kind in enumerate(kinds):
            if kind == number:
                self._forms.append(self._form_of(number))
                continue
            self._forms.append(self._forms[kind])
            for switch, known in zip(self.switches[number], self.switches[kind], strict=True):
                switch.form = known.form

    def _form_of(self, number: int) -> Form:
        """What a block returns, whose predecessors' forms are known: they pass the hidden state on."""

        def seen(*call: Any) -> None:
            raise _Seen(Form.of(call[2]))

        hook = self.blocks[number].module.register_forward_hook(seen)
        try:
            with self.cut_to(range(number, len(self.blocks))):
                self.network(input_ids=_some_tokens(self.device), use_cache=False)
        except _Seen as found:
            return found.form
        finally:
            hook.remove()
        raise CornerstoneError(
            f"{type(self.network).__name__} does not call its block {number}: Cornerstone cannot measure it"
        )

    @contextmanager
    def cut_to(self, numbers: Sequence[int]) -> Iterator[None]:
        """Let all other blocks return their input: the network then consists of these blocks."""
        with ExitStack() as stack:
            for number in set(range(len(self.blocks))) - set(numbers):
                forward = self._passing(number, None)
                stack.enter_context(replaced_forward(self.blocks[number].module, forward))
            yield

    def skips(self, number: int) -> bool:
        """Whether a block may be left out where all its sublayers are removed: it then returns its input."""
        if number not in self._skips:
            arguments = self._probe_arguments[number]
            self._skips[number] = self._is_skippable(number, self._probe, arguments)
        return self._skips[number]

    def counted(self) -> int:
        """(state × token × sublayer) evaluations made since `reset_counts`, padding included."""
        return sum(switch.tokens for switches in self.switches for switch in switches)

    def reset_counts(self) -> None:
        for switch in (switch for switches in self.switches for switch in switches):
            switch.tokens = 0

    def _is_skippable(self, number: int, hidden: Tensor, arguments: BlockArguments) -> bool:
        """Whether the block without its sublayers returns its input exactly."""
        output = self.run_block(number, hidden, arguments, removed=range(len(self.switches[number])))
        if not output.any():
            raise CornerstoneError(
                f"{type(self.network).__name__} adds the residual inside its sublayers, so removing one "
                "would lose the residual stream too: Cornerstone cannot measure it, choose another family"
            )
        return torch.equal(output, hidden)


class _Seen(Exception):
    """Ends a forward pass once a block's form is known."""

    def __init__(self, form: Form) -> None:
        self.form = form


class _Record:
    """Recorders for the head of a pass: blocks that keep what they are given and hand the hidden state on."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self.forms = forms
        self.hidden: Tensor | None = None
        self.arguments: list[BlockArguments] = []
        self.changed_between: int | None = None

    def at(self, number: int) -> Callable:
        def forward(*args: Any, **kwargs: Any) -> Any:
            hidden, rest = hidden_first(args, kwargs)
            if self.hidden is None:
                self.hidden = hidden
            elif hidden is not self.hidden and not torch.equal(hidden, self.hidden):
                self.changed_between = number
            self.arguments.append(rest)
            return self.forms[number].filled(hidden)

        return forward


def _some_tokens(device: torch.device) -> Tensor:
    """A few tokens for probing, which every vocabulary has."""
    return torch.arange(5, device=device).repeat(2, 1)
