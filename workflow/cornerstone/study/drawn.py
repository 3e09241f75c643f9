"""What the rule `draw` says of each figure of a study, by its file's name without ending.

drawn_from(study, "pie_demo_llama")     # the CSV files of the model's values
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from cornerstone.figures import FIGURES, Context, Scope
from cornerstone.scores import SCORES
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.study.config import StudyConfig


def drawn_from(study: StudyConfig, stem: str) -> list[str]:
    """The CSV files of its model and every task, or of all models; none for a drawing without data."""
    figure, model = study.figures[stem]
    if not figure.reads:
        return []
    named = product([model] if model else study.model_names, study.task_names)
    paths = (figure.reads.format(model=model, task=task) for model, task in named)
    return [f"{study.results}/{path}" for path in dict.fromkeys(paths)]


def drawn_by(study: StudyConfig, stem: str) -> list[Path]:
    """The registered files that draw it: its own, and of the audit's figure every estimator's, each with its look."""
    figure, _ = study.figures[stem]
    estimators = ESTIMATORS.files if figure.scope is Scope.EXACT else []
    return [FIGURES.file_of(figure.name), *SCORES.files, *estimators]


def settings_of(study: StudyConfig, stem: str) -> dict[str, Any]:
    """What the figure takes of the configuration, and no more: another setting does not draw it again."""
    figure, _ = study.figures[stem]
    return {name: getattr(study, name) for name in figure.settings}


def caption_of(study: StudyConfig, stem: str) -> str:
    """As far as it needs no results."""
    figure, model = study.figures[stem]
    context = Context(
        model=study.titles["models"].get(model, ""),
        score=SCORES[study.score],
        estimator=study.estimator,
        max_removed=study.max_removed,
    )
    return figure.caption(context)


def label_of(study: StudyConfig, stem: str) -> str:
    """The model; of a figure of the whole study what its name ends in."""
    _, model = study.figures[stem]
    return model or stem.partition("_")[2]
