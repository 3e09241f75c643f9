"""Questions about a study that are answered on the terminal: what it will need, how far it is, how precise.

answer("overview", study)
"""

from __future__ import annotations

import os
from pathlib import Path

from cornerstone.study.config import StudyConfig
from cornerstone.system.errors import CornerstoneError


def answer(question: str, study: StudyConfig) -> None:
    """Print the answer to "estimate", "overview" or "precision". Raises CornerstoneError."""
    if question == "overview":
        from cornerstone.study.overview import print_overview

        print_overview(study)
        return
    if question == "precision":
        print_precision(study)
        return
    from cornerstone.system.hub_probe import hub_answers

    if not hub_answers():  # then datasets would wait 23 s for each data set
        os.environ["HF_HUB_OFFLINE"] = "1"
    from cornerstone.study.estimate import print_estimate

    print_estimate(study)


def print_precision(study: StudyConfig) -> None:
    """Print the table of precision of what is finished, with its note. Raises CornerstoneError where nothing is."""
    from cornerstone.scores import SCORES
    from cornerstone.tables import TABLES, View
    from cornerstone.tables.precision import designs_of, precision_table
    from cornerstone.values.document_numbers import document_numbers
    from cornerstone.values.results import Titles
    from cornerstone.values.scored_task import read_scores

    measured, folder = [], Path(study.results)
    for model in study.model_names:
        for task in study.task_names:
            designs = designs_of(study.estimator)["value"]
            files = [folder / "evaluations" / model / task / f"{design}.parquet" for design in designs]
            if all(file.is_file() for file in files):
                scored = read_scores(files, folder / "documents" / f"{task}.parquet", study.score)
                numbers = document_numbers(
                    scored, max_removed=study.max_removed, edges=study.edges, estimator=study.estimator
                )
                measured.append(numbers)
    if not measured:
        raise CornerstoneError(
            "no model has all evaluations of a task yet: begin with few documents (documents: 50), and ask again"
        )
    titles = Titles(
        {model.name: model.title for model in study.models}, {task.name: task.title for task in study.tasks}
    )
    (section,) = TABLES["precision"].sections(precision_table(measured), View(titles, SCORES[study.score]))
    print(f"{section.table.to_string(index=False)}\n\n{section.note}", flush=True)
