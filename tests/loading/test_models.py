"""Loading: what brings its own code, what does not fit, and what cannot be evaluated is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cornerstone.loading.devices import pick_device
from cornerstone.models.folder import check_model_folder
from cornerstone.system.errors import CornerstoneError
from hub.client import client_environment
from hub.models import make_model
from hub.variants import need_remote_code, quantise

ROOT = Path(__file__).parents[2]
LOAD = """
import sys
from cornerstone.system.errors import CornerstoneError
from cornerstone.loading.load import load_model
try:
    model = load_model(sys.argv[1], allow_remote_code=sys.argv[2] == "allowed")
    print(type(model.network).__name__, len(model.sublayers))
except CornerstoneError as error:
    print("refused:", error)
"""


@pytest.fixture
def folder(tmp_path):
    return make_model(tmp_path / "hub", "meta-llama/Meta-Llama-3-8B")


def load(folder: Path, allowed: str) -> str:
    """What loading says, in a process and with a cache of its own: transformers copies a model's code there."""
    environment = client_environment("http://127.0.0.1:9", folder.parent / "home", HF_HUB_OFFLINE="1")
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), allowed],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return finished.stdout.strip() or finished.stderr


def test_a_models_own_code_runs_only_where_the_configuration_allows_it(folder):
    need_remote_code(folder)
    refusal = load(folder, "refused")
    assert refusal.startswith("refused:") and "\n" not in refusal
    assert "allow_remote_code: true" in refusal
    assert load(folder, "allowed") == "LodestoneForCausalLM 64"


@pytest.mark.parametrize("method", ["fp8", "gptq"])
def test_a_quantised_checkpoint_is_refused_by_its_kind(folder, method):
    quantise(folder, method)
    with pytest.raises(
        CornerstoneError, match=f"quantised checkpoint .*{method}.*float32, bfloat16 or float16"
    ):
        check_model_folder(folder)


def test_an_encoder_decoder_is_refused(folder):
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "is_encoder_decoder": True}))
    with pytest.raises(CornerstoneError, match="encoder-decoder"):
        check_model_folder(folder)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(
        CornerstoneError, match=f"device {device} was asked for, and PyTorch .* choose device: auto"
    ):
        pick_device(device)
