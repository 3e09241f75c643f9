"""Evaluations by mean: an identity of their own beside those by zero, and never of scored documents."""

from dataclasses import replace

import numpy as np
import pytest

from cornerstone.documents.calibration import content_digests
from cornerstone.documents.document import read_documents
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.identity import agrees, known_identity, removal_identity
from cornerstone.evaluations.means_job import Calibration, MeansJob, run_means_job
from cornerstone.models.manifest import read_manifest
from cornerstone.models.means import Means, read_means, write_means
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, FakeEngine, write_study
from fake_jobs import assert_whole, run

DIGESTS = {"weights": "w" * 64, "config": "c" * 64, "tokenizer": "t" * 64}


def means_of(documents=("d" * 64,), **identity):
    vectors = tuple((np.zeros((2, 4), np.float32),) for _ in LABELS)
    sites = tuple(("self_attn",) for _ in LABELS)
    return Means(LABELS, sites, vectors, {**DIGESTS, "dtype": "float32"} | identity, tuple(documents), 7)


@pytest.fixture
def by_mean(tmp_path):
    """A job by mean, whose means are there."""
    job = write_study(tmp_path)
    write_means(means_of(), tmp_path / "tiny.npz")
    return replace(job, removal="mean", means=tmp_path / "tiny.npz")


def test_the_engine_is_handed_the_means_and_the_identity_tells_them(by_mean):
    fake = run(by_mean)
    assert fake.means.digest == means_of().digest
    assert read_evaluation(by_mean.output).identity["removal"] == {
        "name": "mean",
        "means": means_of().digest,
    }
    assert_whole(by_mean)


def test_removal_by_zero_is_not_in_the_identity_as_before_there_was_another(by_mean):
    job = replace(by_mean, removal="zero", means=None)
    fake = run(job)
    assert fake.means is None
    assert "removal" not in read_evaluation(job.output).identity


def test_each_removal_finds_what_was_evaluated_with_it_and_nothing_of_the_other(by_mean):
    by_zero = replace(by_mean, removal="zero", means=None)
    assert len(run(by_zero).asked) == len(run(by_mean).asked) == 60
    assert run(by_zero).asked == run(by_mean).asked == []


def test_an_evaluation_beside_the_studys_own_shares_its_parts(by_mean, capsys):
    """So that a study that takes the other removal for its own evaluates nothing again."""
    beside = replace(by_mean, output=by_mean.output.with_name("windows.mean.parquet"))
    assert len(run(beside).asked) == 60
    assert capsys.readouterr().err.startswith("tiny on boolq, windows.mean: ")
    assert read_evaluation(beside.output).design == "windows"
    assert run(by_mean).asked == []


def test_other_means_are_another_identity(by_mean):
    run(by_mean)
    write_means(means_of(documents_digest="other"), by_mean.means)
    assert len(run(by_mean).asked) == 60


def test_an_identity_by_mean_is_not_taken_for_one_by_zero(by_mean):
    run(by_mean)
    identity = read_evaluation(by_mean.output).identity
    manifest = read_manifest(by_mean.manifest)
    known = {
        digest: known_identity(
            manifest, dtype="float32", task_version="1.0", removal=removal_identity(digest)
        )
        for digest in (None, means_of().digest, "other")
    }
    assert [agrees(identity, one) for one in known.values()] == [False, True, False]


def test_means_of_another_model_or_dtype_are_refused(by_mean):
    for other in ({"weights": "v" * 64}, {"dtype": "bfloat16"}):
        write_means(means_of(**other), by_mean.means)
        with pytest.raises(
            CornerstoneError, match="has the means of another model or dtype than tiny in float32"
        ):
            run(by_mean)


def test_a_scored_calibration_document_is_refused_before_a_model_is_loaded(by_mean):
    scored = content_digests(read_documents(by_mean.documents).documents)
    write_means(means_of(documents=[scored[3]]), by_mean.means)
    fake = FakeEngine()
    with pytest.raises(CornerstoneError, match="calibration has document 3 of boolq, which is scored"):
        run(by_mean)
    assert fake.loads == 0
    run(replace(by_mean, limit=3))  # document 3 is not scored then


def test_the_means_step_leaves_out_what_cannot_be_scored_and_says_what_it_used(tmp_path, capsys):
    job, fake = write_study(tmp_path), FakeEngine(unscorable=(2,))
    asked = []

    def mean_contributions(model, documents, identity, contents, *, memory_bytes, on_progress):
        asked.extend(documents)
        on_progress(1, 1)
        return replace(means_of(), identity=identity, documents=tuple(contents))

    engine = Calibration(fake.load_encoder, fake.find, fake.encode, fake.load_model, mean_contributions)
    output = tmp_path / "means" / "tiny.npz"
    run_means_job(MeansJob(job.manifest, job.documents, output, "tiny"), engine)
    means = read_means(output)
    assert [document.index for document in asked] == [0, 1, *range(3, 12)]
    assert len(means.documents) == means.identity["count"] == 11
    assert {name: means.identity[name] for name in DIGESTS} == DIGESTS
    said = capsys.readouterr().err
    assert "1 of 12 calibration documents are left out: tiny cannot score them" in said
    with pytest.raises(CornerstoneError, match="no calibration document is left"):
        nothing = replace_find(engine, FakeEngine(unscorable=tuple(range(12))))
        run_means_job(MeansJob(job.manifest, job.documents, output, "tiny"), nothing)


def replace_find(engine, fake):
    return replace(engine, find_unscorable=fake.find)
