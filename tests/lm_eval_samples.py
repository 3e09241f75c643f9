"""What lm-eval itself asks and scores, for tests to hold document sets against.

The model is a stand-in whose log-likelihoods are random but fixed by the texts.
"""

import random

import lm_eval
import numpy as np
from lm_eval.api.model import LM

from cornerstone.documents.document import Request


class RandomModel(LM):
    """A log-likelihood for each request, drawn from its own text."""

    def loglikelihood(self, requests):
        return [(loglikelihood(Request(*request.args)), False) for request in requests]

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError

    def generate_until(self, requests):
        raise NotImplementedError


def loglikelihood(request):
    return -random.Random(f"{request.context}|{request.continuation}").uniform(1, 60)


def samples_of(task, name, manager, limit=None, shots=None):
    """What lm-eval logs of each document of a task (as `simple_evaluate` takes it), in the split's order."""
    results = lm_eval.simple_evaluate(
        RandomModel(),
        tasks=[task],
        task_manager=manager,
        limit=limit,
        num_fewshot=shots,
        bootstrap_iters=0,
        log_samples=True,
    )
    return sorted(results["samples"][name], key=lambda sample: sample["doc_id"])


def assert_same_as_lm_eval(document_set, samples):
    assert [document.index for document in document_set.documents] == [sample["doc_id"] for sample in samples]
    for document, sample in zip(document_set.documents, samples, strict=True):
        texts = [(request.context, request.continuation) for request in document.requests]
        assert texts == [tuple(arguments) for arguments in sample["arguments"]]
        loglikelihoods = np.array([loglikelihood(request) for request in document.requests])
        ours = {"acc": loglikelihoods, "acc_norm": loglikelihoods / np.array(document.choice_lengths)}
        for metric in document_set.metrics:
            assert float(np.argmax(ours[metric]) in document.gold) == sample[metric], (metric, document.index)
    assert {"acc", "acc_norm"} & set(samples[0]) == set(document_set.metrics)
