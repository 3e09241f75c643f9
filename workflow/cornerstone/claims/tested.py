"""The results that claims are tested on: a study's, without tasks where the full model is not significantly above
guessing.

    tested = Tested(results, ids)
    tested.tasks["llama3_8b"]      # the model's tasks that claims are tested on
    tested.left_out                # the others, each with the reason

Guessing is chance or the best constant answer. The configuration's collapse_margin says how near to it an accuracy is
still guessing. Tasks on which the full model is not significantly better than both by more than this margin are left
out: on them no removal can show anything. So are tasks of fewer than MIN_DOCUMENTS documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cornerstone.statistics.collapse import guessing_tests
from cornerstone.statistics.resampling import LEVEL

if TYPE_CHECKING:
    from cornerstone.values.both_ways import OneWay
    from cornerstone.values.document_numbers import DocumentNumbers
    from cornerstone.values.results import Results

MIN_DOCUMENTS = 60
"""What happened on none of n documents may still happen on 3 / n of all: on 60, that is 0.05."""
NO_MODEL = f"No model is significantly better than guessing on a task with {MIN_DOCUMENTS} documents or more."


@dataclass(frozen=True, eq=False)
class Tested:
    """A study's results. ids: model -> its id on the hub or its folder's name, which may tell family and size."""

    results: Results
    ids: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tasks(self) -> dict[str, list[DocumentNumbers]]:
        """Each model's tasks that claims are tested on; models without any are not there."""
        tasks: dict[str, list[DocumentNumbers]] = {}
        for model in self.results.models:
            for numbers in self.results.of_model(model):
                if self.reason_left_out(numbers) is None:
                    tasks.setdefault(model, []).append(numbers)
        return tasks

    @cached_property
    def with_shares(self) -> dict[str, list[DocumentNumbers]]:
        """The same without tasks on which no value is positive: claims on shares are tested on these."""
        found = {model: [n for n in tasks if n.has_shares] for model, tasks in self.tasks.items()}
        return {model: tasks for model, tasks in found.items() if tasks}

    @property
    def with_cornerstones(self) -> dict[str, list[DocumentNumbers]]:
        """The tasks of models that have cornerstones: claims on these and on the other sublayers need some."""
        named = self.results.cornerstones
        return {model: tasks for model, tasks in self.tasks.items() if named[model]}

    @property
    def left_out(self) -> list[tuple[DocumentNumbers, str]]:
        """The models and tasks that no claim is tested on, each with the reason."""
        reasons = [(numbers, self.reason_left_out(numbers)) for numbers in self.results.measured]
        return [(numbers, reason) for numbers, reason in reasons if reason is not None]

    def reason_left_out(self, numbers: DocumentNumbers) -> str | None:
        """Why no claim can be tested with this model on this task, None where claims can."""
        is_tested = self.results.score.is_accuracy and numbers.is_guessable
        return reason_left_out(numbers, self.results.margin if is_tested else None)

    def guessing_bound(self, numbers: DocumentNumbers) -> float:
        """What an accuracy must be above to be more than guessing; NaN for other scores."""
        if not self.results.score.is_accuracy:
            return np.nan
        return np.maximum(numbers.chance.mean(), numbers.constant.mean()) + self.results.margin


def reason_left_out(of: DocumentNumbers | OneWay, margin: float | None) -> str | None:
    """Why no claim can be tested on these scores of documents, None where claims can.

    margin: by how much the full model has to be better than guessing; None where guessing cannot be tested.
    """
    if len(of.full) < MIN_DOCUMENTS:
        return f"fewer than {MIN_DOCUMENTS} documents"
    if margin is None:
        return None
    tests = guessing_tests(of.full[None], of.chance, of.constant, margin)
    return None if tests.above[0] <= (1 - LEVEL) / 2 else "not significantly better than guessing"
