"""Provenance: how an evaluation was made, noted beside its numbers and never a reason to make it again."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import sys
import time
from typing import Any

from cornerstone.evaluations.plan import EvaluationJob, Plan, count_pairs

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow")


def provenance_of(
    job: EvaluationJob, plan: Plan, reused: int, counts: dict[str, Any], started: float
) -> dict[str, Any]:
    """How the evaluation was made; `reused` pairs were there before, at `started`."""
    work, pairs = plan.parts.work_done(), count_pairs(plan.grid)
    return {
        "evaluated_pairs": pairs - reused,
        "reused_pairs": reused,
        # Of all runs that evaluated these pairs, shards and broken ones too; parts may hold more pairs than are asked.
        "work_seconds": round(work.seconds * pairs / max(1, work.pairs), 3),
        "devices": list(work.devices),
        "seconds": round(time.monotonic() - started, 3),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_device_memory_bytes": plan.model and plan.model.peak_device_memory_bytes,
        "dtype": job.dtype,
        "engine": counts,
        "machine": platform.platform(),
        "python": platform.python_version(),
        "versions": library_versions(),
    }


def peak_memory_bytes() -> int:
    """The most memory this process had so far, in bytes (resident; without the GPU's)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def library_versions() -> dict[str, str]:
    """Versions of the libraries that the numbers may depend on in their last digits."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a fake engine in a bare environment
            continue
    return versions
