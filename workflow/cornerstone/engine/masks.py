"""Masks for tree rows: a token attends to its ancestors, in shared prefixes too, at most a layer's window of them.

Attention implementations differ in what they make of a boolean mask (eager attention adds it, silently
wrong), so masks are floats: 0 where a token attends, the dtype's least number where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from cornerstone.engine.block_arguments import BlockArguments
from cornerstone.engine.decoder import Decoder
from cornerstone.engine.token_tree import Row


@dataclass(frozen=True)
class RowTensors:
    """Rows padded to one length T, on the model's device.

    token_ids: (B, T); depths: (B, T); ancestors: (B, T, T) bool, a token is its own ancestor, None where
    every row is a path and none is or hangs on a prefix. Padding follows the tokens, and attends to no other of them.
    prefix_depths: (B, P) of the tokens of the prefixes on which the rows hang, ABSENT for their padding.
    """

    token_ids: Tensor
    depths: Tensor
    ancestors: Tensor | None
    prefix_depths: Tensor

    @property
    def before(self) -> int:
        """P, tokens of the prefixes, padding included."""
        return self.prefix_depths.shape[1]


ABSENT = -1


def row_tensors(rows: Sequence[Row], device: torch.device, before: Sequence[int] = ()) -> RowTensors:
    """Pad rows to the longest one; the mask is left out where the model's own causal mask is right.

    before: the lengths to which the prefixes are padded on which the rows hang, the outermost first.
    """
    length = max(len(row.tokens) for row in rows)
    token_ids = torch.zeros((len(rows), length), dtype=torch.long)
    depths = torch.zeros((len(rows), length), dtype=torch.long)
    for number, row in enumerate(rows):
        token_ids[number, : len(row.tokens)] = torch.tensor(row.tokens)
        depths[number, : len(row.tokens)] = torch.tensor(row.depths)
    ancestors = None
    if not all(row.is_path and row.scored for row in rows):
        ancestors = torch.stack([_ancestors(row, length) for row in rows]).to(device)
    prefix_depths = torch.stack([_prefix_depths(row, before) for row in rows])
    return RowTensors(token_ids.to(device), depths.to(device), ancestors, prefix_depths.to(device))


def _prefix_depths(row: Row, before: Sequence[int]) -> Tensor:
    """(P,) the depths of the tokens of a row's prefixes, each padded."""
    depths = torch.full((sum(before),), ABSENT, dtype=torch.long)
    for prefix, start in zip(row.prefixes, accumulate(before, initial=0), strict=False):
        depths[start : start + len(prefix.tokens)] = torch.tensor(prefix.depths)
    return depths


def _ancestors(row: Row, length: int) -> Tensor:
    """(T, T) bool: which of the row's tokens each of them attends to."""
    seen = torch.eye(length, dtype=torch.bool)
    if row.is_path:
        seen |= torch.ones(length, length, dtype=torch.bool).tril()
        return seen
    matrix = seen.numpy()
    for node, parent in enumerate(row.parents):
        if parent >= 0:
            matrix[node] |= matrix[parent]
    return seen


def float_mask(tensors: RowTensors, window: int | None, dtype: torch.dtype) -> Tensor:
    """The additive mask (B, 1, T, P + T) of a layer; `window` counts the tokens a token sees, itself included."""
    seen = tensors.ancestors
    depths = tensors.depths
    if tensors.before:
        present = tensors.prefix_depths != ABSENT
        seen = torch.cat([present[:, None].expand(-1, seen.shape[1], -1), seen], dim=-1)
        depths = torch.cat([tensors.prefix_depths, depths], dim=-1)
    if window is not None:
        distance = tensors.depths[:, :, None] - depths[:, None, :]
        seen = seen & (distance < window)
        # Padding has depth 0 and would lose itself only at a window of 0, which no model has.
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def windows_in_depth(decoder: Decoder, length: int) -> list[int | None]:
    """Each block's attention window in tokens, None for full attention, taken from the model's own masks.

    The masks are those that the model builds for one sequence of `length` tokens. Raises ValueError where a
    block has no such mask or one that is no band: its rows cannot be trees.
    """
    # One padded token at the end, or the model would leave the mask out where it is purely causal.
    token_ids = torch.zeros((1, length + 1), dtype=torch.long, device=decoder.device)
    attention_mask = torch.ones_like(token_ids)
    attention_mask[0, -1] = 0
    # It shares a position, for the sequence may be as long as the model has positions.
    position_ids = torch.arange(length + 1, device=decoder.device).clamp(max=length - 1)[None]
    _, arguments = decoder.head(token_ids, attention_mask, position_ids)
    found: dict[int, int | None] = {}
    windows = []
    for block, one in enumerate(arguments):
        mask = _only_mask(one, block, (length + 1, length + 1))
        if id(mask) not in found:
            found[id(mask)] = _window_of(mask[0, 0, :length, :length], block)
        windows.append(found[id(mask)])
    return windows


def _only_mask(arguments: BlockArguments, block: int, shape: tuple[int, int]) -> Tensor:
    masks = [t for t in arguments.tensors() if t.ndim == 4 and t.shape[-2:] == shape]
    if len(masks) != 1:
        raise ValueError(f"block {block} is given {len(masks)} attention masks")
    return masks[0]


def _window_of(mask: Tensor, block: int) -> int | None:
    """The width of the band of a (T, T) mask, None where it is the whole lower triangle."""
    seen = mask if mask.dtype == torch.bool else mask == 0
    length = len(seen)
    width = int(seen[-1].sum())
    lower = torch.ones_like(seen).tril()
    if not torch.equal(seen, lower & ~lower.tril(-width)):
        raise ValueError(f"the attention mask of block {block} is no band")
    return None if width == length else width


def with_tree_masks(
    arguments: Sequence[BlockArguments],
    windows: Sequence[int | None],
    tensors: RowTensors,
    dtype: torch.dtype,
) -> list[BlockArguments]:
    """Put each block's own tree mask where the model passed on the full one."""
    masks = {window: float_mask(tensors, window, dtype) for window in set(windows)}
    length = tensors.token_ids.shape[1]

    def replaced(one: BlockArguments, block: int) -> BlockArguments:
        given = _only_mask(one, block, (length, tensors.before + length))
        return one.map(lambda tensor: masks[windows[block]] if tensor is given else tensor)

    return [replaced(one, block) for block, one in enumerate(arguments)]
