"""The environment in which the client libraries ask a hub on loopback and nobody else.

They read it when they are imported: run them in a process of their own.
"""

from __future__ import annotations

import os
from pathlib import Path

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN")
CACHES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_XET_CACHE", "HF_DATASETS_CACHE", "TRANSFORMERS_CACHE")
OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def client_environment(url: str, home: Path | str, token: str | None = None, **more: str) -> dict[str, str]:
    """This process's environment, but for: the hub at `url`, its cache in `home`, `token` or none, no proxy."""
    dropped = {*TOKENS, *CACHES, *OFFLINE}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.lower().endswith("_proxy")
    }
    ours = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "OMP_NUM_THREADS": "1",
    }
    return {**kept, **ours, **({"HF_TOKEN": token} if token else {}), **more}
