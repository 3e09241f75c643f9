"""Targets on the command line: those that the study can make pass, others are refused naming the known ones."""

from dataclasses import replace

import pytest

from configurations import message_of, shipped
from cornerstone.study.resolve import resolve
from cornerstone.study.targets import check_targets
from cornerstone.system.errors import CornerstoneError

TWO = {"models": {"one": {"folder": "models/one"}, "two": {"folder": "models/two"}}}
GOOD_TARGETS = [
    "all",
    "train_demo_models",
    "elsewhere/pie_nobody.pdf",
    "results/figures/pie_llama3_70b.pdf",
    "./results/figures/pie_all.svg",
    "results/figures/ablation_scheme.png",
    "results/figures/values_mixtral_8x7b.png",
    "results/tables/shares.md",
    "results/values/llama3_8b/boolq.csv",
    "results/evaluations/llama3_8b/boolq/windows.parquet",
    "results/documents/boolq.parquet",
    "results/models/llama3_8b.json",
    "results/unscorable/llama3_8b/boolq.json",
    "results/unscorable/llama3_8b.json",
    "results/report.html",
    "results/pruned/llama3_8b/values-4",
    "results/pruned/llama3_8b/effects-10-sublayers/",
]
BAD_TARGETS = [
    ("results/figures/pie_llama3_9b.pdf", "unknown model 'llama3_9b': the configuration has llama3_8b"),
    ("results/figures/pies_llama3_8b.pdf", "unknown figure 'pies_llama3_8b': there are "),
    ("results/figures/pie_llama3_8b.jpg", "a figure ends in one of .pdf, .png, .svg"),
    ("results/figures/cheap_measures.pdf", "there is no figure cheap_measures: give cheap_measures in the"),
    ("results/figures/pie_llama3_8b", "a figure ends in one of .pdf, .png, .svg"),
    ("results/tables/share.csv", "unknown table 'share.csv': there are shares.csv"),
    ("results/values/llama3_8b/bool.csv", "unknown task 'bool': the configuration has boolq"),
    ("results/values/boolq.csv", "files there are named {model}/{task}.csv"),
    ("results/evaluations/llama3_8b/boolq/window.parquet", "unknown design 'window': there are windows, abl"),
    (
        "results/evaluations/llama3_8b/boolq/pairs.parquet",
        "unknown design 'pairs': there are windows, ablation, pairs where pair_distance is 2 or more",
    ),
    ("results/documents/bool.parquet", "unknown task 'bool'"),
    ("results/measures/llama3_8b/boolq.parquet", "there are no cheap measures: set cheap_measures: true"),
    ("results/measures/llama3_8b/boolq.csv", "files there are named {model}/{task}.parquet"),
    ("results/tables/cheap_measures.csv", "unknown table 'cheap_measures.csv'"),
    ("results/models/llama3.json", "unknown model 'llama3'"),
    ("results/unscorable/llama3/boolq.json", "unknown model 'llama3'"),
    ("results/unscorable/llama3.json", "unknown model 'llama3'"),
    ("results/unscorable/llama3_8b/bool.json", "unknown task 'bool'"),
    ("results/unscorable/llama3_8b/boolq.csv", "files there are named {model}/{task}.json"),
    ("results/pruned/llama3_9b/values-4", "unknown model 'llama3_9b'"),
    ("results/pruned/llama3_8b/value-4", "unknown ranking 'value': there are values, "),
    ("results/pruned/llama3_8b/values-0", "0 blocks cannot be removed from a model: give at least 1"),
    ("results/pruned/llama3_8b/values", "folders there are named {model}/{ranking}-{number of blocks}, or"),
    ("results/figure/pie_llama3_8b.pdf", "no figure/ in results/"),
    ("results/demo/figures/pie_demo_llama.pdf", "no demo/ in results/ (choose another with --configfile)"),
]


@pytest.mark.parametrize("target", GOOD_TARGETS)
def test_targets_that_can_be_made_pass(target):
    check_targets(shipped("config"), [target])


