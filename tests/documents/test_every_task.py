"""Every task in lm-eval's index, by its definition alone: `make test-tasks`.

docs/tasks.md says what becomes of it. Nothing may be downloaded: whatever tries to connect fails.
"""

import socket
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
from lm_eval.api.registry import get_aggregation, get_metric_aggregation
from lm_eval.config.task import TaskConfig

from cornerstone.documents import task_index
from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT
from cornerstone.documents.lm_task import STRUCTURAL
from cornerstone.documents.supported_tasks import metrics_of, reported_of
from task_sweep import fates, judged_tasks, page, whole_index

pytestmark = pytest.mark.tasks

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


@pytest.fixture(scope="module", autouse=True)
def connections():
    """What was connected to, or looked up, in spite of all."""
    tried = []

    def refuse(what, *arguments, **_):
        tried.append((what, arguments))
        raise OSError("no network in this test")

    with pytest.MonkeyPatch.context() as patched:
        for name in ("connect", "connect_ex"):
            patched.setattr(socket.socket, name, partial(refuse, name))
        patched.setattr(socket, "getaddrinfo", partial(refuse, "getaddrinfo"))
        yield tried
        assert tried == []


@pytest.fixture(scope="module")
def index(connections):
    return whole_index()


@pytest.fixture(scope="module")
def tasks(index):
    return judged_tasks(index)


@pytest.fixture(scope="module")
def accepted(index, tasks):
    return {task.name: index[task.name].cfg for task in tasks if not task.reason}


def test_the_page_is_as_lm_evals_index_has_it(index, tasks):
    wanted = page(tasks, fates(index), index)
    assert PAGE.read_text(encoding="utf-8") == wanted, (
        "docs/tasks.md is out of date: python tests/task_sweep.py > docs/tasks.md"
    )


def test_a_refusal_is_one_line_that_names_no_file(tasks):
    reasons = {task.reason for task in tasks if task.reason}
    assert reasons and not [reason for reason in reasons if "\n" in reason or "/" in reason]


def test_what_is_accepted_is_averaged_as_lm_evals_registry_has_it(accepted):
    for name, config in accepted.items():
        if config.get("output_type", GENERATED) == GENERATED:
            continue  # its metric may be its own: see the next test
        averaged = {metric["metric"]: metric.get("aggregation") for metric in config.get("metric_list") or []}
        assert metrics_of(config), name
        for metric in metrics_of(config):
            given = averaged.get(metric)
            assert given is None or get_aggregation(given) is get_metric_aggregation(metric), (name, metric)


def test_a_generated_answer_has_metrics_that_are_means_each_with_each_filter(accepted):
    generated = {n: c for n, c in accepted.items() if c.get("output_type", GENERATED) == GENERATED}
    assert len(generated) > 3000 and "gsm8k" in generated
    for name, config in generated.items():
        ways = {each["metric"]: each.get("aggregation", "mean") for each in config.get("metric_list") or []}
        assert {ways.get(metric, "mean") for metric in metrics_of(config)} == {"mean"}, name
        filters = len(config.get("filter_list") or [None])
        assert len(reported_of(config)) == filters * len(metrics_of(config)), name


def test_what_is_accepted_is_a_configuration_of_lm_evals(accepted):
    """lm-eval takes its keys, and then scores log-likelihoods as they come: unfiltered, by its own process_results."""
    for name, config in accepted.items():
        config = deepcopy(config)  # lm-eval fills in generation_kwargs
        task = TaskConfig(**{key: value for key, value in config.items() if key not in STRUCTURAL})
        assert task.output_type in (CHOICES, TARGET, TEXT, GENERATED), name
        assert not (task.doc_to_image or task.doc_to_audio), name
        if task.output_type == GENERATED:
            assert not task.unsafe_code and (task.repeats or 1) == 1, name
            assert not (task.generation_kwargs or {}).get("do_sample"), name
            continue
        assert task.process_results is None or task.output_type == TEXT, name
        assert not task.filter_list, name
        assert task.test_split or task.validation_split, name


def test_names_are_found_as_the_index_has_them(index):
    """Without the index, from the files' text; of every 50th name, since each takes a twentieth of a second."""
    for name in sorted(index)[::50]:
        assert task_index._find_stock(name)[0] == index[name], name
