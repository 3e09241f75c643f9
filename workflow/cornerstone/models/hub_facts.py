"""The facts of a model on the hub, known before its weights are downloaded.

facts = facts_from_hub("meta-llama/Meta-Llama-3-8B", "main")    # config.json and the headers of the weights
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub

from cornerstone.models.download import missing_bytes, weights_of
from cornerstone.models.facts import ModelFacts, facts_of
from cornerstone.models.folder import check_config, check_own_code, refuse_adapter
from cornerstone.models.weights import INDEX
from cornerstone.system.hub import explained, find_model, page_of, persistently

HEADERS_AT_ONCE = 8


def facts_from_hub(hub_id: str, revision: str, allow_remote_code: bool | None = None) -> ModelFacts:
    """The facts of a model on the hub; fetches config.json, the index and the headers of the weights, nothing else.

    Raises CornerstoneError for what the hub refuses, and for models that cannot be evaluated.
    """
    model = find_model(hub_id, revision)
    names = [file.path for file in model.files]
    refuse_adapter(names, page_of(hub_id))

    def read_json(name: str) -> dict[str, Any]:
        path = persistently(
            lambda: huggingface_hub.hf_hub_download(hub_id, name, revision=model.commit), f"fetching {name}"
        )
        return json.loads(Path(path).read_text(encoding="utf-8"))

    with explained(hub_id, revision):
        config = read_json("config.json")
        check_config(config, page_of(hub_id))
        check_own_code({"config.json": config}, names, page_of(hub_id), allow_remote_code)
        files = weights_of(model, read_json(INDEX) if model.file(INDEX) else None)
        api = huggingface_hub.HfApi()
        with ThreadPoolExecutor(HEADERS_AT_ONCE) as pool:
            headers = list(
                pool.map(
                    lambda file: api.parse_safetensors_file_metadata(
                        hub_id, file.path, revision=model.commit
                    ),
                    files,
                )
            )
    shapes = {name: tensor.shape for header in headers for name, tensor in header.tensors.items()}
    return facts_of(config, shapes, sum(file.size for file in files), missing_bytes(model, files))
