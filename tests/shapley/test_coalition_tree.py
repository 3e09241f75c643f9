"""The coalition tree: every coalition is reached, and every (removed prefix, sublayer) computed once."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cornerstone.shapley.coalition_tree import coalition_tree, least_evaluations, subtree_groups
from cornerstone.shapley.coalitions import ablation, exact, windows

SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def blocks_of(sizes):
    """Sublayer indices of blocks with so many sublayers each: [2, 1] gives (0, 1), (2,)."""
    ends = [0, *[sum(sizes[: n + 1]) for n in range(len(sizes))]]
    return [tuple(range(first, last)) for first, last in pairwise(ends)]


@st.composite
def games(draw):
    """Blocks, and coalitions of their sublayers."""
    blocks = blocks_of(draw(SIZES))
    count = blocks[-1][-1] + 1
    coalition = st.sets(st.integers(0, count - 1)).map(lambda removed: tuple(sorted(removed)))
    return blocks, draw(st.lists(coalition, min_size=1, max_size=12))


def walked(tree, blocks):
    """All states after the last block, found by following the steps from ()."""
    states = [()]
    for number in range(len(blocks)):
        states = [step.child for step in tree.steps_from(number, states)]
    return states


def brute_force_least(coalitions, count):
    """Distinct (what is removed before a sublayer, the sublayer) that some coalition with it needs."""
    needed = set()
    for removed in coalitions:
        for sublayer in range(count):
            if sublayer not in removed:
                needed.add((frozenset(removed) & frozenset(range(sublayer)), sublayer))
    return len(needed)


@given(games())
def test_the_steps_lead_from_the_full_model_to_each_coalition_once(game):
    blocks, coalitions = game
    tree = coalition_tree(coalitions, blocks)
    assert sorted(walked(tree, blocks)) == sorted(set(coalitions))
    assert tree.leaves == tuple(sorted(set(coalitions)))


@given(games())
def test_a_step_removes_sublayers_of_its_own_block_and_nothing_else(game):
    blocks, coalitions = game
    tree = coalition_tree(coalitions, blocks)
    for sublayers, steps in zip(blocks, tree.steps, strict=True):
        for parent, from_parent in steps.items():
            for step in from_parent:
                assert step.parent == parent
                assert step.child == (*parent, *step.removed)
                assert set(step.removed) <= set(sublayers)
            assert len({step.removed for step in from_parent}) == len(from_parent)


@given(games())
def test_the_tree_takes_the_least_number_of_evaluations(game):
    blocks, coalitions = game
    tree = coalition_tree(coalitions, blocks)
    made = 0
    for sublayers, steps in zip(blocks, tree.steps, strict=True):
        for from_parent in steps.values():
            # A sublayer is computed once for what its block removed before it.
            made += len(
                {
                    (sublayer, tuple(s for s in step.removed if s < sublayer))
                    for step in from_parent
                    for sublayer in sublayers
                    if sublayer not in step.removed
                }
            )
    count = blocks[-1][-1] + 1
    assert made == least_evaluations(coalitions, count) == brute_force_least(coalitions, count)


@pytest.mark.parametrize("count", [4, 6, 9])
def test_known_designs_take_what_counting_on_paper_says(count):
    # Single removals: before sublayer s, the full prefix or one of s removals.
    assert least_evaluations(ablation(count), count) == sum(1 + s for s in range(count))
    # All coalitions: every prefix is there.
    assert least_evaluations(exact(count), count) == 2**count - 1
    assert least_evaluations([()], count) == count
    assert least_evaluations([tuple(range(count))], count) == 0


@pytest.mark.parametrize(("count", "saved"), [(10, 2.5), (32, 2.15), (64, 2.07)])
def test_windows_of_up_to_four_save_what_the_design_promises(count, saved):
    design = [*ablation(count), *windows(count, 4)]
    # Against all sublayers for every coalition: zeroing by hooks computes the removed ones too.
    alone = count * len(design)
    assert alone / least_evaluations(design, count) == pytest.approx(saved, rel=0.01)


@given(games(), st.data(), st.integers(1, 5))
def test_subtrees_partition_the_states_within_the_limit(game, data, most):
    blocks, coalitions = game
    tree = coalition_tree(coalitions, blocks)
    number = data.draw(st.integers(0, len(blocks) - 1))
    states = sorted(tree.steps[number])
    assume(states)
    groups = subtree_groups(tree, number, states, most)
    assert [state for group in groups for state in group] == states
    assert all(groups)
    for group in groups:
        children = sum(len(tree.steps[number][state]) for state in group)
        assert children <= most or len(group) == 1
    # No group could have taken the first state of the next one.
    for group, after in pairwise(groups):
        assert sum(len(tree.steps[number][state]) for state in [*group, after[0]]) > most
