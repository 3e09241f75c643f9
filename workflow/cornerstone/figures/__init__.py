"""Figures: one module each, with what it reads, its drawing and its caption.

    FIGURES["values"].draw(rows, Path("values_tiny.pdf"), titles)
    figures_of(["tiny"], exact=[], with_pairs=["tiny"])  # "pie_all", "pie_tiny", …: every figure of a study, in order

A module of this package, or a user's own file, registers a `Figure`. Attention is dark red and round, FFN and MoE light
blue and square, everywhere: the two differ in lightness and shape as well as in hue, for greyscale print and for
colour-blind readers. What is of several kinds, as a block is, is taupe and a cross.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cornerstone.drawing import style
from cornerstone.scores import Score
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.shapley.players import NAMED_SET
from cornerstone.system.errors import CornerstoneError, known_names
from cornerstone.system.registry import LAST, Registry
from cornerstone.values.titles import SUBLAYER, Titles, in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

WHAT_MATTERS = "What matters"
HOW_SURELY = "How surely"
TOGETHER = "What it does together with others"
BY_TASK = "On which task it differs"
METHOD = "What removing a sublayer is"
QUESTIONS = (WHAT_MATTERS, HOW_SURELY, TOGETHER, BY_TASK, METHOD)
"""What figures answer, in the order of the reports. A user's own figure may have a question of its own."""

NO_PAIRS = "no two sublayers are removed together: give max_removed or pair_distance 2 or more"


class Scope(Enum):
    """What there is a figure of."""

    STUDY = "the whole study"
    MODEL = "each model"
    EXACT = "each model whose exact values are known"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a caption says of the study.

    model:  the title of the figure's model; "" for a figure of the whole study.
    score:  the study's.
    estimator, max_removed: as configured.
    removal: as configured: zero or mean.
    scores: the model's rows of the table of scores; None where there are no results yet.
    player: what a player of the study is.
    """

    model: str
    score: Score
    estimator: str
    max_removed: int
    removal: str = "zero"
    scores: pd.DataFrame | None = None
    player: str = SUBLAYER

    @property
    def has_kinds(self) -> bool:
        """Whether players may be of one kind: blocks and groups are of several."""
        return self.player in (SUBLAYER, NAMED_SET)

    @property
    def looks(self) -> str:
        """How markers tell kinds, in brackets; nothing where all players look alike."""
        known = "circles: attention, squares: FFN or MoE"
        sets = ", crosses: several kinds" if self.player == NAMED_SET else ""
        return f" ({known}{sets})" if self.has_kinds else ""

    @property
    def values_from(self) -> str:
        return ESTIMATORS[self.estimator].words.source.format(max_removed=self.max_removed)

    @property
    def is_guessable(self) -> bool:
        """Whether answers can be guessed on some task, as far as it is known."""
        return self.score.is_of_choices if self.scores is None else self.scores["chance"].notna().any()

    @property
    def measured(self) -> str:
        """ "; 40 documents a task, scored by acc", to end a sentence; nothing without results."""
        if self.scores is None:
            return ""
        fewest, most = self.scores["documents"].min(), self.scores["documents"].max()
        documents = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
        return f"; {documents} documents a task, scored by {' or '.join(self.scores['score'].unique())}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure.

    name:        its file is {name}.pdf for the whole study, {name}_{model}.pdf for a model. Without underscores there,
                 so that the file's name tells figure and model.
    about:       what it shows, in a line of the README.
    scope:       what there is one of.
    reads:       the CSV files it is drawn from, below the results: "values/{model}/{task}.csv", "tables/totals.csv", or
                 "" for a drawing without data.
    needs_pairs: whether it is only of models of which two sublayers were removed together.
    asked_by:    what of a study is not empty where it asks for it, mostly a key of its configuration; None where every
                 study has it.
    settings:    keys of the configuration that `make` takes. When another one changes, the figure is not drawn again.
    make:        from the rows of those files, titles and the settings by name to the drawing.
    title:       "Shares of {model}".
    caption:     what the figure shows, in sentences.
    category:    the question that it answers: one of QUESTIONS, under which both reports have it.
    on_page:     whether the report's page draws the same itself, so that it does not show the file.
    order:       its place in reports.

    Raises CornerstoneError for a name with an underscore that a model's name would follow.
    """

    name: str
    about: str
    scope: Scope
    reads: str
    needs_pairs: bool
    settings: tuple[str, ...]
    make: Callable[..., MplFigure]
    title: str
    caption: Callable[[Context], str]
    category: str
    asked_by: str | None = None
    on_page: bool = False
    order: float = LAST

    def __post_init__(self) -> None:
        if self.scope is not Scope.STUDY and "_" in self.name:
            raise CornerstoneError(
                f"the figure {self.name!r} is of single models: name it without underscores"
            )

    @property
    def pattern(self) -> str:
        """ "pie_{model}", "pie_all": its files' names without ending."""
        return self.name if self.scope is Scope.STUDY else f"{self.name}_{{model}}"

    def draw(self, rows: pd.DataFrame | None, output: Path, titles: Titles, **settings: Any) -> None:
        """Draw it and save it in the format of `output`'s ending; the same data give the same bytes.

        rows: of its CSV files, one after another; None for a drawing without data. Raises CornerstoneError for an
        unknown ending, and where it needs pairs and has none.
        """
        if self.needs_pairs and rows.empty:
            raise CornerstoneError(f"cannot draw {output}: {NO_PAIRS}")
        style.save(lambda: self.make(rows, titles, **settings), output)

    def captioned(self, context: Context) -> tuple[str, str]:
        """Title and caption; of a drawing from data, about the study's players."""
        title, caption = self.title, self.caption(context)
        if context.player != SUBLAYER and self.reads:
            title, caption = in_words(title, context.player), in_words(caption, context.player)
        return title.format(model=context.model), caption


