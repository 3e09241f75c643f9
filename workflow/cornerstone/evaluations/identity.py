"""Identity: everything that decides an evaluation's numbers, and nothing else.

    identity = model_identity(manifest, settings=encoder.settings, sublayers=["Attn 0", "FFN 0"], …)
    digest_of(identity)

An evaluation of another identity is never reused. Library versions, device and batch sizes are
provenance: they are noted beside the numbers and never make anything be computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

ENGINE_VERSION = 1
"""Of the engine that makes an evaluation: raise it with any change that moves results."""


def model_identity(
    manifest: Mapping[str, Any],
    *,
    encoding: Mapping[str, Any],
    dtype: str,
    sublayers: Sequence[str] | None,
    engine_version: int,
    task_version: str,
) -> dict[str, Any]:
    """What decides the numbers of a model on a task, besides each document's own digest.

    manifest:  of `manifests.describe_folder`: the digests of weights, config and tokenizer.
    encoding:  the encoder's settings: BOS and the longest input.
    sublayers: the labels in execution order; None while the model has not been loaded.
    """
    return {
        "weights": manifest["weights"],
        "config": manifest["config"],
        "tokenizer": manifest["tokenizer"],
        "encoding": dict(encoding),
        "dtype": dtype,
        "quantisation": None,
        "sublayers": None if sublayers is None else list(sublayers),
        "engine_version": engine_version,
        "task_version": task_version,
    }


def digest_of(content: Any) -> str:
    """sha256 (hex) of the one way of writing `content` as JSON: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
