"""A random sample of a task's documents through a whole evaluation: its order matters to nothing but the limit."""

from dataclasses import replace

import numpy as np

from cornerstone.documents.document import digest_documents, read_documents, write_documents
from cornerstone.documents.tasks import sampled_rows
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.values.scored_task import read_scores
from fake_engine import FakeEngine, documents, write_study

COUNT = 12


def sample_documents(job, number, seed=3):
    """Put a sample in the place of the job's documents; returns it."""
    whole = read_documents(job.documents)
    sampled = tuple(documents(COUNT)[row] for row in sampled_rows(COUNT, number, seed))
    write_documents(replace(whole, documents=sampled, digest=digest_documents(sampled)), job.documents)
    return sampled


def evaluate(job):
    """The (coalition, document) pairs that had to be evaluated."""
    fake = FakeEngine()
    run_evaluation_job(job, fake.engine())
    return fake.asked


def scores(job):
    return read_scores([job.output], job.documents, "acc").scores


def test_a_sampled_document_scores_as_it_does_among_all(tmp_path):
    job = write_study(tmp_path, COUNT)
    evaluate(job)
    among_all = scores(job)
    sampled = sample_documents(job, 7)
    assert [document.index for document in sampled] != sorted(document.index for document in sampled)
    evaluate(job)
    alone = scores(job)
    assert set(alone.documents) == {document.index for document in sampled}
    columns = [among_all.documents.index(index) for index in alone.documents]
    np.testing.assert_array_equal(alone.matrix, among_all.matrix[:, columns])


def test_a_larger_sample_evaluates_only_what_is_new(tmp_path):
    job = write_study(tmp_path, COUNT)
    small = sample_documents(job, 4)
    evaluate(job)
    large = sample_documents(job, 9)
    assert large[:4] == small
    assert {index for _, index in evaluate(job)} == {document.index for document in large[4:]}


def test_a_sample_of_what_was_evaluated_needs_no_evaluation(tmp_path):
    job = write_study(tmp_path, COUNT)
    evaluate(job)
    sample_documents(job, 7)
    assert not evaluate(job)


def test_a_models_limit_takes_the_first_of_the_sample(tmp_path):
    job = replace(write_study(tmp_path, COUNT), limit=3)
    sampled = sample_documents(job, 7)
    evaluate(job)
    assert sorted(read_evaluation(job.output).table["document"].unique()) == sorted(
        document.index for document in sampled[:3]
    )
