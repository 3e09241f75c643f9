"""The reference: log-likelihoods by the model's own forward, with hooks that replace removed sublayers' outputs.

One request at a time, no trees, nothing of the engine's but what a removal is: what the engine is held against.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from cornerstone.engine.removals import REMOVALS, Removal
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalitions import Removed


@contextmanager
def sublayers_removed(
    model: LanguageModel, removed: Removed, removal: Removal = REMOVALS["zero"]
) -> Iterator[None]:
    """Let forward hooks put other outputs in the place of the removed sublayers'."""

    def other_output(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (removal.output(output[0]), *output[1:])
        return removal.output(output)

    modules = {
        s.index: m for block in model.blocks for s, m in zip(block.sublayers, block.modules, strict=True)
    }
    with ExitStack() as stack:
        for index in removed:
            stack.callback(modules[index].register_forward_hook(other_output).remove)
        yield


@torch.inference_mode()
def reference_loglikelihoods(
    model: LanguageModel,
    document: EncodedDocument,
    removed: Removed,
    removal: Removal = REMOVALS["zero"],
) -> list[float]:
    """Log-likelihood (nats) of each choice of a document, summed over its continuation's tokens."""
    with sublayers_removed(model, removed, removal):
        return [_loglikelihood(model, request) for request in document.requests]


def _loglikelihood(model: LanguageModel, request: EncodedRequest) -> float:
    token_ids = torch.tensor([request.tokens], device=model.device)
    logits = model.network(input_ids=token_ids, use_cache=False).logits[0, -len(request.targets) :].float()
    targets = torch.tensor(request.targets, device=model.device)
    return float(logits.log_softmax(-1).gather(1, targets[:, None]).sum())
