"""lm-eval's task, built, and its requests made, as simple_evaluate does.

lm_task = make_lm_task("boolq", definition, loaded, shots=0)
instances_of(lm_task, [0, 1, 2], Prompting())            # lm-eval's requests by row
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import datasets
from lm_eval.api.utils import ends_with_whitespace
from lm_eval.defaults import DEFAULT_OTHER_SEED

from cornerstone.documents.answers import gold_indices
from cornerstone.documents.data_set import is_full_disk, no_room_for
from cornerstone.documents.document import CHOICES
from cornerstone.documents.loaded_task import LoadedTask
from cornerstone.documents.supported_tasks import metric_name, metrics_of
from cornerstone.documents.task_data import TaskData, of_local_file
from cornerstone.documents.task_fields import check_names, field_reason, refusal, rules_of, trouble_of
from cornerstone.system.errors import CornerstoneError, one_line

NAME_DRAWS = 3
"""How often lm-eval's manager asks a task that it loads for its name: each time, `random` draws one to fall back on."""
STRUCTURAL = ("tag", "group", "task_list")
"""Keys of a definition that are no task's."""


def make_lm_task(task: str, definition: Mapping[str, Any], loaded: TaskData, shots: int) -> LoadedTask:
    """lm-eval's task with its few-shot seed, as simple_evaluate makes it. Raises CornerstoneError."""
    definition = of_local_file(definition) if loaded.is_local else definition
    config = {key: value for key, value in definition.items() if key not in STRUCTURAL}
    config["metric_list"] = _measured(definition)
    if isinstance(config.get("fewshot_config"), Mapping):
        config["fewshot_config"] = dict(config["fewshot_config"])
    for rules in (config, config.get("fewshot_config") or {}):
        if callable(rules.get("process_docs")):
            rules["process_docs"] = _explained(task, rules["process_docs"], loaded)
    lm_task = LoadedTask.__new__(LoadedTask)  # kept where it fails: it then tells which row is at fault
    try:
        lm_task.__init__(config, loaded, shots)
    except CornerstoneError:
        raise
    except Exception as error:  # the definition itself, or lm-eval's try of the first row
        first = lm_task.task_docs[0] if getattr(lm_task, "features", None) else None
        if first and (trouble := trouble_of(lm_task, first, rules_of(lm_task.config))):
            raise refusal(lm_task, loaded.place, 0, trouble) from error
        if first and lm_task.OUTPUT_TYPE == CHOICES:
            gold_indices(f"task {task}: {loaded.place}, row 1", lm_task, first, lm_task.doc_to_choice(first))
        raise CornerstoneError(
            f"task {task}: lm-eval cannot build a prompt from {loaded.place}, row 1 ({one_line(error)})"
        ) from error
    check_names(lm_task, with_examples=bool(shots))
    for _ in range(NAME_DRAWS):
        _ = lm_task.task_name
    lm_task.set_config("num_fewshot", shots)
    lm_task.set_fewshot_seed(DEFAULT_OTHER_SEED)
    return lm_task


