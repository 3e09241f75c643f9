"""Replacements for a model's modules while its own forward runs, and the kinds of output that they must return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.block_arguments import hidden_first
from cornerstone.engine.removals import Replace, zeros


@dataclass(frozen=True)
class Form:
    """The kind of output that a module returns: a tensor, or a tuple or list whose first entry is the tensor.

    length:   of the tuple or list, None for a tensor; is_list: whether it is a list.
    own:      by place the names of its entries that are weights of the module and no results: a bias that the block
              adds later.
    width:    the size of the tensor's last dimension.
    residual: the argument that the module adds to what it computes: a place or a name; None: it adds none.
    """

    length: int | None
    is_list: bool = False
    own: tuple[tuple[int, str], ...] = ()
    width: int = 0
    residual: int | str | None = None

    @classmethod
    def of(cls, output: Any, module: nn.Module | None = None) -> Form:
        if not isinstance(output, tuple | list):
            return cls(None)
        names = {} if module is None else {id(p): name for name, p in module.named_parameters(recurse=False)}
        own = tuple((place, names[id(entry)]) for place, entry in enumerate(output) if id(entry) in names)
        return cls(len(output), isinstance(output, list), own)

    def main(self, output: Any) -> Tensor:
        return output if self.length is None else output[0]

    def with_main(self, output: Any, main: Tensor) -> Any:
        """The same output with this tensor in the place of the first."""
        return main if self.length is None else type(output)([main, *output[1:]])

    def map(self, output: Any, change: Callable[[Tensor], Tensor]) -> Any:
        """An output with every tensor in it changed but weights of the module."""
        if self.length is None:
            return change(output)
        own = {place for place, _ in self.own}
        return type(output)(
            change(entry) if isinstance(entry, Tensor) and place not in own else entry
            for place, entry in enumerate(output)
        )

    def filled(self, main: Tensor, module: nn.Module | None = None) -> Any:
        """An output with this tensor; of the other entries, only those are there that are weights of the module."""
        if self.length is None:
            return main
        rest: list[Any] = [None] * self.length
        for place, name in self.own:
            rest[place] = getattr(module, name)
        filled = [main, *rest[1:]]
        return filled if self.is_list else tuple(filled)


class Switch:
    """Stands in for a module's forward: runs it, replays an output of it, or removes it.

    replace: what takes the place of its output where it is removed.
    first:  (B, T) bool, which tokens are the first of their text; None: the first of each row.
    form:   the kind of its output, learned when it first runs.
    tokens: how many (state × token) evaluations of the module were made, padding included.
    kept:   its last output where `keep` asked for it.
    """

    def __init__(self, module: nn.Module, replace: Replace) -> None:
        self.module = module
        self.run = module.forward
        self.replace = replace
        self.first: Tensor | None = None
        self.form: Form | None = None
        self.removed = False
        self.keep = False
        self.replay: Tensor | None = None
        self.kept: Tensor | None = None
        self.tokens = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.removed:
            return self.form.filled(self.instead(args, kwargs, self.first), self.module)
        if self.replay is not None:
            return self.form.filled(self.replay, self.module)
        output = self.run(*args, **kwargs)
        self.form = self.form or self._learned(output, args, kwargs)
        main = self.form.main(output)
        self.tokens += main.numel() // main.shape[-1]
        if self.keep:
            self.kept = main
        return output

    def instead(self, args: tuple, kwargs: dict, first: Tensor | None) -> Tensor:
        """The replacement of the output: the removal's, plus the residual where the module is given it."""
        hidden, _ = hidden_first(args, kwargs)
        form = self.form
        shaped = (
            hidden if form.width == hidden.shape[-1] else hidden.new_zeros((*hidden.shape[:-1], form.width))
        )
        output = self.replace(shaped, first)
        residual = self.residual(args, kwargs)
        return output if residual is None else output + residual

    def residual(self, args: tuple, kwargs: dict) -> Tensor | None:
        """What the module adds to what it computes, among its arguments; None: it adds nothing."""
        name = self.form.residual
        if name is None:
            return None
        return kwargs[name] if isinstance(name, str) else args[name]

    def _learned(self, output: Any, args: tuple, kwargs: dict) -> Form:
        form = Form.of(output, self.module)
        main = form.main(output)
        return replace(form, width=main.shape[-1], residual=_residual(self.run, main, form, args, kwargs))


def _residual(run: Callable, before: Tensor, form: Form, args: tuple, kwargs: dict) -> int | str | None:
    """The argument that is added to the output: where it is moved, the output moves by as much."""
    given = {**dict(enumerate(args)), **kwargs}
    for name, value in given.items():
        if name in (0, "hidden_states") or not isinstance(value, Tensor):
            continue
        if value.shape != before.shape or not value.is_floating_point():
            continue
        step = torch.linspace(-1, 1, value.numel(), device=value.device).to(value.dtype).view_as(value)
        moved = given | {name: value + step}
        places = tuple(moved.pop(place) for place in range(len(args)))
        after = form.main(run(*places, **moved))
        rounding = 4 * torch.finfo(before.dtype).eps * float(before.abs().max())
        if torch.allclose((after - before).float(), step.float(), atol=min(0.3, 0.01 + rounding)):
            return name
    return None


class Player:
    """The switches of one sublayer: it is removed, kept and replayed as a whole.

    beyond: those of modules after its own whose outputs are what it adds to the residual stream: a norm, mostly none.
    tokens: (state × token) evaluations of the sublayer, padding included.
    """

    def __init__(self, modules: Sequence[nn.Module], outlets: Mapping[nn.Module, Replace]) -> None:
        self.switches = tuple(Switch(module, outlets.get(module, zeros)) for module in modules)
        after = (module for module in outlets if module not in modules)
        self.beyond = tuple(Switch(module, outlets[module]) for module in after)

    @property
    def all_switches(self) -> tuple[Switch, ...]:
        return (*self.switches, *self.beyond)

    @property
    def tokens(self) -> int:
        return self.switches[0].tokens

    def set(
        self,
        removed: bool = False,
        keep: bool = False,
        replay: Sequence[Tensor] | None = None,
        first: Tensor | None = None,
    ) -> None:
        """Set what the next call does; `replay`: an output of each module to use instead of computing it.

        first: which tokens are the first of their text, where something depends on it.
        """
        for switch in self.all_switches:
            switch.removed, switch.first = removed, first
        for place, switch in enumerate(self.switches):
            switch.keep = keep
            switch.replay = None if replay is None else replay[place]

    def take_kept(self) -> tuple[Tensor, ...]:
        """The outputs that `keep` asked for, of each module; they are no longer held here."""
        kept = tuple(switch.kept for switch in self.switches)
        for switch in self.switches:
            switch.kept = None
        return kept

    def reset_count(self) -> None:
        for switch in self.switches:
            switch.tokens = 0


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable) -> Iterator[None]:
    """Let a module run another forward; its attributes, which models look at, stay its own."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before
