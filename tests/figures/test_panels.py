"""Figures with a panel a task: tidy at any number of sublayers, and drawn from the right numbers."""

import matplotlib
import numpy as np
import pytest

import synthetic
from cornerstone.drawing import style
from cornerstone.figures.ablation import make_ablation
from cornerstone.figures.agreement import make_agreement
from cornerstone.figures.pie import make_pies
from cornerstone.figures.values import make_values
from drawings import LONG, PLAIN, assert_tidy


@pytest.mark.parametrize("n_tasks", [1, 8])
def test_one_task_and_many_tasks_find_their_place(drawn, n_tasks):
    tasks = [f"task_number_{n}" for n in range(n_tasks)]
    values = synthetic.value_rows("m", 16, tasks)
    assert_tidy(*drawn(lambda: make_pies(values, LONG)))
    assert_tidy(*drawn(lambda: make_values(values, LONG)))
    assert_tidy(*drawn(lambda: make_ablation(synthetic.effect_rows("m", 16, tasks), LONG)))
    assert_tidy(*drawn(lambda: make_agreement(synthetic.agreement_rows("m", 16, tasks), LONG)))


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
    assert [faces[i] for i in range(4)] == [black, white, style.ATTENTION.lower(), black]
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
