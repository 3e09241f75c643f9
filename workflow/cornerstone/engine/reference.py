"""The reference: log-likelihoods by the model's own forward, with hooks that replace removed sublayers' outputs.

One request at a time, no trees, nothing of the engine's but what a removal is: what the engine is compared with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from cornerstone.engine.removals import ZERO, Removal, Replace
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalitions import Removed

RESIDUAL = "residual"
"""What families call the argument that a module adds to what it computes (BLOOM, MPT)."""


@contextmanager
def sublayers_removed(model: LanguageModel, removed: Removed, removal: Removal = ZERO) -> Iterator[None]:
    """Let forward hooks put other outputs in the place of the removed sublayers'.

    A module that is given the residual and adds it gives back the residual.
    """
    outlets = {
        sublayer.index: removal.outlets(block, place)
        for block in model.blocks
        for place, sublayer in enumerate(block.sublayers)
        if sublayer.index in removed
    }
    with ExitStack() as stack:
        for module, replace in (item for index in removed for item in outlets[index].items()):
            hook = _other_output(module, replace)
            stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def _other_output(module: nn.Module, replace: Replace) -> Callable:
    signature = inspect.signature(type(module).forward)

    def hook(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        main, *rest = output if isinstance(output, tuple | list) else (output,)
        other = replace(main, None)
        if RESIDUAL in signature.parameters:
            other = other + signature.bind(module, *args, **kwargs).arguments[RESIDUAL]
        return type(output)((other, *rest)) if isinstance(output, tuple | list) else other

    return hook


@torch.inference_mode()
def reference_loglikelihoods(
    model: LanguageModel,
    document: EncodedDocument,
    removed: Removed,
    removal: Removal = ZERO,
) -> list[float]:
    """Log-likelihood (nats) of each choice of a document, summed over its continuation's tokens; of a text in all."""
    lengths: dict[
        tuple[int, ...], int
    ] = {}  # of each different input, the most targets; choices may share one
    for request in document.requests:
        lengths[request.tokens] = max(lengths.get(request.tokens, 0), len(request.targets))
    with sublayers_removed(model, removed, removal):
        ends = {tokens: _logprobs(model, tokens, length) for tokens, length in lengths.items()}
    found = [0.0] * document.n_choices
    for number, request in enumerate(document.requests):
        found[document.choice(number)] += _loglikelihood(ends[request.tokens], request)
    return found


def _logprobs(model: LanguageModel, tokens: tuple[int, ...], length: int) -> torch.Tensor:
    """Log-probabilities (length, vocabulary) after each of the last tokens of an input."""
    token_ids = torch.tensor([tokens], device=model.device)
    return model.network(input_ids=token_ids, use_cache=False).logits[0, -length:].float().log_softmax(-1)


def _loglikelihood(logprobs: torch.Tensor, request: EncodedRequest) -> float:
    targets = torch.tensor(request.targets, device=logprobs.device)
    return float(logprobs[-len(targets) :].gather(1, targets[:, None]).sum())
