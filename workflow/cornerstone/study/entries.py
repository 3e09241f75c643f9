"""What stands in a configuration by itself: a model, a task, the resources of a job, what pruning curves are made of.

study.model("demo_llama").resources.gpu
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cornerstone.system.errors import CornerstoneError, known_names


@dataclass(frozen=True)
class Resources:
    """What a job asks of the scheduler: GPUs (0 or 1), CPUs, main memory in MB, run time in minutes."""

    gpu: int
    cpus: int
    mem_mb: int
    runtime: int


@dataclass(frozen=True)
class ModelConfig:
    """A model of the study: on the hub (hub, revision) or in a local folder, never both.

    placement:         auto, or resident or streamed weights.
    documents:         evaluate only the first so many documents of each task; None for all.
    allow_remote_code: whether Python code that comes with the model is run; None where nobody said.
    resources:         of one evaluation.
    apply_chat_template: whether its tokenizer's chat template writes the prompts out, or the name of the template.
    chat_template_args:  what the template is given besides the messages, by name.
    """

    name: str
    hub: str | None
    revision: str | None
    folder: str | None
    title: str
    dtype: str
    device: str
    placement: str
    documents: int | None
    allow_remote_code: bool | None
    resources: Resources
    apply_chat_template: bool | str = False
    chat_template_args: Mapping[str, bool | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskConfig:
    """A task of the study.

    task:         lm-eval's name of it.
    data:         a local file read in place of the scored split; None for the task's own data set.
    shots:        solved examples before each question; None for as many as lm-eval's task asks for.
    sample, seed: keep a random so many documents, drawn with the seed; None for all, in their own order.
    documents:    keep only the first so many (of the sample); None for all.
    include_path: a folder with tasks of the user's own; None for lm-eval's.
    group:        lm-eval's name of the group that brought it into the study; None where it was named itself.
    generate:     whether its answers are generated.
    metric:       which of its metrics then scores them, as lm-eval reports it ("exact_match,strict-match"); None for
                  the first.
    same_items_as: the task that asks the same items with given answers; None where none does.
    system_instruction:   before the task's description; None for none.
    fewshot_as_multiturn: whether solved examples are turns of a chat; None for lm-eval's default.
    """

    name: str
    task: str
    title: str
    data: str | None
    shots: int | None
    documents: int | None
    sample: int | None
    seed: int
    include_path: str | None
    group: str | None
    generate: bool = False
    metric: str | None = None
    same_items_as: str | None = None
    system_instruction: str | None = None
    fewshot_as_multiturn: bool | None = None

    @property
    def sampling_seed(self) -> int | None:
        """The seed where documents are drawn. None where none are: another seed then changes nothing."""
        return self.seed if self.sample else None


@dataclass(frozen=True)
class PruningConfig:
    """What pruning curves are made of.

    most_removed:  the most sublayers removed together; None for half of a model's.
    random_orders: how many. greedy: whether greedy removal is a ranking too.
    """

    most_removed: int | None
    random_orders: int
    greedy: bool


def look_up(kind: str, name: str, nouns: Sequence[Any]) -> Any:
    """The one of this name; kind: what they are. Raises CornerstoneError naming the known ones."""
    for noun in nouns:
        if noun.name == name:
            return noun
    names = known_names(name, (noun.name for noun in nouns))
    raise CornerstoneError(f"unknown {kind} {name!r}: the configuration has {names}")
