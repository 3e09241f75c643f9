"""The figure of likelihood and generation: points, rings and names are of the numbers, and every text is legible."""

import numpy as np
import pytest

from asked_both_ways import a_pair, effects_of
from cornerstone.figures.both_ways import make_both_ways
from drawings import LONG, PLAIN, assert_tidy

PAIRS = {
    "one": [("m", "boolq")],
    "two tasks": [("m", "boolq"), ("m", "piqa")],
    "two models": [("m", "piqa"), ("n", "piqa")],
}


def rows(pairs=PAIRS["one"]):
    return effects_of(*(a_pair(*names, seed=seed) for seed, names in enumerate(pairs)))


@pytest.mark.parametrize("titles", [PLAIN, LONG], ids=["plain", "long"])
@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS)
def test_it_is_tidy(drawn, pairs, titles):
    figure, boxes = drawn(lambda: make_both_ways(rows(pairs), titles))
    assert_tidy(figure, boxes)
    assert len(figure.axes) == 3 * len(pairs)


def test_points_are_the_effects_by_likelihood_and_by_generation(drawn):
    table = rows()
    figure, _ = drawn(lambda: make_both_ways(table, PLAIN))
    generated = table[(table["score"] == "generated") & (table["kind"] == "attn")]
    for axes, score, factor in zip(
        figure.axes, ("acc", "logprob", "bits_per_byte"), (100, 1, 1), strict=True
    ):
        own = table[(table["score"] == score) & (table["kind"] == "attn")]
        dots = next(line for line in axes.lines if line.get_marker() == "o")
        np.testing.assert_allclose(dots.get_xdata(), factor * own["effect"])
        np.testing.assert_allclose(dots.get_ydata(), 100 * generated["effect"])


def test_it_rings_and_names_what_one_way_alone_shows(drawn):
    table = rows()
    figure, boxes = drawn(lambda: make_both_ways(table, PLAIN))
    rings = {
        line.get_marker(): line.get_xdata()
        for line in figure.axes[0].lines
        if line.get_markerfacecolor() == "none"
    }
    for which, marker in (("generation", "o"), ("likelihood", "s")):
        alone = table[(table["score"] == "acc") & (table["only"] == which)]
        np.testing.assert_allclose(rings[marker], 100 * alone["effect"])
    names = [text.get_text() for text in boxes]
    assert {"Attn 1", "FFN 2", "FFN 4"} <= set(names) and "Attn 0" not in names