def _measured(definition: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The metrics that are measured. For some others lm-eval downloads code from the hub, and runs it."""
    if definition.get("metric_list") is None:
        return None
    measured = metrics_of(definition)
    return [
        {**entry, "hf_evaluate": False}
        for entry in definition["metric_list"]
        if metric_name(entry["metric"]) in measured
    ]


def _explained(task: str, process: Callable[..., Any], loaded: TaskData) -> Callable[..., Any]:
    """The task's process_docs; where it fails, the first row that it fails on is named."""

    def process_docs(rows: Any) -> Any:
        try:
            return process(rows)
        except (Exception, SystemExit) as error:  # the task's own code
            split = next((name for name, known in loaded.splits.items() if known is rows), None)
            place = loaded.place_of(split)
            if not isinstance(rows, datasets.Dataset):
                raise CornerstoneError(
                    f"task {task}: its process_docs fails on {place} ({one_line(error)})"
                ) from error
            if is_full_disk(error):
                raise CornerstoneError(f"task {task}: {no_room_for(place)}") from error
            row, reason = _first_failing_row(process, rows)
            raise CornerstoneError(
                f"{place}, row {row}: {reason}; task {task} cannot read it, "
                f"its fields are {', '.join(rows.column_names)}"
            ) from error

    return process_docs


def _first_failing_row(process: Callable[..., Any], rows: datasets.Dataset) -> tuple[int, str]:
    """By halving: the number of the first row (from 1) with which process_docs fails, and why."""
    sound, failing, reason = 0, len(rows), ""  # the first `sound` rows pass, the first `failing` do not
    while failing - sound > 1 or not reason:
        middle = (sound + failing + 1) // 2
        try:
            process(rows.select(range(middle)))
            if middle == failing:  # it failed on all rows, and does so no more
                return failing, "it fails at times"
            sound = middle
        except (Exception, SystemExit) as error:  # the task's own code
            failing, reason = middle, field_reason(error)
    return failing, reason


@dataclass(frozen=True)
class Prompting:
    """How lm-eval is told to ask.

    system_instruction: as in lm-eval, before the task's description; None for none.
    multiturn: None: in plain prompts. Else in messages, which stand in the place of contexts, as JSON; and whether
               solved examples are turns of their own there (lm-eval's fewshot_as_multiturn).
    """

    system_instruction: str | None = None
    multiturn: bool | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Of lm-eval's build_all_requests. The template that it is handed writes the messages down as they are."""
        asked: dict[str, Any] = {"system_instruction": self.system_instruction}
        if self.multiturn is not None:
            asked |= {
                "apply_chat_template": True,
                "chat_template": _as_json,
                "fewshot_as_multiturn": self.multiturn,
            }
        return asked

    def delimiter_of(self, lm_task: LoadedTask) -> str:
        """What lm-eval puts between a prompt and a choice (`construct_requests`)."""
        begun = lm_task.config.gen_prefix
        keeps = self.multiturn is None or (begun and not ends_with_whitespace(begun))
        return lm_task.config.target_delimiter if keeps else ""


def _as_json(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> str:
    """lm-eval asks for no generation prompt just where the last message is the beginning of the answer."""
    return json.dumps(messages, ensure_ascii=False)


def instances_of(lm_task: LoadedTask, rows: Sequence[int], prompting: Prompting) -> dict[int, list[Any]]:
    """lm-eval's requests by row. Where lm-eval itself picks the rows, it numbers them anew."""
    built = built_rows(lm_task, rows)
    if len(built) == built[-1] + 1:
        lm_task.build_all_requests(limit=len(built), **prompting.arguments)
    else:
        lm_task.build_all_requests(samples=built, **prompting.arguments)
    grouped = groupby(lm_task.instances, key=lambda instance: instance.doc_id)
    return {built[number]: list(group) for number, group in grouped}


def built_rows(lm_task: LoadedTask, rows: Sequence[int]) -> Sequence[int]:
    """The rows that are built for these, ascending.

    Code may draw random numbers for one document after another, and lm-eval so draws examples: where there is any,
    all documents up to the last row are built.
    """
    return range(max(rows) + 1) if _draws(lm_task) else sorted(rows)


def _draws(lm_task: LoadedTask) -> bool:
    rules = rules_of(lm_task.config).values()
    return bool(lm_task.config.num_fewshot) or any(
        callable(rule) or (isinstance(rule, str) and "random" in rule) for rule in rules
    )


def runs_code(definition: Mapping[str, Any]) -> bool:
    """Whether a task has functions of its own, which may do anything."""
    given = definition.get("fewshot_config") or {}
    return any(map(callable, [*definition.values(), *given.values()])) or any(
        isinstance(rule, str) and "random" in rule for rule in definition.values()
    )
