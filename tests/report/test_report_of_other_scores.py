"""The report's sentences by scores that are no accuracy: in nats, in a third unit, without a unit, with a lower end."""

import re
from contextlib import nullcontext
from dataclasses import replace
from math import inf

import pytest

import synthetic
from cornerstone.report.findings import summary
from cornerstone.report.methods import cautions, method
from cornerstone.report.opening import answer, claims_in_short, trust
from cornerstone.scores import SCORES
from cornerstone.scores.unit import NO_UNIT, Unit
from judged_games import registering
from study_on_disk import contents_of

BITS = Unit(of_scores="bits", of_differences="bits", of_values="bits", factor=1, digits=2, small=0.1)
PLAIN = replace(
    SCORES["margin"], name="lead", noun="lead", unit=NO_UNIT, range=(-inf, inf), method="the lead (lead)"
)
OTHERS = {
    "logprob": SCORES["logprob"],
    "without a unit": PLAIN,
    "in bits": replace(PLAIN, unit=BITS),
    "with a lower end": replace(PLAIN, range=(-1000.0, 0.0)),
}
KNOCK = [0.9, 0.8, 0.05, 0.6, 0.05, 0.05, 0.05, 0.05]


@pytest.fixture(params=OTHERS)
def contents(request):
    """A study of two tasks by one of these scores."""
    score = OTHERS[request.param]
    with nullcontext() if score.name in SCORES else registering(SCORES, score):
        games = [
            synthetic.as_log_probabilities(synthetic.known_task(KNOCK, task=task, seed=seed))
            for seed, task in enumerate(("piqa", "boolq"))
        ]
        named = [replace(game, scores=replace(game.scores, metric=score.name)) for game in games]
        yield contents_of(synthetic.all_tables(synthetic.results(named)), score=score.name)


def test_every_sentence_is_in_the_scores_unit_and_none_of_answers(contents):
    (text,) = summary(contents)
    told = [
        text,
        *answer(contents),
        trust(contents),
        claims_in_short(contents),
        *method(contents),
        *cautions(contents),
    ]
    unit = contents.unit.of_differences
    for sentence in told:
        assert (
            "nan" not in sentence and "  " not in sentence and " )" not in sentence and " ." not in sentence
        )
        assert "points" not in sentence and "guessing is tested" not in sentence
        assert unit == "nats" or "nats" not in sentence
    assert f"{unit} whole (2 tasks). The largest".lstrip() in text
    assert re.search(rf"lowers the score by \d\.\d+{f' {unit}' if unit else ''} \(", text)
    assert contents.score.method in method(contents)[0]


def test_what_is_said_of_guessing_is_right_for_the_score(contents):
    (note,) = (note for note in cautions(contents) if "no proof of guessing" in note)
    noun = contents.score.noun
    if contents.score.is_bounded:
        assert note.startswith(f"The {noun} does not count right answers.") and "lower end" not in note
    else:
        assert note.startswith(f"The {noun} has no lower end.")
