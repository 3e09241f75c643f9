"""The threads and minutes that an evaluation requests.

evaluation_threads(study.model("demo_llama"), cores=8, gpus=None)    # 1: a small model
"""

from __future__ import annotations

from pathlib import Path

from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig

SMALL_MODEL_BYTES = 100e6


def evaluation_threads(model: ModelConfig, cores: int | None, gpus: int | None) -> int:
    """How many threads one evaluation of the model takes.

    On a cluster, where `cores` is None, the model's own number. Elsewhere every core, or an equal part of them where
    several GPUs are given. A small local model takes one: jobs of small models go faster side by side.
    """
    if cores is None:
        return model.resources.cpus
    return 1 if _is_small(model.folder) else max(1, cores // (gpus or 1))


def _is_small(folder: str | None) -> bool:
    if folder is None:
        return False
    return sum(path.stat().st_size for path in Path(folder).glob("*.safetensors")) < SMALL_MODEL_BYTES


def evaluation_minutes(study: StudyConfig, model: str, attempt: int) -> int:
    """The run time of an attempt, counted from 1: more each time, within the study's max_runtime."""
    minutes = attempt * study.model(model).resources.runtime
    return minutes if study.max_runtime is None else min(minutes, study.max_runtime)
