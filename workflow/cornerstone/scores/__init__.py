"""Scores: how well a model answers each document, from the log-likelihoods of its choices. One module per score.

    SCORES["logprob"].of(choices)            # float64, shape (coalitions, documents)
    SCORES["paper"].metric(("acc",))         # "acc": what the configuration's `score` means on a task
    study_score("paper", ["bits_per_byte"])  # SCORES["bits_per_byte"]: what it means on all of a study's tasks

A module of this package, or a user's own file, registers a `Score` with everything that belongs to it: the arithmetic,
the unit, what it is called and how far it can be interpreted. Nothing else names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from cornerstone.documents.document import CHOICES
from cornerstone.scores.choices import ChoiceTable
from cornerstone.scores.unit import Unit
from cornerstone.statistics.resampling import wilson_draws
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.registry import LAST, Registry

OfDocuments = Callable[[ChoiceTable], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score; more of it is better.

    name:      in the configuration and in CSV files.
    noun:      in axis labels and sentences: "accuracy".
    counts:    what a document counts, for the list in docs/configuration.md.
    method:    how the report says that it was measured.
    unit:      in which scores and differences are written.
    range:     the least and the most that a document can score, as numbers (an accuracy: 0 to 1, whatever the unit
               writes); infinite where there is no end. Intervals and axes stay within it.
    of:        from choices to the score, float64 of shape (coalitions, documents). None where it stands for others.
    chance:    what guessing scores, float64 of shape (documents,); not a number where nothing can be guessed.
    constant:  what the best answer that is always the same scores, shape (documents,); None where there is no such
               thing.
    is_accuracy:   whether it is the part of right answers. Tests of guessing, and claims on chance, are of these alone.
    is_yardstick:  whether the other scores are compared with it (true of one score).
    output_types:  lm-eval's, of the tasks that can have it.
    on_every_task: False where lm-eval has to report it of the task, too.
    stands_for:    scores of which the first that a task reports is meant, instead of one of its own.
    linear_up_to:  where axes that become logarithmic are still linear, in the unit.
    half_widths:   of intervals that are worth asking for, widest first, as fractions of 1 or in the unit where the
                   unit's factor is 1.
    order:         its place in tables.
    """

    name: str
    noun: str
    counts: str
    method: str
    unit: Unit
    range: tuple[float, float] = (-inf, inf)
    of: OfDocuments | None
    chance: OfDocuments | None
    constant: OfDocuments | None = None
    is_accuracy: bool = False
    is_yardstick: bool = False
    output_types: tuple[str, ...] = (CHOICES,)
    on_every_task: bool = True
    stands_for: tuple[str, ...] = ()
    linear_up_to: float = 0.01
    half_widths: tuple[float, ...] = (0.05, 0.02, 0.01)
    order: float = LAST

    @property
    def is_bounded(self) -> bool:
        """Whether it has a lower end. Without one, a few documents may weigh as much as all others."""
        return isfinite(self.range[0])

    @property
    def is_of_choices(self) -> bool:
        """Whether a task can have it on which answers are chosen, and may be guessed."""
        return bool(self.stands_for) or CHOICES in self.output_types

    @property
    def reach(self) -> float:
        """The largest difference of two scores: effects and values lie within −reach to reach."""
        return self.range[1] - self.range[0]

    def within(self, draws: np.ndarray, per_document: np.ndarray) -> np.ndarray:
        """Draws for intervals of mean scores, (rows, resamples), kept to what the score can be.

        per_document: the scores, (rows, documents). Of right and wrong answers Wilson's intervals (see
        `wilson_draws`); of other scores draws beyond an end of the range are moved to it.
        """
        if self.is_accuracy:
            return wilson_draws(draws, per_document)
        return draws.clip(*self.range)

    def is_of(self, reported: Sequence[str], output_type: str) -> bool:
        """Whether a task of this output type has it, for which lm-eval reports these metrics."""
        return output_type in self.output_types and (self.on_every_task or self.name in reported)

    def metric(self, reported: Sequence[str], output_type: str = CHOICES, task: str = "this task") -> str:
        """The name of the score that this one means on a task for which lm-eval reports these metrics.

        Raises CornerstoneError where the task has no such score.
        """
        meant = [name for name in (self.name, *self.stands_for) if SCORES[name].is_of(reported, output_type)]
        if not meant:
            instead = [score.name for score in measured_scores(reported, output_type)]
            usual = [score.name for score in SCORES if set(score.stands_for) & set(instead)]
            raise CornerstoneError(
                f"score is {self.name}, but {task} reports {', '.join(reported)}: give score: "
                f"{' or '.join(usual + instead)}"
            )
        return meant[0]


SCORES: Registry[Score] = Registry("score", "cornerstone.scores")


def measured_scores(reported: Sequence[str], output_type: str = CHOICES) -> list[Score]:
    """Every score that a task of this output type has for which lm-eval reports these metrics, in order."""
    return [score for score in SCORES if not score.stands_for and score.is_of(reported, output_type)]


def study_score(name: str, metrics: Iterable[str]) -> Score:
    """What the configuration's score is on tasks on which it means these scores: itself, or the only one of them.

    Raises CornerstoneError where they have different units: no figure could show such tasks side by side.
    """
    meant, score = sorted({*metrics}), SCORES[name]
    if not score.stands_for or all(SCORES[metric].unit == score.unit for metric in meant):
        return score
    if len(meant) > 1:
        raise CornerstoneError(
            f"score is {name}, which means {' and '.join(meant)} on the tasks of this study, and these cannot be "
            "compared: give score: logprob, or a study of its own to the tasks of each"
        )
    return SCORES[meant[0]]


def score_of_all(metrics: Iterable[str]) -> Score:
    """The score that speaks for all of these, which have one unit: an accuracy where one is among them."""
    scores = [SCORES[metric] for metric in metrics]
    return next((score for score in scores if score.is_accuracy), scores[0])


def yardstick() -> Score:
    """The score that the others are compared with."""
    return next(score for score in SCORES if score.is_yardstick)
