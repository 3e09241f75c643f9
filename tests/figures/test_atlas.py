"""The atlas: a cell per sublayer and task on one scale, its marks, and a drawing in which no two texts meet."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import PathPatch, Rectangle

import synthetic
from cornerstone.drawing.atlas_grid import COLOURS, DARK_COLOURS, LEVELS, Scale, scale_of, stacks_of, step_of
from cornerstone.drawing.style import FORMATS
from cornerstone.figures import FIGURES
from cornerstone.figures.atlas import FRAMES, make_atlas
from cornerstone.values.titles import Titles
from drawings import LONG, PLAIN, assert_tidy

SIX = tuple(synthetic.TASKS)


def values(models, n_tasks):
    """Rows of models: (name, sublayers) each."""
    rows = [
        synthetic.value_rows(name, size, SIX[:n_tasks], seed=seed) for seed, (name, size) in enumerate(models)
    ]
    return pd.concat(rows, ignore_index=True)


def three(**changed):
    """Four sublayers of one model on one task: large, near zero, negative and possibly zero."""
    rows = pd.DataFrame(
        {
            **{"model": "m", "task": "piqa", "score": "acc", "sublayer": range(4)},
            "label": ["Attn 0", "FFN 0", "Attn 1", "MoE 1"],
            "kind": ["attn", "ffn", "attn", "moe"],
            **{
                "value": [0.3, 0.004, -0.05, 0.1],
                "low": [0.2, 0.001, -0.07, -0.1],
                "high": [0.4, 0.006, -0.03, 0.3],
            },
            **{"share": [0.7, 0.1, 0.0, 0.2], "rank": [1, 3, 4, 2], "top_k_stability": [1.0, 0.5, 0.0, 0.6]},
        }
    )
    return rows.assign(**changed)


def test_levels_double_and_are_the_same_for_every_model_of_a_bounded_score():
    scale = scale_of(values([("m", 12)], 2))
    assert scale == scale_of(values([("n", 160)], 6) * 1)
    assert np.array(scale.edges) * 100 == pytest.approx([1, 2, 4, 8, 16, 32])
    points = np.array([0, 0.9, 1, 1.99, 2, 31, 32, 90, -0.9, -1, -40]) / 100
    assert scale.levels(points).tolist() == [0, 0, 1, 1, 2, 5, 6, 6, 0, -1, -6]
    assert len(COLOURS) == len(DARK_COLOURS) == len(set(COLOURS)) == 2 * LEVELS + 1


@pytest.mark.parametrize("largest", [0.01, 3.0, 40.0])
def test_a_score_without_an_end_has_steps_that_reach_its_largest_value(largest):
    rows = three(score="margin", value=[largest, 0.0, -largest / 3, largest / 2])
    edges = scale_of(rows).edges
    assert edges[0] >= 0.05 and largest < 2 * edges[-1]
    assert edges[0] == 0.05 or largest >= edges[-1]


def test_a_stack_has_the_blocks_the_kinds_and_what_is_uncertain():
    (stack,) = stacks_of(three(), Titles(), top_k=2)
    assert stack.rows == ("0", "1") and stack.width == 2
    assert [[kind.name for kind in column] for column in stack.columns] == [["attn"], ["ffn", "moe"]]
    cells = stack.cells
    assert cells["may_be_zero"].tolist() == [False, False, False, True]
    assert cells["is_among"].tolist() == [True, False, False, True]
    assert cells["is_steady"].tolist() == [True, False, False, False]
    assert stack.named == ("Attn 0", "MoE 1")


def test_kinds_that_look_alike_stand_apart_where_a_block_has_both():
    (stack,) = stacks_of(
        three(label=["Attn 0", "FFN 0", "MoE 0", "Attn 1"], kind=["attn", "ffn", "moe", "attn"]), Titles(), 3
    )
    assert [[kind.name for kind in column] for column in stack.columns] == [["attn"], ["ffn"], ["moe"]]


def test_a_task_without_shares_frames_nothing():
    (stack,) = stacks_of(three(share=np.nan), Titles(), top_k=3)
    assert not stack.cells["is_among"].any() and stack.named == ()


def test_every_tenth_block_is_numbered_where_rows_are_low():
    assert step_of(80, 14) == 10 and step_of(32, 8) == 5 and step_of(6, 6) == 1


@pytest.mark.parametrize("titles", [PLAIN, LONG])
@pytest.mark.parametrize(
    ("models", "n_tasks"),
    [
        ([("m", 12)], 1),
        ([("m", 12)], 6),
        ([("m", 160)], 6),
        ([("m", 64), ("n", 160), ("o", 64)], 6),
        ([(name, 160) for name in "mnopq"], 6),
        ([(name, 12) for name in "mnopq"], 1),
        ([(f"m{n}", 64) for n in range(9)], 6),
    ],
)
def test_the_atlas_is_tidy_for_few_and_many_models_tasks_and_blocks(drawn, models, n_tasks, titles):
    figure, boxes = drawn(lambda: make_atlas(values(models, n_tasks), titles, 3))
    assert_tidy(figure, boxes)
    assert figure.get_figwidth() <= 7.5
    if n_tasks == 6 and models[0][1] == 160:
        assert {"0", "10", "70"} <= {text.get_text() for text in boxes} and "5" not in {
            t.get_text() for t in boxes
        }


def test_a_shallow_model_stands_beside_a_very_deep_one(drawn):
    """Its rows are as low as the other's, so that only the first of its blocks has room for a number."""
    figure, boxes = drawn(lambda: make_atlas(values([("m", 252), ("n", 8)], 2), PLAIN, 3))
    assert_tidy(figure, boxes)


