"""The precision of a study so far, from its finished evaluations, also while its jobs run: `snakemake precision`.

print_precision(study)
"""

from __future__ import annotations

from cornerstone.scores import study_score
from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import TABLES, View
from cornerstone.tables.precision import designs_of, precision_table
from cornerstone.values.document_numbers import DocumentNumbers, document_numbers
from cornerstone.values.scored_task import read_scores
from cornerstone.values.titles import Titles


def print_precision(study: StudyConfig) -> None:
    """Print the tables of precision of what is finished, with their notes. Raises CornerstoneError where nothing is."""
    measured = measured_so_far(study)
    if not measured:
        raise CornerstoneError(
            "no model has all evaluations of a task yet: begin with few documents (documents: 50), and ask again"
        )
    score = study_score(study.score, [numbers.metric for numbers in measured])
    for section in TABLES["precision"].laid_out(
        precision_table(measured), View(Titles(**study.titles), score)
    ):
        print(f"{section.title}\n\n{section.table.to_string(index=False)}\n\n{section.note}\n", flush=True)


def measured_so_far(study: StudyConfig) -> list[DocumentNumbers]:
    """The models and tasks whose evaluations are finished."""
    measured = []
    for model in study.model_names:
        for task in study.task_names:
            designs = designs_of(study.estimator)["value"]
            files = [study.evaluation_path(model, task, design) for design in designs]
            if all(file.is_file() for file in files):
                scored = read_scores(files, study.documents_path(task), study.score)
                numbers = document_numbers(
                    scored, max_removed=study.max_removed, edges=study.edges, estimator=study.estimator
                )
                measured.append(numbers)
    return measured
