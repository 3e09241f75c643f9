"""The card of a pruned model says what was removed, by which numbers, and what it costs where that is known."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cornerstone.models.pruned_weights import Size
from cornerstone.report.model_card import PrunedCheckpoint, lists, model_card
from cornerstone.shapley.players import noun_of, players_of
from cornerstone.values.least_important import MEASURED, least_important, prunable_parts, ranking_of
from cornerstone.values.titles import Titles

LABELS = ("Attn 0", "FFN 0", "Attn 1", "MoE 1", "Attn 2", "FFN 2")
VALUES = (0.31, 0.22, 0.004, 0.001, 0.05, -0.01)


def pruned(count, of_blocks, cost=(), labels=LABELS, hub=None, setting="sublayers", removal="zero"):
    players = players_of(setting, labels)
    rows = pd.DataFrame(
        [
            {
                "task": task,
                "score": "acc",
                "sublayer": n,
                "label": label,
                "value": value,
                "low": value - 0.1,
                "high": value + 0.1,
            }
            for task in ("boolq", "piqa")
            for n, (label, value) in enumerate(zip(players, VALUES, strict=False))
        ]
    )
    parts = prunable_parts(players, of_blocks=of_blocks)
    return PrunedCheckpoint(
        manifest={"name": "mine", "hub": hub, "revision": hub and "abc123", "weights": "0123456789abcdef"},
        chosen=least_important(rows, ranking_of("values"), count, parts),
        ranking=ranking_of("values"),
        rows=rows,
        removal=removal,
        cost=pd.DataFrame(list(cost), columns=MEASURED),
        before=Size(3_000_000, 12_000_000),
        after=Size(2_000_000, 8_000_000) if of_blocks else Size(3_000_000, 12_000_000),
        folder=Path("results/pruned/mine/values-1"),
        titles=Titles({"mine": "My model"}, {"boolq": "BoolQ", "piqa": "PIQA"}, noun_of(setting)),
        lm_eval_tasks={"boolq": "boolq", "piqa": "piqa"},
    )


def test_a_card_without_blocks_has_their_values_the_sizes_and_how_to_measure_the_cost():
    card = model_card(pruned(1, of_blocks=True))
    assert "# My model without 1 of its 3 blocks\n" in card
    assert "a local model; digest of its weights 0123456789ab) without its block 1 (counted from 0)." in card
    assert "| Parameters, counted from the files | 3,000,000 | 2,000,000 |" in card
    assert "| Weights on disk | 12 MB | 8 MB |" in card
    assert "by Shapley value, mean over 2 tasks, summed over the sublayers of a block." in card
    assert "| Sublayer | Mean (points) | Block (points) | BoolQ | PIQA |" in card
    assert "| Attn 1 | 0.4 | 0.5 | 0.4 (−9.6 – 10.4) | 0.4 (−9.6 – 10.4) |" in card
    assert "| MoE 1 | 0.1 | 0.5 |" in card
    assert "Not measured: " in card
    assert (
        "lm_eval --model hf --model_args pretrained=results/pruned/mine/values-1 --tasks boolq,piqa\n" in card
    )
    assert "base_model" not in card


def test_a_card_measures_with_what_the_chat_template_was_given():
    of_chat = {"chat_template": "…", "chat_template_args": {"enable_thinking": False}}
    plain = pruned(1, of_blocks=True)
    card = model_card(replace(plain, manifest=plain.manifest | of_chat))
    told = next(line for line in card.splitlines() if line.startswith("lm_eval"))
    words = shlex.split(told)
    assert json.loads(words[words.index("--model_args") + 1]) == {
        "pretrained": "results/pruned/mine/values-1",
        "chat_template_args": {"enable_thinking": False},
    }
    assert words[-1] == "--apply_chat_template"


def test_a_card_of_players_that_are_blocks_has_a_row_for_each_with_its_own_value():
    card = model_card(pruned(2, of_blocks=True, setting="blocks"))
    assert "# My model without 2 of its 3 blocks\n" in card and "without its blocks 1, 2 (counted" in card
    assert "The least important blocks by Shapley value, mean over 2 tasks, of each block as a whole." in card
    assert "| Block | Mean (points) | BoolQ | PIQA |" in card
    assert "| Block 1 | 22.0 | 22.0 (12.0 – 32.0) | 22.0 (12.0 – 32.0) |" in card
    assert "| Block 2 | 0.4 | 0.4 (−9.6 – 10.4) |" in card


def test_a_card_of_groups_counts_their_blocks():
    one = pruned(1, of_blocks=True, setting="2 blocks")
    card = model_card(one)
    assert "# My model without 1 of its 3 blocks\n" in card and "| Group | Mean (points) |" in card
    assert "The least important groups by Shapley value, mean over 2 tasks, of each group as a whole." in card
    assert (lists(one)["blocks"], lists(one)["sublayers"], lists(one)["players"]) == ([2], [4, 5], "group")


def test_a_card_of_zeroed_sublayers_says_that_nothing_is_smaller_or_faster():
    card = model_card(pruned(2, of_blocks=False, hub="owner/model"))
    assert "# My model with 2 of its 6 sublayers zeroed\n" in card
    assert "owner/model, commit abc123; " in card
    assert "zeros for all weights of MoE 1, FFN 2, so that" in card
    assert "**It has the same size and the same speed as the original**" in card
    assert card.startswith("---\nlibrary_name: transformers\nbase_model: owner/model\ntags:\n- pruned\n---\n")
    assert "Block (points)" not in card


def test_what_the_study_has_measured_is_the_cost():
    card = model_card(pruned(1, of_blocks=True, cost=[("boolq", "acc", 0.81, 0.78, 0.03, 0.01, 0.05)]))
    assert "| BoolQ | 81.0 | 78.0 | 3.0 (1.0 – 5.0) |" in card
    assert "Not measured" not in card


def test_what_a_removal_by_mean_costs_is_not_told_of_a_model_without_the_mean():
    cost = [("boolq", "acc", 0.81, 0.78, 0.03, 0.01, 0.05)]
    card = model_card(pruned(1, of_blocks=True, cost=cost, removal="mean"))
    assert (
        "Not measured: the study removes sublayers by mean, and this model has nothing in their place."
        in card
    )
    assert (
        "These numbers are of removal by mean." in card and "Before" not in card.split("## What it costs")[1]
    )


@pytest.mark.parametrize("of_blocks", [True, False])
def test_lists_are_in_the_forms_of_other_tools(of_blocks):
    found = lists(pruned(1 if of_blocks else 3, of_blocks=of_blocks))
    if of_blocks:
        assert found["llm_drop"] == {"drop_attn_list": [1], "drop_mlp_list": [1]}
        assert (found["llama_cpp"], found["blocks"], found["zeroed"]) == ("--prune-layers 1", [1], False)
    else:
        assert found["llm_drop"] == {"drop_attn_list": [1], "drop_mlp_list": [1, 2]}
        assert (found["llama_cpp"], found["blocks"], found["zeroed"]) == (None, [1], True)
        assert (found["sublayers"], found["labels"]) == ([2, 3, 5], ["Attn 1", "MoE 1", "FFN 2"])


def test_sublayers_that_llm_drop_does_not_know_have_no_list_of_it():
    labels = ("Attn 0", "FFN 0", "Mamba 1", "MoE 1", "Attn 2", "FFN 2")
    assert lists(pruned(1, of_blocks=True, labels=labels))["llm_drop"] is None
