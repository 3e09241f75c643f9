"""The report's sentences by scores that are no accuracy: in nats, in a third unit, without a unit, with a lower end."""

import re
from contextlib import nullcontext
from dataclasses import replace
from math import inf

import pytest
from section_text import WORDS, said

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
    for section in WORDS:
        text = said(section, contents)
        assert "nan" not in re.split(r"\W+", text) and " ." not in text and "()" not in text
        assert "points" not in text.replace("points of accuracy", "") and "guessing is tested" not in text
        assert unit == "nats" or "nats" not in text
    numbers = said("numbers", contents)
    assert unit_heading("Drop without a cornerstone", unit) in numbers
    assert re.search(r" \d\.\d+ \(−?\d\.\d+ – \d\.\d+\)", numbers)
    assert contents.score.method in said("method", contents)
    assert "clearly better than guessing" not in said("opening", contents) + said("trust", contents)


def unit_heading(title, unit):
    return f"{title} ({unit})" if unit else f"{title} Drop without"


def test_what_is_said_of_guessing_is_right_for_the_score(contents):
    text, noun = said("trust", contents), contents.score.noun
    assert text.count("no proof of guessing") == 1
    if contents.score.is_bounded:
        assert f"The {noun} does not count right answers." in text and "lower end" not in text
    else:
        assert f"The {noun} has no lower end." in text


def test_the_atlas_tells_of_values_in_the_scores_unit_and_of_no_guessing(contents):
    text = said("atlas", contents)
    assert f"Colour is the value in {contents.unit.of_values}; each step doubles." in text
    assert "guess" not in text
    unit = contents.unit.of_differences
    assert re.search(rf"Attn 0, PIQA Value{re.escape(f' ({unit})' if unit else '')}: −?\d+\.\d+ \(", text)
