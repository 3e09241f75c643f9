"""The atlas: every sublayer and task has its cell, on one scale, and what may be nothing can be seen to be."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from cornerstone.drawing import style
from cornerstone.drawing.atlas_grid import COLOURS, DARK_COLOURS, LEVELS, scale_of, stacks_of, step_of
from cornerstone.figures.atlas import make_atlas
from drawings import LONG, PLAIN, assert_tidy
from sized_studies import MODELS, TASKS, TITLES, with_some_firm

SIZES = [(n, models, tasks) for n in (12, 160) for models in (1, 5) for tasks in (1, 6)]


def values_of(n_sublayers, models=1, tasks=6):
    parts = [
        synthetic.value_rows(model, n_sublayers, list(TASKS)[:tasks], ffn, seed)
        for seed, (model, (_, ffn)) in enumerate(list(MODELS.items())[:models])
    ]
    return with_some_firm(pd.concat(parts, ignore_index=True))


@pytest.mark.parametrize(("n_sublayers", "models", "tasks"), SIZES)
def test_the_atlas_is_tidy_at_every_size_and_no_wider_than_a_page(drawn, n_sublayers, models, tasks):
    figure, boxes = drawn(lambda: make_atlas(values_of(n_sublayers, models, tasks), TITLES, 3))
    assert_tidy(figure, boxes)
    width, height = figure.get_size_inches()
    assert width <= style.WIDTH + 0.01 and height < 9.5  # A4 with room for a caption
    assert {text.get_text() for text in boxes} >= {"Attn", "−1", "32"}


def test_long_names_are_tidy_too(drawn):
    rows = [synthetic.value_rows(name, 12, ["boolq", "piqa"]) for name in ("m", "n")]
    assert_tidy(*drawn(lambda: make_atlas(pd.concat(rows, ignore_index=True), LONG, 3)))


def test_every_value_has_one_cell_and_the_cornerstones_are_named():
    values = values_of(16, models=3)
    stacks = stacks_of(values, TITLES, 3)
    assert [stack.title for stack in stacks] == [title for title, _ in list(MODELS.values())[:3]]
    for stack in stacks:
        rows = values[values["model"] == stack.model]
        places = stack.cells[["row", "column", "place"]]
        assert len(stack.cells) == len(rows) and not places.duplicated().any()
        assert stack.blocks == tuple(range(8)) and stack.width == 12
        means = rows.groupby("label")["share"].mean().sort_values(ascending=False)
        assert list(stack.named) == means.index[:3].tolist()


def test_cells_say_what_may_be_zero_and_what_is_among_the_largest():
    values = values_of(12, tasks=1)
    cells = stacks_of(values, TITLES, 3)[0].cells
    np.testing.assert_array_equal(cells["may_be_zero"], (values["low"] <= 0) & (values["high"] >= 0))
    assert cells["may_be_zero"].any() and not cells["may_be_zero"].all()
    assert cells["is_among"].sum() == 3 and cells["is_steady"][cells["is_among"]].sum() == 2
    none = stacks_of(values.assign(value=-0.1, share=np.nan), TITLES, 3)[0]
    assert none.named == () and not none.cells["is_among"].any()


def test_the_scale_is_the_same_for_all_accuracies_and_fits_other_scores():
    points = scale_of(values_of(12))
    assert points == scale_of(values_of(160, 5)) and points.edges == (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
    assert points.levels(np.array([-0.5, -0.01, -0.009, 0, 0.0099, 0.03, 0.9])).tolist() == [
        -6,
        -1,
        0,
        0,
        0,
        2,
        6,
    ]
    nats = values_of(12).assign(score="logprob")
    for factor in (1, 40, 3000):
        scale = scale_of(nats.assign(value=nats["value"] * factor))
        levels = scale.levels(nats["value"] * factor)
        assert np.ptp(np.log2(scale.edges)) == LEVELS - 1
        assert levels.max() <= LEVELS and (factor == 1 or levels.max() == LEVELS)


def test_models_whose_blocks_have_either_ffn_or_moe_have_one_column_for_both():
    values = values_of(8, tasks=1)
    moe = values["label"].isin(["FFN 2", "FFN 3"])
    values.loc[moe, "kind"] = "moe"
    values.loc[moe, "label"] = values["label"][moe].str.replace("FFN", "MoE")
    (stack,) = stacks_of(values, TITLES, 3)
    assert [[kind.name for kind in column] for column in stack.columns] == [["attn"], ["ffn", "moe"]]
    values["label"] = values["label"].replace({"MoE 2": "MoE 1"})  # beside FFN 1
    (stack,) = stacks_of(values, TITLES, 3)
    assert [[kind.name for kind in column] for column in stack.columns] == [["attn"], ["ffn"], ["moe"]]


def luminance(colour):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("colours", "sign"), [(COLOURS, -1), (DARK_COLOURS, 1)])
def test_more_is_darker_on_paper_and_lighter_on_a_dark_page(colours, sign):
    seen = [sign * luminance(colour) for colour in colours]
    above, below = seen[LEVELS:], seen[LEVELS::-1]
    assert all(np.diff(above) > 0) and all(np.diff(below) > 0)


def test_a_deep_models_numbers_of_blocks_keep_their_distance():
    assert [step_of(80, most) for most in (80, 40, 39, 8)] == [1, 2, 5, 10]


def test_without_positive_values_the_atlas_says_no_cornerstones(drawn):
    values = values_of(12, tasks=2).assign(value=-0.1, low=-0.2, high=-0.05, share=np.nan)
    _, boxes = drawn(lambda: make_atlas(values, PLAIN, 3))
    assert "no cornerstones" in {text.get_text() for text in boxes}
