"""Players: sets of sublayers, in labels, in coalitions, and back."""

from itertools import combinations

import numpy as np
import pytest

from cornerstone.shapley.coalition_tree import least_evaluations
from cornerstone.shapley.coalitions import ForEach, ablation
from cornerstone.shapley.designs import DesignSettings, coalitions_of
from cornerstone.shapley.document_pairs import pairs_of_same_work, work_of_pairs
from cornerstone.shapley.players import (
    are_whole_blocks,
    blocks_together,
    mistake_in,
    noun_of,
    one_each,
    players_of,
    whole_blocks,
)
from cornerstone.system.errors import CornerstoneError

FOUR = [f"{kind} {block}" for block in range(4) for kind in ("Attn", "FFN")]
HYBRID = ["Attn 0", "FFN 0", "Mamba 1", "Attn 2", "Mamba 2", "MoE 2", "Mamba 3", "MoE 3"]


def test_each_sublayer_is_a_player_by_default():
    players = players_of("sublayers", FOUR)
    assert players == one_each(FOUR)
    assert list(players) == FOUR
    assert players.are_sublayers
    assert players.spelled_out((1, 4)) == players.removed_from((1, 4)) == (1, 4)


def test_blocks_of_any_number_of_sublayers():
    players = players_of("blocks", HYBRID)
    assert list(players) == ["Block 0", "Block 1", "Block 2", "Block 3"]
    assert players.sets == ((0, 1), (2,), (3, 4, 5), (6, 7))
    assert players.parts_of(2) == ("Attn 2", "Mamba 2", "MoE 2")
    assert players.spelled_out((1, 3)) == (2, 6, 7)


@pytest.mark.parametrize(
    ("setting", "labels", "sets"),
    [
        ("2 blocks", ["Blocks 0-1", "Blocks 2-3"], [(0, 1, 2, 3), (4, 5, 6, 7)]),
        ("3 blocks", ["Blocks 0-2", "Block 3"], [(0, 1, 2, 3, 4, 5), (6, 7)]),
        ("4 sublayers", ["Attn 0 to FFN 1", "Attn 2 to FFN 3"], [(0, 1, 2, 3), (4, 5, 6, 7)]),
        ("7 sublayers", ["Attn 0 to Attn 3", "FFN 3"], [(0, 1, 2, 3, 4, 5, 6), (7,)]),
        ("2 sublayers", ["Attn 0 to FFN 0", "Attn 1 to FFN 1", "Attn 2 to FFN 2", "Attn 3 to FFN 3"], None),
    ],
)
def test_groups_of_neighbours_of_which_the_last_may_be_smaller(setting, labels, sets):
    players = players_of(setting, FOUR)
    assert list(players) == labels
    assert sets is None or list(players.sets) == sets
    assert players.noun == noun_of(setting) == "group"


@pytest.mark.parametrize(
    ("setting", "together", "are_blocks"),
    [
        ("sublayers", None, False),
        ("4 sublayers", None, False),
        ("blocks", 1, True),
        ("12 blocks", 12, True),
        ({"early": "Block 0-1, Block 3", "late": "Block 4-"}, None, True),
        ({"early": "Block 0-1, Attn 3", "late": "Block 4-"}, None, False),
    ],
)
def test_which_players_are_whole_blocks_is_known_before_the_model(setting, together, are_blocks):
    assert (blocks_together(setting), are_whole_blocks(setting)) == (together, are_blocks)


def test_the_blocks_of_a_model_are_as_the_players_have_them_and_may_be_one_alone():
    assert whole_blocks(HYBRID) == players_of("blocks", HYBRID)
    assert whole_blocks(HYBRID, 3) == players_of("3 blocks", HYBRID)
    assert list(whole_blocks(FOUR[:2])) == ["Block 0"]


@pytest.mark.parametrize(
    ("text", "sublayers"),
    [
        ("Attn 1", (2,)),
        ("Attn 0-1, FFN 3", (0, 2, 7)),
        ("FFN 2-, Attn 3", (5, 6, 7)),
        ("Block 1", (2, 3)),
        ("Block 2-", (4, 5, 6, 7)),
        ("  Attn   0 ,Attn 0-1", (0, 2)),
    ],
)
def test_named_sets_by_labels_and_ranges(text, sublayers):
    players = players_of({"these": text, "the first FFN": "FFN 0"}, FOUR)
    assert list(players) == ["these", "the first FFN"]
    assert players.sets == (sublayers, (1,))


