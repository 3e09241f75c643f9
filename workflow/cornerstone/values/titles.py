"""The titles of models and tasks in figures, tables and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MEAN = "mean"
"""In the column task: the mean over the tasks."""


@dataclass(frozen=True)
class Titles:
    """How models and tasks are called in print; those not listed keep their names."""

    models: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)

    def model(self, name: str) -> str:
        return self.models.get(name, name)

    def task(self, name: str) -> str:
        return "Mean over tasks" if name == MEAN else self.tasks.get(name, name)
