"""Identity: everything that decides an evaluation's numbers, and nothing else.

    identity = model_identity(manifest, encoding=encoder.settings, sublayers=["Attn 0", "FFN 0"], …)
    agrees(identity, known_identity(manifest, dtype="bfloat16", task_version="2.0"))

An evaluation of another identity is never reused. Library versions, device and batch sizes are
provenance: they are noted beside the numbers and never make anything be computed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cornerstone.documents.document import CHOICES, TEXT
from cornerstone.system.durable_files import digest_of
from cornerstone.system.errors import CornerstoneError

ENGINE_VERSION = 2
"""Of the engine that makes an evaluation: raise it with any change that moves results."""
GENERATION_VERSION = 1
"""Of what generates answers, alike."""
DIGESTS = ("weights", "config", "tokenizer")
"""What a manifest and an identity both say."""


def model_identity(
    manifest: Mapping[str, Any],
    *,
    encoding: Mapping[str, Any],
    dtype: str,
    sublayers: Sequence[str] | None,
    engine_version: int,
    task_version: str,
    output_type: str = CHOICES,
    removal: Mapping[str, Any] | None = None,
    generation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What decides the numbers of a model on a task, besides each document's own digest.

    manifest:  of `manifest.describe_folder`: the digests of weights, config and tokenizer; the chat template.
    encoding:  the encoder's settings: BOS and the longest input.
    sublayers: the labels in execution order; None while the model has not been loaded.
    output_type: of the task. Its prompts are written out by the chat template, unless it has whole texts.
    removal:   see `removal_identity`; removal by zero is not in an identity, as it was before there was another.
    generation: see `generation_identity`; None where no answers are generated.
    """
    return {
        **{name: manifest[name] for name in DIGESTS},
        "encoding": dict(encoding),
        "dtype": dtype,
        "quantisation": None,
        "sublayers": None if sublayers is None else list(sublayers),
        "engine_version": engine_version,
        "task_version": task_version,
        **(
            {}
            if (template := template_identity(manifest, output_type)) is None
            else {"chat_template": template}
        ),
        **({} if removal is None else {"removal": dict(removal)}),
        **({} if generation is None else {"generation": dict(generation)}),
    }


def template_identity(manifest: Mapping[str, Any], output_type: str) -> str | None:
    """The digest of the chat template that writes out a task's prompts; None where none does."""
    template = manifest.get("chat_template")
    return None if template is None or output_type == TEXT else digest_of(template)


def generation_identity(folder: Path) -> dict[str, Any]:
    """What decides a model's answers besides: the digest of its generation settings, None where it has none."""
    path = folder / "generation_config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = None
    except ValueError as error:
        raise CornerstoneError(f"{path} is no JSON ({error}): put the model's own there") from error
    if isinstance(settings, dict):
        settings.pop("transformers_version", None)
    return {"version": GENERATION_VERSION, "settings": None if settings is None else digest_of(settings)}


def removal_identity(means: str | None) -> dict[str, str] | None:
    """Of removal by means, which are told by their digest; None of removal by zero."""
    return None if means is None else {"name": "mean", "means": means}


def known_identity(
    manifest: Mapping[str, Any],
    *,
    dtype: str,
    task_version: str,
    engine_version: int = ENGINE_VERSION,
    output_type: str = CHOICES,
    removal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is known of an identity before the tokenizer and the model are loaded."""
    return {
        **{name: manifest[name] for name in DIGESTS},
        "dtype": dtype,
        "engine_version": engine_version,
        "task_version": task_version,
        "chat_template": template_identity(manifest, output_type),
        "removal": None if removal is None else dict(removal),
    }


def agrees(identity: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether an identity is as far as it is known this one."""
    return {key: identity.get(key) for key in known} == known
