"""The config.json of a model without some of its decoder blocks: their number, and all that is said block by block.

    pruned_config(config, derived, kept=[0, 1, 3])

What a config says of single blocks comes in four forms: a list with an entry a block, the numbers of some blocks, a
count of the first blocks, and a rule by a block's number ("every fourth"). The first three keep their form. A rule
gives other blocks once they have other numbers, so it is written as a list, where the family takes one. Nothing here
knows families by name; `engine.pruned_checkpoint` compares what comes out, block by block.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cornerstone.models.folder import BLOCK_COUNT_KEYS, KINDS_OF_BLOCKS, count_blocks, told_blocks

BLOCK_NUMBERS = (
    "mlp_only_layers",
    "moe_layers",
    "attn_layer_indices",
    "full_attn_idxs",
    "full_attention_layers",
)
"""Lists of the numbers of some blocks."""
FIRST_BLOCKS = (
    "first_k_dense_replace",
    "num_dense_layers",
    "max_window_layers",
    "moe_layer_start_index",
    "num_hash_layers",
)
"""Counts of blocks at the beginning."""
BY_NUMBER = ("per_layer_config",)
"""Objects whose keys are the numbers of some blocks."""
LAST_OF_SOME = ("moe_layer_end_index",)
"""The number of the last block of some."""
PREDICTED_FURTHER = "num_nextn_predict_layers"
"""Blocks after the last, which predict tokens further ahead."""
NOT_BY_BLOCK = re.compile(r"token_ids?$|^architectures$|_words_ids$")
"""Lists that may have as many entries as there are blocks, and say nothing of blocks."""
RULES = re.compile(r"period|interval|freq|_step$|offset|pattern|by_inverse_layer_idx")
"""Keys of rules by the number of a block: attn_layer_period, decoder_sparse_step."""


def decoder_part(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a parsed config.json that is about the decoder."""
    part = config.get("text_config")
    return part if isinstance(part, dict) else config


def pruned_config(
    config: Mapping[str, Any],
    derived: Mapping[str, Any],
    kept: Sequence[int],
    *,
    predicts_further: bool = True,
) -> dict[str, Any]:
    """A parsed config.json of the blocks `kept` alone (sorted numbers).

    derived: the decoder's settings as transformers reads them, with all that the family fills in.
    predicts_further: whether the blocks after the last are still there.
    """
    new = copy.deepcopy(dict(config))
    decoder = decoder_part(new)
    n_blocks = told_blocks(config)
    if n_blocks is None:  # left to the family
        n_blocks = decoder[BLOCK_COUNT_KEYS[0]] = count_blocks(derived)
    for key in BLOCK_COUNT_KEYS:
        if decoder.get(key) == n_blocks:
            decoder[key] = len(kept)
    for key, value in _filled(decoder, derived, n_blocks).items():
        decoder[key] = _of_kept(key, value, n_blocks, kept)
    _write_rules_out(decoder, derived, n_blocks, kept)
    if not predicts_further and decoder.get(PREDICTED_FURTHER):
        decoder[PREDICTED_FURTHER] = 0
    return new


def _filled(decoder: Mapping[str, Any], derived: Mapping[str, Any], n_blocks: int) -> dict[str, Any]:
    """The settings that are about single blocks: those in the file, and lists that the family fills in.

    Where all blocks are alike, the family fills in the same for fewer.
    """
    own = {key: value for key, value in decoder.items() if _is_by_block(key, value, n_blocks)}
    for key, value in derived.items():
        is_list = isinstance(value, list | tuple) and _is_by_block(key, value, n_blocks)
        differ = is_list and (key in BLOCK_NUMBERS or any(entry != value[0] for entry in value))
        if differ and decoder.get(key) is None:
            own[key] = list(value)
    return own


def _is_by_block(key: str, value: Any, n_blocks: int) -> bool:
    if key in (*FIRST_BLOCKS, *LAST_OF_SOME):
        return isinstance(value, int) and not isinstance(value, bool)
    if key in BLOCK_NUMBERS:
        return isinstance(value, list | tuple)
    if key in BY_NUMBER:
        return isinstance(value, Mapping)
    if key in KINDS_OF_BLOCKS and isinstance(value, str):
        return len(value) == n_blocks
    return isinstance(value, list | tuple) and len(value) == n_blocks and not NOT_BY_BLOCK.search(key)


def _of_kept(key: str, value: Any, n_blocks: int, kept: Sequence[int]) -> Any:
    if key in FIRST_BLOCKS:
        return sum(block < value for block in kept)
    if key in LAST_OF_SOME:
        last = value if value >= 0 else n_blocks + value
        return max(0, sum(block <= last for block in kept) - 1)
    if key in BLOCK_NUMBERS:
        return [place for place, block in enumerate(kept) if block in value]
    if key in BY_NUMBER:
        return {str(place): value[str(block)] for place, block in enumerate(kept) if str(block) in value}
    if isinstance(value, str):
        return "".join(value[block] for block in kept)
    return [value[block] for block in kept]


def _write_rules_out(
    decoder: dict[str, Any],
    derived: Mapping[str, Any],
    n_blocks: int,
    kept: Sequence[int],
) -> None:
    """Put lists in the place of rules, in the words of the families that take such lists."""
    step, dense = derived.get("decoder_sparse_step"), derived.get("mlp_only_layers") or ()
    if (
        isinstance(step, int) and step > 1
    ):  # MoE where the number of the block, from 1 on, is a multiple of it
        is_dense = [block in dense or (block + 1) % step > 0 for block in range(n_blocks)]
        decoder["decoder_sparse_step"] = 1
        decoder["mlp_only_layers"] = [place for place, block in enumerate(kept) if is_dense[block]]
    attentions = derived.get("attention_layers")
    if "attention_types" in decoder and isinstance(attentions, list) and len(attentions) == n_blocks:
        decoder["attention_types"] = [[[attentions[block] for block in kept], 1]]  # GPT-Neo: repeated once
    if pattern := derived.get("block_types"):  # RecurrentGemma: repeated until there are enough
        decoder["block_types"] = [pattern[block % len(pattern)] for block in kept]


def rules_in(config: Mapping[str, Any]) -> list[str]:
    """The keys of a parsed config.json that look like rules by the number of a block."""
    decoder = decoder_part(dict(config))
    return [key for key, value in decoder.items() if value and RULES.search(key)]
