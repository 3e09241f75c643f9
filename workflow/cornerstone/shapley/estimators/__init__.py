"""Estimators of the Shapley value, one module each: from evaluated coalitions to a value for every sublayer.

    ESTIMATORS["windows"].fit(mean_scores, n_sublayers=64, settings=Settings(max_removed=4))    # for a study
    ESTIMATORS["windows"].audited(game, budget=43, seed=0)                                      # for the audit

A module of this package, or a user's own file, registers an `Estimator` with everything that belongs to it: the designs
that it needs, its arithmetic, what is said of it in words and how the audit draws it. Nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence

from cornerstone.shapley.coalitions import Removed
from cornerstone.shapley.document_games import DocumentGames
from cornerstone.shapley.games import DOCUMENTS_COUNTED, Game
from cornerstone.shapley.kernel_regression import Corrected
from cornerstone.shapley.linear import LinearEstimator
from cornerstone.system.registry import LAST, Registry

SHARED, OWN = "shared", "own"
"""Whose coalitions are evaluated: the same for all documents, or each document's own."""
EXACT, NEARLY, ON_AVERAGE = "exact", "nearly exact", "unbiased"
YARDSTICK = "mixed_effects"
"""The estimator that others are compared with where no exact values are known."""
MeanScores = Callable[[Sequence[Removed]], np.ndarray]
"""From coalitions that were evaluated to their scores, float64 of shape (coalitions,): means over documents."""


@dataclass(frozen=True)
class Settings:
    """What a configuration says to estimators: the largest window, and which of its edges count (both, first)."""

    max_removed: int
    edges: str = "both"

    @property
    def edge(self) -> str:
        """In a sentence: "first or last"."""
        return "first or last" if self.edges == "both" else "first"


Fit = Callable[[MeanScores, int, Settings], LinearEstimator]
"""Scores, number of sublayers and settings -> the weights of the coalitions. Most do not use the scores."""
OfDocuments = Callable[[DocumentGames], Corrected]
"""Scores of per-document coalitions -> unbiased values of the documents."""
Audited = Callable[[Game, int, int], np.ndarray]
"""Game, budget of coalitions and seed -> values, float64 of shape (sublayers,)."""


@dataclass(frozen=True)
class Words:
    """Texts on an estimator that a configuration can name; {edge} and {max_removed} stand for the settings.

    choice:  what it is, for the schema's list and that of docs/estimators.md: "from random orders of removal".
    method:  how the value is found, after "The value of a sublayer …".
    source:  where values come from, for captions: "Values from random orders of removal".
    caution: the limits of such values: sentences.
    interval: what the interval of a value covers: a sentence.
    few_documents: what gives the values where there are fewer documents than the estimator's fewest_documents.
    """

    choice: str
    method: str
    source: str
    caution: str
    interval: str = "An interval is for all documents like these, and for the removals that were made."
    few_documents: str = ""


