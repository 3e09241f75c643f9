"""What is planned of streamed weights: worked out by hand where that can be done, and compared with what happens."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cornerstone.engine.budget import Budget, first_budget, state_bytes
from cornerstone.engine.evaluate import evaluate
from cornerstone.engine.stream_plan import StreamPlan, loaded_bytes, waiting_seconds
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.loading.load import load_model
from cornerstone.shapley.coalition_tree import Course, Visit, coalition_tree, least_evaluations, walk_order
from cornerstone.shapley.coalitions import ablation, windows
from families import as_model, family_network
from lm_eval_harness import word_tokenizer
from token_documents import PAIRS, encoded
from torch_engine import TORCH_ENGINE

N_SUBLAYERS = 6
BLOCKS = [(0, 1), (2, 3), (4, 5)]
DOCUMENTS = encoded(PAIRS)
ONE_ROW = np.ones(1, int)
coalitions = st.lists(
    st.sets(st.integers(0, N_SUBLAYERS - 1)).map(lambda removed: tuple(sorted(removed))),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def folder(tmp_path):
    family_network("llama").save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def visits(*evaluations):
    return [Visit(block, count) for block, count in enumerate(evaluations)]


# The order of a walk


@given(coalitions, st.integers(1, 20))
def test_subtrees_are_the_same_compute_with_more_visits(some, most):
    tree = coalition_tree(some, BLOCKS)
    order = walk_order(Course(tree, ONE_ROW, most))
    assert sum(visit.evaluations for visit in order) == least_evaluations(some, N_SUBLAYERS)
    assert {visit.block for visit in order} == {0, 1, 2}
    if most >= len(set(some)):
        assert [visit.block for visit in order] == [0, 1, 2]


def test_a_walk_by_subtrees_comes_back_to_the_later_blocks():
    tree = coalition_tree(ablation(N_SUBLAYERS), BLOCKS)
    order = [visit.block for visit in walk_order(Course(tree, ONE_ROW, 3))]
    assert order[:3] == [0, 1, 2]
    assert order.count(0) == 1 and order.count(2) >= 3


# Waiting


@pytest.mark.parametrize(
    ("load", "pace", "waiting"),
    [
        (2.0, 0.0, 6.0),  # nothing computes: every block is waited for
        (2.0, 0.1, 2 + 1 + 1),  # 10 tokens × 1 sublayer × 0.1 s hide one of the two seconds
        (2.0, 9.9, 2.0),  # only the first block has nothing before it
        (0.0, 0.1, 0.0),
    ],
)
def test_a_walk_waits_for_what_loading_takes_longer_than_the_block_before(load, pace, waiting):
    assert waiting_seconds([visits(1, 1, 1)], [10], [load] * 3, pace) == pytest.approx(waiting)


def test_the_first_block_of_a_walk_is_loaded_during_the_last_of_the_one_before():
    walks = [visits(1, 1, 1)] * 2
    assert waiting_seconds(walks, [10, 10], [2.0] * 3, 0.1) == pytest.approx(2 + 1 + 1 + 1 + 1 + 1)


def test_states_that_stay_at_a_block_load_nothing():
    order = [Visit(0, 1), Visit(1, 1), Visit(1, 1), Visit(2, 1), Visit(1, 1)]
    assert loaded_bytes(order, [5, 7, 11]) == 5 + 7 + 11 + 7
    assert waiting_seconds([order], [10], [2.0] * 3, 0.0) == pytest.approx(8.0)


def test_a_plan_says_what_it_costs_in_one_line():
    text = str(StreamPlan(36, 9, 9.0, 71_200_000_000, 8_400_000_000, 60_100_000_000, 227.0, 1393.0))
    assert "\n" not in text
    assert text == (
        "36 documents together, 9 times; 9.0 passes over the weights; peak memory 71.20 GB (weights 8.40 GB, states "
        "60.10 GB); waiting for weights 227.0 s, 14% of 1,620.0 s"
    )


# Documents together


def budget_of(folder, memory_bytes, placement, batch_tokens=None):
    model = load_model(folder, device="cpu", placement=placement)
    tree = coalition_tree([*ablation(N_SUBLAYERS), *windows(N_SUBLAYERS, 4)], BLOCKS)
    return first_budget(model, tree, memory_bytes, 100, batch_tokens), model, tree


def test_streamed_weights_take_as_many_documents_as_the_memory_has_room_for(folder):
    before = 0
    for memory_bytes in (1 << 25, 1 << 27, 1 << 30):
        budget, model, tree = budget_of(folder, memory_bytes, "streamed")
        resident, _, _ = budget_of(folder, memory_bytes, "resident")
        assert budget.batch_tokens == resident.batch_tokens  # the shape that blocks run well with
        assert budget.pass_tokens > 2 * before
        before = budget.pass_tokens
        assert state_bytes(model, tree, budget, budget.pass_tokens) <= memory_bytes
        assert resident.pass_tokens == resident.batch_tokens


def test_a_wish_bounds_the_documents_that_go_together(folder):
    budget, _, _ = budget_of(folder, 1 << 30, "streamed", batch_tokens=2000)
    assert (budget.pass_tokens, budget.batch_tokens) == (2000, 1024)


def test_only_documents_without_room_go_by_subtrees():
    budget = Budget(pass_tokens=500, batch_tokens=100, chunk_tokens=100, max_states=10, logit_rows=1)
    assert budget.for_group(500, 1000, 35).max_states == 35
    assert budget.for_group(1000, 1000, 35).max_states == 10
    assert budget.for_group(501, 1000, 35).max_states == 19


def test_memory_that_ran_out_makes_every_next_group_smaller():
    budget = Budget(pass_tokens=800, batch_tokens=100, chunk_tokens=64, max_states=10, logit_rows=1)
    tried = []
    tokens, documents = 800, 8
    while budget is not None:
        group = budget.for_group(tokens, 100, 35)
        tried.append((tokens, group.max_states, group.chunk_tokens))
        documents = max(1, documents // 2)
        tokens = max(100, tokens // 2)
        budget = budget.halved(documents, tokens)
    assert len(tried) < 20
    assert tried[-1] == (100, 1, 1)


def test_more_time_between_blocks_takes_more_documents_together_but_a_pass_always_fits(folder):
    model = load_model(folder, device="cpu", placement="streamed")

    def passes(seconds_between_blocks, seconds_to_load):
        model.weights.seconds_to_load = lambda number: seconds_to_load
        seconds = {"seconds_between_blocks": seconds_between_blocks}
        return evaluate(model, DOCUMENTS, ablation(6), **seconds).counts["weight_passes"]

    assert passes(1e9, 0) == 1
    assert passes(1e-9, 0) > 3
    assert passes(1e-9, 1e9) == 1


# What was planned is what happens


@pytest.mark.parametrize("memory_bytes", [10_000, 60_000, 300_000, None])
def test_planned_passes_and_documents_are_those_that_happen(folder, caplog, memory_bytes):
    caplog.set_level(logging.INFO, logger="cornerstone")
    model = load_model(folder, device="cpu", placement="streamed")
    some = [*ablation(N_SUBLAYERS), *windows(N_SUBLAYERS, 4)]
    counts = evaluate(model, DOCUMENTS, some, memory_bytes=memory_bytes, seconds_between_blocks=1e9).counts
    assert counts["weight_passes"] == pytest.approx(counts["planned_weight_passes"])
    planned, happened = (
        next(message for message in caplog.messages if message.startswith(word)).split(": ", 1)[1]
        for word in ("planned", "happened")
    )
    until_memory = re.compile(r".* passes over the weights;")
    assert until_memory.match(planned)[0] == until_memory.match(happened)[0]
    assert caplog.messages.index("planned: " + planned) < caplog.messages.index("happened: " + happened)


def test_resident_weights_are_not_planned(caplog):
    caplog.set_level(logging.INFO, logger="cornerstone")
    counts = evaluate(as_model(family_network("llama")), DOCUMENTS, [()]).counts
    assert not any(message.startswith("planned") for message in caplog.messages)
    assert "waiting_seconds" not in counts


# In a job


def test_a_job_notes_what_streaming_took_and_gives_the_same_table(tmp_path, caplog):
    from cornerstone.models.manifest import describe_folder, write_manifest
    from fake_engine import write_study

    caplog.set_level(logging.INFO, logger="cornerstone")
    job = write_study(tmp_path, 4)
    write_manifest(
        describe_folder("tiny", Path(__file__).parents[2] / "resources" / "demo" / "models" / "demo_mixtral"),
        job.manifest,
    )
    found = {}
    for placement in ("resident", "streamed"):
        own = replace(job, output=tmp_path / f"{placement}.parquet", device="cpu", placement=placement)
        run_evaluation_job(own, TORCH_ENGINE)
        found[placement] = read_evaluation(own.output)
    assert found["resident"].identity == found["streamed"].identity
    tables = [found[placement].table for placement in ("resident", "streamed")]
    torch.testing.assert_close(
        *(torch.tensor(t["loglikelihood"].to_numpy()) for t in tables), atol=2e-5, rtol=0
    )
    engine = found["streamed"].provenance["engine"]
    assert engine["placement"] == "streamed"
    assert (
        engine["weight_passes"] >= 1 and engine["weight_bytes_read"] > 1e6 and engine["waiting_seconds"] > 0
    )
    assert "streamed: as configured; the weights need" in caplog.text
