"""The figure concentration: cumulative shares, a line a task, beside the null share."""

import numpy as np
import pandas as pd
import pytest

from cornerstone.figures.concentration import MOST_NAMED, make_concentration
from cornerstone.values.titles import Titles
from drawings import LONG, PLAIN, assert_tidy


def value_rows(tasks, n_sublayers=12, positive=True):
    """Rows of values CSV with shares that fall by half from rank to rank, in an order that is none."""
    order = np.random.default_rng(0).permutation(n_sublayers)
    share = 0.5 ** np.arange(1, n_sublayers + 1) / (1 - 0.5**n_sublayers) * positive
    frames = [
        pd.DataFrame(
            {
                "model": "m",
                "task": task,
                "rank": np.arange(1, n_sublayers + 1),
                "share": share,
                "null_share": np.linspace(2, 0, n_sublayers) / n_sublayers,
            }
        ).iloc[order]
        for task in tasks
    ]
    return pd.concat(frames, ignore_index=True)


def lines_of(figure):
    return [line.get_ydata() for line in figure.axes[0].lines]


def test_a_line_adds_the_shares_up_from_the_largest():
    (line,) = lines_of(make_concentration(value_rows(["boolq"]), PLAIN))
    assert line[:3] == pytest.approx([50, 75, 87.5], abs=0.1)
    assert line[-1] == pytest.approx(100)


def test_a_task_without_a_positive_value_has_no_line():
    rows = pd.concat([value_rows(["boolq"]), value_rows(["piqa"], positive=False)])
    figure = make_concentration(rows, PLAIN)
    assert len(lines_of(figure)) == 1
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["null share", "boolq"]


@pytest.mark.parametrize("without", [["piqa"], [f"task_{n}" for n in range(12)]])
def test_tasks_without_shares_are_named_below(drawn, without):
    rows = pd.concat([value_rows(["boolq", "arc_easy"]), value_rows(without, positive=False)])
    figure, boxes = drawn(lambda: make_concentration(rows, LONG))
    assert_tidy(figure, boxes)
    (note,) = (text.get_text() for text in figure.texts if text.get_text().startswith("No value"))
    named = note.replace("\n", " ").replace("- ", "-")
    assert all(LONG.task(task).split("_")[0] in named for task in without)


def test_a_model_without_shares_is_told_in_the_panel(drawn):
    figure, boxes = drawn(lambda: make_concentration(value_rows(["boolq", "piqa"], positive=False), LONG))
    assert_tidy(figure, boxes)
    assert lines_of(figure) == [] and not figure.legends
    assert any("nothing to share out" in text.get_text() for text in boxes)


def test_many_tasks_are_drawn_alike_with_their_mean():
    tasks = [f"subject_{n}" for n in range(MOST_NAMED + 20)]
    figure = make_concentration(value_rows(tasks), PLAIN)
    assert len(lines_of(figure)) == len(tasks) + 1
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[1:] == [f"each of {len(tasks)} tasks", "mean over tasks"]


@pytest.mark.parametrize("tasks", [["boolq"], ["boolq", "piqa"], [f"task_{n}" for n in range(MOST_NAMED)]])
@pytest.mark.parametrize("n_sublayers", [4, 160])
def test_no_words_meet_or_are_cut_off(drawn, tasks, n_sublayers):
    assert_tidy(*drawn(lambda: make_concentration(value_rows(tasks, n_sublayers), LONG)))


def test_tasks_of_one_title_have_a_line_each():
    titles = Titles(tasks={"boolq": "ARC", "piqa": "ARC"})
    figure = make_concentration(value_rows(["boolq", "piqa"]), titles)
    assert len(lines_of(figure)) == 2
