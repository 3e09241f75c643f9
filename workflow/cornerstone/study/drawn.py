"""Inputs, parameters and labels of the rule `draw` for each figure, by its file's name without ending.

drawn_from(study, "pie_demo_llama")     # the CSV files of the model's values
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from cornerstone.figures import FIGURES, Context, Scope
from cornerstone.measures import MEASURES
from cornerstone.scores import SCORES
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.players import noun_of
from cornerstone.study.config import StudyConfig


def drawn_from(study: StudyConfig, stem: str) -> list[str]:
    """The CSV files that a figure is drawn from: of its model and every task, or of all models; none without data."""
    figure, model = study.figures[stem]
    if not figure.reads:
        return []
    named = product([model] if model else study.model_names, study.task_names)
    paths = (figure.reads.format(model=model, task=task) for model, task in named)
    return [f"{study.results}/{path}" for path in dict.fromkeys(paths)]


def drawn_by(study: StudyConfig, stem: str) -> list[Path]:
    """The registered files that draw it: its own; for the audit's figure also every estimator's, for their looks, and
    for that of cheap measures theirs."""
    figure, _ = study.figures[stem]
    estimators = ESTIMATORS.files if figure.scope is Scope.EXACT else []
    measures = MEASURES.files if figure.asked_by == "cheap_measures" else []
    return [FIGURES.file_of(figure.name), *SCORES.files, *estimators, *measures]


def settings_of(study: StudyConfig, stem: str) -> dict[str, Any]:
    """The settings of the configuration that the figure uses, and no others, which would draw it again."""
    figure, _ = study.figures[stem]
    return {name: getattr(study, name) for name in figure.settings}


def caption_of(study: StudyConfig, stem: str) -> str:
    """The caption of a figure, as far as it needs no results."""
    figure, model = study.figures[stem]
    context = Context(
        model=study.titles["models"].get(model, ""),
        score=SCORES[study.score],
        estimator=study.estimator,
        max_removed=study.max_removed,
        player=noun_of(study.players),
        removal=study.removal,
    )
    return figure.captioned(context)[1]


def label_of(study: StudyConfig, stem: str) -> str:
    """The label of a figure in Snakemake's report: its model, or the end of its name for one of the whole study."""
    _, model = study.figures[stem]
    return model or stem.partition("_")[2]
