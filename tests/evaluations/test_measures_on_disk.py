"""Cheap measures on the disk: what is written is read, what is of no use is set aside, the job writes every task."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import synthetic
from configurations import message_of
from cornerstone.documents.document import DocumentSet, digest_documents, write_documents
from cornerstone.evaluations.evaluation import BadEvaluation
from cornerstone.evaluations.identity import ENGINE_VERSION
from cornerstone.evaluations.measure_job import MeasureJob, run_measure_job
from cornerstone.evaluations.measures import (
    mean_measures,
    read_measures,
    read_measures_or_set_aside,
    write_measures,
)
from cornerstone.evaluations.plan import Engine
from cornerstone.evaluations.rejected import Expected, set_aside_if_bad
from cornerstone.measures import MEASURES
from cornerstone.shapley.players import players_of
from cornerstone.system.errors import CornerstoneError
from fake_engine import LABELS, FakeEngine, documents, write_study
from measured import measures_of

STUDY = synthetic.known_task([0.5, 0.1, 0.3, 0.2], n_documents=12)


@pytest.fixture
def measures():
    return measures_of(STUDY, [0.4, 0.3, 0.2, 0.1], noise=0.1)


@pytest.fixture
def path(tmp_path, measures):
    write_measures(measures, tmp_path / "piqa.parquet")
    return tmp_path / "piqa.parquet"


def test_what_is_written_is_read(path, measures):
    found = read_measures(path)
    for name in ("model", "task", "labels", "block_of", "documents", "identity", "about"):
        assert getattr(found, name) == getattr(measures, name)
    for name in MEASURES.names:
        assert (found.sublayers[name] == measures.sublayers[name]).all()
        assert (found.blocks[name] == measures.blocks[name]).all()


def test_the_mean_of_some_documents_is_a_number_per_sublayer_and_block(path, measures):
    means = mean_measures(path, [3, 7])
    for name in MEASURES.names:
        assert means.sublayers[name] == pytest.approx(measures.sublayers[name][[3, 7]].mean(axis=0))
        assert means.blocks[name] == pytest.approx(measures.blocks[name][[3, 7]].mean(axis=0))
    assert mean_measures(path).blocks[name] == pytest.approx(measures.blocks[name].mean(axis=0))


def test_documents_that_were_not_measured_have_no_mean(path):
    assert "was not measured on 1 of the documents of piqa, document 12 first" in message_of(
        mean_measures, path, [0, 12]
    )
    assert "no documents were given" in message_of(mean_measures, path, [])


def test_a_missing_file_is_told_in_one_line(tmp_path):
    assert "there are no measures" in message_of(read_measures, tmp_path / "piqa.parquet")


def test_a_damaged_file_is_set_aside_in_a_job(path):
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadEvaluation):
        read_measures(path)
    assert "is now piqa.parquet.rejected: type the same command again to measure anew" in message_of(
        read_measures_or_set_aside, path
    )
    assert not path.exists()


def test_other_measures_or_another_version_of_them_are_measured_anew(path, monkeypatch):
    expected = Expected(path, "small", "piqa", None)
    assert set_aside_if_bad(expected) is None
    monkeypatch.setattr("cornerstone.evaluations.measures.MEASURES_VERSION", 99)
    assert "of version 1 of the measures, this Cornerstone has 99" in message_of(read_measures, path)
    assert set_aside_if_bad(expected).name == "piqa.parquet.rejected"


def test_a_file_without_a_measure_is_made_anew_and_one_with_more_is_read(path, monkeypatch):
    """A user's own measure is registered where its file was run, and not in every job that reads."""
    *fewer, last = MEASURES.names
    for names, reason in (([*fewer, last, "own"], "it lacks own"), (fewer, None)):
        monkeypatch.setattr("cornerstone.evaluations.measures.MEASURES", SimpleNamespace(names=names))
        if reason:
            assert reason in message_of(read_measures, path)
        else:
            assert last in read_measures(path).sublayers


@pytest.mark.parametrize(("model", "task"), [("other", "piqa"), ("small", "boolq")])
def test_a_foreign_file_is_set_aside(path, model, task):
    assert set_aside_if_bad(Expected(path, model, task, None)) is not None


def test_a_file_of_another_model_or_of_other_documents_is_set_aside(path, tmp_path):
    job = write_study(tmp_path)  # weights "w" × 64, as the measures have; config and tokenizer differ
    found = Expected(path, "small", "piqa", None, manifest=job.manifest)
    assert set_aside_if_bad(found, dry_run=True) is None and path.exists()
    assert set_aside_if_bad(found).name == "piqa.parquet.rejected"


def test_rows_in_another_order_are_refused(measures, tmp_path):
    for order in (measures.documents[::-1], (0, *measures.documents[:-1])):
        write_measures(replace(measures, documents=order), tmp_path / "other.parquet")
        assert "its documents are out of order" in message_of(read_measures, tmp_path / "other.parquet")


