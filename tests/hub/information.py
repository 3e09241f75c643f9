"""What the hub tells of a repository before any file is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hub.repositories import File, Repository


def information(repository: Repository, gated: bool, with_sizes: bool) -> dict:
    """As `/api/models/ID` answers; `with_sizes` adds the size and digest of each file."""
    told = {
        "_id": repository.commit[:24],
        "id": repository.id,
        "author": repository.id.split("/")[0],
        "sha": repository.commit,
        "private": False,
        "disabled": False,
        "gated": "manual" if gated else False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "lastModified": "2024-01-01T00:00:00.000Z",
        "siblings": [_sibling(file, with_sizes) for file in repository.files.values()],
        "usedStorage": sum(file.size for file in repository.files.values()),
    }
    if repository.kind == "models":
        told |= {"modelId": repository.id, **_of_model(repository)}
    return told


def _sibling(file: File, with_sizes: bool) -> dict:
    sibling = {"rfilename": file.path}
    if with_sizes:
        sibling |= {"size": file.size, "blobId": file.blob_id}
        if file.lfs:
            sibling["lfs"] = file.lfs
    return sibling


def _of_model(repository: Repository) -> dict:
    """What the hub reads from a model's own files: its architecture, and its parameters by data type."""
    found = {}
    if "config.json" in repository.files:
        config = json.loads(repository.files["config.json"].location.read_text())
        kept = ("architectures", "model_type", "quantization_config", "auto_map")
        found["config"] = {name: config[name] for name in kept if name in config}
    parameters: dict[str, int] = {}
    for file in repository.files.values():
        if file.path.endswith(".safetensors"):
            for dtype, count in _parameters(file.location):
                parameters[dtype] = parameters.get(dtype, 0) + count
    if parameters:
        found["safetensors"] = {"parameters": parameters, "total": sum(parameters.values())}
    return found


def _parameters(location: Path) -> Iterator[tuple[str, int]]:
    """(data type, number) of each tensor, from a safetensors file's header; of a broken file, nothing."""
    content = location.read_bytes()
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except ValueError:
        return
    for name, tensor in header.items():
        if name != "__metadata__":
            count = 1
            for length in tensor["shape"]:
                count *= length
            yield tensor["dtype"], count
