"""Designs: which coalitions each name stands for."""

from itertools import combinations

import pytest

from cornerstone.shapley.coalitions import ablation, exact, pairs, windows
from cornerstone.shapley.designs import DesignSettings, check_exact_rows, coalitions_of, typical_coalitions
from cornerstone.system.errors import CornerstoneError


@pytest.mark.parametrize("n", [3, 5, 9])
def test_neighbours_in_windows_and_pairs_up_to_the_whole_length_are_all_pairs_once_each(n):
    neighbours = [window for window in windows(n, n - 1) if len(window) == 2]
    both = neighbours + pairs(n, 2, 100)
    assert len(both) == len(set(both))
    assert sorted(both) == list(combinations(range(n), 2))


def test_a_farther_distance_adds_pairs_and_leaves_the_nearer_ones():
    near, far = pairs(160, 2, 3), pairs(160, 2, 8)
    assert set(near) < set(far)
    assert len(near) == 158 + 157
    assert max(j - i for i, j in far) == 8


def test_designs_are_known_by_their_names():
    assert coalitions_of("ablation", 3, DesignSettings()) == ablation(3)
    assert coalitions_of("windows", 5, DesignSettings(max_removed=3)) == windows(5, 3)
    assert coalitions_of("pairs", 5, DesignSettings(pair_distances=(2, 4))) == pairs(5, 2, 4)
    assert set(pairs(5, 1, 4)) < set(exact(5))


@pytest.mark.parametrize(("design", "keys"), [("window", {}), ("windows", {}), ("pairs", {"max_removed": 2})])
def test_a_name_that_is_none_or_lacks_its_number_is_refused_in_one_line(design, keys):
    with pytest.raises(
        CornerstoneError, match=f"unknown design '{design}'|the design {design} needs"
    ) as error:
        coalitions_of(design, 4, DesignSettings(**keys))
    assert "\n" not in str(error.value)


def test_max_removed_that_the_model_has_not_is_refused():
    with pytest.raises(CornerstoneError, match="give a number from 1 to 3"):
        coalitions_of("windows", 4, DesignSettings(max_removed=4))


def test_designs_with_as_many_coalitions_as_windows():
    for design, beside in (("informative", 13), ("permutations", 0)):
        coalitions = coalitions_of(design, 12, DesignSettings(max_removed=4))
        assert len(set(coalitions)) == len(coalitions) == 43 - beside
    assert len(coalitions_of("exact", 5, DesignSettings())) == 32


@pytest.mark.parametrize("design", ["informative", "permutations", "kernel_pairs"])
@pytest.mark.parametrize("n", [2, 3, 12])
def test_without_windows_other_designs_have_as_many_coalitions_as_the_papers(design, n):
    one, paper = (DesignSettings(max_removed=most, seed=1) for most in (1, min(4, n - 1)))
    found, expected = (typical_coalitions(design, n, settings) for settings in (one, paper))
    assert found == expected and len(found) > 0


def test_more_exact_log_likelihoods_than_a_table_may_hold_are_refused_with_the_numbers():
    check_exact_rows(12, 1000)
    message = r"need 655,360,000 log-likelihoods, 79 GB to read them; .* at most 1,525 choices in all"
    with pytest.raises(CornerstoneError, match=message):
        check_exact_rows(16, 10_000)
