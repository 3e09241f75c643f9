"""The atlas of the page is the figure's: the same cells, colours and marks, with each cell's numbers in words."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from cornerstone.drawing.atlas_grid import COLOURS, LEVELS, scale_of, stacks_of
from cornerstone.report.atlas import atlas_of, paints
from cornerstone.report.page import section_html
from sized_studies import TASKS, TITLES, sized_contents

SIZES = [(sublayers, models, tasks) for sublayers in (12, 160) for models in (1, 5) for tasks in (1, 6)]


class Cells(HTMLParser):
    """The coloured cells of the tables: their classes and their words."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        look = dict(attrs).get("class", "")
        if tag == "td" and re.match(r"[pn]\d|zero", look):
            self.cells.append((look.split(), ""))
            self.inside = True

    def handle_endtag(self, tag):
        self.inside &= tag != "td"

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] = (self.cells[-1][0], f"{self.cells[-1][1]} {data}")


@pytest.mark.parametrize(("sublayers", "models", "tasks"), SIZES)
def test_each_sublayer_has_a_cell_on_each_task_with_its_colour_and_its_numbers(sublayers, models, tasks):
    contents = sized_contents(sublayers=sublayers, models=models, tasks=tasks)
    values = contents.tables["values"]
    cells = Cells(section_html("atlas", contents)).cells
    assert len(cells) == sublayers * models * tasks == len(values)
    stacks, scale = stacks_of(values, TITLES, 3), scale_of(values)
    expected = pd.concat(
        [stack.cells.sort_values(["row", "column", "place"], kind="stable") for stack in stacks],
        ignore_index=True,
    )
    for (look, words), row, level in zip(
        cells, expected.itertuples(), scale.levels(expected["value"]), strict=True
    ):
        assert look[0] == (f"{'p' if level > 0 else 'n'}{abs(level)}" if level else "zero")
        assert ("striped" in look, "framed" in look) == (row.may_be_zero, row.is_among)
        assert ("dashed" in look) == (row.is_among and not row.is_steady)
        assert f"{row.label}, {TASKS[row.task]}" in words
        value = contents.unit.with_interval(row.value, row.low, row.high)
        assert f"Value (points): {value}" in words
        assert f"Among the 3 largest in {100 * row.top_k_stability:.0f} % of resamples" in words


def test_the_effect_and_what_is_left_are_those_of_the_same_sublayer():
    contents = sized_contents(sublayers=12, models=1, tasks=1)
    cells = Cells(section_html("atlas", contents)).cells
    ablation = contents.tables["ablation"].set_index("label")
    ends = {
        "above": "significantly above guessing",
        "undecided": "guesses is undecided",
        "collapsed": "it guesses: collapsed",
        "below": "significantly below guessing",
    }
    for _, words in cells:
        row = ablation.loc[re.search(r"(\w+ \d+), ", words)[1]]
        effect = contents.unit.with_interval(row["effect"], row["low"], row["high"])
        assert f"Drop when it alone is removed (points): {effect}" in words and ends[row["state"]] in words


def test_the_styles_colours_are_the_figures():
    assert [paint.light for paint in paints()] == list(COLOURS)
    assert [paint.look for paint in paints()] == [
        *(f"n{level}" for level in range(LEVELS, 0, -1)),
        "zero",
        *(f"p{level}" for level in range(1, LEVELS + 1)),
    ]


@pytest.mark.parametrize(("sublayers", "models", "tasks"), SIZES)
def test_blocks_are_numbered_and_numbers_written_where_there_is_room(sublayers, models, tasks):
    atlas = atlas_of(sized_contents(sublayers=sublayers, models=models, tasks=tasks))
    for stack in atlas.stacks:
        numbers = [number for number in stack.numbers if number]
        every = 10 if sublayers == 160 else 1
        assert numbers == [str(block) for block in range(0, sublayers // 2, every)]
    written = [cell.number for stack in atlas.stacks for row in stack.rows for cells in row for cell in cells]
    assert any(written) == (sublayers == 12 and models * tasks * 2 <= 30)
    assert atlas.row * sublayers / 2 <= 480 and atlas.row >= 4


def test_the_legend_has_the_colours_and_marks_that_occur():
    contents = sized_contents(sublayers=12, models=1, tasks=1)
    atlas = atlas_of(contents)
    assert [(step.look, step.edge) for step in atlas.steps][:4] == [
        ("n2", ""),
        ("n1", "−2"),
        ("zero", "−1"),
        ("p1", "1"),
    ]
    assert atlas.has_stripes and atlas.has_dashes
    values = contents.tables["values"].assign(value=0.2, low=0.1, high=0.3, top_k_stability=1.0)
    sure = atlas_of(replace(contents, tables={**contents.tables, "values": values}))
    assert sure.steps[0].look == "zero" and not sure.has_stripes and not sure.has_dashes