FIGURES: Registry[Figure] = Registry("figure", "cornerstone.figures")


def figures_of(
    models: Sequence[str],
    *,
    exact: Collection[str],
    with_pairs: Collection[str],
    asked: Collection[str] = ("scored_tasks",),
) -> dict[str, tuple[Figure, str]]:
    """Every figure of a study in the order of the report: by its file's name without ending, the figure and its model.

    The model is "" for a figure of the whole study. exact: the models whose exact values are known. with_pairs: those
    of which two sublayers are removed together. asked: what the study has of what `Figure.asked_by`
    names; by default tasks whose answers are given.
    """
    of_exact = [model for model in models if model in exact]
    of_scope = {Scope.STUDY: [""], Scope.MODEL: models, Scope.EXACT: of_exact}
    found = {}
    for figure in FIGURES:
        if figure.asked_by is not None and figure.asked_by not in asked:
            continue
        for model in of_scope[figure.scope]:
            drawn_of = [model] if model else models
            if not figure.needs_pairs or set(drawn_of) & set(with_pairs):
                found[figure.pattern.format(model=model)] = figure, model
    return found


def figure_of(stem: str) -> tuple[Figure, str]:
    """The figure and the model ("" for the whole study) that a file's name without ending tells.

    Raises CornerstoneError naming the known figures.
    """
    kind, _, model = stem.partition("_")
    for name, of, scopes in ((stem, "", {Scope.STUDY}), (kind, model, {Scope.MODEL, Scope.EXACT})):
        if name in FIGURES and FIGURES[name].scope in scopes:
            return FIGURES[name], of
    known = known_names(stem, [figure.pattern for figure in FIGURES])
    raise CornerstoneError(f"unknown figure {stem!r}: there are {known}")


def reserved_model_names() -> set[str]:
    """Names that no model may have: pie_all.pdf is the pies of all models, not of a model called all."""
    kinds = [f"{figure.name}_" for figure in FIGURES if figure.scope is not Scope.STUDY]
    whole = [figure.name for figure in FIGURES if figure.scope is Scope.STUDY]
    return {name.removeprefix(kind) for name in whole for kind in kinds if name.startswith(kind)}
