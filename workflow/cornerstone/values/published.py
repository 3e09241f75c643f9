"""The paper's numbers beside a study's own, where the study's model and task are the paper's.

    published = Published(yaml.safe_load(Path("config/paper.yaml").read_text()), ids, lm_eval_tasks)
    published.top_share("my_llama", top_k=3)    # 0.291 where ids["my_llama"] is Meta-Llama-3-8B's, else None

Names in a configuration are free, so a model is known by its id on the hub and a task by lm-eval's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cornerstone.scores import SCORES

CORNERSTONES = 3
"""How many sublayers of a model the paper calls cornerstones."""


@dataclass(frozen=True)
class Published:
    """The paper's numbers, looked up by a study's own names.

    numbers: config/paper.yaml, parsed; empty to show none.
    ids:     model of the study -> its id on the hub (a local folder's name, which is no such id).
    tasks:   task of the study -> lm-eval's name of it.
    score:   of the study; the paper's numbers are accuracies.

    What the paper does not say of a model, a task or another number of cornerstones is None.
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    score: str = "paper"

    def top_share(self, model: str, top_k: int) -> float | None:
        """Table 1: share of the top_k sublayers, mean over the paper's six tasks."""
        percent = self._of_model(f"top_{top_k}_share", model) if self._same_tasks() else None
        return None if percent is None else percent / 100

    def cornerstones(self, model: str) -> dict[str, str]:
        """Table 2: label of each cornerstone -> where the paper names it."""
        in_table = self._of_model("cornerstones", model) or []
        in_text = self._of_model("cornerstones_in_text", model) or []
        return dict.fromkeys(in_text, "running text") | dict.fromkeys(in_table, "Table 2")

    def drop(self, model: str, which: str, top_k: int) -> float | None:
        """Table 3: drop without one "cornerstone" or one "other", mean over the paper's six tasks."""
        drops = self._of_model("drop", model) if self._same_tasks() and top_k == CORNERSTONES else None
        return None if drops is None else drops[which] / 100

    def other_drop(self, model: str, task: str, top_k: int) -> float | None:
        """Table 4: drop without one other sublayer on a task."""
        drops = (self._of_model("other_drop", model) or {}) if top_k == CORNERSTONES else {}
        percent = drops.get(self.tasks.get(task, task))
        return None if percent is None else percent / 100

    def _of_model(self, table: str, model: str) -> Any:
        if not SCORES[self.score].is_accuracy:
            return None
        name = {hub: name for name, hub in self.numbers.get("hub", {}).items()}.get(self.ids.get(model))
        return self.numbers.get(table, {}).get(name)

    def _same_tasks(self) -> bool:
        """Whether a mean over the study's tasks is one over the paper's."""
        return sorted(self.tasks.values()) == sorted(self.numbers.get("chance", {}))
