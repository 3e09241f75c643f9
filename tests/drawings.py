"""What the tests of figures share: titles, and whether texts overlap or are cut off.

def test_the_scheme_is_tidy(drawn):                # the fixture, of figures/conftest.py
    assert_tidy(*drawn(make_scheme))
"""

from itertools import combinations

from cornerstone.values.titles import Titles

PLAIN = Titles()
LONG = Titles(
    {
        "m": "A Language Model With A Rather Long Name 70B Base",
        "n": "another_model-with-one-unbroken-name-v0.1",
    },
    {"boolq": "Boolean Questions On A Passage", "piqa": "physical_interaction_question_answering"},
)


def overlapping(boxes, slack=0.5):
    """Pairs of texts whose boxes meet by more than `slack` pixels in both directions."""
    return [
        (a.get_text(), b.get_text())
        for (a, p), (b, q) in combinations(boxes.items(), 2)
        if min(p.x1, q.x1) - max(p.x0, q.x0) > slack and min(p.y1, q.y1) - max(p.y0, q.y0) > slack
    ]


def outside(figure, boxes):
    width, height = figure.bbox.width, figure.bbox.height
    return [t.get_text() for t, b in boxes.items() if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]


def assert_tidy(figure, boxes):
    assert boxes
    assert overlapping(boxes) == []
    assert outside(figure, boxes) == []
