"""Figures: nothing overlaps, kinds are told apart without colour, and the same data give the same bytes."""

import io
import re
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.patches import Wedge
from matplotlib.text import Text

import synthetic
from cornerstone.figures import draw_interactions, draw_pies, draw_scheme, draw_values, style
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.agreement import make_agreement
from cornerstone.figures.interactions import make_interactions
from cornerstone.figures.pie import make_pies, spread
from cornerstone.figures.scheme import make_scheme
from cornerstone.figures.totals import make_totals
from cornerstone.figures.values import make_values
from cornerstone.models.kinds import KINDS
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables.results import Titles
from cornerstone.values.units import NATS, POINTS

PLAIN = Titles()
LONG = Titles(
    {
        "m": "A Language Model With A Rather Long Name 70B Base",
        "n": "another_model-with-one-unbroken-name-v0.1",
    },
    {"boolq": "Boolean Questions On A Passage", "piqa": "physical_interaction_question_answering"},
)


@pytest.fixture
def drawn(monkeypatch):
    """A function: the texts that a figure really draws, each with its box in pixels, and the figure's box."""

    def boxes(make):
        texts = []
        draw = Text.draw

        def record(text, renderer, *args, **kwargs):
            if text.get_visible() and text.get_text().strip():
                texts.append(text)
            draw(text, renderer, *args, **kwargs)

        with style.house_style(), monkeypatch.context() as patch:
            patch.setattr(Text, "draw", record)
            figure = make()
            figure.canvas.draw()
        return figure, {text: text.get_window_extent() for text in texts}

    return boxes


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
    captions = [
        text.get_text() for text in boxes if "%" in text.get_text() and "noise" not in text.get_text()
    ]
    assert len(captions) == 4
    assert f"Attn 0\n{100 * shares[0]:.1f} %" in captions


def test_pies_of_models_and_tasks_are_tidy_at_160_sublayers_and_with_long_names(drawn):
    values = pd.concat([synthetic.value_rows("m", 160), synthetic.value_rows("n", 64, ffn="MoE", seed=1)])
    figure, boxes = drawn(lambda: make_pies(values, LONG))
    assert_tidy(figure, boxes)
    assert sum("%" in text.get_text() for text in boxes) == 2 * 6 * (4 + 1)
    assert any(text.get_text() == "FFN / MoE" for text in boxes)


def test_under_each_pie_stands_what_the_top_hold_and_what_noise_alone_would_give(drawn):
    rows = synthetic.value_rows("m", 12, ["boolq"])
    rows = rows.assign(
        share=[0.4, 0.3, 0.2, *[0.1 / 9] * 9], rank=range(1, 13), noise_share=[0.2, 0.1, 0.08] + [0.062] * 9
    )
    _, boxes = drawn(lambda: make_pies(rows, PLAIN))
    assert "top 3 hold 90 %; noise alone 38 %" in {text.get_text().replace("\n", " ") for text in boxes}
    _, boxes = drawn(lambda: make_pies(rows, PLAIN, top_k=1))
    assert "top 1 holds 40 %; noise alone 20 %" in {text.get_text().replace("\n", " ") for text in boxes}
    _, boxes = drawn(lambda: make_pies(rows.assign(share=0.0), PLAIN))
    assert not any("noise" in text.get_text() for text in boxes)


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


@pytest.mark.parametrize("n_tasks", [1, 8])
def test_one_task_and_many_tasks_find_their_place(drawn, n_tasks):
    tasks = [f"task_number_{n}" for n in range(n_tasks)]
    values = synthetic.value_rows("m", 16, tasks)
    assert_tidy(*drawn(lambda: make_pies(values, LONG)))
    assert_tidy(*drawn(lambda: make_values(values, LONG)))
    assert_tidy(*drawn(lambda: make_ablation(synthetic.effect_rows("m", 16, tasks), LONG)))
    assert_tidy(*drawn(lambda: make_agreement(synthetic.agreement_rows("m", 16, tasks), LONG)))


def test_a_title_is_drawn_as_it_is_written(drawn):
    titles = Titles({"m": "$\\foo$ for 5 $"}, {"boolq": "{x} \\frac$_$ %s"})
    _, boxes = drawn(lambda: make_pies(synthetic.value_rows("m", 4, ["boolq"]), titles))
    written = "".join(text.get_text() for text in boxes)
    assert all(title in written for title in ("$\\foo$ for 5 $", "{x} \\frac$_$ %s"))


