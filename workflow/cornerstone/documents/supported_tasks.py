"""Which of lm-eval's tasks Cornerstone can measure, as their definitions tell: multiple choice, acc or acc_norm.

unsupported_reason(config)    # None, or "it scores by its own process_results"
"""

from __future__ import annotations

from typing import Any

from cornerstone.system.errors import CornerstoneError

METRICS = ("acc", "acc_norm")


def unsupported_reason(config: dict[str, Any]) -> str | None:
    """Why a task cannot be measured; None if it can. `config` may have its functions by name only."""
    output_type = config.get("output_type", "generate_until")  # lm-eval's default
    if "class" in config:
        return "it is a Python class of its own"
    if output_type != "multiple_choice":
        return f"it is not multiple choice (its output type is {output_type})"
    if config.get("process_results") is not None:
        return "it scores by its own process_results"
    if config.get("doc_to_image") is not None or config.get("doc_to_audio") is not None:
        return "it shows images or sounds"
    if config.get("use_prompt") is not None or config.get("doc_to_choice") is None:
        return "it does not list its choices"
    if not metrics_of(config):
        named = [str(metric["metric"]) for metric in config["metric_list"]]
        if set(named) & set(METRICS):
            return f"it averages {', '.join(named)} in a way of its own"
        return f"its only metrics are {', '.join(named)}"
    return None


def metrics_of(config: dict[str, Any]) -> tuple[str, ...]:
    """Those of METRICS that the task reports as a plain mean over documents."""
    listed = config.get("metric_list")
    if listed is None:  # lm-eval's default for multiple choice
        return METRICS
    means = [metric["metric"] for metric in listed if metric.get("aggregation", "mean") == "mean"]
    return tuple(metric for metric in METRICS if metric in means)


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
