"""The machine's limit: the rate of a large matrix product, and the operations that an evaluation cannot do without."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from cornerstone.engine.evaluate import EvaluationResult
from cornerstone.engine.shared_prefixes import bundles_of
from cornerstone.engine.token_tree import TREE, document_rows
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import DTYPES, LanguageModel
from cornerstone.shapley.coalitions import Removed
from flops import attention_flops, head_flops, sublayer_flops


def product_rate(model: LanguageModel) -> float:
    """Operations per second of a large matrix product of the model's dtype, on its device."""
    size = 2048 if model.device.type == "cpu" else 8192
    dtype = DTYPES[model.dtype]
    a, b = (torch.randn(size, size, device=model.device).to(dtype) for _ in range(2))
    repeats = 3 if model.device.type == "cpu" else 20

    def product() -> None:
        for _ in range(repeats):
            a @ b
        synchronize(model)

    product()
    return 2 * size**3 * repeats / seconds(product)


def synchronize(model: LanguageModel) -> None:
    """Wait until what was asked of the device is done."""
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def seconds(call: Callable[[], object]) -> float:
    """That a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def operations_of(
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    coalitions: Sequence[Removed],
    result: EvaluationResult,
) -> float:
    """Operations that the engine needed, padding not counted: sublayers, attention over ancestors, head.

    What documents share of prefixes counts once where the engine shared any.
    """
    states = states_per_sublayer(coalitions, len(model.sublayers))
    kind = replace(TREE, shares=result.counts["prefix_tokens"] > 0)
    alone = [document_rows(position, document, kind) for position, document in enumerate(documents)]
    rows = [row for bundle in bundles_of(alone, [None] * len(alone), kind) for row in bundle.rows]
    tokens = sum(len(row.tokens) for row in rows)
    attended = sum(depth + 1 for row in rows for depth in row.depths)
    total = result.counts["logits"] * head_flops(model)
    for sublayer, flops, count in zip(model.sublayers, sublayer_flops(model), states, strict=True):
        total += count * flops * tokens
        if sublayer.kind == "attn":
            total += count * attention_flops(model, attended)
    return total


def states_per_sublayer(coalitions: Sequence[Removed], players: int) -> list[int]:
    """How many states pass each sublayer: what `least_evaluations` sums up."""
    return [
        len({tuple(s for s in removed if s < sublayer) for removed in coalitions if sublayer not in removed})
        for sublayer in range(players)
    ]