@pytest.mark.parametrize(("n_sublayers", "titles"), [(2, PLAIN), (12, PLAIN), (64, LONG), (160, LONG)])
def test_panels_are_tidy_at_any_number_of_sublayers(drawn, n_sublayers, titles):
    tasks = ["boolq", "piqa", "arc_easy"]
    values, effects = (
        f("m", max(n_sublayers, 4), tasks) for f in (synthetic.value_rows, synthetic.effect_rows)
    )
    if n_sublayers == 2:
        values, effects = values[values["sublayer"] < 2], effects[effects["sublayer"] < 2]
    assert_tidy(*drawn(lambda: make_values(values, titles)))
    assert_tidy(*drawn(lambda: make_ablation(effects, titles)))
    agreement = synthetic.agreement_rows("m", max(n_sublayers, 4), tasks)
    agreement = agreement[agreement["sublayer"] < n_sublayers] if n_sublayers == 2 else agreement
    assert_tidy(*drawn(lambda: make_agreement(agreement, titles)))


def test_agreement_rings_and_names_what_the_score_does_not_see(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"])
    figure, boxes = drawn(lambda: make_agreement(agreement, PLAIN))
    (axes,) = figure.axes
    rings = next(line for line in axes.lines if line.get_markerfacecolor() == "none")
    unseen = agreement[agreement["unseen"]]
    assert {"Attn 5", "FFN 5"} <= set(unseen["label"])
    np.testing.assert_allclose(rings.get_xdata(), 100 * unseen["effect"])
    names = {text.get_text() for text in boxes}
    assert {"Attn 5", "FFN 5"} <= names and "Attn 0" not in names
    assert any(re.fullmatch(r"acc, rank correlation 0\.\d\d", name) for name in names)


@pytest.mark.parametrize("distance", [1, 3, 11])
@pytest.mark.parametrize(("n_sublayers", "titles"), [(12, PLAIN), (64, LONG), (160, LONG)])
def test_interactions_are_tidy_whichever_pairs_there_are(drawn, n_sublayers, titles, distance):
    distance = n_sublayers - 1 if distance == 11 else distance
    tasks = ["boolq", "piqa", "arc_easy"][: 2 if distance > 100 else 3]
    assert_tidy(
        *drawn(
            lambda: make_interactions(synthetic.interaction_rows("m", n_sublayers, distance, tasks), titles)
        )
    )


def meshes(figure):
    """The cells of each panel, colour bar left out: x and y of their middles, and numbers."""
    for axes in figure.axes:
        if axes.get_label() == "colour bar":
            continue
        for mesh in axes.collections:
            corners = mesh.get_coordinates()
            middles = (corners[:-1, :-1] + corners[1:, 1:]) / 2
            numbers = np.ma.filled(mesh.get_array(), np.nan).reshape(middles.shape[:2])
            yield axes, middles, numbers


@pytest.mark.parametrize(
    ("distance", "place"),
    [
        (1, lambda pair, task: ((pair.first + pair.second) / 2, task)),
        (3, lambda pair, task: ((pair.first + pair.second) / 2, pair.distance)),
        (11, lambda pair, task: (pair.first, pair.second)),
    ],
)
def test_each_interaction_is_in_its_cell_in_points(drawn, distance, place):
    rows = synthetic.interaction_rows("m", 12, distance, ["boolq", "piqa"])
    figure, _ = drawn(lambda: make_interactions(rows, PLAIN))
    panels = [axes for axes in figure.axes if axes.get_label() != "colour bar"]
    cells = {}
    for axes, middles, numbers in meshes(figure):
        for (x, y), number in zip(middles.reshape(-1, 2), numbers.ravel(), strict=True):
            if not np.isnan(number):
                cells[panels.index(axes), round(x, 2), round(y, 2)] = number
    for pair in rows.itertuples():
        task = ["boolq", "piqa"].index(pair.task)
        x, y = place(pair, task)
        assert cells.pop((0 if distance == 1 else task, x, y)) == pytest.approx(100 * pair.interaction)
    mirrored = len(rows) if distance == 11 else 0
    assert len(cells) == mirrored


def test_dots_are_on_the_pairs_that_are_surely_not_zero_and_colours_are_even_around_zero(drawn):
    rows = synthetic.interaction_rows("m", 12, 3, ["boolq"])
    figure, boxes = drawn(lambda: make_interactions(rows, PLAIN))
    axes = figure.axes[0]
    sure = rows[rows["sure"]]
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots.get_xdata(), (sure["first"] + sure["second"]) / 2)
    np.testing.assert_allclose(dots.get_ydata(), sure["distance"])
    norm = axes.collections[0].norm
    assert norm.vmin == -norm.vmax and norm.vmax == pytest.approx(100 * rows["interaction"].abs().max())
    texts = {text.get_text() for text in boxes}
    assert {"interaction (points)", "surely not zero", "−1", "0", "1", "10"} <= texts


