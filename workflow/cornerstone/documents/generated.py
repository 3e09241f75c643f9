"""Generated answers scored by lm-eval's own filters and metrics, from what a document file keeps; no data are loaded.

scorer = scorer_of("gsm8k", document_set)     # of `tasks`
scorer.score([(document, "The answer is 7."), …], "exact_match,strict-match")    # [1.0, …]
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from lm_eval.api.instance import Instance

from cornerstone.documents.document import Document, DocumentSet, check_reported
from cornerstone.documents.lm_task import make_lm_task
from cornerstone.documents.local_rows import data_set_of
from cornerstone.documents.seeded import same_random_state
from cornerstone.documents.supported_tasks import scored_split
from cornerstone.documents.task_data import TaskData
from cornerstone.system.errors import CornerstoneError, one_line, shown

TRIED = 20
"""Documents of which the metrics are tried."""


class Scorer:
    """lm-eval's task on the rows of a document set.

    definition: lm-eval's of the task, its functions included. Raises CornerstoneError where no task can be made of the
    rows.
    """

    def __init__(self, definition: Mapping[str, Any], document_set: DocumentSet) -> None:
        self.documents = document_set
        definition = {
            key: value for key, value in definition.items() if key != "process_docs"
        }  # they are processed
        rows = [json.loads(document.row) for document in document_set.documents]
        place = f"{document_set.task}: its documents"
        splits = {scored_split(definition): data_set_of(rows[:1], place)}
        data = TaskData(splits, document_set.source, place, is_local=True)
        with same_random_state():
            self.lm_task = make_lm_task(definition["task"], definition, data, shots=0)
        self.lm_task.multiple_target = int(document_set.lists_targets)  # not as the first of a sample has it
        self.rows = {document.index: row for document, row in zip(document_set.documents, rows, strict=True)}

    def check(self) -> None:
        """Try every metric on empty and on right answers to some documents, before any is generated. Raises as
        `score`."""
        some = self.documents.documents[:TRIED]
        answers = [(document, answer) for document in some for answer in ("", *self._right(document))]
        for reported in self.documents.metrics:
            self.score(answers, reported)

    def _right(self, document: Document) -> list[str]:
        """The targets of a document that are texts; none where the task's own code alone knows what is right."""
        row = self.rows[document.index]
        with suppress(Exception):  # a task that has its process_results may have no doc_to_target that works
            target = self.lm_task.doc_to_target(row)
            if self.lm_task.config.doc_to_choice is not None:
                target = self.lm_task.doc_to_choice(row)[target]
            return [
                each for each in (target if isinstance(target, list) else [target]) if isinstance(each, str)
            ]
        return []

    def score(self, answers: Sequence[tuple[Document, str]], reported: str) -> list[float]:
        """What the metric makes of each answer. reported: as lm-eval reports it, "exact_match,strict-match".

        Raises CornerstoneError where the task has no such metric and filter, and for what is no number from 0 to 1.
        """
        check_reported(self.documents.task, self.documents.metrics, reported)
        metric, _, name = reported.rpartition(",")
        different = list(dict.fromkeys((document.index, text) for document, text in answers))
        filtered = self._filtered(different, name)
        found = {
            key: self._number(key, metric, response)
            for key, response in zip(different, filtered, strict=True)
        }
        return [found[document.index, text] for document, text in answers]

    def _filtered(self, answers: Sequence[tuple[int, str]], name: str) -> list[Any]:
        if not answers:  # of a design without coalitions, which lm-eval's filters do not take
            return []
        instances = [
            Instance("generate_until", self.rows[index], ("", {}), 0, (self.documents.task, index, 1), [text])
            for index, text in answers
        ]
        ensemble = next(each for each in self.lm_task._filters if each.name == name)
        ensemble.apply(instances)
        return [instance.filtered_resps[name] for instance in instances]

    def _number(self, answer: tuple[int, str], metric: str, response: Any) -> float:
        index, text = answer
        where = f"task {self.documents.task}, document {index}: of the answer {shown(text[:80])}"
        try:
            number = self.lm_task.process_results(self.rows[index], [response])[metric]
        except Exception as error:  # the task's own code
            raise CornerstoneError(f"{where} its process_results fails ({one_line(error)})") from error
        try:
            found = float(number)
        except (TypeError, ValueError):
            found = math.nan
        if not 0 <= found <= 1:
            raise CornerstoneError(
                f"{where} it gives {shown(number)} as {metric}; a number from 0 to 1 is needed"
            )
        return found
