"""Models that cannot be used as they are: each function changes a model's folder on the hub in place.

remove_a_shard(make_model(root, "meta-llama/Meta-Llama-3-8B"))
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from hub.models import write_json

REMOTE_CODE = '''"""A model with code of its own: a Llama by another name."""

from transformers import LlamaConfig, LlamaForCausalLM


class LodestoneConfig(LlamaConfig):
    model_type = "lodestone"


class LodestoneForCausalLM(LlamaForCausalLM):
    config_class = LodestoneConfig
'''
QUANTISATIONS = {
    "fp8": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    },
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True},
}


def keep_bin_only(folder: Path) -> None:
    """Pickled weights and no safetensors, as many an older repository has."""
    for path in sorted(folder.glob("*.safetensors*")):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(os.urandom(10_000))


def remove_a_shard(folder: Path) -> str:
    """The index names a shard that the repository does not have; returns its name."""
    shard = _shards(folder)[-1]
    shard.unlink()
    return shard.name


def name_a_shard_that_is_not_there(folder: Path) -> str:
    """Every shard is there, and the index names one more; returns its name."""
    index_path = folder / "model.safetensors.index.json"
    index = json.loads(index_path.read_text())
    shard = f"model-{len(_shards(folder)) + 1:05d}-of-{len(_shards(folder)):05d}.safetensors"
    index["weight_map"]["model.layers.999.mlp.gate_proj.weight"] = shard
    write_json(index_path, index)
    return shard


def cut_a_shard(folder: Path) -> str:
    """A shard was uploaded cut off: its sha256 on the hub is that of the cut file. Returns its name."""
    shard = _shards(folder)[0]
    shard.write_bytes(shard.read_bytes()[:-1000])
    return shard.name


def need_remote_code(folder: Path) -> None:
    """A model type that only the repository's own Python knows."""
    (folder / "modeling_lodestone.py").write_text(REMOTE_CODE)
    classes = {
        "AutoConfig": "modeling_lodestone.LodestoneConfig",
        "AutoModelForCausalLM": "modeling_lodestone.LodestoneForCausalLM",
    }
    named = {"model_type": "lodestone", "architectures": ["LodestoneForCausalLM"], "auto_map": classes}
    _configure(folder, named)


def quantise(folder: Path, method: str) -> None:
    """The configuration says that the weights are quantised (they are not: nobody should get that far)."""
    _configure(folder, {"quantization_config": QUANTISATIONS[method]})


def _configure(folder: Path, changes: dict) -> None:
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, **changes})


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*-of-*.safetensors"))