@dataclass(frozen=True)
class Look:
    """How the audit's figure draws it: colour, line style, marker, and whether with a band over seeds."""

    colour: str
    line: str
    marker: str
    band: bool = False


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """An estimator, for studies (fit), for the audit (audited), or both.

    name:       in the configuration. title: in the audit's tables.
    designs:    what a study evaluates for it besides the ablation.
    fit:        makes the weights of a study; None where only the audit has it. Then words are not needed.
    of_documents: in its place where each document has coalitions of its own.
    audited:    works on a game whose every coalition is known; None where there is nothing to audit.
    only_shared: why its coalitions are the same for all documents even in the audit; None where each document may have
                its own. Where nothing is random, none are drawn.
    chooses:    which coalitions it asks for, of a number of sublayers, a budget and a seed; needed where running it
                takes long, to find the budget of so much work.
    audited_as: the name of the audited estimator that is this one under a study's settings.
    samples:    marginal contributions behind each value, for the audit's table of positions; None where they vary.
    parts:      further rows of that table, by name: linear estimators of some of its coalitions.
    is_exact:   whether its values are the exact ones.
    never_exact: why its values are not the exact ones even where it may evaluate every coalition; None where they are.
    additive:   on games in which effects add up, its values are EXACT, NEARLY so, or right ON_AVERAGE over seeds.
    is_random:  whether the seed matters.
    library:    whose code it is; None for ours.
    fewest_documents: with how many the values are this estimator's own.
    minutes:    how long fitting a model on a task may take.
    look:       None where the audit's figure leaves it to the table.
    """

    name: str
    title: str
    designs: tuple[str, ...] = ()
    fit: Fit | None = None
    of_documents: OfDocuments | None = None
    words: Words | None = None
    audited: Audited | None = None
    only_shared: str | None = None
    chooses: Callable[[int, int, int], Sequence[Removed]] | None = None
    audited_as: Callable[[Settings], str] | None = None
    samples: Callable[[int, int], np.ndarray] | None = None
    parts: Callable[[int, int], dict[str, LinearEstimator]] | None = None
    is_exact: bool = False
    never_exact: str | None = None
    additive: str = EXACT
    is_random: bool = True
    library: str | None = None
    fewest_documents: int = 0
    minutes: int = 30
    look: Look | None = None
    order: float = LAST

    def __post_init__(self) -> None:
        if self.is_choosable and self.words is None:
            raise TypeError(f"the estimator {self.name!r} can be named in a configuration, so it needs words")

    @property
    def is_choosable(self) -> bool:
        """Whether a configuration can name it."""
        return self.fit is not None or self.of_documents is not None

    def on_few(self, documents: Iterable[int]) -> str:
        """A sentence on these numbers of documents where some are too few for the estimator; nothing else."""
        if min(documents, default=self.fewest_documents) >= self.fewest_documents:
            return ""
        return (
            f"On tasks with fewer than {self.fewest_documents} documents the values of {self.title} are those of "
            f"{self.words.few_documents}."
        )

    @property
    def by_coalitions(self) -> dict[str, Audited]:
        """How the audit runs it, by whose coalitions are evaluated: SHARED, OWN, or both if its form allows."""
        if self.of_documents is not None:
            return {SHARED: on_pairs(self.of_documents, shared=True), OWN: self.audited}
        if self.only_shared is not None or not self.is_random:
            return {SHARED: self.audited}
        return {SHARED: self.audited, OWN: document_by_document(self.audited)}

    def audited_name(self, settings: Settings) -> str:
        """Under which name the audit has this estimator with these settings."""
        return self.audited_as(settings) if self.audited_as else self.name


ESTIMATORS: Registry[Estimator] = Registry("estimator", "cornerstone.shapley.estimators")


def choosable() -> list[Estimator]:
    """The estimators that a configuration can name."""
    return [estimator for estimator in ESTIMATORS if estimator.is_choosable]


def audited() -> list[Estimator]:
    """The estimators that the audit compares with exact values."""
    return [estimator for estimator in ESTIMATORS if estimator.audited is not None]


def apply(estimator: LinearEstimator, game: Game) -> np.ndarray:
    """The values of a game, float64 of shape (sublayers,)."""
    return estimator.weights @ game.score(estimator.coalitions)


def on_pairs(of_documents: OfDocuments, *, shared: bool = False) -> Audited:
    """The audit of such an estimator: from as much work as windows of the budget.

    shared: on pairs that are the same for all documents, in place of each document's own.
    """

    def values(game: Game, budget: int, seed: int) -> np.ndarray:
        return of_documents(game.of_documents(budget, seed, shared=shared)).per_document.mean(axis=0)

    return values


def document_by_document(audited: Audited) -> Audited:
    """The mean of what an estimator gives on each document's game, with a seed of its own and so many coalitions.

    The Shapley value is linear in the game, so the mean of the documents' values is that of the mean score.
    """

    def values(game: Game, budget: int, seed: int) -> np.ndarray:
        games = game.of_each_document()
        seeds = [int(SeedSequence((seed, place)).generate_state(1)[0]) for place in range(len(games))]
        found = [audited(one, budget, own) for one, own in zip(games, seeds, strict=True)]
        game.own.extend(one.coalitions for one in games[:DOCUMENTS_COUNTED])
        return np.mean(found, axis=0)

    return values
