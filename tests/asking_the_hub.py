"""How the client libraries ask a hub on loopback, each in a process of its own, and what they get."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from hub import Hub, client_environment

LLAMA = "meta-llama/Meta-Llama-3-8B"
SHARD = "model-00002-of-00004.safetensors"
SNAPSHOT = "from huggingface_hub import snapshot_download as get"
ONE_FILE = "from huggingface_hub import hf_hub_download as get"
AT_REVISION = (
    "from huggingface_hub import snapshot_download\n"
    "get = lambda model, revision: snapshot_download(model, revision=revision)"
)
DATA_SET = "from datasets import load_dataset as get"


def client(hub_url: str, home: Path, code: str, token: str | None = None, **environment: str) -> str:
    """What a Python program prints that runs with this hub for the hub."""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env=client_environment(hub_url, home, token, **environment),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def got(hub_url: str, home: Path, imported: str, *arguments: str, **keywords) -> str:
    """The path that `get(*arguments)` returns, or the name of its exception."""
    given = ", ".join(map(repr, arguments))
    code = f"{imported}\ntry:\n    print(get({given}))\nexcept Exception as error:\n    print(type(error).__name__)"
    return client(hub_url, home, code, **keywords).strip()


def downloaded(hub: Hub, home: Path, **environment: str) -> str:
    """As `got`, of one shard."""
    return got(hub.url, home, ONE_FILE, LLAMA, SHARD, **environment)


def raw(hub: Hub, path: str, **headers: str) -> tuple[int, dict, bytes]:
    connection = HTTPConnection(urlsplit(hub.url).netloc, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found