def test_a_range_means_the_blocks_that_have_such_a_sublayer():
    assert players_of({"m": "Mamba 0-3", "a": "Attn 0-"}, HYBRID).sets == ((2, 4, 6), (0, 3))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            {"a": "Attn 4", "b": "FFN 0"},
            r"players.a has Attn 4, which this model has not: .*Attn 0-3.*FFN 0-3",
        ),
        ({"a": "Attn 0-4", "b": "FFN 0"}, "players.a has Attn 0-4, which this model has not"),
        ({"a": "MoE 0-", "b": "FFN 0"}, "players.a has MoE 0-, which this model has not"),
        ({"a": "Attn 0-1", "b": "Block 1"}, "Attn 1 is in a and in b: a sublayer may be in one set alone"),
        ({"a": "Attn 3-1", "b": "FFN 0"}, "players.a has 'Attn 3-1': give labels of sublayers"),
        ({"a": "Attn 1;", "b": "FFN 0"}, "players.a has 'Attn 1;': give labels of sublayers"),
        ({"a": "", "b": "FFN 0"}, "players.a has '': give labels of sublayers"),
        ({"a": "Attn 0-"}, "which makes 1 of this model with 8 sublayers: give a division into two"),
        ("4 blocks", "players is '4 blocks', which makes 1"),
        ("9 sublayers", "players is '9 sublayers', which makes 1"),
    ],
)
def test_a_mistake_is_one_line(setting, said):
    with pytest.raises(CornerstoneError, match=said) as error:
        players_of(setting, FOUR)
    assert "\n" not in str(error.value)


def test_a_text_is_checked_before_the_model_is_known():
    assert mistake_in("a", "Attn 0-99, MoE 4-") is None
    assert mistake_in("a", "Attn").startswith("players.a has 'Attn': give labels of sublayers")


@pytest.mark.parametrize("setting", ["sublayers", "blocks", "3 blocks", {"a": "Attn 1-", "b": "FFN 0-1"}])
def test_every_coalition_is_spelled_out_and_found_back(setting):
    players = players_of(setting, FOUR)
    coalitions = [c for size in range(len(players) + 1) for c in combinations(range(len(players)), size)]
    spelled = [players.spelled_out(removed) for removed in coalitions]
    assert len(set(spelled)) == len(coalitions)
    assert [players.removed_from(sublayers) for sublayers in spelled] == coalitions
    masks = np.array([[sublayer in one for sublayer in range(8)] for one in spelled])
    absent = players.absent(masks)
    assert [tuple(np.flatnonzero(row).tolist()) for row in absent] == coalitions


@pytest.mark.parametrize("sublayers", [(2,), (0, 1, 2), (1, 2, 3)])
def test_sublayers_that_are_no_union_of_players_are_refused(sublayers):
    players = players_of({"a": "Block 1", "b": "Block 2-"}, FOUR)
    mask = np.isin(np.arange(8), sublayers)
    for inverse, given in ((players.removed_from, sublayers), (players.absent, np.array([mask]))):
        with pytest.raises(CornerstoneError, match="which are no union of its players"):
            inverse(given)


DEEP = [f"{kind} {block}" for block in range(12) for kind in ("Attn", "FFN")]
UNEVEN = {"a": "Attn 0-", "b": "FFN 0", "c": "FFN 1-7", "d": "FFN 8", "e": "FFN 9-10", "f": "FFN 11"}


@pytest.mark.parametrize("setting", ["blocks", "5 sublayers", UNEVEN], ids=str)
def test_pairs_of_coalitions_take_the_work_of_the_windows_in_sublayers(setting):
    players = players_of(setting, DEEP)
    settings = DesignSettings(max_removed=2, seed=1)
    singles = coalitions_of("ablation", players, settings)
    given = work(players, [*singles, *coalitions_of("windows", players, settings)])
    documents = [(f"{n:016x}", 0) for n in range(300)]
    drawn = coalitions_of("kernel_pairs", players, settings, documents).of
    mean = np.mean([work(players, [*singles, *drawn[n]]) for n in range(len(documents))])
    pairs = pairs_of_same_work(len(players), 2, players)
    steps = [
        work_of_pairs(len(players), n, tuple(ablation(len(players))), players)
        for n in (pairs - 1, pairs, pairs + 1)
    ]
    assert abs(mean - given) <= max(steps[1] - steps[0], steps[2] - steps[1])
    assert all(len(set(drawn[n])) == len(drawn[n]) for n in range(len(documents)))


def work(players, coalitions):
    return least_evaluations(coalitions, len(players.sublayers))


def test_the_same_work_in_players_would_be_another_number_of_pairs():
    quarters = {"a": "Attn 0-5", "b": "FFN 0-5", "c": "Attn 6-", "d": "FFN 6-"}
    players = players_of(quarters, DEEP)
    assert pairs_of_same_work(4, 2, players) < pairs_of_same_work(4, 2)


@pytest.mark.parametrize(
    "design", ["ablation", "kernel_pairs", "exact", "permutations", "informative", "windows"]
)
def test_two_players_are_enough_for_every_design(design):
    players = players_of("2 blocks", FOUR)
    settings = DesignSettings(max_removed=1, seed=1)
    found = coalitions_of(design, players, settings, [("ab", 0)])
    coalitions = found.of[0] if isinstance(found, ForEach) else found
    assert set(coalitions) <= {(), (0, 1, 2, 3), (4, 5, 6, 7), tuple(range(8))}
