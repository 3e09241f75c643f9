"""Every task of lm-eval's index, accepted or refused by its definition alone: docs/tasks.md.

    python tests/task_sweep.py > docs/tasks.md

No function of a task is loaded and nothing is downloaded: definitions are lm-eval's own, with functions by name.
"""

import importlib.metadata
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # for `python tests/task_sweep.py`

from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Entry, Kind

from cornerstone.documents import task_index
from cornerstone.documents.data_set import data_set_arguments
from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT
from cornerstone.documents.supported_tasks import (
    output_type_of,
    reported_metrics,
    scored_split,
    unsupported_reason,
)
from cornerstone.system.errors import CornerstoneError

PYTHON = "Python class"
"""In place of an output type, which the class keeps to itself."""
OUTPUT_TYPES = (CHOICES, TARGET, TEXT, GENERATED, PYTHON)
MOST_ROWS = 9
"""Rows of an output type; the metrics of fewer tasks share the last one."""
MOST_NAMES = 4
"""Of metrics in a row."""
EXAMPLES = 3


@dataclass(frozen=True)
class Judged:
    """What becomes of a task. metrics: that it reports, measured or not; reason: why it is refused, "" if accepted."""

    name: str
    output_type: str
    metrics: tuple[str, ...]
    reason: str


def whole_index() -> dict[str, Entry]:
    """Every task, group and tag of lm-eval's, by name."""
    return TaskManager().task_index


def judged_tasks(index: Mapping[str, Entry]) -> list[Judged]:
    return [judged(entry) for entry in index.values() if not task_index.is_group(entry)]


def judged(entry: Entry) -> Judged:
    config = entry.cfg
    if entry.kind is Kind.PY_TASK:
        return Judged(entry.name, PYTHON, (), reason_of(entry))
    output_type = output_type_of(config)
    named = config.get("metric_list") is not None
    metrics = reported_metrics(config) if named else tuple(DEFAULT_METRIC_REGISTRY[output_type])
    return Judged(entry.name, output_type, tuple(sorted(metrics)), reason_of(entry))


def reason_of(entry: Entry) -> str:
    """Why a task is refused by what its definition says, with data of its own; "" if it is accepted."""
    if reason := unsupported_reason(entry.cfg):
        return reason
    try:
        scored_split(entry.cfg)
        if "custom_dataset" not in entry.cfg:
            data_set_arguments(entry.name, entry.cfg)
    except CornerstoneError as error:
        said = str(error).removeprefix(f"task {entry.name}").removeprefix(" is not supported")
        return said.removeprefix(": ").strip()
    return ""


# Groups and tags

FATES = ("all", "some", "none", "changed")
"""What a group's tasks may be: accepted all, some or none; or its own, so that none of them is looked at."""


def fates(index: Mapping[str, Entry]) -> dict[str, str]:
    """By the name of each group and tag: what becomes of its tasks."""
    with patch.object(task_index, "_find_stock", lambda name: (index.get(name), {})):
        return {name: fate(entry, index) for name, entry in index.items() if task_index.is_group(entry)}


def fate(entry: Entry, index: Mapping[str, Entry]) -> str:
    """As `expand_task` has it, which names the tasks that it refuses but does not count the accepted."""
    try:
        task_index.expand_task(entry.name)
        return "all"
    except CornerstoneError:
        pass
    try:
        members = list(task_index._members(entry, index.get, entry.name))
    except CornerstoneError:
        return "changed"
    return "none" if all(unsupported_reason(member.cfg) for member in members) else "some"


# docs/tasks.md


def page(tasks: Sequence[Judged], of_groups: Mapping[str, str], index: Mapping[str, Entry]) -> str:
    """The text of docs/tasks.md."""
    accepted = sum(not task.reason for task in tasks)
    totals = f"Of {len(tasks):,} tasks, {accepted:,} are accepted and {len(tasks) - accepted:,} are refused."
    version = importlib.metadata.version("lm_eval")
    return "\n".join(
        [
            *[line.format(version=version) for line in OPENING],
            *("", "## Accepted and refused", "", totals, *BY_METRIC, ""),
            *_table(
                ("output type", "metrics", "tasks", "accepted", "refused", "for example"), _by_metric(tasks)
            ),
            *("", "## Why tasks are refused", ""),
            *_table(("output type", "reason", "tasks", "for example"), _by_reason(tasks)),
            *("", "## Groups and tags", "", *BY_GROUP, ""),
            *_table(("tasks", "groups", "tags", "for example"), _by_fate(of_groups, index)),
            "",
        ]
    )


