"""How many documents are enough: the widths are those of the tables, and the promised documents keep the promise."""

import numpy as np
import pandas as pd
import pytest

from cornerstone.scores import SCORES
from cornerstone.statistics.resampling import bootstrap, interval
from cornerstone.tables import TABLES, View
from cornerstone.tables.precision import precision_table
from cornerstone.values.document_numbers import DocumentNumbers
from cornerstone.values.sample_sizes import documents_needed, documents_needed_of, half_widths
from cornerstone.values.titles import Titles

N_DOCUMENTS = 400


def effects(n_documents=N_DOCUMENTS, seed=0):
    """Three sublayers: one that matters, one that seldom does, one that never does."""
    rng = np.random.default_rng(seed)
    rates = np.array([[0.4], [0.03], [0.0]])
    return (rng.random((3, n_documents)) < rates).astype(float)


def numbers(per_document, available=3000, seconds=None):
    n = per_document.shape[1]
    full, nothing = np.ones(n), np.zeros((0, n))
    labels = tuple(f"Attn {i}" for i in range(len(per_document)))
    return DocumentNumbers(
        "small", "piqa", labels, tuple(range(n)), full, per_document, 0.7 * per_document, (), nothing, nothing,
        full / 2, full / 2, available, {"ablation": 40.0, "windows": 120.0} if seconds is None else seconds,
    )  # fmt: skip


def test_half_widths_are_those_of_the_tables():
    low, high = interval(bootstrap(effects()))
    np.testing.assert_allclose(half_widths(effects()), (high - low) / 2, atol=0.003)


@pytest.mark.parametrize("width", [0.05, 0.02, 0.01])
def test_so_many_documents_give_so_narrow_intervals(width):
    now = half_widths(effects())[0]
    needed = int(documents_needed(now, N_DOCUMENTS, width, SCORES["acc"]))
    assert half_widths(effects(needed, seed=1))[0] == pytest.approx(width, rel=0.1)
    assert half_widths(effects(needed // 2, seed=1))[0] > 1.2 * width


def test_what_was_never_seen_still_takes_documents():
    assert documents_needed(0.0, N_DOCUMENTS, 0.01, SCORES["acc"]) == 300


@pytest.mark.parametrize("width", [0.05, 0.02])
def test_so_many_of_a_tasks_own_documents_tell_of_the_task_as_precisely(width):
    population = effects(2000, seed=3)[0]
    like_these = documents_needed(half_widths(population[None])[0], len(population), width, SCORES["acc"])
    own = int(documents_needed_of(len(population), like_these))
    assert own < like_these
    rng = np.random.default_rng(4)
    means = [rng.permutation(population)[:own].mean() for _ in range(1000)]
    inside = np.abs(np.array(means) - population.mean()) <= width
    assert 0.92 <= inside.mean() <= 0.98


def test_a_whole_task_leaves_no_doubt_of_itself():
    assert documents_needed_of(500, 10**9) == 500
    assert documents_needed_of(500, 1) == 1


def test_the_table_counts_documents_and_time_for_the_widest_interval():
    table = precision_table([numbers(effects())]).set_index("number")
    widest = half_widths(effects()).max()
    assert table.loc["effect", "widest"] == pytest.approx(widest)
    assert table.loc["effect", "median"] == pytest.approx(half_widths(effects())[1])
    needed = documents_needed(widest, N_DOCUMENTS, 0.02, SCORES["acc"])
    assert table.loc["effect", "documents_0.02"] == needed
    assert table.loc["effect", "own_0.02"] == documents_needed_of(3000, needed)
    assert table.loc["effect", "seconds_0.02"] == pytest.approx(40 / N_DOCUMENTS * needed)
    assert table.loc["value", "seconds_0.02"] == pytest.approx(
        160 / N_DOCUMENTS * table.loc["value", "documents_0.02"]
    )


def test_what_is_not_known_is_left_out():
    unknown = precision_table([numbers(effects(), available=0, seconds={})])
    assert unknown["own_0.01"].isna().all() and unknown["seconds_0.01"].isna().all()
    single = precision_table([numbers(effects(1))])
    for table in (unknown, pd.concat([single, unknown], ignore_index=True)):
        (section,) = TABLES["precision"].sections(table, View(Titles(), SCORES["acc"]))
        assert "nan" not in section.table.to_string()


def test_people_read_documents_and_time():
    view = View(Titles({}, {"piqa": "PIQA"}), SCORES["acc"])
    (section,) = TABLES["precision"].sections(precision_table([numbers(effects())]), view)
    first = section.table.iloc[0]
    assert first["Documents"] == "400 of 3,000"
    assert first["Documents for ±5"] == "361 (323), 36 s"
