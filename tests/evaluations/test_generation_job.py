"""Generated answers on the disk: kept as texts, resumed, in shards, and scored anew without being generated anew."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from cornerstone.documents.document import (
    GENERATED,
    Document,
    DocumentSet,
    Generation,
    Request,
    digest_documents,
    read_documents,
    write_documents,
)
from cornerstone.evaluations.evaluation import read_evaluation, read_evaluation_metadata
from cornerstone.evaluations.grid import ANSWERS
from cornerstone.evaluations.job import run_evaluation_job
from cornerstone.evaluations.parts import parts_folder
from cornerstone.evaluations.scored_answers import score_answers
from cornerstone.system.errors import CornerstoneError
from fake_engine import FakeEngine, loglikelihood, write_study

METRICS = ("exact_match,strict-match", "exact_match,flexible-extract")


def write_generating_study(folder, count=12):
    """The job of `write_study`, on documents whose answers are generated."""
    job = write_study(folder, count)
    items = tuple(
        Document(
            n,
            (Request(f"prompt {n}", ""),),
            (0,),
            (0,),
            generation=Generation(("\n",), 8),
            row=f'{{"n": {n}}}',
        )
        for n in range(count)
    )
    documents = DocumentSet(
        "boolq", "1.0", "test", METRICS, digest_documents(items), items, output_type=GENERATED
    )
    write_documents(documents, job.documents)
    return replace(job, output=folder / "generations" / "tiny" / "boolq" / "windows.parquet")


def run(job):
    fake = FakeEngine()
    run_evaluation_job(job, fake.engine())
    return fake


def test_the_file_has_every_answer_and_what_it_took(tmp_path):
    job = write_generating_study(tmp_path)
    fake = run(job)
    found = read_evaluation(job.output, ANSWERS).table
    assert len(found) == len(fake.asked) == 12 * 5
    assert found.columns.tolist() == ["removed", "document", "choice", "answer", "tokens", "ended"]
    of_third = found[(found["removed"] == "1,2") & (found["document"] == 3)].iloc[0]
    wanted = loglikelihood((1, 2), 3, 0)
    assert (of_third["answer"], of_third["tokens"]) == (str(round(wanted, 6)), 4)
    assert of_third["ended"] == (wanted > -3)


def test_what_was_generated_is_not_generated_again(tmp_path):
    job = write_generating_study(tmp_path)
    whole = len(run(replace(job, limit=5)).asked)
    job.output.unlink()
    assert len(run(job).asked) == 12 * 5 - whole
    assert run(job).asked == []


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_job_that_was_stopped_goes_on_from_its_parts(tmp_path, left):
    job = write_generating_study(tmp_path)
    fake = FakeEngine()

    def stop(block):
        if block > left:
            raise KeyboardInterrupt

    fake.after_block = stop
    with pytest.raises(KeyboardInterrupt):
        run_evaluation_job(job, fake.engine())
    assert not job.output.exists()
    kept = sum(1 for _ in parts_folder(job.output).glob("*.parquet"))
    assert kept == 1
    rest = run(job)
    assert 0 < len(rest.asked) < 12 * 5
    pd.testing.assert_frame_equal(
        read_evaluation(job.output, ANSWERS).table,
        read_evaluation(_another(tmp_path / "other"), ANSWERS).table,
    )


def _another(folder):
    job = write_generating_study(folder)
    run(job)
    return job.output


def test_shards_generate_each_answer_once(tmp_path):
    job = write_generating_study(tmp_path)
    notes = [job.output.with_suffix(f".{number}-of-3.json") for number in (1, 2, 3)]
    asked = [
        len(run(replace(job, shard=(number, 3), note=note)).asked) for number, note in enumerate(notes, 1)
    ]
    assert sum(asked) == 12 * 5
    assert run(replace(job, shard_notes=tuple(notes))).asked == []


def test_other_settings_of_generation_are_another_model(tmp_path):
    job = write_generating_study(tmp_path)
    run(job)
    job.output.unlink()
    (tmp_path / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.2}))
    assert len(run(job).asked) == 12 * 5
    job.output.unlink()
    settings = {"repetition_penalty": 1.2, "transformers_version": "9.9"}
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    assert run(job).asked == []


def test_settings_that_are_no_json_are_refused_by_name(tmp_path):
    job = write_generating_study(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(
        CornerstoneError, match=r"generation_config.json is no JSON .*: put the model's own there"
    ):
        run(job)


def test_another_metric_scores_the_same_texts(tmp_path):
    job = write_generating_study(tmp_path)
    run(job)
    documents = read_documents(job.documents)

    def score(answers, metric):
        factor = METRICS.index(metric)
        return [factor * float(document.index % 2 == 0 and "." in text) for document, text in answers]

    for metric, total in zip(METRICS, (0, 6 * 5), strict=True):
        output = tmp_path / "evaluations" / f"{metric}.parquet"
        score_answers(job.output, documents, score, metric, output)
        scored = read_evaluation(output)
        assert scored.table["loglikelihood"].sum() == total
        assert scored.identity["metric"] == metric
        about = read_evaluation_metadata(job.output)
        assert (scored.sublayers, dict(scored.documents)) == (tuple(about["sublayers"]), about["documents"])


def test_answers_to_other_documents_are_refused(tmp_path):
    job = write_generating_study(tmp_path)
    run(job)
    documents = replace(read_documents(job.documents), documents=())
    with pytest.raises(CornerstoneError, match="has answers to document 0, which the task does not have"):
        score_answers(job.output, documents, lambda *_: [], METRICS[0], tmp_path / "out.parquet")