def test_interactions_in_nats_have_their_own_scale(drawn):
    rows = synthetic.interaction_rows("m", 12, 1, ["boolq"]).assign(score="logprob")
    figure, boxes = drawn(lambda: make_interactions(rows, PLAIN))
    assert "interaction (nats)" in {text.get_text() for text in boxes}
    assert figure.axes[0].collections[0].norm.vmax == pytest.approx(rows["interaction"].abs().max())


def test_a_study_without_pairs_has_no_heat_map_and_says_so(tmp_path):
    with pytest.raises(CornerstoneError, match="give max_removed or pair_distance 2 or more"):
        draw_interactions(synthetic.interaction_rows("m", 12).head(0), tmp_path / "interactions_m.pdf", PLAIN)


def total_rows(models, tasks=("boolq", "piqa", "mean")):
    """Rows of the table of totals; attention is worth 10 points, FFN 20, the thirds 24, 4 and 2."""
    worth = {
        ("kind", "attention"): 0.1, ("kind", "FFN"): 0.2, ("kind", "difference"): -0.1,
        ("depth", "first third"): 0.24, ("depth", "middle third"): 0.04, ("depth", "last third"): 0.02,
    }  # fmt: skip
    rows = [
        {
            "model": model,
            "task": task,
            "by": by,
            "part": part,
            "value": value,
            "value_low": value - 0.03,
            "value_high": value + 0.03,
        }
        for model in models
        for task in tasks
        for (by, part), value in worth.items()
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("models", "n_tasks"), [(("m",), 1), (("m", "n"), 3), (("m", "n", "o"), 8)])
def test_totals_are_tidy_with_many_models_and_tasks_and_long_names(drawn, models, n_tasks):
    tasks = ["boolq", "piqa", *(f"task_number_{n}" for n in range(6)), "mean"][:n_tasks]
    assert_tidy(*drawn(lambda: make_totals(total_rows(models, tasks), LONG, POINTS)))


@pytest.mark.parametrize("unit", [POINTS, NATS])
def test_totals_are_bars_in_the_scores_unit_without_the_difference(drawn, unit):
    figure, boxes = drawn(lambda: make_totals(total_rows(["m"], ["boolq", "piqa"]), PLAIN, unit))
    kinds, depths = (
        [round(bar.get_width() / unit.factor, 6) for bar in axes.patches] for axes in figure.axes
    )
    assert kinds == [0.1, 0.1, 0.2, 0.2] and depths == [0.24, 0.24, 0.04, 0.04, 0.02, 0.02]
    names = {text.get_text() for text in boxes}
    assert {"attention", "FFN", "first third", f"sum of values ({unit.of_values})"} <= names
    assert "difference" not in names


def test_a_study_by_log_probability_is_held_against_accuracy(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"])
    turned = agreement.assign(chosen=agreement["score"] == "logprob")
    one, other = (drawn(lambda rows=rows: make_agreement(rows, PLAIN))[0] for rows in (agreement, turned))
    for ours, theirs in zip(one.axes[0].lines, other.axes[0].lines, strict=True):
        np.testing.assert_array_equal(ours.get_xydata(), theirs.get_xydata())
    assert one.axes[0].get_xlabel() == other.axes[0].get_xlabel() == "effect on the accuracy (points)"


def test_a_study_by_margin_is_drawn_in_nats(drawn):
    agreement = synthetic.agreement_rows("m", 12, ["boolq"]).replace({"score": {"acc": "margin"}})
    figure, boxes = drawn(lambda: make_agreement(agreement, PLAIN))
    assert figure.axes[0].get_xlabel() == "effect on the margin (nats)"
    assert "loss that the margin does not see" in {text.get_text() for text in boxes}
    attention = agreement[agreement["chosen"] & (agreement["kind"] == "attn")]
    dots = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), attention["effect"])


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