def _by_metric(tasks: Iterable[Judged]) -> Iterable[Sequence[str]]:
    of_type = _grouped(tasks, lambda task: task.output_type)
    for output_type in _listed(of_type):
        sets = _grouped(of_type[output_type], lambda task: task.metrics)
        largest = sorted(sets, key=lambda metrics: (-len(sets[metrics]), metrics))
        shown = largest if len(largest) <= MOST_ROWS else largest[: MOST_ROWS - 1]
        for metrics in shown:
            yield output_type, _names(metrics), *_counts(sets[metrics])
        if rest := largest[len(shown) :]:
            yield (
                output_type,
                f"{len(rest)} others",
                *_counts([task for metrics in rest for task in sets[metrics]]),
            )
    yield "all", "", *_counts(tasks)[:-1], ""


def _counts(tasks: Sequence[Judged]) -> tuple[str, ...]:
    """Of tasks: how many, accepted, refused; examples, of the accepted where there are any."""
    accepted = [task for task in tasks if not task.reason]
    numbers = (len(tasks), len(accepted), len(tasks) - len(accepted))
    return *(f"{number:,}" for number in numbers), _examples(task.name for task in accepted or tasks)


def _by_reason(tasks: Iterable[Judged]) -> Iterable[Sequence[str]]:
    refused = _grouped((task for task in tasks if task.reason), lambda task: (task.output_type, task.reason))
    for output_type in _listed({output_type: [] for output_type, _ in refused}):
        reasons = [reason for of, reason in refused if of == output_type]
        for reason in sorted(reasons, key=lambda reason: (-len(refused[output_type, reason]), reason)):
            found = refused[output_type, reason]
            yield output_type, reason, f"{len(found):,}", _examples(task.name for task in found)


def _by_fate(of_groups: Mapping[str, str], index: Mapping[str, Entry]) -> Iterable[Sequence[str]]:
    for each in FATES:
        names = [name for name, known in of_groups.items() if known == each]
        tags = sum(index[name].kind is Kind.TAG for name in names)
        yield IN_WORDS[each], str(len(names) - tags), str(tags), _examples(names)


def _grouped(tasks: Iterable[Judged], key) -> dict:
    groups = defaultdict(list)
    for task in tasks:
        groups[key(task)].append(task)
    return groups


def _listed(of_type: Mapping[str, list]) -> list[str]:
    """Output types in the page's order; one that lm-eval comes to have later stands at the end."""
    return [*(each for each in OUTPUT_TYPES if each in of_type), *sorted(set(of_type) - set(OUTPUT_TYPES))]


def _names(metrics: Sequence[str]) -> str:
    more = len(metrics) - MOST_NAMES
    return ", ".join(metrics[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "") or "not told"


def _examples(names: Iterable[str]) -> str:
    """Those of the shortest names, which most people know."""
    return ", ".join(sorted(names, key=lambda name: (len(name), name))[:EXAMPLES])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


OPENING = [
    "# Tasks",
    "",
    "Which tasks of lm-eval {version} can be measured, by their definitions. Four kinds are accepted:",
    "",
    "- `multiple_choice` scored by acc or acc_norm: the answer is the choice of the largest log-likelihood (BoolQ).",
    "- `loglikelihood` scored by acc or perplexity: a target, such as the last word of a passage (LAMBADA).",
    "- `loglikelihood_rolling` scored by word_perplexity, byte_perplexity or bits_per_byte: whole texts (WikiText).",
    "- `generate_until` scored by a metric that is averaged by `mean`: an answer generated greedily (GSM8K), where the",
    "  configuration says `generate: true` ([generation.md](generation.md)).",
    "",
    "The metric has to be lm-eval's own, averaged over documents in lm-eval's own way, but for generated answers.",
    "Other metrics that an accepted task reports, such as f1, are not measured. A task that scores choices or targets",
    "by a process_results of its own is refused. A task of whole texts may have one, which says how many words and",
    "bytes a text counts, and one of generated answers any that gives numbers from 0 to 1.",
    "",
    "What a definition does not tell is found when the documents are built, and refused in a line that says what is",
    "wrong: a process_results of whole texts that returns something else, a split that the data set lacks, code of the",
    "task that needs other packages.",
    "",
    "`make test-tasks` compares this page with lm-eval's index, without a network.",
]
BY_METRIC = [
    "Metrics are those that a task reports, measured or not; a task that names none has lm-eval's defaults."
]
BY_GROUP = [
    "A group or a tag can be configured as `group: NAME` if all of its tasks are accepted. Of the others, name the",
    "accepted tasks one by one. A group that defines tasks itself, or changes settings of its tasks, such as",
    "num_fewshot, is refused.",
]
IN_WORDS = {
    "all": "all accepted",
    "some": "some accepted",
    "none": "none accepted",
    "changed": "defined or changed by the group",
}


if __name__ == "__main__":
    entries = whole_index()
    print(page(judged_tasks(entries), fates(entries), entries), end="")
