"""Pruned checkpoints of a tiny study: made by its values, with their cost where the study has evaluated it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cornerstone.evaluations.measures import mean_measures
from tiny_study import STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.slow

BLOCK, SUBLAYERS = "results/pruned/tiny/values-1", "results/pruned/tiny/effects-3-sublayers"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = prepare(tmp_path_factory.mktemp("pruned") / "study")
    tasks = {name: {**task, "documents": 10} for name, task in STUDY["tasks"].items()}
    configure(folder, tasks=tasks)
    make(folder, BLOCK, SUBLAYERS)
    return folder


def lists(folder: Path) -> dict:
    return json.loads((folder / "pruned.json").read_text())


def rows(study: Path, folder: str) -> pd.DataFrame:
    return pd.concat(map(pd.read_csv, sorted((study / "results" / folder / "tiny").glob("*.csv"))))


def load(folder: Path):
    network, about = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(about[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return network


def test_the_least_important_block_by_the_values_is_gone(study):
    values = rows(study, "values")
    of_blocks = values.groupby(values["label"].str.split().str[1].astype(int))["value"].sum()
    found = lists(study / BLOCK)
    assert found["blocks"] == [of_blocks.idxmin()]
    network = load(study / BLOCK)
    assert len(network.model.layers) == network.config.num_hidden_layers == 2
    assert found["parameters"]["after"] == sum(weights.numel() for weights in network.parameters())
    assert found["bytes"]["after"] == (study / BLOCK / "model.safetensors").stat().st_size
    tokens = AutoTokenizer.from_pretrained(study / BLOCK)("It loads.", return_tensors="pt").input_ids
    original = load(study / "models" / "tiny")
    del original.model.layers[found["blocks"][0]]
    assert torch.equal(network(tokens, use_cache=False).logits, original(tokens, use_cache=False).logits)


def test_the_least_effective_sublayers_are_zeros(study):
    effects = rows(study, "ablation").groupby(["sublayer", "label"], as_index=False)["effect"].mean()
    found = lists(study / SUBLAYERS)
    assert found["sublayers"] == sorted(effects.sort_values("effect", kind="stable")["sublayer"][:3])
    network = load(study / SUBLAYERS)
    for sublayer in range(6):
        block = network.model.layers[sublayer // 2]
        part = (block.self_attn, block.mlp)[sublayer % 2]
        is_zero = [not bool(weights.any()) for weights in part.parameters()]
        assert all(is_zero) if sublayer in found["sublayers"] else not any(is_zero)
    assert found["bytes"]["after"] == found["bytes"]["before"]


def test_the_card_has_the_cost_where_the_study_evaluated_it(study):
    card = (study / BLOCK / "README.md").read_text()
    joint = rows(study, "joint")
    removed = ",".join(map(str, lists(study / BLOCK)["sublayers"]))
    drops = joint[joint["removed"].astype(str) == removed].set_index("task")["joint"]
    assert len(drops) == 2
    for title, task in (("boolq", "boolq"), ("piqa", "piqa")):
        (line,) = [
            line for line in card.split("What it costs")[1].splitlines() if line.startswith(f"| {title}")
        ]
        assert f"{100 * drops[task]:.1f}".replace("-", "−") in line
    assert "pretrained=results/pruned/tiny/values-1 --tasks boolq,piqa" in card


def test_they_are_made_once_and_only_where_they_are_asked_for(study):
    assert planned(study, BLOCK, SUBLAYERS) == {}
    assert not {"prune", "prune_sublayers"} & planned(study, "all").keys()


def test_a_cheap_measure_chooses_the_block_that_it_measured_least(study):
    said = make(study, "results/pruned/tiny/block_influence-1", succeeds=False)
    assert "there are no cheap measures: set cheap_measures: true in the configuration" in said
    tasks = {name: {**task, "documents": 10} for name, task in STUDY["tasks"].items()}
    configure(study, tasks=tasks, cheap_measures=True)
    make(study, "results/pruned/tiny/block_influence-1")
    files = [study / f"results/measures/tiny/{task}.parquet" for task in tasks]
    means = np.mean([mean_measures(file).blocks["block_influence"] for file in files], axis=0)
    assert lists(study / "results/pruned/tiny/block_influence-1")["blocks"] == [int(means.argmin())]
    card = (study / "results/pruned/tiny/block_influence-1/README.md").read_text()
    assert "by block influence, mean over 2 tasks, of each block as a whole" in card


def test_a_model_without_any_block_is_refused_before_anything_runs(study):
    said = make(study, "results/pruned/tiny/values-3", succeeds=False)
    assert (
        "3 blocks cannot be removed from a model: give at least 1 and at most 2, of the 3 that it has" in said
    )
    assert said.splitlines()[-1].startswith("Cornerstone: cannot make results/pruned/tiny/values-3: ")
