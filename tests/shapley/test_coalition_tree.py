"""Coalition trees: every coalition is reached, and every (removed prefix, sublayer) computed once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstone.shapley.coalition_tree import (
    Course,
    coalition_forest,
    coalition_tree,
    least_evaluations,
    walk_order,
)
from cornerstone.shapley.coalitions import ablation, exact, windows

SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def blocks_of(sizes):
    """Sublayer indices of blocks with so many sublayers each: [2, 1] gives (0, 1), (2,)."""
    ends = [0, *[sum(sizes[: n + 1]) for n in range(len(sizes))]]
    return [tuple(range(first, last)) for first, last in pairwise(ends)]


@st.composite
def games(draw, trees=3):
    """Blocks, and coalitions of their sublayers, of several trees."""
    blocks = blocks_of(draw(SIZES))
    count = blocks[-1][-1] + 1
    coalition = st.sets(st.integers(0, count - 1)).map(lambda removed: tuple(sorted(removed)))
    own = st.lists(coalition, min_size=1, max_size=12)
    return blocks, draw(st.lists(own, min_size=1, max_size=trees))


def walked(forest):
    """All steps by block, and the states after the last block, found by following the steps from the first states."""
    states, steps = forest.states(0).tolist(), []
    for number in range(len(forest.blocks)):
        steps.append(forest.steps_from(number, states))
        states = [step.child for step in steps[-1]]
    return steps, states


def brute_force_least(coalitions, count):
    """Distinct (what is removed before a sublayer, the sublayer) that some coalition with it needs."""
    needed = set()
    for removed in coalitions:
        for sublayer in range(count):
            if sublayer not in removed:
                needed.add((frozenset(removed) & frozenset(range(sublayer)), sublayer))
    return len(needed)


@given(games())
def test_the_steps_lead_to_each_coalition_of_each_tree_once(game):
    blocks, trees = game
    forest = coalition_forest(trees, blocks)
    _, leaves = walked(forest)
    reached = [(int(forest.tree[leaf]), forest.leaves[leaf]) for leaf in leaves]
    assert sorted(reached) == sorted(
        (n, coalition) for n, coalitions in enumerate(trees) for coalition in set(coalitions)
    )
    assert forest.states(0).tolist() == [forest.tree.tolist().index(n) for n in range(len(trees))]


@given(games())
def test_a_step_removes_what_its_coalitions_remove_in_its_block(game):
    blocks, trees = game
    forest = coalition_forest(trees, blocks)
    steps, _ = walked(forest)
    for sublayers, through in zip(blocks, steps, strict=True):
        for step in through:
            assert forest.tree[step.parent] == forest.tree[step.child]
            removed = tuple(s for s in forest.leaves[step.child] if s in sublayers)
            assert tuple(sublayers[place] for place in step.removed) == removed
            before = [s for s in forest.leaves[step.child] if s < sublayers[0]]
            assert before == [s for s in forest.leaves[step.parent] if s < sublayers[0]]
        assert len({(step.parent, step.removed) for step in through}) == len(through)


@given(games())
def test_the_trees_take_the_least_number_of_evaluations(game):
    blocks, trees = game
    forest = coalition_forest(trees, blocks)
    steps, _ = walked(forest)
    made = 0
    for number, through in enumerate(steps):
        # A sublayer is computed once for what its block removed before it.
        places = range(len(blocks[number]))
        computed = {
            (step.parent, place, tuple(p for p in step.removed if p < place))
            for step in through
            for place in places
            if place not in step.removed
        }
        of_states = forest.evaluations(number)
        for state, evaluations in zip(forest.states(number).tolist(), of_states, strict=True):
            assert evaluations == sum(parent == state for parent, *_ in computed)
        made += len(computed)
    count = blocks[-1][-1] + 1
    assert made == forest.least_evaluations() == sum(brute_force_least(tree, count) for tree in trees)
    assert least_evaluations(trees[0], count) == brute_force_least(trees[0], count)


@pytest.mark.parametrize("count", [4, 6, 9])
def test_known_designs_take_what_counting_on_paper_says(count):
    # Single removals: before sublayer s, the full prefix or one of s removals.
    assert least_evaluations(ablation(count), count) == sum(1 + s for s in range(count))
    # All coalitions: every prefix is there.
    assert least_evaluations(exact(count), count) == 2**count - 1
    assert least_evaluations([()], count) == count
    assert least_evaluations([tuple(range(count))], count) == least_evaluations([], count) == 0


@pytest.mark.parametrize(("count", "saved"), [(10, 2.5), (32, 2.15), (64, 2.07)])
def test_windows_of_up_to_four_save_what_the_design_promises(count, saved):
    design = [*ablation(count), *windows(count, 4)]
    # Against all sublayers for every coalition: zeroing by hooks computes the removed ones too.
    alone = count * len(design)
    assert alone / least_evaluations(design, count) == pytest.approx(saved, rel=0.01)


ROWS = st.lists(st.integers(0, 3), min_size=3, max_size=3)


@given(games(), ROWS, st.data(), st.integers(1, 12))
def test_groups_partition_the_states_within_the_limit(game, rows, data, most):
    blocks, trees = game
    forest = coalition_forest(trees, blocks)
    rows = np.array(rows[: len(trees)])
    course = Course(forest, rows, most)
    number = data.draw(st.integers(0, len(blocks) - 1))
    states = [state for state in forest.states(number).tolist() if rows[forest.tree[state]]]
    groups = course.groups(number, states)[::-1]
    assert [state for group in groups for state in group] == states

    def leaving(group):
        return sum(int(rows[forest.tree[step.parent]]) for step in forest.steps_from(number, group))

    for group in groups:
        assert leaving(group) <= most or len(group) == 1
    # No group could have taken the first state of the next one.
    for group, after in pairwise(groups):
        assert leaving([*group, after[0]]) > most


@given(games(), ROWS, st.integers(1, 12))
def test_a_walk_by_subtrees_does_all_the_work(game, rows, most):
    blocks, trees = game
    forest = coalition_forest(trees, blocks)
    rows = np.array(rows[: len(trees)])
    visits = walk_order(Course(forest, rows, most))
    of_trees = [least_evaluations(tree, blocks[-1][-1] + 1) for tree in trees]
    assert sum(visit.evaluations for visit in visits) == int(rows @ np.array(of_trees))


def test_the_subtree_of_the_full_model_waits_for_the_others():
    """Else each state that leaves it waits, as long as it goes on: nearly all would be alive at once."""
    n = 32
    blocks = [(2 * place, 2 * place + 1) for place in range(n // 2)]
    tree = coalition_tree([*ablation(n), *windows(n, 4)], blocks)
    course = Course(tree, np.ones(1, int), 1)

    def most_alive(block, states, waiting):
        most = waiting + len(states)
        for number in range(block, len(blocks)):
            groups = course.groups(number, states)
            if len(groups) > 1:
                left = len(states)
                for group in groups:
                    left -= len(group)
                    most = max(most, most_alive(number, group, waiting + left))
                return most
            states = [step.child for step in tree.steps_from(number, states)]
            most = max(most, waiting + len(states))
        return most

    assert len(tree.leaves) == 123
    assert most_alive(0, course.beginning(), 0) <= 12


def test_a_tree_of_160_sublayers_is_small_and_made_at_once():
    rng = np.random.default_rng(0)
    coalitions = [tuple(np.flatnonzero(rng.random(160) < 0.5).tolist()) for _ in range(635)]
    tree = coalition_tree(coalitions, [(2 * n, 2 * n + 1) for n in range(80)])
    assert tree.removed.nbytes + tree.shared.nbytes + tree.tree.nbytes < 200_000
    assert tree.least_evaluations() == brute_force_least(coalitions, 160)
