"""Cases for the claims on chance: each model's score without one of its cornerstones, tested against guessing.

Whether a score is guessing is decided by the paired tests of `statistics.collapse` over all sublayers of the model, as
in the table of ablation: collapsed, or below guessing; above; else not decidable. Being not clearly different from
chance is no evidence of chance. A score significantly below guessing, such as that of the worst constant answer, has
dropped to it, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cornerstone.claims.phrases import ask_again
from cornerstone.claims.tested import Tested
from cornerstone.claims.verdicts import Case
from cornerstone.scores import Score
from cornerstone.scores.unit import percent
from cornerstone.statistics.collapse import guessing_tests
from cornerstone.statistics.resampling import LEVEL
from cornerstone.system.text import listed
from cornerstone.values.document_numbers import score_draws


def cornerstone_removals(tested: Tested, model: str, above: bool) -> list[Case]:
    """A case per cornerstone and task: that the score without it is above guessing (`above`), or is guessing.

    None on tasks where nothing can be guessed.
    """
    tasks = [numbers for numbers in tested.tasks[model] if numbers.is_guessable]
    margin = tested.results.margin
    tests_of = [guessing_tests(n.full - n.effects, n.chance, n.constant, margin) for n in tasks]
    cases = []
    for label in tested.results.cornerstones[model]:
        sublayer = tested.tasks[model][0].labels.index(label)
        for numbers, tests in zip(tasks, tests_of, strict=True):
            left = numbers.full - numbers.effects[sublayer]
            p_values = (tests.above[sublayer], min(tests.collapsed[sublayer], tests.below[sublayer]))
            case = Case(
                model=model,
                task=numbers.task,
                sublayers=label,
                quantity="score without it",
                estimate=left.mean(),
                draws=score_draws(left, numbers.task, numbers.metric),
                bound=tested.guessing_bound(numbers),
                above=above,
                chance=numbers.chance.mean(),
                constant=numbers.constant.mean(),
                certain=bool(tested.results.found[model][sublayer] >= LEVEL),
                p_values=p_values if above else p_values[::-1],
            )
            cases.append(case)
    return cases


def why_accuracy(score: Score) -> str:
    """Why only an accuracy can show that a model guesses, in words."""
    if not score.is_of_choices:
        return "Guessing is tested with accuracies alone. Nothing is guessed where whole texts are scored."
    return (
        f"Guessing is tested with accuracies alone. The mean {score.noun} may be below that of guessing while most "
        f"answers are right, because a few are far off.{ask_again(score)}"
    )


def unstable_cornerstones(tested: Tested, cases: Sequence[Case]) -> str:
    """A sentence on cornerstones of one model that are not stable under resampling; empty where all are stable."""
    unstable = dict.fromkeys(case.sublayers for case in cases if not case.certain)
    if not unstable:
        return ""
    model = cases[0].model
    found = dict(zip(tested.results.of_model(model)[0].labels, tested.results.found[model], strict=True))
    stability = listed([f"{label} is one in {percent(found[label], 0)} %" for label in unstable])
    return (
        f" Not every cornerstone is stable: {stability} of the resampled sets of documents. An unstable one cannot "
        "contradict the claim."
    )
