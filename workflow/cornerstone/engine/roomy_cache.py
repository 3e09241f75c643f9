"""Keys and values of answers that grow: transformers' cache, with room for the tokens to come.

Its own layers copy all keys and values at every token. These write a token in place.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from cornerstone.loading.load import LanguageModel
from cornerstone.loading.sublayers import text_config

ROOM = 64
"""Tokens that there is room for before all is copied once more."""


class RoomyLayer(DynamicLayer):
    """As a DynamicLayer; `keys` and `values` are views of tensors with room behind them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rooms: dict[str, Tensor] = {}

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add tokens; the keys and values (rows, heads, tokens, width) of all."""
        if not self.is_initialized:
            return super().update(key_states, value_states, *args, **kwargs)
        self.keys = self._joined("keys", self.keys, key_states)
        self.values = self._joined("values", self.values, value_states)
        return self.keys, self.values

    def _joined(self, name: str, before: Tensor, new: Tensor) -> Tensor:
        done, room = before.shape[-2], self._rooms.get(name)
        end = done + new.shape[-2]
        # Where rows were chosen, `before` is a tensor of its own.
        if room is None or before.data_ptr() != room.data_ptr() or end > room.shape[-2]:
            room = new.new_empty((*new.shape[:-2], end + ROOM, new.shape[-1]))
            room[..., :done, :] = before
            self._rooms[name] = room
        room[..., done:end, :] = new
        return room[..., :end, :]


def roomy_cache(model: LanguageModel) -> DynamicCache:
    """An empty cache for a model; layers of attention with windows are transformers' own."""
    cache = DynamicCache(config=text_config(model.network))
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