def test_panels_share_y_and_number_blocks(drawn):
    figure, _ = drawn(lambda: make_ablation(synthetic.effect_rows("m", 64), PLAIN))
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    numbers = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert numbers[:3] == ["0", "2", "4"]
    # Block 2 is sublayers 4 and 5.
    assert figure.axes[0].get_xticks()[1] == 4.5


def test_ablation_draws_scores_and_baselines_in_percent(drawn):
    effects = synthetic.effect_rows("m", 12, ["boolq"])
    figure, boxes = drawn(lambda: make_ablation(effects, PLAIN))
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines if list(line.get_xdata()) == [0, 1]]
    assert heights == pytest.approx([100 * effects["full"].iloc[0], 50])
    drawn_scores = {"o": {}, "s": {}}
    for line in figure.axes[0].lines:
        if line.get_marker() in drawn_scores:
            drawn_scores[line.get_marker()] |= dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    for marker, kind in (("o", "attn"), ("s", "ffn")):
        rows = effects[effects["kind"] == kind]
        assert drawn_scores[marker] == pytest.approx(
            dict(zip(rows["sublayer"], 100 * rows["removed_score"], strict=True))
        )
    assert {"attention", "FFN", "full model", "chance"} <= {text.get_text() for text in boxes}


def test_markers_tell_collapsed_and_undecided_from_above(drawn):
    states = ["collapsed", "undecided", "above", "below", *["above"] * 8]
    effects = synthetic.effect_rows("m", 12, ["boolq"]).assign(state=states)
    figure, boxes = drawn(lambda: make_ablation(effects, PLAIN))
    faces = {
        x: matplotlib.colors.to_hex(line.get_markerfacecolor())
        for line in figure.axes[0].lines
        if line.get_marker() in ("o", "s")
        for x in line.get_xdata()
    }
    black, white = "#1a1a1a", "#ffffff"
    assert [faces[i] for i in range(4)] == [black, white, KINDS["attn"].colour.lower(), black]
    assert {"collapsed / below", "undecided"} <= {text.get_text() for text in boxes}
    _, boxes = drawn(lambda: make_ablation(effects.assign(state="above"), PLAIN))
    assert not any("collapsed" in text.get_text() or "undecided" in text.get_text() for text in boxes)


def test_the_full_models_interval_is_a_band_and_values_have_whiskers(drawn):
    effects, values = (f("m", 12, ["boolq"]) for f in (synthetic.effect_rows, synthetic.value_rows))
    figure, _ = drawn(lambda: make_ablation(effects, PLAIN))
    (band,) = figure.axes[0].patches
    assert [band.get_y(), band.get_y() + band.get_height()] == pytest.approx(
        [100 * effects["full_low"].iloc[0], 100 * effects["full_high"].iloc[0]]
    )
    figure, _ = drawn(lambda: make_values(values, PLAIN))
    whiskers = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose([w[:, 1] for w in whiskers], 100 * values[["low", "high"]])


def test_values_are_drawn_signed(drawn):
    values = synthetic.value_rows("m", 12, ["boolq"])
    figure, _ = drawn(lambda: make_values(values, PLAIN))
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in figure.axes[0].patches}
    np.testing.assert_allclose([heights[i] for i in range(12)], 100 * values["value"])
    assert min(heights.values()) < 0


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
        draw_pies(values, tmp_path / f"pie_{name}.{ending}", PLAIN)
        draw_values(values, tmp_path / f"values_{name}.{ending}", PLAIN)
        draw_scheme(tmp_path / f"scheme_{name}.{ending}")
    for kind in ("pie", "values", "scheme"):
        one, other = ((tmp_path / f"{kind}_{name}.{ending}").read_bytes() for name in ("a", "b"))
        assert one == other and len(one) > 1000


def test_an_unknown_ending_is_refused_in_one_line(tmp_path):
    with pytest.raises(CornerstoneError, match=r"\.pdf, \.png, \.svg"):
        draw_scheme(tmp_path / "scheme.jpeg")


def test_spread_heights_keep_their_distance_order_and_bounds():
    rng = np.random.default_rng(0)
    for _ in range(200):
        targets = np.sort(rng.uniform(-1, 1, 4))[::-1]
        heights = spread(targets, 0.3, -0.8, 0.8)
        assert (-np.diff(heights) >= 0.3 - 1e-12).all()
        assert heights.max() <= 0.8 + 1e-12 and heights.min() >= -0.8 - 1e-12
    np.testing.assert_allclose(spread(np.array([0.7, 0.0]), 0.3, -1, 1), [0.7, 0.0])
