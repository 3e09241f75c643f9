"""Other sublayers removed in each row of a batch, while the model's own forward runs.

    with RemovedRows(decoder) as removed:
        removed.set([(0, 3), ()])               # the first row is without sublayers 0 and 3
        model.network.generate(token_ids, …)

A sublayer's output is replaced where a row is without it. What need not be computed is not (`equal_rows`): a sublayer
gets the rows that run it, and its output is handed to all. Keys and values are handed on too, so that those of all rows
stay in step with the tokens.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from cornerstone.engine.block_arguments import BlockArguments, gathered, grown_dims, hidden_first, of_rows
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.equal_rows import Running, afterwards, while_reading
from cornerstone.engine.switch import Player, Switch, replaced_forward
from cornerstone.shapley.coalitions import Removed

PROBE_TOKENS = 5


class RemovedRows:
    """Use it as a context manager; `set` says what the rows of the next batch are without.

    decoder: of the network, after it was entered once: it knows what modules return.
    once:    whether rows in the same state are computed once.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.network, self.device = decoder.network, decoder.device
        self.removal = decoder.removal
        players = [player for of_block in decoder.players for player in of_block]
        self.sublayers = len(players)
        self._switches = [
            _RowSwitch(switch, index, player, self)
            for index, player in enumerate(players)
            for switch in player.all_switches
        ]
        self.once = False
        self.is_learning = self._has_learned = False
        self.rows = 0
        self.without: dict[int, Tensor] = {}  # by sublayer, bool (rows,): which are without it
        self._reading: dict[int, Running] | None = None
        self._afterwards: dict[int, Running] = {}
        self._first: Tensor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> RemovedRows:
        with self._stack as stack:
            for switch in self._switches:
                stack.enter_context(replaced_forward(switch.switch.module, switch))
            stack.callback(self.network.register_forward_hook(self.passed).remove)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def set(
        self,
        removed: Sequence[Removed],
        first: Tensor | None = None,
        prompts: Sequence[Hashable] | None = None,
    ) -> None:
        """What each row is without.

        first:   bool (rows, tokens), which tokens of the next forward are the first of their text; None: none is. In
                 the forwards after it no token is.
        prompts: equal for rows that have the same tokens, and the same past, in the next forward, which reads prompts;
                 None: the next forward goes on with answers.
        """
        if self.once and not self._has_learned:
            self._learn()
        self._first, self.rows = first, len(removed)
        masks = torch.zeros(self.sublayers, len(removed), dtype=torch.bool)
        for row, coalition in enumerate(removed):
            masks[list(coalition), row] = True
        self.without = {index: mask.to(self.device) for index, mask in enumerate(masks) if bool(mask.any())}
        self._reading, self._afterwards = None, {}
        if self.once:
            self._afterwards = afterwards(removed, self.sublayers, self.device)
            if prompts is not None:
                self._reading = while_reading(removed, prompts, self.sublayers, self.device)

    def running(self, sublayer: int, has_past: bool) -> Running | None:
        """The rows that run a sublayer in this forward; None: all do.

        has_past: whether it keeps keys and values, to which each row adds at every token.
        """
        if self._reading is not None:
            return self._reading.get(sublayer)
        return None if has_past else self._afterwards.get(sublayer)

    def first_of(self, hidden: Tensor) -> Tensor | None:
        """Which of the tokens of a hidden state (rows or tokens first) are the first of their text."""
        if self.removal.means is None:
            return None
        if self._first is not None:
            return self._first
        tokens = hidden.numel() // hidden.shape[-1]
        return torch.zeros(self.rows, tokens // self.rows, dtype=torch.bool, device=hidden.device)

    def computed(self) -> int:
        """(row × token × sublayer) evaluations made, padding included."""
        return sum(switch.tokens for switch in self._switches)

    def passed(self, *_: Any) -> None:
        """After a forward, of the whole network or of what it has before its head."""
        self._first = self._reading = None

    def _learn(self) -> None:
        """Find which dimension of what each module is given grows with the batch, by reading and by going on."""
        self.is_learning = True
        try:
            for is_padded in (False, True):  # with padding a mask has more dimensions that grow
                for rows in (2, 3):
                    self._generate_a_little(rows, is_padded)
                for switch in self._switches:
                    switch.learn()
        finally:
            self.is_learning = False
        self._has_learned = True

    def _generate_a_little(self, rows: int, is_padded: bool) -> None:
        tokens = torch.arange(PROBE_TOKENS, device=self.device).repeat(rows, 1)
        mask = torch.ones_like(tokens)
        mask[0, 0] = 0 if is_padded else 1
        two = {"max_new_tokens": 2, "min_new_tokens": 2}
        self.network.generate(
            input_ids=tokens, attention_mask=mask, use_cache=True, do_sample=False, pad_token_id=0, **two
        )


class _RowSwitch:
    """Stands in for a module's forward.

    switch: what a decoder knows of the module.
    is_own: whether it belongs to the sublayer; else it comes after it, a norm.
    tokens: (row × token) evaluations of the sublayer, counted at the first of its modules.
    """

    def __init__(self, switch: Switch, sublayer: int, player: Player, rows: RemovedRows) -> None:
        self.switch, self.sublayer, self.rows = switch, sublayer, rows
        self.is_own = switch in player.switches
        self.is_first = switch is player.switches[0]
        self.run = switch.run
        self.tokens = 0
        self._layers: set[int] = set()  # of the cache, that it writes to
        self._seen: list[BlockArguments] = []
        self._batch_dims: dict[tuple, tuple[int | None, ...]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.rows.is_learning:
            return self._seen_running(args, kwargs)
        form, module = self.switch.form, self.switch.module
        without = self.rows.without.get(self.sublayer)
        if without is None:
            return self._output(args, kwargs)
        hidden, _ = hidden_first(args, kwargs)
        other = self.switch.instead(args, kwargs, self.rows.first_of(hidden))
        if self._is_needless(args, kwargs):
            return form.filled(other, module)
        output = self._output(args, kwargs)
        main = form.main(output)
        # Some modules are given tokens, not rows.
        where = without.repeat_interleave(len(main) // len(without)).reshape((-1, *[1] * (main.dim() - 1)))
        return form.with_main(output, torch.where(where, other, main))

    def _is_needless(self, args: tuple, kwargs: dict) -> bool:
        running = self.rows.running(self.sublayer, False)
        return self.is_own and running is not None and not len(running.rows) and _cache(args, kwargs) is None

    def _output(self, args: tuple, kwargs: dict) -> Any:
        """The module's output for all rows, computed for those that run."""
        form, rows, cache = self.switch.form, self.rows, _cache(args, kwargs)
        running = rows.running(self.sublayer, cache is not None) if self.is_own else None
        arguments = None if running is None else self._of_batch(args, kwargs)
        if arguments is None:
            output = self.run(*args, **kwargs)
            self._count(form.main(output))
            return output
        chosen = running.rows if len(running.rows) else running.places[:1]
        given = gathered(arguments, chosen, of=rows.rows)
        self._choose_kept(cache, chosen)
        output = self.run(*given.args, **given.kwargs)
        self._choose_kept(cache, running.places)
        self._count(form.main(output))
        return form.map(output, lambda tensor: of_rows(tensor, 0, running.places, of=len(chosen)))

    def _choose_kept(self, cache: Cache | None, rows: Tensor) -> None:
        """Keep these rows of the module's keys and values; a row may come more than once."""
        for layer in self._layers if cache is not None else ():
            cache.layers[layer].batch_select_indices(rows)

    def _count(self, main: Tensor) -> None:
        if self.is_first:
            self.tokens += main.numel() // main.shape[-1]

    def _of_batch(self, args: tuple, kwargs: dict) -> BlockArguments | None:
        """The arguments with the dimensions that grow with the batch; None where they are not known."""
        arguments = BlockArguments(args, kwargs)
        dims = self._batch_dims.get(_structure(arguments))
        if dims is None:
            return None
        found: list[int | None] = []
        for tensor, dim in zip(arguments.tensors(), dims, strict=True):
            size = None if dim is None else tensor.shape[dim]
            if size is not None and size != 1 and size % self.rows.rows:
                return None
            found.append(None if size == 1 else dim)  # 1: the same for all rows
        return replace(arguments, batch_dims=tuple(found))

    def _seen_running(self, args: tuple, kwargs: dict) -> Any:
        """Run, and take down what the module was given, and which layers of the cache it wrote to."""
        self._seen.append(BlockArguments(args, kwargs))
        cache = _cache(args, kwargs)
        before = _lengths(cache)
        output = self.run(*args, **kwargs)
        after = _lengths(cache)
        self._layers |= {layer for layer, length in enumerate(after) if [length] != before[layer : layer + 1]}
        return output

    def learn(self) -> None:
        """From the calls with a batch and those with a larger one, as many."""
        half = len(self._seen) // 2
        for one, wider in zip(self._seen[:half], self._seen[half:], strict=True):
            self._batch_dims[_structure(one)] = grown_dims(one, wider)
        self._seen = []


def _structure(arguments: BlockArguments) -> tuple:
    """Equal for arguments whose tensors are in the same places, with as many dimensions."""
    dims = tuple(tensor.dim() for tensor in arguments.tensors())
    return len(arguments.args), tuple(arguments.kwargs), dims


def _cache(args: tuple, kwargs: dict) -> Cache | None:
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Cache)), None)


def _lengths(cache: Cache | None) -> list[int]:
    """Tokens in each layer of a cache."""
    return [] if cache is None else [layer.get_seq_length() for layer in cache.layers]
