"""The figure of two removals: nothing overlaps, and the largest sublayers are named."""

import numpy as np
import pandas as pd

import synthetic
from cornerstone.figures.removals import make_removals
from drawings import PLAIN, assert_tidy


def rows_of(tasks, n_sublayers=12):
    """Values by zero, and by mean a part of them; two large ones beside each other."""
    rows = synthetic.value_rows("one", n_sublayers, tasks)
    value = rows["value"].where(rows["sublayer"] > 1, 0.3 + 0.01 * rows["sublayer"])
    part = np.where(rows["sublayer"] % 2, 0.98, 1.0)
    columns = {"value_zero": value, "value_mean": part * value}
    ends = {
        f"{name}_{end}": column + sign * 0.03
        for name, column in columns.items()
        for end, sign in (("low", -1), ("high", 1))
    }
    return pd.concat([rows.drop(columns=["value"]), pd.DataFrame(columns | ends)], axis=1)


def test_the_figure_is_tidy_and_names_the_largest(drawn):
    for tasks in (["boolq"], ["boolq", "piqa", "arc_easy", "winogrande"]):
        figure, boxes = drawn(lambda tasks=tasks: make_removals(rows_of(tasks), PLAIN))
        assert_tidy(figure, boxes)
        names = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert names.count("Attn 0") == names.count("FFN 0") == len(tasks)


def test_a_study_without_a_surely_positive_value_names_nobody(drawn):
    rows = rows_of(["boolq"]).assign(value_zero_low=-0.1)
    figure, _ = drawn(lambda: make_removals(rows, PLAIN))
    assert not [text for axes in figure.axes for text in axes.texts if text.get_text()]
