from math import comb

import numpy as np
import pytest

from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ForEach, ablation, parse_removed, removed_text, windows
from cornerstone.shapley.designs import DesignSettings, coalitions_of
from cornerstone.shapley.document_pairs import (
    DrawnForEach,
    document_pairs,
    document_seed,
    pair_coalitions,
    pairs_of_same_work,
)


@pytest.mark.parametrize("n", [2, 5, 12, 64, 160])
def test_a_longer_list_begins_with_the_shorter_and_has_no_pair_twice(n):
    longer = document_pairs(n, 90, (1234, 5, 0))
    for count in (1, 7, 40):
        np.testing.assert_array_equal(document_pairs(n, count, (1234, 5, 0)), longer[:count])
    both = {side.tobytes() for side in (*longer, *~longer)}
    assert len(both) == 2 * len(longer) and len(longer) == min(90, 2 ** (n - 1) - 1)
    assert (longer.sum(axis=1) * 2 <= n).all()


def test_all_pairs_of_a_small_model_are_drawn_where_there_is_room():
    assert len(document_pairs(6, 1000, (0,))) == 2**5 - 1
    given = [(), *ablation(6), *pair_coalitions(document_pairs(6, 1000, (0,)))]
    assert len(set(given)) == 2**6


def test_sizes_follow_the_kernel_in_every_stretch_and_sets_of_a_size_are_alike():
    n = 12
    drawn = np.concatenate([document_pairs(n, 10, (seed,)) for seed in range(3000)])
    sizes = drawn.sum(axis=1)
    kernel = np.array([2 / (s * (n - s)) for s in range(1, 6)] + [1 / 36])
    found = np.bincount(sizes, minlength=7)[1:] / len(drawn)
    np.testing.assert_allclose(found, kernel / kernel.sum(), atol=0.004)
    of_each = np.array([(document_pairs(n, 10, (seed,)).sum(axis=1) == 1).sum() for seed in range(200)])
    assert of_each.var() < 0.5 * 10 * found[0] * (
        1 - found[0]
    )  # sizes drawn freely vary twice as much and more
    for size in (1, 2, 5):
        often = drawn[sizes == size].mean(axis=0)
        assert np.abs(often - size / n).max() < 5 * np.sqrt(size / n / (sizes == size).sum())
    halves = drawn[sizes == 6]
    assert not halves[:, 0].any() and np.abs(halves[:, 1:].mean(axis=0) - 6 / 11).max() < 0.08


@pytest.mark.parametrize(("n", "max_removed"), [(4, 2), (12, 4), (64, 4), (160, 4)])
def test_the_default_budget_is_the_work_of_the_papers_windows(n, max_removed):
    pairs = pairs_of_same_work(n, max_removed)
    paper = least_evaluations([*ablation(n), *windows(n, max_removed)], n)
    own = [[*ablation(n), *pair_coalitions(document_pairs(n, pairs, (seed, 9)))] for seed in range(12)]
    ratio = np.mean([least_evaluations(one, n) for one in own]) / paper
    assert 0.94 < ratio < 1.03


def test_a_documents_coalitions_rest_on_its_digest_and_the_copies_before_it_alone():
    settings = DesignSettings(max_removed=4, seed=7)
    three = coalitions_of("kernel_pairs", 10, settings, [("ab", 0), ("cd", 0), ("ab", 1)]).of
    alone = coalitions_of("kernel_pairs", 10, settings, [("cd", 0)]).of
    assert alone[0] == three[1]
    assert three[0] != three[2]
    assert three[0][0] == tuple(range(10))
    more = coalitions_of("kernel_pairs", 10, DesignSettings(4, document_pairs=200, seed=7), [("cd", 0)]).of
    assert more[0][: len(alone[0])] == alone[0]
    other = coalitions_of("kernel_pairs", 10, DesignSettings(max_removed=4, seed=8), [("cd", 0)]).of
    assert other[0] != alone[0]
    assert document_seed(1, "f" * 64, 2) == (1, 16**16 - 1, 2)


@pytest.mark.parametrize("removed", [(), (0,), (3, 4), tuple(range(17)), tuple(range(1, 160, 2))])
def test_a_coalitions_text_is_short_and_names_it(removed):
    text = removed_text(removed)
    assert parse_removed(text) == removed
    assert len(text) <= 50


def test_every_size_has_as_many_pairs_as_there_are():
    sides = document_pairs(10, 511, (3,))
    found = np.bincount(sides.sum(axis=1), minlength=6)
    assert found.tolist() == [0, *[comb(10, s) for s in range(1, 5)], comb(10, 5) // 2]


@pytest.mark.parametrize(("n_sublayers", "pairs"), [(4, 3), (6, 6), (12, 34), (64, 156)])
def test_coalitions_are_counted_without_being_drawn(n_sublayers, pairs):
    drawn = DrawnForEach(n_sublayers, pairs, [document_seed(3, "abc0123", place) for place in range(40)])
    assert ForEach(drawn).counts == [len(own) for own in drawn]
    assert len(set(drawn.counts)) > 1 or n_sublayers != 6  # documents do differ
