"""Evaluations under a chat template: an identity of their own, which those without and of whole texts have not."""

import json
from dataclasses import replace

import pytest

from cornerstone.documents.document import (
    TEXT,
    Request,
    digest_documents,
    digest_of_prompts,
    document_ids,
    read_documents,
    write_documents,
)
from cornerstone.evaluations.evaluation import read_evaluation
from cornerstone.evaluations.identity import agrees, known_identity, model_identity
from cornerstone.evaluations.rejected import Expected, reason_against
from cornerstone.models.manifest import read_manifest
from cornerstone.system.errors import CornerstoneError
from fake_engine import write_study
from fake_jobs import run

TEMPLATE = "{{ messages[-1].content }}"


def in_chat(documents):
    return tuple(
        replace(
            d,
            chat=tuple(
                Request(json.dumps([{"role": "user", "content": r.context}]), "a") for r in d.requests
            ),
        )
        for d in documents
    )


@pytest.fixture
def job(tmp_path):
    """A job on documents that have messages too."""
    job = write_study(tmp_path)
    task = read_documents(job.documents)
    documents = in_chat(task.documents)
    write_documents(replace(task, documents=documents, digest=digest_documents(documents)), job.documents)
    return job


def apply(job, template):
    """Make the manifest of a model with this template; None for one without."""
    manifest = {key: value for key, value in read_manifest(job.manifest).items() if key != "chat_template"}
    job.manifest.write_text(json.dumps(manifest | ({"chat_template": template} if template else {})))


def test_the_tokenizer_is_given_the_template_and_each_template_finds_what_was_evaluated_with_it(job):
    fake = run(job)
    assert len(fake.asked) == 60 and fake.chat_template is None
    assert "chat_template" not in read_evaluation(job.output).identity
    apply(job, TEMPLATE)
    fake = run(job)
    assert len(fake.asked) == 60 and fake.chat_template == TEMPLATE
    assert len(read_evaluation(job.output).identity["chat_template"]) == 64
    apply(job, f"{TEMPLATE} ")
    assert len(run(job).asked) == 60
    for template in (TEMPLATE, None):
        apply(job, template)
        assert run(job).asked == []


def test_messages_beside_plain_prompts_evaluate_nothing_again(job, tmp_path):
    plain = write_study(tmp_path / "plain")
    run(plain)
    job.documents.replace(plain.documents)
    assert run(plain).asked == []


def test_a_known_identity_tells_templates_apart_but_for_whole_texts(job):
    identities = {}
    for template in (None, TEMPLATE, f"{TEMPLATE} "):
        apply(job, template)
        manifest = read_manifest(job.manifest)
        identities[template] = [
            (
                known_identity(manifest, dtype="float32", task_version="1", output_type=kind),
                model_identity(
                    manifest,
                    encoding={},
                    dtype="float32",
                    sublayers=None,
                    engine_version=known_identity(manifest, dtype="", task_version="")["engine_version"],
                    task_version="1",
                    output_type=kind,
                ),
            )
            for kind in ("multiple_choice", TEXT)
        ]
    for one in identities:
        for other in identities:
            for place, always in ((0, False), (1, True)):
                agreed = agrees(identities[one][place][1], identities[other][place][0])
                assert agreed == (always or one == other)


def test_an_evaluation_with_another_template_than_the_models_is_foreign(job):
    run(job)
    expected = Expected(job.output, "tiny", "boolq", "windows", job.manifest, job.documents)
    assert reason_against(expected) is None
    apply(job, TEMPLATE)
    assert "another chat template" in reason_against(expected)


def test_documents_are_the_same_with_messages_in_what_a_plain_model_reads_and_draws(job):
    task = read_documents(job.documents)
    plain = [replace(document, chat=()) for document in task.documents]
    assert document_ids(task.documents) == document_ids(plain)
    assert digest_documents(task.documents) != digest_documents(plain)
    for document, without in zip(task.documents, plain, strict=True):
        assert digest_of_prompts(document, in_chat=False) == digest_documents([without])
        assert digest_of_prompts(document, in_chat=True) != digest_documents([without])
        with pytest.raises(CornerstoneError, match="has no messages for a chat template"):
            digest_of_prompts(without, in_chat=True)
