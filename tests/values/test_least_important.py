"""Which blocks and sublayers are pruned, and what the study has measured of it."""

import numpy as np
import pandas as pd
import pytest

from configurations import message_of
from cornerstone.evaluations.measures import Measures, write_measures
from cornerstone.measures import MEASURES, MEASURES_VERSION
from cornerstone.shapley.players import one_each, players_of, whole_blocks
from cornerstone.values.least_important import (
    check_prunable,
    importances,
    least_important,
    measured,
    prunable_parts,
    ranked_rows,
    ranking_of,
)

LABELS = ("Attn 0", "FFN 0", "Attn 1", "MoE 1", "Attn 2", "FFN 2")
VALUES = {"boolq": [0.5, 0.4, 0.3, 0.1, 0.2, 0.0], "piqa": [0.5, 0.4, -0.3, 0.1, 0.2, 0.1]}


@pytest.fixture
def values():
    rows = [
        {"task": task, "sublayer": sublayer, "label": label, "value": value, "score": "acc"}
        for task, of_task in VALUES.items()
        for sublayer, (label, value) in enumerate(zip(LABELS, of_task, strict=True))
    ]
    return pd.DataFrame(rows)


def chosen(values, count, of_blocks, setting="sublayers"):
    parts = prunable_parts(players_of(setting, LABELS), of_blocks=of_blocks)
    return least_important(values, ranking_of("values"), count, parts)


def values_of(**of_players):
    rows = [{"task": "boolq", "label": label, "value": value} for label, value in of_players.items()]
    return pd.DataFrame(rows)


def test_blocks_go_by_the_sums_of_their_sublayers_means_over_tasks(values):
    one = chosen(values, 1, of_blocks=True)
    assert (one.blocks, one.removed, one.removed_labels) == ((1,), (2, 3), ("Attn 1", "MoE 1"))
    assert chosen(values, 2, of_blocks=True).blocks == (1, 2)
    assert (one.n_blocks, one.of_blocks) == (3, True)


def test_sublayers_go_one_by_one(values):
    assert chosen(values, 1, of_blocks=False).removed == (2,)
    three = chosen(values, 3, of_blocks=False)
    assert three.removed_labels == ("Attn 1", "MoE 1", "FFN 2")
    assert three.blocks == (1,)
    assert (three.blocks_without("Attn"), three.blocks_without("FFN", "MoE")) == ((1,), (1, 2))


def test_players_that_are_blocks_go_by_their_own_values():
    values = values_of(**{"Block 0": 0.1, "Block 1": 0.3, "Block 2": 0.2})
    assert chosen(values, 1, True, "blocks").blocks == (0,)
    two = chosen(values, 2, True, "blocks")
    assert (two.blocks, two.removed, two.chosen_labels) == ((0, 2), (0, 1, 4, 5), ("Block 0", "Block 2"))


@pytest.mark.parametrize(
    ("setting", "values", "blocks"),
    [
        ("2 blocks", {"Blocks 0-1": 0.1, "Block 2": 0.3}, (0, 1)),
        ("2 blocks", {"Blocks 0-1": 0.3, "Block 2": 0.1}, (2,)),
        ({"ends": "Block 0, Block 2", "middle": "Block 1"}, {"ends": 0, "middle": 1}, (0, 2)),
    ],
)
def test_of_sets_of_blocks_the_least_important_set_goes_whole(setting, values, blocks):
    assert chosen(values_of(**values), 1, True, setting).blocks == blocks
    said = message_of(lambda: chosen(values_of(**values), 2, True, setting))
    assert "give at least 1 and at most 1, of the 2 that it has" in said


@pytest.mark.parametrize(
    ("setting", "of_blocks", "said"),
    [
        (
            "4 sublayers",
            True,
            "a checkpoint is without whole blocks, which the players '4 sublayers' are not",
        ),
        ({"a": "Attn 0-", "b": "FFN 0-"}, True, "a checkpoint is without whole blocks, which the players"),
        ("blocks", False, "zeros are written for single sublayers, of which the players 'blocks' have no"),
    ],
)
def test_players_that_tell_nothing_of_what_is_removed_are_refused_in_one_line(setting, of_blocks, said):
    assert message_of(lambda: check_prunable(setting, of_blocks=of_blocks)).startswith(said)
    check_prunable("sublayers", of_blocks=of_blocks)
    check_prunable({"a": "Block 0-3", "b": "Block 4-"}, of_blocks=True)


