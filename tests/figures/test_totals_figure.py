"""Totals: bars in the score's unit."""

import pytest

from cornerstone.figures.totals_all import make_totals
from cornerstone.scores import SCORES
from drawings import LONG, PLAIN, assert_tidy
from synthetic import total_rows


@pytest.mark.parametrize(("models", "n_tasks"), [(("m",), 1), (("m", "n"), 3), (("m", "n", "o"), 8)])
def test_totals_are_tidy_with_many_models_and_tasks_and_long_names(drawn, models, n_tasks):
    tasks = ["boolq", "piqa", *(f"task_number_{n}" for n in range(6)), "mean"][:n_tasks]
    assert_tidy(*drawn(lambda: make_totals(total_rows(models, tasks), LONG, "acc")))


@pytest.mark.parametrize("score", ["acc", "logprob"])
def test_totals_are_bars_in_the_scores_unit_without_the_difference(drawn, score):
    unit = SCORES[score].unit
    figure, boxes = drawn(lambda: make_totals(total_rows(["m"], ["boolq", "piqa"]), PLAIN, score))
    kinds, depths = (
        [round(bar.get_width() / unit.factor, 6) for bar in axes.patches] for axes in figure.axes
    )
    assert kinds == [0.1, 0.1, 0.2, 0.2] and depths == [0.24, 0.24, 0.04, 0.04, 0.02, 0.02]
    names = {text.get_text() for text in boxes}
    assert {"attention", "FFN", "first third", f"sum of values ({unit.of_values})"} <= names
    assert "difference" not in names
