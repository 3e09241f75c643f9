"""What the hub has: the paper's three models, two of other families, and the data sets of lm-eval's tasks.

make_content(folder, models=PAPER_MODELS, data_sets=DATA_SETS)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from hub.data_sets import DATA_SETS, make_data_set
from hub.models import TINY_MODELS, make_model

__all__ = ["DATA_SETS", "MODELS", "PAPER_MODELS", "make_content"]

CONFIGURATION = Path(__file__).parents[2] / "config" / "config.yaml"
MODELS = tuple(TINY_MODELS)
PAPER_MODELS = MODELS[:3]


def pinned_commits(model_id: str) -> list[str]:
    """The commits of a model that the default configuration names."""
    models = yaml.safe_load(CONFIGURATION.read_text())["models"].values()
    return [model["revision"] for model in models if model["hub"] == model_id and "revision" in model]


def make_content(
    folder: Path, models: Iterable[str] = (), data_sets: Iterable[str] = (), seed: int = 0
) -> Path:
    """The given models and data sets under `folder`, which is returned: the same files for the same seed."""
    for model in models:
        made = make_model(folder, model, seed)
        for commit in pinned_commits(model):
            made.with_name(f"{made.name}@{commit}").symlink_to(made.name)
    for data_set in data_sets:
        make_data_set(folder, data_set, seed)
    return folder
