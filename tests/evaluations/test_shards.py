"""Shards: balanced by tokens, each document once, and no number or repeated work depends on how many."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstone.documents.document import Document, DocumentSet, Request, digest_documents, write_documents
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.plan import EvaluationJob
from cornerstone.evaluations.shards import split_by_tokens
from cornerstone.models.manifest import describe_folder, write_manifest
from cornerstone.system.errors import CornerstoneError
from fake_engine import FakeEngine, write_study
from torch_engine import TORCH_ENGINE

MODEL = Path(__file__).parents[2] / "resources" / "demo" / "models" / "demo_llama"


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
    return [*asked, run(replace(job, shard_notes=tuple(notes)))]


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


def test_what_a_shard_lost_is_asked_of_the_shards_again_and_not_evaluated_where_they_are_joined(tmp_path):
    job = write_study(tmp_path)
    notes = tuple(tmp_path / f"{number}-of-2.json" for number in (1, 2))
    first, second = (run(replace(job, shard=(number, 2), note=note)) for number, note in enumerate(notes, 1))
    for part in list(parts_folder(job.output).glob("*.parquet"))[:1]:
        part.unlink()
    with pytest.raises(CornerstoneError, match="type the same command again"):
        run(replace(job, shard_notes=notes))
    assert not any(note.exists() for note in notes)
    assert not job.output.exists()
    again = sum(run(replace(job, shard=(number, 2), note=note)) for number, note in enumerate(notes, 1))
    assert again in (first, second)
    assert run(replace(job, shard_notes=notes)) == 0


def test_the_real_engine_gives_the_same_numbers_in_one_and_in_five_shards(tmp_path):
    whole, cut = real_study(tmp_path / "whole"), real_study(tmp_path / "cut")
    run_evaluation_job(whole, TORCH_ENGINE)
    notes = tuple(tmp_path / f"{number}-of-5.json" for number in range(1, 6))
    for number, note in enumerate(notes, 1):
        run_evaluation_job(replace(cut, shard=(number, 5), note=note), TORCH_ENGINE)
    run_evaluation_job(replace(cut, shard_notes=notes), TORCH_ENGINE)
    one, five = read_evaluation(whole.output), read_evaluation(cut.output)
    assert five.provenance["evaluated_pairs"] == 0
    assert one.table.drop(columns="loglikelihood").equals(five.table.drop(columns="loglikelihood"))
    np.testing.assert_allclose(one.table["loglikelihood"], five.table["loglikelihood"], rtol=0, atol=1e-4)


def real_study(folder: Path) -> EvaluationJob:
    """Fifteen invented documents of many lengths for the demo's Llama."""
    documents = tuple(
        Document(
            index,
            tuple(
                Request("The dog saw the cat. " * (1 + 7 * index % 11), f" {word}") for word in ("yes", "no")
            ),
            (0,),
            (4, 3),
        )
        for index in range(15)
    )
    job = replace(write_study(folder), device="cpu", max_removed=3)
    write_documents(
        DocumentSet("boolq", "1.0", "validation", ("acc",), digest_documents(documents), documents),
        job.documents,
    )
    write_manifest(describe_folder("tiny", MODEL), job.manifest)
    return job