class Measuring(FakeEngine):
    """Measures a document by its index."""

    def engine(self, version=ENGINE_VERSION):
        return Engine(self.load_encoder, self.find, self.encode, self.load_model, self.measure, version)

    def load_model(self, *arguments, **settings):
        model = super().load_model(*arguments, **settings)
        model.sublayers = tuple(
            SimpleNamespace(label=label, block=number // 2) for number, label in enumerate(LABELS)
        )
        return model

    def measure(self, model, asked, *, blocks_together, memory_bytes, on_progress):
        self.asked += [document.index for document in asked]
        numbers = np.array([document.index for document in asked], dtype=float)[None, :, None]
        on_progress(1, 1)
        shape = (len(MEASURES), len(asked), len(LABELS))
        whole = np.broadcast_to(numbers, shape) + np.arange(len(LABELS)) / 10
        groups = whole[:, :, :: 2 * blocks_together] + 100 if blocks_together > 1 else whole[:, :, :0]
        return SimpleNamespace(
            sublayers=whole, blocks=whole[:, :, ::2], groups=groups, counts={"rows": "tree"}
        )


def study_of_two_tasks(folder, **changes) -> MeasureJob:
    boolq = write_study(folder, 5)
    others = documents(4)
    write_documents(
        DocumentSet("piqa", "2.0", "validation", ("acc",), digest_documents(others), others),
        folder / "piqa.parquet",
    )
    outputs = {
        folder / f"{task}.parquet": folder / "measures" / f"{task}.parquet" for task in ("boolq", "piqa")
    }
    limits = {"boolq": 3, "piqa": None}
    return MeasureJob(boolq.manifest, outputs, "tiny", limits, **changes)


def test_a_job_measures_all_tasks_in_one_pass_and_writes_a_file_of_each(tmp_path, capsys):
    engine = Measuring()
    job = study_of_two_tasks(tmp_path)
    run_measure_job(job, engine.engine())
    assert (engine.loads, engine.asked) == (1, [0, 1, 2, 0, 1, 2, 3])
    boolq, piqa = map(read_measures, job.outputs.values())
    assert (boolq.task, boolq.documents, piqa.task, piqa.documents) == (
        "boolq",
        (0, 1, 2),
        "piqa",
        (0, 1, 2, 3),
    )
    assert boolq.labels == LABELS and boolq.block_of == (0, 0, 1, 1, 2, 2)
    assert piqa.sublayers["angular_distance"][3] == pytest.approx(3 + np.arange(6) / 10)
    assert piqa.blocks["relative_norm"][3] == pytest.approx([3, 3.2, 3.4])
    assert (boolq.about["count"], boolq.about["of"]) == (3, 5)
    identity = boolq.identity
    assert (identity["weights"], identity["dtype"], identity["engine_version"]) == (
        "w" * 64,
        "float32",
        ENGINE_VERSION,
    )
    assert identity["sublayers"] == list(LABELS) and boolq.identity != piqa.identity
    assert "measured 7 documents of 2 tasks" in capsys.readouterr().err


def test_groups_of_blocks_are_measured_and_written_where_they_are_the_players(tmp_path):
    job = replace(study_of_two_tasks(tmp_path), blocks_together=2)
    run_measure_job(job, Measuring().engine())
    measures = read_measures(job.outputs[tmp_path / "piqa.parquet"])
    numbers = {"sublayers": 3 + np.arange(6) / 10, "2 blocks": [103, 103.4], "blocks": [3, 3.2, 3.4]}
    for setting, expected in numbers.items():
        found = measures.of_players(players_of(setting, LABELS))
        assert found["block_influence"][3] == pytest.approx(expected)
    means = mean_measures(job.outputs[tmp_path / "piqa.parquet"], [1, 3])
    assert means.groups["relative_norm"] == pytest.approx([102, 102.4])


@pytest.mark.parametrize("setting", ["2 blocks", "4 sublayers", {"late": "Block 1-", "early": "Attn 0"}])
def test_players_that_were_not_measured_are_refused_in_one_line(measures, setting):
    said = message_of(measures.of_players, players_of(setting, LABELS))
    assert "the players of small on piqa were not measured: remove its file in measures/" in said


def test_documents_that_the_model_cannot_score_are_left_out_or_refused(tmp_path):
    engine = Measuring(unscorable=(1,))
    job = study_of_two_tasks(tmp_path, skip_unscorable=True)
    run_measure_job(job, engine.engine())
    boolq, piqa = map(read_measures, job.outputs.values())
    assert (boolq.documents, piqa.documents) == ((0, 2), (0, 2, 3))
    assert boolq.about["left_out"] == [1]
    with pytest.raises(CornerstoneError, match="tiny cannot score 1 of 3 documents of boolq"):
        run_measure_job(replace(job, skip_unscorable=False), engine.engine())
    strict = Expected(job.outputs[tmp_path / "boolq.parquet"], "tiny", "boolq", None, may_leave_out=False)
    assert set_aside_if_bad(strict) is not None


def test_a_file_fits_the_manifest_and_the_documents_that_it_was_made_of(tmp_path):
    job = study_of_two_tasks(tmp_path)
    run_measure_job(job, Measuring().engine())
    output = job.outputs[tmp_path / "boolq.parquet"]
    expected = Expected(output, "tiny", "boolq", None, job.manifest, tmp_path / "boolq.parquet")
    assert set_aside_if_bad(expected) is None
    changed = json.loads(job.manifest.read_text()) | {"tokenizer": "x" * 64}
    job.manifest.write_text(json.dumps(changed))
    assert set_aside_if_bad(expected).name == "boolq.parquet.rejected"