def test_a_ranking_of_other_players_is_refused_in_one_line(values):
    said = message_of(lambda: chosen(values_of(**{"Block 0": 1, "Block 1": 2}), 1, True, "blocks"))
    assert "values/ has no Shapley value of Attn 0: remove the model's files there" in said


def test_of_equals_the_first_goes(values):
    assert chosen(values.assign(value=1.0), 2, of_blocks=True).blocks == (0, 1)


def test_one_task_that_lists_sublayers_in_another_order_changes_nothing(values):
    assert chosen(values.iloc[::-1], 2, of_blocks=True) == chosen(values, 2, of_blocks=True)


@pytest.mark.parametrize(("count", "of_blocks"), [(0, True), (3, True), (0, False), (6, False)])
def test_some_must_be_removed_and_some_left(values, count, of_blocks):
    assert "cannot be removed from a model" in message_of(lambda: chosen(values, count, of_blocks=of_blocks))


def test_an_unknown_ranking_names_the_known_ones():
    said = message_of(ranking_of, "value")
    assert said.startswith("unknown ranking 'value': there are values, ")
    assert all(name in said for name in ("effects", "block_influence"))


def test_what_the_study_evaluated_is_its_cost_and_nothing_else_is():
    ablation = pd.DataFrame(
        {
            "task": ["boolq"] * 3,
            "score": ["acc"] * 3,
            "sublayer": [0, 1, 2],
            "full": [0.8] * 3,
            "removed_score": [0.7, 0.6, 0.5],
            "effect": [0.1, 0.2, 0.3],
            "low": [0.0] * 3,
            "high": [0.4] * 3,
        }
    )
    joint = pd.DataFrame(
        {
            "task": ["boolq"],
            "score": ["acc"],
            "removed": ["1,2"],
            "joint": [0.5],
            "joint_low": [0.45],
            "joint_high": [0.55],
        }
    )
    (single,) = measured((1,), ablation, joint).itertuples()
    assert (single.before, single.after, single.drop, single.low, single.high) == (0.8, 0.6, 0.2, 0.0, 0.4)
    (window,) = measured((1, 2), ablation, joint).itertuples()
    assert (window.before, window.drop, window.low, window.high) == (0.8, 0.5, 0.45, 0.55)
    assert window.after == pytest.approx(0.3)
    assert measured((0, 1), ablation, joint).empty


def test_a_cheap_measure_ranks_sublayers_and_blocks_by_what_it_measured_of_each(tmp_path):
    rng, paths = np.random.default_rng(0), []
    of_sublayers, of_blocks = [[0.5, 0.1, 0.2, 0.3], [0.5, 0.3, 0.1, 0.1]], [[0.3, 0.9], [0.4, 0.8]]
    for task, sublayers, blocks in zip(("boolq", "piqa"), of_sublayers, of_blocks, strict=True):
        noise = rng.normal(0, 0.01, (30, 1))
        numbers = dict.fromkeys(MEASURES.names, np.array(sublayers) + noise - noise.mean())
        measured_blocks = dict.fromkeys(MEASURES.names, np.array(blocks) + noise - noise.mean())
        labels, documents = ("Attn 0", "FFN 0", "Attn 1", "FFN 1"), tuple(range(30))
        identity = {"measures_version": MEASURES_VERSION}
        measures = Measures(
            "m", task, labels, (0, 0, 1, 1), documents, numbers, measured_blocks, identity=identity
        )
        paths.append(tmp_path / f"{task}.parquet")
        write_measures(measures, paths[-1])
    ranking, sublayers = ranking_of("block_influence"), one_each(labels)
    rows, blocks = ranked_rows(ranking, paths), whole_blocks(labels)
    of_each = dict(zip(labels, [0.5, 0.2, 0.15, 0.2], strict=True))
    assert importances(rows, ranking, sublayers) == pytest.approx(of_each)
    assert importances(rows, ranking, blocks) == pytest.approx({"Block 0": 0.35, "Block 1": 0.85})
    assert least_important(rows, ranking, 1, blocks).blocks == (0,)  # by sums of sublayers it would be 1
    assert least_important(rows, ranking, 1, sublayers).removed == (2,)
    both = whole_blocks(labels, 2)
    assert "measures/ has no block influence of Blocks 0-1" in message_of(importances, rows, ranking, both)
    assert ((rows["low"] <= rows["block_influence"]) & (rows["block_influence"] <= rows["high"])).all()
