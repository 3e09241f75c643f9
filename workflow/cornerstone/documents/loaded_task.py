"""lm-eval's task on rows that are loaded already; what the task's own code returns is checked.

    lm_task = LoadedTask(config, loaded, shots=0)     # see make_lm_task
    lm_task.task_docs[0]                              # the scored rows, after the task's process_docs

Its methods are called as simple_evaluate calls them, no more and no less often: each call may draw random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask

from cornerstone.documents.task_data import TaskData
from cornerstone.system.errors import CornerstoneError, shown


class LoadedTask(ConfigurableTask):
    """lm-eval's task on the rows of `loaded`.

    Raises CornerstoneError where its process_docs fails or returns what lm-eval can make no documents of.

    is_made: whether lm-eval has tried the first row, and knows what its rules give.
    """

    is_made = False

    def __init__(self, config: dict[str, Any], loaded: TaskData, shots: int) -> None:
        self.loaded, self.shots = loaded, shots
        super().__init__(config=config)
        self.is_made = True

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        self.dataset = self.loaded.splits

    @property
    def eval_docs(self) -> datasets.Dataset:
        rows = super().eval_docs
        where = f"task {self.config.task}: {self.loaded.place}"
        if not isinstance(rows, datasets.Dataset):
            maker = "process_docs returns" if self.config.process_docs else "data set gives"
            raise CornerstoneError(
                f"{where}: its {maker} {_kind(rows)}, and lm-eval needs a datasets.Dataset"
                f"{RETURNED.get(type(rows), '; give one')}"
            )
        if len(rows) == 0:
            raise CornerstoneError(f"{where}: its process_docs returns no documents")
        return rows

    def doc_iterator(self, *, samples: Any = None, **more: Any) -> Iterator[tuple[int, Any]]:
        """As lm-eval's, which makes its documents twice where it picks some of them, and may then draw twice."""
        if not samples:
            return super().doc_iterator(**more)
        rows = self.eval_docs
        return enumerate(rows[number] for number in sorted(samples))

    def fewshot_docs(self) -> Any:
        examples = super().fewshot_docs()
        if not self.shots:
            return examples if hasattr(examples, "__iter__") else None
        where = f"task {self.config.task}: {self.examples_place}"
        if not hasattr(examples, "__iter__") or isinstance(examples, Mapping | str):
            raise CornerstoneError(
                f"{where}: its examples are {_kind(examples)}; give a datasets.Dataset or a list of mappings"
            )
        examples = list(examples)
        for example in examples:
            if not isinstance(example, Mapping):
                raise CornerstoneError(f"{where}: an example is {shown(example)}; give a mapping of fields")
        return examples

    @property
    def examples_place(self) -> str:
        """What an error calls the place of the few-shot examples."""
        split = self.fewshot_cfg.split
        given = self.config.fewshot_config.samples if split is None else None
        if given is not None:
            return "its own few-shot examples"
        splits = (self.config.training_split, self.config.validation_split, self.config.test_split)
        return self.loaded.place_of(split or next(name for name in splits if name is not None))


RETURNED = {
    list: ": give datasets.Dataset.from_list(...) of the list",
    type(None): ": it may lack its `return`",
    datasets.IterableDataset: ", no streaming one: give datasets.Dataset.from_list(list(...)) of it",
    datasets.DatasetDict: ": give one of its splits",
}
"""What to do about what a task's code returns instead of a data set."""


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
