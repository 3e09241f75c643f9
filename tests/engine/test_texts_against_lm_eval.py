"""Targets and whole texts: documents, log-likelihoods and scores are those of lm-eval's evaluation of a hooked model.

The tasks are lm-eval's lambada_openai and wikitext on local rows. Texts are longer than the models take at once, so
that windows are cut; their words are counted by the task's own process_results.
"""

import json
import math

import numpy as np
import pytest
from test_against_lm_eval import table_of

from cornerstone.documents.document import TARGET, TEXT
from cornerstone.documents.tasks import build_documents
from cornerstone.engine.evaluate import evaluate
from cornerstone.loading.encoding import encode_documents
from lm_eval_harness import harness, sublayer_modules, zeroed
from lm_eval_samples import results_of, stock_task
from real_inputs import MODELS, SHARED, existing, real_model
from seldom import only_some
from synthetic import score_table

COALITIONS = [(), (5,), (0, 1, 4), tuple(range(10))]
KNOWN = [
    "Once upon a time",
    "Once upon a time, there was a little girl",
    "The dog was happy and said thank you",
]
"""What models of small stories go on with rightly."""
PERPLEXITIES = ("word_perplexity", "byte_perplexity", "bits_per_byte")


def passages(count):
    rows = (json.loads(line) for line in existing(SHARED / "documents" / "boolq.jsonl").open())
    return [next(rows)["passage"] for _ in range(count)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of rows for each task: short passages, and pages of 1 to 6 of them, one of which is very short."""
    folder = tmp_path_factory.mktemp("rows")
    texts = passages(40)
    pages = ["One . Two .", *("\n".join(texts[at : at + 1 + at % 6]) for at in range(0, 30, 4))]
    files = {}
    for task, field, values in (
        ("lambada_openai", "text", [*KNOWN, *texts[:9]]),
        ("wikitext", "page", pages),
    ):
        files[task] = folder / f"{task}.jsonl"
        files[task].write_text("".join(json.dumps({field: value}) + "\n" for value in values))
    return files


def lm_evals_results(folder, name, task, data, removed):
    """The means of lm-eval, and what it logs of each document, under a coalition."""
    stock, manager = stock_task(folder, task, data, "test")
    modules = sublayer_modules(real_model(name).network, "model.layers", ("self_attn",), "mlp")
    with zeroed(modules, removed):
        lm = harness(real_model(name).network, real_model(name).encoder.tokenizer, batch_size=4)
        results = results_of(stock, manager, lm=lm)
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    means = {key.split(",")[0]: value for key, value in results["results"][task].items()}
    return means, samples


def evaluated(name, task, data):
    documents = build_documents(task, data=data[task])
    encoder = real_model(name).encoder
    result = evaluate(real_model(name), encode_documents(encoder, documents.documents), COALITIONS)
    return documents, result


@pytest.mark.parametrize("name", only_some(MODELS, ("stories260K",)))
def test_a_target_has_lm_evals_log_likelihood_and_is_right_where_lm_eval_has_it(tmp_path, data, name):
    documents, result = evaluated(name, "lambada_openai", data)
    assert documents.output_type == TARGET and documents.metrics == ("acc", "perplexity")
    assert result.counts["rows"] == "tree"
    table = table_of(documents.documents, result)
    scores = {
        s: score_table(table, documents.documents, s, documents.output_type) for s in ("acc", "logprob")
    }
    assert set(scores["acc"].matrix[0]) == {0.0, 1.0}
    for row, removed in enumerate(COALITIONS):
        means, samples = lm_evals_results(tmp_path, name, "lambada_openai", data["lambada_openai"], removed)
        np.testing.assert_allclose(
            scores["logprob"].matrix[row], [s["perplexity"] for s in samples], rtol=1e-6, atol=1e-4
        )
        np.testing.assert_array_equal(scores["acc"].matrix[row], [s["acc"] for s in samples])
        assert math.exp(-scores["logprob"].matrix[row].mean()) == pytest.approx(means["perplexity"], rel=1e-4)
        assert scores["acc"].matrix[row].mean() == pytest.approx(means["acc"])


@pytest.mark.study
@pytest.mark.parametrize("name", MODELS)
def test_a_text_is_scored_in_lm_evals_windows(tmp_path, data, name):
    documents, result = evaluated(name, "wikitext", data)
    assert documents.output_type == TEXT and documents.metrics == PERPLEXITIES
    encoded = encode_documents(real_model(name).encoder, documents.documents)
    assert len(encoded[0].requests) == 1 and max(len(one.requests) for one in encoded) > 3
    table = table_of(documents.documents, result)
    scores = {
        s: score_table(table, documents.documents, s, documents.output_type)
        for s in ("bits_per_byte", "logprob")
    }
    for row, removed in enumerate(COALITIONS):
        means, samples = lm_evals_results(tmp_path, name, "wikitext", data["wikitext"], removed)
        for document, numbers, sample in zip(
            documents.documents, result.loglikelihoods, samples, strict=True
        ):
            loglikelihood, words = sample["word_perplexity"]
            assert numbers[row, 0] == pytest.approx(loglikelihood, rel=1e-6, abs=1e-4)
            assert (document.words, document.bytes) == (words, sample["bits_per_byte"][1])
        bits = scores["bits_per_byte"].matrix[row].mean()
        assert -bits == pytest.approx(means["bits_per_byte"], rel=1e-4)
        assert 2**-bits == pytest.approx(means["byte_perplexity"], rel=1e-4)
        assert math.exp(-scores["logprob"].matrix[row].mean()) == pytest.approx(
            means["word_perplexity"], rel=1e-4
        )
