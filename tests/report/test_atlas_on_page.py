"""The atlas on the page: a table a model with every number in it, for those who point, tab or listen."""

import re
from dataclasses import replace

import pytest
from reading import read, told

from cornerstone.report.atlas import atlas_of, paints
from cornerstone.report.page import report_html, section_html
from sized_studies import sized_contents

MOST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def contents():
    return sized_contents(sublayers=12, models=2, tasks=2)


def cells_in(source):
    return re.findall(
        r"<td class=\"([^\"]*)\"[^>]*>(?:<b aria-hidden=\"true\">[^<]*</b>)?<span>(.*?)</span></td>", source
    )


def test_every_cell_tells_value_interval_stability_effect_and_state(contents):
    cells = cells_in(section_html("atlas", contents))
    assert len(cells) == len(contents.tables["values"]) == 2 * 2 * 12
    said = {read(words) for _, words in cells}
    unit, effects = contents.unit, contents.tables["ablation"].set_index(["model", "task", "label"])
    states = {
        "above": "surely above",
        "undecided": "undecided",
        "collapsed": "collapsed",
        "below": "surely below",
    }
    for row in contents.tables["values"].itertuples():
        effect = effects.loc[(row.model, row.task, row.label)]
        start = f"{row.label}, {contents.titles.task(row.task)} Value (points): "
        worth = unit.with_interval(row.value, row.low, row.high)
        (found,) = [words for words in said if words.startswith(f"{start}{worth} ") and str(worth) in words][
            :1
        ]
        assert f"in {100 * row.top_k_stability:.0f} % of resamples" in found
        assert any(
            unit.with_interval(effect["effect"], effect["low"], effect["high"]) in words
            and states[effect["state"]] in words
            for words in said
            if words.startswith(f"{start}{worth} ")
        )


def test_marks_are_of_the_data(contents):
    looks = [look.split() for look, _ in cells_in(section_html("atlas", contents))]
    values = contents.tables["values"]
    assert sum("striped" in look for look in looks) == ((values["low"] <= 0) & (values["high"] >= 0)).sum()
    among = (values["rank"] <= 3) & (values["share"] > 0)
    assert sum("framed" in look for look in looks) == among.sum()
    assert sum("dashed" in look for look in looks) == (among & (values["top_k_stability"] < 0.95)).sum()
    assert {look[0] for look in looks} <= {paint.look for paint in paints()}


def test_the_legend_explains_the_marks_that_occur_and_no_others(contents):
    words = told("atlas", contents)
    for mark in ("Orange:", "fewer than 95 %", "May be nothing", "One scale for all models and tasks"):
        assert mark in words
    values = contents.tables["values"]
    sure = values.assign(value=0.1, low=0.05, high=0.2, top_k_stability=1.0)
    plain = told("atlas", replace(contents, tables={**contents.tables, "values": sure}))
    for mark in ("Orange:", "fewer than 95 %", "May be nothing"):
        assert mark not in plain


def test_one_model_on_one_task_has_no_names_of_tasks_over_its_cells():
    one = sized_contents(sublayers=12, models=1, tasks=1)
    assert 'class="task"' not in section_html("atlas", one)
    assert "One scale" not in told("atlas", one)
    assert len(atlas_of(one).stacks) == 1


def test_a_score_that_cannot_tell_of_guessing_has_no_states():
    in_nats = sized_contents(sublayers=12, models=1, tasks=1, score="logprob")
    tables = {**in_nats.tables, "values": in_nats.tables["values"].assign(score="logprob")}
    words = told("atlas", replace(in_nats, tables=tables))
    assert "guess" not in words and "Value (nats): " in words


def test_the_page_of_the_largest_study_leaves_room_for_its_figures():
    assert len(report_html(sized_contents(sublayers=160, models=5, tasks=6)).encode()) < MOST_BYTES / 2