def test_sets_that_are_called_like_blocks_have_a_cell_each():
    rows = three(label=["Block 1", "Group 1", "Attn 1", "early"], kind="named set")
    (stack,) = stacks_of(rows.iloc[:3], Titles(player="named set"), 3)
    assert stack.rows == ("Block 1", "Group 1", "Attn 1")


def test_colours_stripes_and_frames_are_of_the_cells(drawn):
    figure, boxes = drawn(lambda: make_atlas(three(), PLAIN, 2))
    (axes,) = figure.axes
    levels = [level for mesh in axes.collections for level in np.ma.compressed(mesh.get_array()).tolist()]
    assert levels == scale_of(three()).levels(three()["value"][[0, 2, 1, 3]]).tolist() == [5, -3, 0, 4]
    (striped,) = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert striped.get_hatch() and len(striped.get_path().vertices) == 5  # one cell
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert [frame.get_linestyle() in ("-", "solid") for frame in frames] == [True, False]
    assert {"Attn", "FFN / MoE", "Attn\N{NO-BREAK SPACE}0, MoE\N{NO-BREAK SPACE}1"} <= {
        t.get_text() for t in boxes
    }
    assert set(FRAMES) == {True, False}


def test_a_score_in_another_unit_is_told_in_it(drawn):
    _, boxes = drawn(lambda: make_atlas(three(score="logprob"), PLAIN, 1))
    texts = {text.get_text() for text in boxes}
    assert {"value (nats)", "0.05", "1.6", "−0.05"} <= texts and any(
        "the largest of its task" in t for t in texts
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_both_atlases_are_drawn_in_each_format_the_same_each_time(ending, tmp_path):
    rows = values([("m", 12)], 2)
    files = [tmp_path / f"{name}{n}.{ending}" for name in ("atlas", "atlas_all") for n in (1, 2)]
    for path in files:
        FIGURES[path.stem[:-1]].draw(rows, path, PLAIN, top_k=3)
    assert len({path.read_bytes() for path in files}) == 1


def test_the_scale_keeps_its_edges():
    assert Scale((1.0, 2.0)).levels(pd.Series([0.5, 1.0, 2.0, -3.0])).tolist() == [0, 1, 2, -2]
