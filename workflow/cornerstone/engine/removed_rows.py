"""Hooks that remove other sublayers in each row of a batch, while the model's own forward runs.

    with RemovedRows(model) as removed:
        removed.set([(0, 3), ()])               # the first row is without sublayers 0 and 3
        model.network.generate(token_ids, …)

Every sublayer is computed for all rows, and its output is replaced where a row is without it: keys and values of all
rows stay in step with the tokens.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from cornerstone.engine.reference import RESIDUAL
from cornerstone.engine.removals import ZERO, Removal, Replace
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalitions import Removed


class RemovedRows:
    """Use it as a context manager; `set` says what the rows of the next batch are without."""

    def __init__(self, model: LanguageModel, removal: Removal = ZERO) -> None:
        self.model, self.removal = model, removal
        self._rows: dict[int, Tensor] = {}  # by sublayer, bool (rows,): which are without it
        self._first: Tensor | None = None
        self._stack = ExitStack()

    def __enter__(self) -> RemovedRows:
        with self._stack as stack:
            for block in self.model.blocks:
                for place, sublayer in enumerate(block.sublayers):
                    for module, replace in self.removal.outlets(block, place).items():
                        hook = self._hook(sublayer.index, module, replace)
                        stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
            stack.callback(self.model.network.register_forward_hook(self._passed).remove)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def set(self, removed: Sequence[Removed], first: Tensor | None = None) -> None:
        """What each row is without. first: bool (rows, tokens), which tokens of the next forward are the first of their
        text; None: none is. In the forwards after it no token is."""
        self._first = first
        masks = torch.zeros(len(self.model.sublayers), len(removed), dtype=torch.bool)
        for row, coalition in enumerate(removed):
            masks[list(coalition), row] = True
        self._rows = {
            index: mask.to(self.model.device) for index, mask in enumerate(masks) if bool(mask.any())
        }

    def _passed(self, *_: Any) -> None:
        self._first = None

    def _hook(self, index: int, module: nn.Module, replace: Replace) -> Callable:
        signature = inspect.signature(type(module).forward)

        def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
            rows = self._rows.get(index)
            if rows is None:
                return None
            main, *rest = output if isinstance(output, tuple | list) else (output,)
            other = replace(main, self._first_of(main, len(rows)))
            if RESIDUAL in signature.parameters:
                other = other + signature.bind(module, *args, **kwargs).arguments[RESIDUAL]
            # Some modules are given tokens, not rows.
            where = rows.repeat_interleave(len(main) // len(rows)).reshape((-1, *[1] * (main.dim() - 1)))
            main = torch.where(where, other, main)
            return type(output)((main, *rest)) if isinstance(output, tuple | list) else main

        return hook

    def _first_of(self, main: Tensor, rows: int) -> Tensor | None:
        """Which of the tokens of an output (rows or tokens first) are the first of their text."""
        if self.removal.means is None:
            return None
        if self._first is not None:
            return self._first
        tokens = main.numel() // main.shape[-1]
        return torch.zeros(rows, tokens // rows, dtype=torch.bool, device=main.device)
