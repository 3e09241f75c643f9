"""The precision of a study so far, from its finished evaluations, also while its jobs run: `snakemake precision`.

print_precision(study)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.scores import study_score
from cornerstone.study.config import StudyConfig
from cornerstone.study.overview import is_of_study
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import TABLES, View
from cornerstone.tables.precision import designs_of, precision_table
from cornerstone.values.document_numbers import DocumentNumbers, document_numbers
from cornerstone.values.scored_task import read_choices, score_task
from cornerstone.values.titles import Titles


def print_precision(study: StudyConfig) -> None:
    """Print the tables of precision of what is finished, with their notes. Raises CornerstoneError where nothing is."""
    measured, left_out = measured_so_far(study)
    for line in left_out:
        print(f"Left out: {line}\n")
    if not measured:
        raise CornerstoneError(
            "no model has all evaluations of a task yet: begin with few documents (documents: 50), and ask again"
        )
    score = study_score(study.score, [numbers.metric for numbers in measured])
    for section in TABLES["precision"].laid_out(
        precision_table(measured), View(Titles(**study.titles), score)
    ):
        print(f"{section.title}\n\n{section.table.to_string(index=False)}\n\n{section.note}\n", flush=True)


def measured_so_far(study: StudyConfig) -> tuple[list[DocumentNumbers], list[str]]:
    """The models and tasks whose evaluations are finished, and lines on those whose files are of no use.

    An evaluation of another model, dtype, removal or of other players than are configured now is not finished.
    """
    measured, left_out = [], []
    for model, task in product(study.model_names, study.task_names):
        designs = designs_of(study.estimator)["value"]
        files = [study.evaluation_path(model, task, design) for design in designs]
        if not all(file.is_file() for file in files):
            continue
        try:
            if is_of_study(study, model, task, designs):
                measured.append(_numbers(study, files, task))
            else:
                left_out.append(f"{model} on {task}: it was evaluated with other settings than those now")
        except CornerstoneError as error:
            left_out.append(f"{model} on {task}: {error}")
    return measured, left_out


def _numbers(study: StudyConfig, files: Sequence[Path], task: str) -> DocumentNumbers:
    scored = score_task(read_choices(files, study.documents_path(task), read_evaluation), study.score)
    return document_numbers(
        scored, max_removed=study.max_removed, edges=study.edges, estimator=study.estimator
    )
