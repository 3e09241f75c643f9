"""What lm-eval itself asks and scores, for tests to hold document sets against.

The model is a stand-in whose log-likelihoods are random but fixed by the texts.
"""

import random

import lm_eval
import numpy as np
import yaml
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from cornerstone.documents.document import Request
from cornerstone.documents.task_index import find_definition
from synthetic import MOST_LIKELY


class RandomModel(LM):
    """A log-likelihood for each request, drawn from its own text."""

    def loglikelihood(self, requests):
        numbers = [loglikelihood(Request(*request.args)) for request in requests]
        return [(number, number > MOST_LIKELY) for number in numbers]

    def loglikelihood_rolling(self, requests):
        return [loglikelihood(Request("", *request.args)) for request in requests]

    def generate_until(self, requests):
        raise NotImplementedError


def loglikelihood(request):
    return -random.Random(f"{request.context}|{request.continuation}").uniform(1, 60)


def stock_task(folder, task, data, split, **overrides):
    """lm-eval's task with a file as its scored split, and its manager; `overrides` change the stock definition."""
    definition = {
        "include": str(find_definition(task).yaml_path),
        "task": task,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {split: str(data)}, "cache_dir": str(folder / "cache")},
        "training_split": None,
        "fewshot_split": None,
        **overrides,
    }
    if split == "test":
        definition["validation_split"] = None
    path = folder / "definition.yaml"
    path.write_text(yaml.safe_dump(definition))
    manager = TaskManager(include_defaults=False)
    return manager.load(str(path))["tasks"][task], manager


def results_of(task, manager, limit=None, shots=None, *, lm=None, samples=None):
    """What lm-eval makes of a task, as `simple_evaluate` takes it, and logs of each of its documents.

    lm: by default the stand-in; samples: by task the documents that are asked, by default all.
    """
    return lm_eval.simple_evaluate(
        lm or RandomModel(),
        tasks=[task],
        task_manager=manager,
        limit=limit,
        num_fewshot=shots,
        samples=samples,
        bootstrap_iters=0,
        log_samples=True,
    )


def samples_of(task, name, manager, limit=None, shots=None):
    """What lm-eval logs of each document of a task, in the split's order."""
    samples = results_of(task, manager, limit, shots)["samples"][name]
    return sorted(samples, key=lambda sample: sample["doc_id"])


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
