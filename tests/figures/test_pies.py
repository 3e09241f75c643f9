"""Pies: shares are slices in model order, and captions keep off them and off each other."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.patches import Wedge

import synthetic
from cornerstone.drawing import style
from cornerstone.figures.pie import make_pies
from cornerstone.values.titles import Titles
from drawings import LONG, PLAIN, assert_tidy


def early_slices(n_sublayers, shares):
    """One pie in which the first sublayers, side by side, are the largest."""
    rows = synthetic.value_rows("m", n_sublayers, ["boolq"])
    share = np.full(n_sublayers, (1 - sum(shares)) / (n_sublayers - len(shares)))
    share[: len(shares)] = shares
    return rows.assign(share=share)


@pytest.mark.parametrize(
    "shares",
    [
        (0.02, 0.02, 0.02, 0.02),  # four narrow slices side by side at the top
        (0.3, 0.02, 0.02, 0.02),
        (0.45, 0.03, 0.03, 0.03),  # side by side at the bottom
        (0.24, 0.02, 0.02, 0.02),  # at the left
        (0.97, 0.01, 0.005, 0.005),
        (0.25, 0.25, 0.25, 0.25),
    ],
)
def test_captions_of_neighbouring_slices_do_not_meet(drawn, shares):
    figure, boxes = drawn(lambda: make_pies(early_slices(160, shares), PLAIN))
    assert_tidy(figure, boxes)
    captions = [text.get_text() for text in boxes if "%" in text.get_text() and "null" not in text.get_text()]
    assert len(captions) == 4
    assert f"Attn 0\n{100 * shares[0]:.1f} %" in captions


def test_pies_of_models_and_tasks_are_tidy_at_160_sublayers_and_with_long_names(drawn):
    values = pd.concat([synthetic.value_rows("m", 160), synthetic.value_rows("n", 64, ffn="MoE", seed=1)])
    figure, boxes = drawn(lambda: make_pies(values, LONG))
    assert_tidy(figure, boxes)
    assert sum("%" in text.get_text() for text in boxes) == 2 * 6 * (4 + 1)
    assert any(text.get_text() == "FFN / MoE" for text in boxes)


def test_under_each_pie_stands_what_the_top_hold_and_the_null_share(drawn):
    rows = synthetic.value_rows("m", 12, ["boolq"])
    rows = rows.assign(
        share=[0.4, 0.3, 0.2, *[0.1 / 9] * 9], rank=range(1, 13), null_share=[0.2, 0.1, 0.08] + [0.062] * 9
    )
    _, boxes = drawn(lambda: make_pies(rows, PLAIN))
    assert "top 3 hold 90 %; null share 38 %" in {text.get_text().replace("\n", " ") for text in boxes}
    _, boxes = drawn(lambda: make_pies(rows, PLAIN, top_k=1))
    assert "top 1 holds 40 %; null share 20 %" in {text.get_text().replace("\n", " ") for text in boxes}
    _, boxes = drawn(lambda: make_pies(rows.assign(share=0.0), PLAIN))
    assert not any("null share" in text.get_text() for text in boxes)


def test_captions_keep_off_the_pies(drawn):
    figure, boxes = drawn(lambda: make_pies(synthetic.value_rows("m", 64), PLAIN))
    wedges = [patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]
    centres = {tuple(wedge.center) for wedge in wedges}
    dots = figure.dpi
    for text, box in boxes.items():
        for x, y in centres:
            nearest = np.clip(x * dots, box.x0, box.x1), np.clip(y * dots, box.y0, box.y1)
            assert np.hypot(nearest[0] - x * dots, nearest[1] - y * dots) > wedges[0].r * dots, (
                text.get_text()
            )


def test_a_title_is_drawn_as_it_is_written(drawn):
    titles = Titles({"m": "$\\foo$ for 5 $"}, {"boolq": "{x} \\frac$_$ %s"})
    _, boxes = drawn(lambda: make_pies(synthetic.value_rows("m", 4, ["boolq"]), titles))
    written = "".join(text.get_text() for text in boxes)
    assert all(title in written for title in ("$\\foo$ for 5 $", "{x} \\frac$_$ %s"))


def pixels(make):
    with style.house_style():
        file = io.BytesIO()
        make().savefig(file, format="png", dpi=300)
    file.seek(0)
    return imread(file)[:, :, :3]


def pie_ring(rows, radius):
    """Colours around the only pie of `rows`, anticlockwise from the top; radius in parts of the pie's."""
    with style.house_style():
        figure = make_pies(rows, PLAIN)
    wedge = next(patch for patch in figure.axes[0].patches if isinstance(patch, Wedge))
    image = pixels(lambda: figure)
    angle = np.pi / 2 + np.linspace(0, 2 * np.pi, 1000, endpoint=False) + 0.003
    x = (wedge.center[0] + radius * wedge.r * np.cos(angle)) * 300
    y = image.shape[0] - (wedge.center[1] + radius * wedge.r * np.sin(angle)) * 300
    return image[y.astype(int), x.astype(int)]


def is_attention(colours):
    return colours[:, 0] > colours[:, 2] + 0.2


def test_slices_run_anticlockwise_from_the_top_in_model_order():
    rows = synthetic.value_rows("m", 4, ["boolq"]).assign(share=[0.4, 0.3, 0.2, 0.1])
    ring = is_attention(pie_ring(rows, 0.8))
    assert ring[10:390].all() and not ring[410:690].any() and ring[710:890].all() and not ring[910:990].any()


def test_a_hundred_and_sixty_slices_are_not_swallowed_by_their_edges():
    rows = synthetic.value_rows("m", 160, ["boolq"]).assign(share=1 / 160)
    ring = pie_ring(rows, 0.95)
    white = ring.min(axis=1) > 0.9
    assert white.mean() < 0.02
    assert np.abs(np.diff(is_attention(ring).astype(int))).sum() > 150


@pytest.mark.parametrize("value", [0.0, -0.01])
def test_a_pie_without_positive_values_is_an_empty_circle_that_says_so(drawn, value):
    rows = synthetic.value_rows("m", 12, ["boolq"]).assign(value=value, share=0.0)
    figure, boxes = drawn(lambda: make_pies(rows, PLAIN))
    assert_tidy(figure, boxes)
    assert any("no positive" in text.get_text() for text in boxes)
