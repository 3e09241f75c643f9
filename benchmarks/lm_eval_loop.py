"""lm-eval's loop over coalitions: HFLM around the same network, kept loaded, with hooks that zero the sublayers.

Its one-token cache is on, requests are tokenized beforehand, and the batch size is the fastest for the documents.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from cornerstone.engine.reference import sublayers_removed
from cornerstone.loading.encoding import EncodedDocument
from cornerstone.loading.load import LanguageModel
from cornerstone.shapley.coalitions import Removed
from limit import seconds, synchronize

BATCH_SIZES = (4, 8, 16, 32, 64)
# Two right float32 computations of one log-likelihood (nats): absolutely, and relative to it.
AGREEMENT = {"float32": (1e-4, 2e-6), "bfloat16": (0.5, 0.05), "float16": (0.1, 0.02)}


def lm_eval_of(model: LanguageModel, documents: Sequence[EncodedDocument]):
    """HFLM around the model's network, with the fastest batch size for these documents; None without lm-eval."""
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None
    lm = HFLM(
        pretrained=model.network,
        tokenizer=model.encoder.tokenizer,
        softmax_dtype="float32",
        max_length=model.encoder.max_length,
    )
    times = {}
    for size in BATCH_SIZES:
        lm.batch_size_per_gpu = size
        times[size] = seconds(lambda: loglikelihoods(lm, documents))
    lm.batch_size_per_gpu = min(times, key=times.get)
    return lm


def loglikelihoods(lm, documents: Sequence[EncodedDocument]) -> list[float]:
    """Of all requests, nats, from tokens: [(texts, context, continuation)]."""
    requests = [
        ((f"{d.index}", f"{n}"), list(r.tokens[: len(r.tokens) + 1 - len(r.targets)]), list(r.targets))
        for d in documents
        for n, r in enumerate(d.requests)
    ]
    return [loglikelihood for loglikelihood, _ in lm._loglikelihood_tokens(requests, disable_tqdm=True)]


def timed_without(
    lm,
    model: LanguageModel,
    documents: Sequence[EncodedDocument],
    removed: Removed,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, list[float]]:
    """Seconds that the documents take without some sublayers, and the log-likelihoods of all requests, nats."""
    started = clock()
    with sublayers_removed(model, removed):
        found = loglikelihoods(lm, documents)
    synchronize(model)
    return clock() - started, found


def largest_difference(
    model: LanguageModel, removed: Removed, ours: Iterable[float], theirs: Iterable[float]
) -> float:
    """Of log-likelihoods without some sublayers, nats. Ends the benchmark where the two disagree."""
    worst = 0.0
    absolute, relative = AGREEMENT[model.dtype]
    for a, b in zip(ours, theirs, strict=True):
        worst = max(worst, abs(a - b))
        if abs(a - b) > absolute + relative * abs(b):
            sys.exit(f"Cornerstone and lm-eval disagree without {removed}: {a} and {b}")
    return worst
