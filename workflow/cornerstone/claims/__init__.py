"""The paper's claims, each tested on a study. One module per claim.

    CLAIMS["2"].statement                               # "Removing one cornerstone drops the score to chance."
    finding = CLAIMS["2"].finding(tested)               # a verdict, and the cases that it rests on
    CLAIMS["2"].sentences(tested, finding, titles)      # the same in words, model by model

A module of this package, or a user's own file, registers a `Claim` with everything that belongs to it: its statement,
what decides it and its sentences. Nothing else names it. `judged` walks them all, `verdicts` has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstone.claims.tested import NO_MODEL, Tested
from cornerstone.claims.verdicts import NOT_DECIDABLE, Case, Finding, grouped
from cornerstone.scores import Score
from cornerstone.scores.unit import Unit
from cornerstone.shapley.players import are_sublayers
from cornerstone.system.registry import LAST, Registry

if TYPE_CHECKING:
    from cornerstone.values.titles import Titles


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim.

    name:      its number in tables and in the report: "6a".
    statement: what is claimed, a sentence.
    unit:      of its numbers: POINTS for shares, which are written in percent whatever the score is. None: the score's.
    why_accuracy: says why no score but an accuracy can decide it; None where every score can.
    judge:     what decides it. None where no removal of sublayers can.
    in_words:  says what its cases on one model come to, a sentence or two. None as `judge` is.
    nothing_to_test: what is said where no model has a case.
    of_sublayers: whether it is on kinds of sublayers, and so applies to no other players.
    order:     its place in tables.
    """

    name: str
    statement: str
    why_accuracy: Callable[[Score], str] | None
    judge: Callable[[Tested], Finding] | None
    in_words: Callable[[Tested, Sequence[Case], Titles], str] | None
    nothing_to_test: str
    unit: Unit | None = None
    of_sublayers: bool = False
    order: float = LAST

    def finding(self, tested: Tested) -> Finding:
        """The verdict on a study with the cases behind it. Without cases where nothing in the study can decide it."""
        if self.judge is None or self._lacks_accuracy(tested) or self._lacks_sublayers(tested):
            return Finding(NOT_DECIDABLE)
        return self.judge(tested)

    def sentences(self, tested: Tested, finding: Finding, titles: Titles) -> dict[str, str]:
        """The finding in words: a text per model, or {"": why nothing was tested} where there are no cases.

        What is said of sublayers is said of the study's players.
        """
        if self._lacks_sublayers(tested):
            return {"": NOT_OF_SETS}
        if not finding.cases:
            return {"": titles.of_players(self._why_no_cases(tested))}
        by_model = grouped(finding.cases, "model")
        texts = {model: self.in_words(tested, cases, titles) for model, cases in by_model.items()}
        return {model: titles.of_players(text) for model, text in texts.items()}

    def _lacks_sublayers(self, tested: Tested) -> bool:
        return self.of_sublayers and not all(are_sublayers(n.labels) for n in tested.results.measured)

    def _lacks_accuracy(self, tested: Tested) -> bool:
        return self.why_accuracy is not None and not tested.results.score.is_accuracy

    def _why_no_cases(self, tested: Tested) -> str:
        if self.judge is None:
            return self.nothing_to_test
        if not tested.tasks:
            return NO_MODEL
        return (
            self.why_accuracy(tested.results.score) if self._lacks_accuracy(tested) else self.nothing_to_test
        )


NOT_OF_SETS = (
    "Not applicable: the claim is on attention, FFN or MoE by itself, and the players here are sets of these."
)
CLAIMS: Registry[Claim] = Registry("claim", "cornerstone.claims")
