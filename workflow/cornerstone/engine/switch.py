"""What stands in for a model's modules while its own forward runs, and what kind of output it must return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from cornerstone.engine.block_arguments import hidden_first
from cornerstone.engine.removals import Removal


@dataclass(frozen=True)
class Form:
    """The kind of output a module returns: a tensor, or a tuple whose first entry is the tensor."""

    length: int | None

    @classmethod
    def of(cls, output: Any) -> Form:
        return cls(len(output) if isinstance(output, tuple | list) else None)

    def main(self, output: Any) -> Tensor:
        return output if self.length is None else output[0]

    def filled(self, main: Tensor) -> Any:
        return main if self.length is None else (main, *[None] * (self.length - 1))


class Switch:
    """Stands in for a sublayer's forward: runs it, replays an output of it, or removes it.

    form:   the kind of its output, learned when it first runs.
    tokens: how many (state × token) evaluations of the sublayer were made, padding included.
    kept:   its last output where `keep` asked for it.
    """

    def __init__(self, module: nn.Module, removal: Removal) -> None:
        self.run = module.forward
        self.removal = removal
        self.form: Form | None = None
        self.removed = False
        self.keep = False
        self.replay: Tensor | None = None
        self.kept: Tensor | None = None
        self.tokens = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.removed:
            return self.form.filled(self.removal.output(hidden_first(args, kwargs)[0]))
        if self.replay is not None:
            return self.form.filled(self.replay)
        output = self.run(*args, **kwargs)
        self.form = self.form or Form.of(output)
        main = self.form.main(output)
        self.tokens += main.numel() // main.shape[-1]
        if self.keep:
            self.kept = main
        return output


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
