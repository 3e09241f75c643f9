"""Which of lm-eval's tasks Cornerstone can measure, as their definitions tell.

unsupported_reason(config)    # None, or "it scores by its own process_results"

Choices scored by acc or acc_norm, targets scored by acc or perplexity, texts scored by their perplexities, and answers
that are generated greedily, scored by a metric that is averaged over documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cornerstone.documents.document import CHOICES, GENERATED, TARGET, TEXT
from cornerstone.system.errors import CornerstoneError

METRICS = {
    CHOICES: {"acc": "mean", "acc_norm": "mean"},
    TARGET: {"acc": "mean", "perplexity": "perplexity"},
    TEXT: {
        "word_perplexity": "weighted_perplexity",
        "byte_perplexity": "weighted_perplexity",
        "bits_per_byte": "bits_per_byte",
    },
    GENERATED: {"exact_match": "mean"},
}
"""By output type, the metrics that are supported, each with lm-eval's own way of averaging it over documents. Of
answers that are generated, any of the task's own functions that is averaged by `mean` besides."""
SUPPORTED = (
    "choose a task of multiple choice scored by acc or acc_norm, of a target scored by acc or perplexity, of whole "
    "texts scored by perplexity, or of answers generated greedily, scored by a metric that is a mean over documents"
)
NO_FILTER = "none"
"""What lm-eval calls the filter of a task without any."""


def unsupported_reason(config: dict[str, Any]) -> str | None:
    """Why a task cannot be measured; None if it can. `config` may have its functions by name only."""
    output_type = output_type_of(config)
    if "class" in config:
        return "it is a Python class of its own"
    if output_type not in tuple(METRICS):  # it may be anything that YAML can write
        return f"its output type is {output_type}"
    if not _lists_metrics(config):
        return "its metric_list is no list of entries that name a metric each"
    if output_type == GENERATED and (reason := _more_than_greedy(config)):
        return reason
    if output_type not in (TEXT, GENERATED) and config.get("process_results") is not None:
        return "it scores by its own process_results"
    if config.get("doc_to_image") is not None or config.get("doc_to_audio") is not None:
        return "it shows images or sounds"
    if output_type == CHOICES and (
        config.get("use_prompt") is not None or config.get("doc_to_choice") is None
    ):
        return "it does not list its choices"
    if output_type != GENERATED and config.get("filter_list"):
        return "it filters the model's answers before it scores them"
    if output_type == GENERATED and config.get("filter_list") == []:
        return "its filter_list is empty, so that lm-eval scores nothing"
    if not metrics_of(config):
        named = reported_metrics(config)
        if own := [metric_name(metric) for metric in _listed_metrics(config) if _is_measured(metric, config)]:
            return f"it averages {', '.join(own)} in a way of its own"
        return f"its only metrics are {', '.join(named)}" if named else "it names no metric"
    return None


def _more_than_greedy(config: dict[str, Any]) -> str | None:
    """Why a task's answers are no greedy ones; None if they are."""
    settings = config.get("generation_kwargs") or {}
    if not isinstance(settings, Mapping):
        return "its generation_kwargs are no mapping"
    samples = settings.get("do_sample")
    if samples or (samples is None and float(settings.get("temperature") or 0) > 0):
        return "it draws its answers at random (do_sample, temperature), and they are decoded greedily here"
    if (beams := settings.get("num_beams") or 1) > 1:
        return f"it searches with {beams} beams, and answers are decoded greedily here"
    if config.get("unsafe_code"):
        return "its metric runs the code that a model writes"
    if (config.get("repeats") or 1) > 1:
        return f"it asks for {config['repeats']} answers to each document"
    return None


def output_type_of(config: dict[str, Any]) -> str:
    """lm-eval's output type of a task."""
    return config.get("output_type", "generate_until")  # lm-eval's default


def reported_metrics(config: dict[str, Any]) -> tuple[str, ...]:
    """The metrics that the task names, supported or not; of a function its module's and its own name."""
    return tuple(
        f"{metric.__module__}.{metric.__name__}" if callable(metric) else metric.rpartition("/")[2]
        for metric in _listed_metrics(config)
    )


def _listed_metrics(config: Mapping[str, Any]) -> list[Any]:
    """As the definition has them: names, functions or their paths."""
    return [each["metric"] for each in config.get("metric_list") or []]


def metric_name(metric: Any) -> str:
    """What lm-eval reports a metric as: a function by its own name. metric: a name, a function, or one's path and name,
    as a definition has it whose code was not run ("/tasks/own/utils.near")."""
    if callable(metric):
        return metric.__name__
    return metric.rpartition(".")[2] if _is_function(metric) else metric


def _is_function(metric: Any) -> bool:
    return callable(metric) or "/" in metric


def metrics_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The supported metrics that the task reports, averaged in lm-eval's own way."""
    known = METRICS[output_type_of(config)]
    listed = config.get("metric_list")
    if listed is None:  # lm-eval's defaults
        return tuple(known)
    if output_type_of(config) == GENERATED:
        usual = "mean" if config.get("process_results") is not None else None
        ways = {each["metric"]: each.get("aggregation", known.get(each["metric"], usual)) for each in listed}
        return tuple(
            metric_name(metric)
            for metric, way in ways.items()
            if way == "mean" and _is_measured(metric, config)
        )
    own = {metric["metric"]: metric.get("aggregation", known.get(metric["metric"])) for metric in listed}
    return tuple(metric for metric, usual in known.items() if own.get(metric) == usual)


def _is_measured(metric: Any, config: Mapping[str, Any]) -> bool:
    """Whether a metric can be, were it averaged in the usual way. Of a name that it does not know lm-eval downloads
    code."""
    of_type = output_type_of(config)
    if of_type != GENERATED:
        return metric in METRICS[of_type]
    return config.get("process_results") is not None or metric in METRICS[of_type] or _is_function(metric)


def reported_of(config: dict[str, Any]) -> tuple[str, ...]:
    """What the task reports, as lm-eval names it: the metrics, of generated answers each with each filter."""
    metrics = metrics_of(config)
    if output_type_of(config) != GENERATED:
        return metrics
    filters = [each["name"] for each in config.get("filter_list") or ()] or [NO_FILTER]
    return tuple(f"{metric},{each}" for each in filters for metric in metrics)


def _lists_metrics(config: dict[str, Any]) -> bool:
    listed = config.get("metric_list")
    return listed is None or (
        isinstance(listed, list)
        and all(isinstance(entry, Mapping) and _is_metric(entry.get("metric")) for entry in listed)
    )


def _is_metric(given: Any) -> bool:
    return isinstance(given, str) or callable(given)


def scored_split(config: dict[str, Any]) -> str:
    """The split that lm-eval scores: `test` where there is one, else `validation`. Raises CornerstoneError."""
    split = config.get("test_split") or config.get("validation_split")
    if split is None:
        raise CornerstoneError(
            f"task {config['task']} is not supported: it names no test or validation split"
        )
    return split


def number_of_shots(config: dict[str, Any], shots: int | None) -> int:
    """Solved examples before each question: `shots`, or as many as the task asks for. Raises CornerstoneError."""
    fixed = config.get("num_fewshot")
    if fixed == 0 and shots:  # lm-eval would ignore the wish, and go on
        raise CornerstoneError(
            f"task {config['task']}: lm-eval fixes it at 0 shots, but {shots} were requested; leave shots out"
        )
    return (fixed or 0) if shots is None else shots
