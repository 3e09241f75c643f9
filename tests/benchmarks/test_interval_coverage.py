"""Intervals hold the truth as often as they say, on games whose truth is known; the whole grid is a benchmark."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cornerstone.statistics import resampling
from seldom import only_some

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import interval_coverage as coverage


@pytest.fixture(scope="module", params=only_some([12, 64], [12]))
def rows(request):
    game = coverage.population(request.param, 10_000)
    return {row.number: row for row in coverage.coverage(game, 200, trials=60)}


@pytest.mark.parametrize("number", ["effect", "value", "joint excess", "signed share"])
def test_intervals_of_sublayers_hold_the_truth_95_times_of_100(rows, number):
    row = rows[number]
    assert 0.93 - 2 * row.error <= row.coverage <= 0.97 + 2 * row.error
    assert row.error < 0.02


@pytest.mark.parametrize("number", ["score", "mean drop", "top signed share"])
def test_intervals_of_single_numbers_seldom_miss_it(rows, number):
    assert 0.85 <= rows[number].coverage <= 1


@pytest.mark.parametrize("number", ["effect", "value", "signed share"])
def test_what_fewer_documents_show_is_held_more_often_not_less(rows, number):
    assert rows[number].rarer >= 0.95


def test_what_no_document_of_a_trial_shows_is_held_too(rows):
    assert rows["effect"].not_shown >= 0.95


def test_plain_resampling_would_not_do(monkeypatch):
    monkeypatch.setattr(resampling, "bootstrap", resampling.resampled_means)
    game = coverage.population(64, 10_000)
    row = coverage.coverage(game, 200, trials=20)[1]
    assert (row.number, row.not_shown) == ("effect", 0)
    assert row.rarer < 0.8


def test_the_benchmark_prints_a_table_and_ends_in_one_json_line(monkeypatch, capsys):
    monkeypatch.setattr(coverage, "POPULATION", 4000)
    monkeypatch.setattr(
        sys, "argv", ["interval_coverage.py", "--sublayers", "12", "--documents", "100", "--trials", "3"]
    )
    coverage.main()
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    assert len(lines) == 2 + len(told["rows"]) + len(told["states"]) == 2 + 7 + 4
    assert all(0 <= row["coverage"] <= 1 for row in told["rows"])
    assert np.array([state["above"] for state in told["states"]]).max() < 1
