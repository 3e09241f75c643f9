"""The report's sentences by scores that are no accuracy: in nats, in a third unit, without a unit, with a lower end."""

import re
from contextlib import nullcontext
from dataclasses import replace
from math import inf

import pytest
from reading import leads, told

import synthetic
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
    unit = contents.unit.of_differences
    for section in ("opening", "atlas", "numbers", "trust", "claims", "method"):
        words = told(section, contents)
        assert not re.search(r"\bnan\b| [).]|\(\)", words), (section, words)
        assert "guessing is tested" not in words.replace("whether a model guesses is tested", "")
        assert unit == "nats" or "nats" not in words, (section, words)
        assert section == "claims" or "points" not in words, (section, words)  # shares are in points there
    assert contents.score.method in told("method", contents)
    assert len(leads(contents)) == 3


def test_headings_and_cells_are_in_the_scores_unit(contents):
    unit = contents.unit
    numbers, atlas = told("numbers", contents), told("atlas", contents)
    assert unit.difference_heading("Drop without a cornerstone") in numbers
    assert unit.difference_heading("Value") + ":" in atlas
    assert "Top 3 hold %" in numbers and "guess" not in atlas


def test_what_is_said_of_guessing_is_right_for_the_score(contents):
    noun, words = contents.score.noun, told("trust", contents)
    assert "no proof of guessing" in words and "no proof of guessing. Nor is" not in words
    if contents.score.is_bounded:
        assert f"The {noun} does not count right answers." in words and "lower end" not in words
    else:
        assert f"The {noun} has no lower end." in words