@pytest.mark.parametrize(("target", "expected"), BAD_TARGETS)
def test_a_target_that_cannot_be_made_names_the_known_ones(target, expected):
    message = message_of(check_targets, shipped("config"), ["all", target])
    assert message.startswith(f"cannot make {target}: ")
    assert expected in message


@pytest.mark.parametrize("players", ["sublayers", "blocks", "2 blocks", {"a": "Block 0-3", "b": "Block 4-"}])
def test_a_study_of_blocks_prunes_them_as_its_players(players):
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "players": players}
    check_targets(resolve(raw), ["results/pruned/mine/values-2"])


@pytest.mark.parametrize(
    ("players", "name", "said"),
    [
        ("4 sublayers", "values-2", "whole blocks, which the players '4 sublayers' are not: leave players"),
        ({"a": "Attn 0-", "b": "FFN 0-"}, "effects-1", "whole blocks, which the players {'a': 'Attn 0-'"),
        ("blocks", "values-2-sublayers", "single sublayers, of which the players 'blocks' have no numbers"),
    ],
)
def test_a_study_of_other_players_prunes_no_checkpoint(players, name, said):
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "players": players}
    assert said in message_of(check_targets, resolve(raw), [f"results/pruned/mine/{name}"])


@pytest.mark.parametrize(("players", "noun", "most"), [("blocks", "blocks", 5), ("2 blocks", "groups", 2)])
def test_of_a_local_model_some_players_must_be_left(players, noun, most):
    study, folder = replace(shipped("demo"), players=players), "results/demo/pruned/demo_llama"
    said = f"{most + 1} {noun} cannot be removed from a model: give at least 1 and at most {most}"
    assert said in message_of(check_targets, study, [f"{folder}/values-{most + 1}"])
    check_targets(study, [f"{folder}/values-{most}"])


def test_a_study_of_single_removals_has_no_heat_map_of_pairs():
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "max_removed": 1}
    target = "results/figures/interactions_mine.pdf"
    assert "give max_removed or pair_distance 2 or more" in message_of(check_targets, resolve(raw), [target])
    for more in ({"max_removed": 2}, {"pair_distance": 2}):
        check_targets(resolve(raw | more), [target])


def test_pairs_are_made_only_beyond_neighbours():
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "pair_distance": 3}
    check_targets(resolve(raw), ["results/evaluations/mine/piqa/pairs.parquet"])


@pytest.mark.parametrize(
    ("name", "said"), [("values-6", "6 blocks"), ("effects-12-sublayers", "12 sublayers")]
)
def test_of_a_local_model_some_blocks_or_sublayers_must_be_left(name, said):
    demo = shipped("demo")
    message = message_of(check_targets, demo, [f"results/demo/pruned/demo_llama/{name}"])
    assert f"{said} cannot be removed from a model: give at least 1 and at most" in message
    check_targets(demo, ["results/demo/pruned/demo_llama/values-5"])


def test_a_target_of_another_results_folder_is_pointed_to_its_configuration():
    demo = shipped("demo")
    message = message_of(check_targets, demo, ["results/figures/pie_demo_llama.pdf"])
    assert "this configuration writes to results/demo/" in message


def test_targets_of_the_audit_need_exact_values():
    study = resolve(TWO | {"exact": ["one"]})
    check_targets(study, [f"{study.results}/figures/audit_one.pdf", f"{study.results}/tables/audit.md"])
    with pytest.raises(CornerstoneError, match="name two in the configuration's exact"):
        check_targets(study, [f"{study.results}/figures/audit_two.pdf"])
    with pytest.raises(CornerstoneError, match=r"unknown table 'audit\.md'"):
        check_targets(resolve(TWO), [f"{study.results}/tables/audit.md"])


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("2-of-2", None),
        ("1-of-3", "its evaluation is of 2 shards"),
        ("0-of-2", "is of 2 shards"),
        ("3-of-2", "of 2"),
    ],
)
def test_what_a_shard_writes_can_be_asked_for(note, said):
    study = resolve({"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "shards": {"mine": 2}})
    targets = [f"results/evaluations/mine/piqa/windows.shards/{note}.json"]
    if said is None:
        check_targets(study, targets)
    else:
        assert said in message_of(check_targets, study, targets)
