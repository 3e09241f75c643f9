"""Cheap measures beside values and effects, on games whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import study_on_disk
import synthetic
from configurations import message_of
from cornerstone.evaluations.measures import write_measures
from cornerstone.measures import BLOCK, MEASURES, MEASURES_VERSION, SUBLAYER
from cornerstone.scores import SCORES
from cornerstone.shapley.coalitions import ablation, windows
from cornerstone.shapley.players import players_of
from cornerstone.statistics.ranks import mean_ranks, ranks_of_draws, spearman, spearman_of_ranks
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import Part, tables_of
from cornerstone.tables.cheap_measures import cheap_findings, measured_of
from cornerstone.tables.written import write_tables
from cornerstone.values.ablation import effect_table
from cornerstone.values.cheap_measures import (
    EFFECT,
    VALUE,
    agreement_rows,
    compare,
    part_rows,
    read_compared,
)
from cornerstone.values.document_numbers import document_numbers
from cornerstone.values.estimates import estimated, value_table
from cornerstone.values.rows import read_csv
from cornerstone.values.scored_task import read_scores
from cornerstone.values.side_by_side import TableSettings
from cornerstone.values.titles import MEAN, Titles
from measured import measures_of

KNOCK = (0.9, 0.05, 0.6, 0.2, 0.4, 0.75)
TRUE, REVERSED = np.array(KNOCK), 1 - np.array(KNOCK)


def game(task="piqa", seed=0, knock=KNOCK, **keys):
    return synthetic.known_task(knock, task=task, seed=seed, **keys)


def compared(study, sublayers=TRUE, noise=0.02, max_removed=2, **changes):
    numbers = document_numbers(study, max_removed=max_removed)
    return compare(measures_of(study, sublayers, noise, **changes), numbers)


def agreement(of_tasks, **chosen):
    rows = agreement_rows(of_tasks)
    for name, value in chosen.items():
        rows = rows[rows[name] == value]
    return rows


def test_draws_correlate_as_scipy_says():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (2, 9, 20)).astype(float)
    assert ([mean_ranks(draw) for draw in one.T] == ranks_of_draws(one).T).all()
    found = spearman_of_ranks(ranks_of_draws(one), ranks_of_draws(other))
    assert found == pytest.approx([spearmanr(one[:, n], other[:, n]).statistic for n in range(20)])
    assert found[0] == pytest.approx(spearman(one[:, 0], other[:, 0]))


def test_the_rank_correlation_is_that_of_the_means():
    study = game()
    numbers = document_numbers(study, max_removed=2)
    measures = measures_of(study, TRUE[::-1], noise=0.3)
    rows = agreement([compare(measures, numbers)], part=SUBLAYER).set_index(["against", "measure"])
    for name in MEASURES.names:
        own = measures.sublayers[name].mean(axis=0)
        for against, other in ((VALUE, numbers.values), (EFFECT, numbers.effects)):
            wanted = spearmanr(own, other.mean(axis=1)).statistic
            assert rows.loc[(against, name), "spearman"] == pytest.approx(wanted)


def test_a_measure_of_the_right_order_agrees_and_one_of_the_reversed_order_disagrees():
    for sublayers, sign in ((TRUE, 1), (REVERSED, -1)):
        rows = agreement([compared(game(), sublayers)], part=SUBLAYER, against=EFFECT)
        assert (sign * rows["spearman"] > 0.9).all()
        assert (rows[["spearman_low", "spearman_high"]].abs() <= 1).all(axis=None)
        assert (
            (rows["spearman_low"] <= rows["spearman"]) & (rows["spearman"] <= rows["spearman_high"])
        ).all()


def test_intervals_know_of_noise_on_both_sides():
    """Of few documents, and of a measure that differs between documents, they are wider."""

    def width(documents, noise):
        rows = agreement([compared(game(n_documents=documents), noise=noise)], part=SUBLAYER, against=EFFECT)
        return (rows["spearman_high"] - rows["spearman_low"]).mean()

    assert width(400, 0.02) < width(20, 0.02)
    assert width(400, 0.02) < width(400, 10.0)


def test_sublayers_whose_effect_no_document_shows_do_not_share_their_ranks_for_sure():
    few = compared(game(knock=(0.9, 0.0, 0.0, 0.0, 0.0, 0.0)))
    rows = agreement([few], part=SUBLAYER, against=EFFECT)
    assert (rows["spearman_high"] - rows["spearman_low"] > 0.2).all() and (rows["repeatability"] < 0.9).all()


def test_the_interval_of_an_unrelated_measure_holds_zero_mostly():
    rng = np.random.default_rng(1)
    held = [
        row.spearman_low <= 0 <= row.spearman_high
        for seed in range(20)
        for row in agreement(
            [compared(game(seed=seed, n_documents=40), rng.random(6) * 0.01, noise=0.5, seed=seed)],
            part=SUBLAYER,
            against=EFFECT,
            measure="block_influence",
        ).itertuples()
    ]
    assert sum(held) >= 12


def test_the_mean_over_tasks_is_of_estimates_and_narrower():
    tasks = [compared(game(task, seed), noise=0.3) for seed, task in enumerate(("piqa", "boolq", "arc_easy"))]
    rows = agreement(tasks, part=SUBLAYER, against=VALUE, measure="block_influence").set_index("task")
    own = rows.drop(MEAN)
    assert rows.loc[MEAN, "spearman"] == pytest.approx(own["spearman"].mean())
    width = rows["spearman_high"] - rows["spearman_low"]
    assert width[MEAN] <= width.drop(MEAN).max()
    assert rows.loc[MEAN, ["tasks", "documents", "parts"]].tolist() == [3, 1200, 6]
    assert MEAN not in set(agreement_rows(tasks[:1])["task"])


def test_values_and_effects_are_those_of_the_other_tables():
    study = game()
    rows = part_rows(compared(study))
    sublayers = rows[rows["part"] == SUBLAYER]
    values = value_table(study.scores, study.labels, estimated("windows", study, 2))
    effects = effect_table(study.scores, study.labels)
    for name, table in ((VALUE, values), (EFFECT, effects)):
        assert sublayers[name].to_numpy() == pytest.approx(table[name].to_numpy())
        assert sublayers[f"{name}_low"].to_numpy() == pytest.approx(table["low"].to_numpy())
        assert sublayers[f"{name}_high"].to_numpy() == pytest.approx(table["high"].to_numpy())
    assert sublayers["kind"].tolist() == ["attn", "ffn"] * 3 and (rows["documents"] == 400).all()


def test_a_block_is_worth_the_sum_of_its_sublayers_and_costs_what_removing_it_whole_costs():
    study = game(together=0.3)
    numbers = document_numbers(study, max_removed=2)
    rows = part_rows(compared(study))
    blocks, sublayers = (rows[rows["part"] == part] for part in (BLOCK, SUBLAYER))
    assert blocks["label"].tolist() == ["Block 0", "Block 1", "Block 2"]
    assert blocks[VALUE].to_numpy() == pytest.approx(sublayers[VALUE].to_numpy().reshape(3, 2).sum(axis=1))
    joint = dict(zip(numbers.windows, numbers.joint.mean(axis=1), strict=True))
    assert blocks[EFFECT].to_numpy() == pytest.approx([joint[0, 1], joint[2, 3], joint[4, 5]])


GROUPS = {"blocks": (3, "block"), "2 blocks": (2, "group")}


def of_sets(setting):
    """A game of blocks or groups of them, beside measures of its model of six sublayers."""
    count, _ = GROUPS[setting]
    whole = game()
    study = game(knock=KNOCK[:count], max_removed=1)
    study = replace(study, labels=players_of(setting, whole.labels))
    measures = measures_of(whole, TRUE)
    if setting == "2 blocks":
        groups = {name: measures.blocks[name][:, :2] * [1, 9] for name in MEASURES.names}
        measures = replace(measures, groups=groups, blocks_together=2)
    return study, measures


@pytest.mark.parametrize("setting", GROUPS)
def test_of_players_that_are_blocks_the_measures_stand_beside_their_own_values_and_effects(setting, tmp_path):
    study, measures = of_sets(setting)
    one = compare(measures, document_numbers(study, max_removed=1))
    rows, noun = part_rows(one), GROUPS[setting][1]
    assert rows["label"].tolist() == list(players_of(setting, measures.labels))
    assert set(rows["part"]) == {noun} and set(rows["kind"]) <= {"block", "group"}
    blocks = np.array([0.95, 0.8, 1.15]) if setting == "blocks" else np.array([0.95, 9 * 0.8])
    assert rows["block_influence"].to_numpy() == pytest.approx(blocks)
    values = value_table(study.scores, study.labels, estimated("windows", study, 1))
    effects = effect_table(study.scores, study.labels)
    for name, table in ((VALUE, values), (EFFECT, effects)):
        assert rows[name].to_numpy() == pytest.approx(table[name].to_numpy())
        assert rows[f"{name}_low"].to_numpy() == pytest.approx(table["low"].to_numpy())
    found = agreement([one], against=EFFECT, measure="block_influence")
    assert found["spearman"].item() == pytest.approx(spearmanr(blocks, table["effect"]).statistic)
    titles = Titles({"small": "Small"}, {}, noun)
    write_tables(tables_of(Part.MEASURES), measured_of([one], titles, SCORES["acc"]), tmp_path)
    text = (tmp_path / "cheap_measures_agreement.md").read_text()
    assert f"Cheap measures and the effects of removing {noun}s" in text and text.count("## ") == 2
    (said,) = cheap_findings(read_csv(tmp_path / "cheap_measures_agreement.csv"), titles)
    assert said.startswith("On Small the cheap measure nearest to the values is")


def test_without_windows_no_block_is_removed_whole():
    one = compared(game(max_removed=2), max_removed=1)
    rows, found = part_rows(one), agreement_rows([one])
    assert rows[rows["part"] == BLOCK][EFFECT].isna().all()
    assert rows[rows["part"] == SUBLAYER][EFFECT].notna().all()
    assert set(found[found["part"] == BLOCK]["against"]) == {VALUE}


def test_documents_that_have_their_coalitions_together_are_resampled_together():
    study = game(n_documents=40)
    numbers = document_numbers(study, max_removed=2)
    units = [range(0, 10), range(10, 40)]
    sums = np.array([numbers.values[:, list(unit)].sum(axis=1) for unit in units]).T * len(units) / 40
    of_units = replace(numbers, values=sums)
    measures = measures_of(study, TRUE, noise=0.1)
    whole, together = compare(measures, numbers), compare(measures, of_units, units)
    for one, other in zip(whole.parts, together.parts, strict=True):
        assert other.numbers[VALUE].shape[1] == 2
        for name, each in {**one.measures, **one.numbers}.items():
            found = {**other.measures, **other.numbers}[name]
            assert found.mean(axis=1) == pytest.approx(each.mean(axis=1))


def test_where_no_sublayer_does_anything_nothing_is_said(tmp_path):
    one = compared(game(knock=(0.0,) * 6), noise=0.1)
    table = agreement_rows([one])
    assert table["spearman"].isna().all() and cheap_findings(table, Titles()) == []
    write_tables(tables_of(Part.MEASURES), measured_of([one], Titles(), SCORES["acc"]), tmp_path)
    assert "nan" not in (tmp_path / "cheap_measures_agreement.md").read_text()


def test_the_tables_and_the_sentence_name_the_measure_that_is_nearest(tmp_path):
    tasks = [compared(game(task, seed)) for seed, task in enumerate(("piqa", "boolq"))]
    for one in tasks:  # the second measure is the reversed one
        one.parts[0].measures["angular_distance"][:] = REVERSED[:, None]
    titles = Titles({"small": "Small"}, {"piqa": "PIQA"})
    write_tables(tables_of(Part.MEASURES), measured_of(tasks, titles, SCORES["acc"]), tmp_path)
    table = read_csv(tmp_path / "cheap_measures_agreement.csv")
    best = table.query("task == 'mean' and part == 'sublayer' and against == 'value'").set_index("measure")
    low, high = best.loc["block_influence", ["spearman_low", "spearman_high"]]
    (said,) = cheap_findings(table, titles)
    assert said.startswith(
        "On Small the cheap measure nearest to the values is block influence (rank correlation "
    )
    assert f"{low:.2f} to {high:.2f}, mean over 2 tasks)" in said and "; angular distance −" in said
    text = (tmp_path / "cheap_measures_agreement.md").read_text()
    assert text.count("## ") == 4 and "| Small | Mean over tasks |" in text and "| Small | PIQA |" in text
    parts = pd.read_csv(tmp_path / "cheap_measures.csv")
    assert len(parts) == 2 * (6 + 3) and not (tmp_path / "cheap_measures.md").exists()


@pytest.fixture
def on_disk(tmp_path):
    """The arguments of `read_compared` by name, of a synthetic study; and the measures to write."""
    asked = synthetic.documents(40, 2)
    documents = study_on_disk.write_task(tmp_path, "boolq", asked)
    evaluations = [
        study_on_disk.write_design(tmp_path, "small", "boolq", design, asked, coalitions, 6)
        for design, coalitions in (("ablation", ablation(6)), ("windows", windows(6, 2)))
    ]
    study = read_scores(evaluations, documents, "paper")
    identity = {"measures_version": MEASURES_VERSION}
    files = {"evaluations": evaluations, "documents": documents, "measures": tmp_path / "measures.parquet"}
    return files, measures_of(study, TRUE, noise=0.1, identity=identity)


def test_measures_on_the_disk_are_compared_with_the_evaluations(on_disk):
    files, measures = on_disk
    write_measures(measures, files["measures"])
    found = read_compared(**files, settings=TableSettings(max_removed=2))
    assert (found.model, found.task, found.metric, found.documents) == ("small", "boolq", "acc", 40)
    fewer = read_compared(**files, settings=TableSettings(max_removed=2), unshared={"boolq": {3, 7}})
    own = measures.sublayers["block_influence"][[n for n in range(40) if n not in (3, 7)]]
    assert fewer.documents == 38 and (fewer.parts[0].measures["block_influence"] == own.T).all()


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"identity": {"measures_version": MEASURES_VERSION, "dtype": "bfloat16"}}, "dtype"),
        ({"identity": {"measures_version": MEASURES_VERSION, "weights": "x"}}, "weights"),
        ({"about": {"digest": "e", "count": 40, "of": 40}}, "documents"),
    ],
)
def test_measures_of_something_else_than_was_evaluated_are_refused_in_one_line(on_disk, changes, differs):
    files, measures = on_disk
    write_measures(replace(measures, **changes), files["measures"])
    with pytest.raises(
        CornerstoneError, match=rf"not measured with what was evaluated \({differs} differ\): remove"
    ):
        read_compared(**files, settings=TableSettings(max_removed=2))


def test_measures_of_another_model_or_of_other_documents_are_refused_in_one_line():
    study = game()
    numbers = document_numbers(study, max_removed=2)
    said = message_of(compare, measures_of(study, TRUE, model="other"), numbers)
    assert "do not belong to the evaluations of small on piqa: remove their file" in said
    fewer = measures_of(game(n_documents=300), TRUE)
    assert "was not measured on 100 of the documents of piqa, document 300 first" in message_of(
        compare, fewer, numbers
    )
