"""All figures: kinds are told apart without colour, the same data give the same bytes, and overlaps are seen."""

import matplotlib
import numpy as np
import pytest

import synthetic
from cornerstone.drawing import style
from cornerstone.drawing.captions import spread
from cornerstone.figures import FIGURES
from cornerstone.figures.ablation_scheme import make_scheme
from cornerstone.models.kinds import KINDS
from cornerstone.system.errors import CornerstoneError
from drawings import PLAIN, assert_tidy, outside, overlapping


def test_the_scheme_is_tidy(drawn):
    assert_tidy(*drawn(make_scheme))


def test_the_check_for_overlaps_sees_one(drawn):
    def crowded():
        figure = make_scheme()
        figure.text(0.5, 0.5, "over")
        figure.text(0.505, 0.5, "each other")
        figure.text(0.99, 0.1, "cut off")
        return figure

    figure, boxes = drawn(crowded)
    assert ("over", "each other") in overlapping(boxes)
    assert "cut off" in outside(figure, boxes)


def lightness(colour):
    """CIE L*, 0 black to 100 white: what greyscale print keeps."""
    red, green, blue = linear(colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def linear(colour):
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def test_attention_and_ffn_differ_in_lightness_for_greyscale_print():
    dark = [KINDS["attn"].colour, *KINDS["attn"].shades]
    light = [KINDS["ffn"].colour, *KINDS["ffn"].shades]
    assert max(map(lightness, dark)) + 20 < min(map(lightness, light))


@pytest.mark.parametrize("kind", ["block", "group", "named set"])
def test_what_is_of_several_kinds_differs_from_both_in_lightness_and_shape(kind):
    looks = [KINDS["attn"], KINDS[kind], KINDS["ffn"]]
    dark, middle, light = (lightness(look.colour) for look in looks)
    assert dark + 12 < middle < light - 12
    assert len({look.marker for look in looks}) == 3


# Machado, Oliveira and Fernandes (2009), full severity, in linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_attention_and_ffn_differ_for_colour_blind_readers(kind):
    seen = [
        np.clip(np.array(BLINDNESS[kind]) @ linear(c), 0, 1)
        for c in (KINDS["attn"].colour, KINDS["ffn"].colour)
    ]
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in seen]
    assert (max(luminance) + 0.05) / (min(luminance) + 0.05) > 2.5  # WCAG contrast


@pytest.mark.parametrize("ending", style.FORMATS)
def test_the_same_data_give_the_same_bytes(tmp_path, ending):
    values = synthetic.value_rows("m", 12, ["boolq"])
    for name in ("a", "b"):
        FIGURES["pie"].draw(values, tmp_path / f"pie_{name}.{ending}", PLAIN, top_k=3)
        FIGURES["values"].draw(values, tmp_path / f"values_{name}.{ending}", PLAIN)
        FIGURES["ablation_scheme"].draw(None, tmp_path / f"scheme_{name}.{ending}", PLAIN)
    for kind in ("pie", "values", "scheme"):
        one, other = ((tmp_path / f"{kind}_{name}.{ending}").read_bytes() for name in ("a", "b"))
        assert one == other and len(one) > 1000


def test_an_unknown_ending_is_refused_in_one_line(tmp_path):
    with pytest.raises(CornerstoneError, match=r"\.pdf, \.png, \.svg"):
        FIGURES["ablation_scheme"].draw(None, tmp_path / "scheme.jpeg", PLAIN)


def test_spread_heights_keep_their_distance_order_and_bounds():
    rng = np.random.default_rng(0)
    for _ in range(200):
        targets = np.sort(rng.uniform(-1, 1, 4))[::-1]
        heights = spread(targets, 0.3, -0.8, 0.8)
        assert (-np.diff(heights) >= 0.3 - 1e-12).all()
        assert heights.max() <= 0.8 + 1e-12 and heights.min() >= -0.8 - 1e-12
    np.testing.assert_allclose(spread(np.array([0.7, 0.0]), 0.3, -1, 1), [0.7, 0.0])
