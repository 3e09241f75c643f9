"""What a model gives its blocks besides the hidden state: masks, positions, rotary embeddings, for many states at once.

wide = widened(arguments, 8)            # for eight states side by side, of each block
narrowed(wide[0], 3, of=8)              # of which so many states run now
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class BlockArguments:
    """What the model gives a block besides the hidden state.

    batch_dims: for each tensor in them, in order, the dimension that grows with the batch (None: none does).
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    batch_dims: tuple[int | None, ...] = ()

    def map(self, change: Callable[[Tensor], Tensor]) -> BlockArguments:
        """The same arguments with every tensor in them changed."""
        return replace(self, args=_map_tensors(self.args, change), kwargs=_map_tensors(self.kwargs, change))

    def map_batch(self, change: Callable[[Tensor, int], Tensor]) -> BlockArguments:
        """The same arguments with every tensor that grows with the batch changed, given its dimension."""
        dims = iter(self.batch_dims)
        return self.map(lambda tensor: tensor if (dim := next(dims)) is None else change(tensor, dim))

    def tensors(self) -> list[Tensor]:
        """Every tensor in them, in a fixed order."""
        found: list[Tensor] = []
        self.map(lambda tensor: found.append(tensor) or tensor)
        return found


def _map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        items = [_map_tensors(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: _map_tensors(item, change) for key, item in value.items()}
    return value


def hidden_first(args: tuple, kwargs: dict) -> tuple[Tensor, BlockArguments]:
    """Split a call of a block or a sublayer into its hidden state and the rest: its first tensor."""
    if args:
        return args[0], BlockArguments(args[1:], kwargs)
    rest = dict(kwargs)
    first = (
        "hidden_states"
        if "hidden_states" in rest
        else next(k for k, v in rest.items() if isinstance(v, Tensor))
    )
    return rest.pop(first), BlockArguments((), rest)


def grown_dims(arguments: BlockArguments, wider: BlockArguments) -> tuple[int | None, ...]:
    """The batch dimension of each tensor, None where it has none: the one that differs between two batch sizes."""
    return tuple(_grown_dim(a, b) for a, b in zip(arguments.tensors(), wider.tensors(), strict=True))


def _grown_dim(tensor: Tensor, wider: Tensor) -> int | None:
    """The dimension along which a tensor grew with the batch, None where it did not."""
    grown = [dim for dim, (a, b) in enumerate(zip(tensor.shape, wider.shape, strict=True)) if a != b]
    return grown[0] if grown else None


def widened(arguments: Sequence[BlockArguments], copies: int) -> list[BlockArguments]:
    """Arguments for `copies` states side by side, state-major: entry s · B + b is batch entry b."""
    wide: dict[int, Tensor] = {}  # blocks mostly share their arguments: widen each tensor once

    def widen(tensor: Tensor, dim: int) -> Tensor:
        if id(tensor) not in wide:
            wide[id(tensor)] = torch.cat([tensor] * copies, dim) if copies > 1 else tensor
        return wide[id(tensor)]

    return [one.map_batch(widen) for one in arguments]


def narrowed(arguments: BlockArguments, copies: int, of: int) -> BlockArguments:
    """Arguments widened for `of` states, for the first `copies` of them, as views.

    A tensor may have several entries for each entry of the batch (BLOOM's ALiBi: one a head).
    """
    return arguments.map_batch(lambda tensor, dim: tensor.narrow(dim, 0, tensor.shape[dim] // of * copies))


def gathered(arguments: BlockArguments, rows: Tensor, of: int) -> BlockArguments:
    """Arguments for a batch of these rows of a batch of `of`, in their order; a row may come more than once."""
    return arguments.map_batch(lambda tensor, dim: of_rows(tensor, dim, rows, of))


def of_rows(tensor: Tensor, dim: int, rows: Tensor, of: int) -> Tensor:
    """These rows of a batch of `of`; a tensor may have several entries for each, one after another."""
    each = tensor.shape[dim] // of
    index = rows if each == 1 else (rows[:, None] * each + torch.arange(each, device=rows.device)).flatten()
    return tensor.index_select(dim, index)
