"""Shards: balanced by tokens, each document once, and no number or repeated work depends on how many."""

import json
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cornerstone.evaluation_job import EvaluationJob, run_evaluation_job
from cornerstone.evaluations import read_evaluation
from cornerstone.shards import split_by_tokens
from fake_engine import FakeEngine, write_study


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 9))
def test_every_document_is_in_one_shard_and_no_shard_is_a_document_ahead(tokens, shards):
    dealt = split_by_tokens(tokens, shards)
    assert len(dealt) == shards
    assert sorted(position for shard in dealt for position in shard) == list(range(len(tokens)))
    loads = [sum(tokens[position] for position in shard) for shard in dealt]
    assert max(loads) - min(loads) <= max(tokens, default=0)


def test_documents_of_a_benchmark_are_cut_within_a_percent():
    tokens = np.random.default_rng(0).integers(40, 400, size=300).tolist()
    loads = [sum(tokens[position] for position in shard) for shard in split_by_tokens(tokens, 8)]
    assert max(loads) / (sum(tokens) / 8) < 1.01


def run(job: EvaluationJob) -> int:
    """How many (coalition, document) pairs the job had to ask the engine for."""
    fake = FakeEngine()
    run_evaluation_job(job, fake.engine())
    return len(fake.asked)


def run_shards(job: EvaluationJob, shards: int) -> list[int]:
    """Pairs asked for by each shard, then by the job that puts them together."""
    notes = [job.output.with_suffix(f".{number}-of-{shards}.json") for number in range(1, shards + 1)]
    asked = [run(replace(job, shard=(number, shards), note=note)) for number, note in enumerate(notes, 1)]
    assert all(json.loads(note.read_text())["kind"] == "shard" for note in notes)
    return [*asked, run(job)]


def test_shards_give_the_table_of_one_job_and_the_last_job_evaluates_nothing(tmp_path):
    whole, cut = write_study(tmp_path / "whole"), write_study(tmp_path / "cut")
    pairs = run(whole)
    *asked, left = run_shards(cut, 5)
    assert (sum(asked), left) == (pairs, 0)
    assert min(asked) > 0
    assert read_evaluation(cut.output).table.equals(read_evaluation(whole.output).table)
    assert read_evaluation(cut.output).identity == read_evaluation(whole.output).identity


def test_another_number_of_shards_evaluates_nothing_again(tmp_path):
    job = write_study(tmp_path)
    run_shards(job, 2)
    job.output.unlink()
    assert run_shards(job, 3) == [0, 0, 0, 0]


def test_what_a_shard_did_not_do_is_done_when_they_are_put_together(tmp_path):
    job = write_study(tmp_path)
    first = run(replace(job, shard=(1, 2), note=tmp_path / "note.json"))
    left = run(job)
    assert first and left
    assert run(job) == 0
