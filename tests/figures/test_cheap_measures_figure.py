"""The figure of cheap measures: markers and intervals stand where the numbers are, and every text is legible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cornerstone.figures.cheap_measures import make_cheap_measures
from cornerstone.measures import MEASURES
from drawings import LONG, PLAIN, assert_tidy


def rows(models=("m",), tasks=("boolq", "piqa", "mean"), seed=0):
    """Of sublayers and of blocks, with values and effects."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        [
            {"model": model, "task": task, "part": part, "against": against, "measure": measure}
            for model in models
            for task in tasks
            for part in ("sublayer", "block")
            for against in ("value", "effect")
            for measure in MEASURES.names
        ]
    )
    middle = rng.uniform(-0.4, 0.9, len(table))
    return table.assign(
        spearman=middle, spearman_low=middle - 0.2, spearman_high=(middle + 0.2).clip(None, 1)
    )


@pytest.mark.parametrize("titles", [PLAIN, LONG], ids=["plain", "long"])
@pytest.mark.parametrize("models", [("m",), ("m", "n")])
@pytest.mark.parametrize("tasks", [("boolq",), ("boolq", "piqa", "mean")], ids=["one", "several"])
def test_it_is_tidy(drawn, models, tasks, titles):
    assert_tidy(*drawn(lambda: make_cheap_measures(rows(models, tasks), titles)))


def test_markers_are_the_rank_correlations_of_sublayers(drawn):
    table = rows(seed=1)
    figure, _ = drawn(lambda: make_cheap_measures(table, PLAIN))
    for axes, against in zip(figure.axes, ("value", "effect"), strict=True):
        own = table[(table["part"] == "sublayer") & (table["against"] == against)]
        found = sorted(x for line in axes.lines if line.get_marker() != "None" for x in line.get_xdata())
        assert found == pytest.approx(sorted(own["spearman"]))


def test_of_players_that_are_blocks_they_are_the_rank_correlations_of_blocks(drawn):
    table = rows(seed=2)
    figure, _ = drawn(lambda: make_cheap_measures(table, replace(PLAIN, player="block")))
    own = table[(table["part"] == "block") & (table["against"] == "value")]
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert sorted(x for line in lines for x in line.get_xdata()) == pytest.approx(sorted(own["spearman"]))


def test_what_has_no_rank_correlation_is_left_out(drawn):
    table = rows()
    table.loc[table["task"] == "boolq", ["spearman", "spearman_low", "spearman_high"]] = np.nan
    assert_tidy(*drawn(lambda: make_cheap_measures(table, PLAIN)))
    empty = table.assign(spearman=np.nan, spearman_low=np.nan, spearman_high=np.nan)
    assert_tidy(*drawn(lambda: make_cheap_measures(empty, PLAIN)))
