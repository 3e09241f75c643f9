"""The configuration of a study: checked against the schema, defaults filled, known names looked up.

    study = resolve(yaml.safe_load(Path("config/demo.yaml").read_text()))
    study.model("demo_llama").folder    # "resources/demo/models/demo_llama"

The schema (workflow/schemas/config.schema.yaml) has the keys, their descriptions and defaults; what it
cannot say, such as "exactly one of hub and folder", is checked here. Imports neither torch nor lm-eval.
"""

from __future__ import annotations

import difflib
import math
import os
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cornerstone.models.folder import check_model_folder, count_sublayers_from_config, read_model_config
from cornerstone.shapley.coalitions import Removed, check_max_removed
from cornerstone.shapley.designs import DESIGN_OF_ESTIMATOR, DESIGNS, check_exact, coalitions_of
from cornerstone.system.errors import UNWRITABLE, CornerstoneError, shown
from cornerstone.tables import TABLES

SCHEMA_PATH = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
FIGURE_ENDINGS = ("pdf", "png", "svg")
MODEL_FIGURES = ("pie", "ablation", "values", "agreement", "interactions")
"""Figure kinds that there are for each model."""
EXACT_FIGURES = ("audit",)
"""Figure kinds that there are for each model whose exact values are worked out."""
WHOLE_FIGURES = ("pie_all", "totals_all", "ablation_scheme")
"""Figures that there are once a study."""
RESERVED_MODEL_NAMES = ("all", "scheme")
"""pie_all.pdf, totals_all.pdf and ablation_scheme.pdf are something else."""
DESIGN_REASONS = {
    "pairs": ", pairs where pair_distance is 2 or more",
    "exact": ", exact of the models that exact names",
    "informative": ", informative with estimator: gaussian_process",
    "permutations": ", permutations with estimator: permutations",
}
"""When there is a design that a study has not."""
REFUSED_KEYS = {
    "chat_template": "questions are asked in lm-eval's plain prompts, as in the paper; leave it out",
    "apply_chat_template": "questions are asked in lm-eval's plain prompts, as in the paper; leave it out",
    "quantization_config": "weights are evaluated as they are stored, in the dtype; leave it out",
    "load_in_8bit": "weights are evaluated as they are stored, in the dtype; leave it out",
    "load_in_4bit": "weights are evaluated as they are stored, in the dtype; leave it out",
    "device_map": "an evaluation runs on one device; choose a device, and placement: streamed for a larger model",
    "trust_remote_code": "it is called allow_remote_code here",
}
"""What people know from other tools and might hope for; each with what holds here."""
MOST_VALUES = 20_000
"""In a configuration; a few aliases of aliases in YAML stand for more than any memory holds."""
MOST_MISTAKES = 10
"""Told at once."""
LARGEST_NUMBER = 1e15
MOST_LEVELS = 10
MOST_NAME_BYTES = 255
ILL_REVISION = re.compile(r"\.\.|//|[/.]$|\.lock$")
"""What git allows in no branch or tag; ".." would lead out of the cache."""


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
    allow_remote_code: whether Python code that comes with the model may be run.
    resources:         of one evaluation.
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
    allow_remote_code: bool
    resources: Resources


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


@dataclass(frozen=True)
class StudyConfig:
    """A whole configuration, checked, with every default filled; models and tasks in the order given."""

    results: str
    models: tuple[ModelConfig, ...]
    tasks: tuple[TaskConfig, ...]
    documents: int | None
    sample: int | None
    seed: int
    max_removed: int
    pair_distance: int
    edges: str
    estimator: str
    exact: tuple[str, ...]
    score: str
    top_k: int
    collapse_margin: float
    shards: Mapping[str, int]
    max_runtime: int | None
    gpu_tflops: float
    memory_gb: float | None

    @property
    def model_names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.models)

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    def model(self, name: str) -> ModelConfig:
        """The model of this name. Raises CornerstoneError naming the known ones."""
        return _look_up("model", name, self.models)

    def task(self, name: str) -> TaskConfig:
        """The task of this name. Raises CornerstoneError naming the known ones."""
        return _look_up("task", name, self.tasks)

    @property
    def table_files(self) -> tuple[str, ...]:
        """ "shares.csv", "shares.md", …: the audit's only where exact values are worked out."""
        tables = [table for table in TABLES if self.exact or not table.of_audit]
        return tuple(file for table in tables for file in table.files)

    def figure_kinds_of(self, model: str) -> tuple[str, ...]:
        """The figures that there are of this model alone: interactions only where pairs are removed."""
        some = MODEL_FIGURES + (EXACT_FIGURES if model in self.exact else ())
        has_pairs = self.max_removed > 1 or {"pairs", "exact"} & set(self.designs_of(model))
        return tuple(kind for kind in some if kind != "interactions" or has_pairs)

    def shards_of(self, model: str) -> int:
        """Into how many jobs the model's documents are cut."""
        return self.shards.get(model, 1)

    def designs_of(self, model: str) -> tuple[str, ...]:
        """The designs that the model is evaluated with, in the order of DESIGNS."""
        self.model(model)
        some = {"ablation", "windows", DESIGN_OF_ESTIMATOR[self.estimator]}
        if self.pair_distance > 1:
            some.add("pairs")
        if model in self.exact:
            some.add("exact")
        return tuple(design for design in DESIGNS if design in some)

    @property
    def pair_distances(self) -> tuple[int, int]:
        """The nearest and the farthest of the design `pairs`; neighbours are those of the windows, if there are any."""
        return (2 if self.max_removed > 1 else 1), self.pair_distance

    def coalitions_of(self, design: str, n_sublayers: int) -> list[Removed]:
        """Of a model with so many sublayers. Raises CornerstoneError where max_removed is beyond them."""
        distances = self.pair_distances
        return coalitions_of(design, n_sublayers, max_removed=self.max_removed, pair_distances=distances)

    def document_limit(self, model: str, task: str) -> int | None:
        """How many of the task's documents this model is asked: the lowest of the limits; None for all."""
        limits = [self.documents, self.model(model).documents, self.task(task).documents]
        return min((limit for limit in limits if limit is not None), default=None)


ExpandGroup = Callable[[str, str | None], list[str]]
"""From the name of a group and a folder of tasks of one's own (or None) to the names of the group's tasks."""


def load(path: Path | str, expand_group: ExpandGroup | None = None) -> StudyConfig:
    """The study that a YAML file configures; see `resolve`. Raises CornerstoneError where it is unreadable."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except Exception as error:  # PyYAML passes on whatever a date, a number or a tag that is none raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CornerstoneError(f"cannot read {path}: {reason[:300]}") from error
    return resolve(raw, expand_group)


def resolve(raw: Mapping[str, Any], expand_group: ExpandGroup | None = None) -> StudyConfig:
    """Check a parsed configuration and fill its defaults; `raw` is left as it is.

    expand_group: asked only where a task is a group (`task_index.expand_task`, which needs lm-eval).
    Raises CornerstoneError with every mistake in one line: the key, what was given, what was needed.
    """
    mistakes = list(_unreadable_values(raw))  # what the schema's language cannot say, or chokes on
    mistakes = mistakes or [_schema_mistake(error) for error in _schema_errors(raw)]
    filled = {} if mistakes else _fill_defaults(raw, _schema())
    if not mistakes:
        filled["tasks"] = dict(_expanded(filled["tasks"], expand_group))
        mistakes = list(_study_mistakes(filled))
    if mistakes:
        more = f"; and {len(mistakes) - MOST_MISTAKES} more mistakes" if len(mistakes) > MOST_MISTAKES else ""
        raise CornerstoneError("config: " + "; ".join(mistakes[:MOST_MISTAKES]) + more)
    filled["results"] = posixpath.normpath(filled["results"])  # as Snakemake would name targets in it
    filled["exact"] = tuple(dict.fromkeys(filled["exact"]))
    return StudyConfig(
        **{key: value for key, value in filled.items() if key not in ("models", "tasks")},
        models=tuple(_model(name, keys) for name, keys in filled["models"].items()),
        tasks=tuple(
            _task(name, keys, filled["seed"], filled["sample"]) for name, keys in filled["tasks"].items()
        ),
    )


def _expanded(
    tasks: dict[str, dict[str, Any]], expand_group: ExpandGroup | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tasks, with a group's tasks in the place of the group; a task that is named too keeps its settings."""
    for name, keys in tasks.items():
        if keys["group"] is None:
            yield name, keys
            continue
        fixed = [key for key in ("task", "title", "data") if keys[key] is not None]
        if fixed:
            raise CornerstoneError(
                f"config: tasks.{name} is a group and has {' and '.join(fixed)}, which belongs to a single task: "
                "leave it out"
            )
        if expand_group is None:
            raise CornerstoneError(f"config: tasks.{name} is a group, and nothing here can expand it")
        for member in expand_group(keys["group"], keys["include_path"]):
            if not re.fullmatch(_schema()["$defs"]["name"]["pattern"], member):
                raise CornerstoneError(
                    f"config: tasks.{name}: its task {member!r} has no name for a file: {_NAME_PHRASE}"
                )
            if member not in tasks:
                yield member, keys


def check_models(study: StudyConfig, names: Iterable[str] | None = None) -> None:
    """Raise CornerstoneError unless the local models are whole and have sublayers for what is asked of them.

    Models on the hub are checked once they are downloaded. `names` restricts the check to some models.
    """
    for name in study.model_names if names is None else names:
        folder = study.model(name).folder
        if folder is not None:
            try:
                check_model_folder(folder)
                sublayers = count_sublayers_from_config(read_model_config(folder))
                check_max_removed(sublayers, study.max_removed)
                if "exact" in study.designs_of(name):
                    check_exact(sublayers)
            except CornerstoneError as error:
                raise CornerstoneError(f"models.{name}: {error}") from error


def check_places(study: StudyConfig) -> None:
    """Raise CornerstoneError unless the results have a place, and local data and tasks are where the study says."""
    taken = _nearest_existing(study.results)
    if not os.path.isdir(taken):
        raise CornerstoneError(f"results is {study.results}, but {taken} is a file: give a folder")
    if taken != study.results and not os.access(taken, os.W_OK | os.X_OK):
        raise CornerstoneError(
            f"results is {study.results}, and {taken} may not be written to: give a folder of yours"
        )
    for task in study.tasks:
        if task.data is not None and not (os.path.isfile(task.data) and os.access(task.data, os.R_OK)):
            raise CornerstoneError(
                f"tasks.{task.name}.data: {_state_of(task.data)}: give a file of documents, relative to the "
                "working directory"
            )
        if task.include_path is not None and not os.path.isdir(task.include_path):
            raise CornerstoneError(
                f"tasks.{task.name}.include_path: {_state_of(task.include_path)}: give a folder with YAML tasks of "
                "your own"
            )


def _nearest_existing(path: str) -> str:
    """The path itself or the nearest of the folders above it that is there; "." of a relative one at last."""
    while not os.path.lexists(path):
        path = posixpath.dirname(path) or "."
    return path


def _state_of(path: str) -> str:
    """What is wrong with a place that should be a file that can be read, or a folder."""
    if not os.path.exists(path):
        return f"{path} does not exist"
    if os.path.isfile(path):
        return f"{path} is a file" if os.access(path, os.R_OK) else f"{path} may not be read"
    return f"{path} is a folder"


def check_targets(study: StudyConfig, targets: Iterable[str]) -> None:
    """Raise CornerstoneError for the first target that looks like one of ours but cannot be made.

    A target is what is asked for on the command line, such as results/figures/pie_llama3_8b.pdf. Names of
    rules and files elsewhere are nobody's mistake here.
    """
    results = posixpath.normpath(study.results)
    for target in targets:
        path = posixpath.normpath(target)
        try:
            if path.startswith(results + "/"):
                _check_result(study, path.removeprefix(results + "/"))
            elif path.startswith("results/") and path.split("/")[1] in (*_FOLDER_CHECKS, "report.html"):
                raise CornerstoneError(
                    f"this configuration writes to {results}/; choose another with --configfile"
                )
        except CornerstoneError as error:
            raise CornerstoneError(f"cannot make {target}: {error}") from error


def known_names(name: str, known: Iterable[str], most: int = 12) -> str:
    """The known names in one phrase, the nearest to `name` first."""

    def distance(other: str) -> float:
        return -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    ordered = sorted(known, key=distance)
    left_out = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {left_out} more" if left_out > 0 else "")


def _look_up(kind: str, name: str, nouns: tuple[Any, ...]) -> Any:
    for noun in nouns:
        if noun.name == name:
            return noun
    names = known_names(name, (noun.name for noun in nouns))
    raise CornerstoneError(f"unknown {kind} {name!r}: the configuration has {names}")


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))


def _schema_errors(raw: Any) -> list[ValidationError]:
    return sorted(
        Draft202012Validator(_schema()).iter_errors(raw), key=lambda error: list(map(str, error.path))
    )


def _key_path(path: Iterable[Any]) -> str:
    return ".".join(_short(str(key)) for key in path)


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _schema_mistake(error: ValidationError) -> str:
    """An error of jsonschema in our words."""
    key = _key_path(error.path) or "the configuration"
    given, rule = error.instance, error.validator_value
    if "propertyNames" in error.schema_path:
        return f"{key} has the name {shown(given)}: {_NAME_PHRASE}"
    if error.validator == "additionalProperties":
        return _unknown_key(error)
    needed = {
        "type": lambda: "give " + _type_phrase(rule),
        "enum": lambda: f"give one of {', '.join(map(str, rule))}",
        "minimum": lambda: f"give {rule} or more",
        "maximum": lambda: f"give {rule} or less",
        "exclusiveMinimum": lambda: f"give more than {rule}",
        "minLength": lambda: "it must not be empty",
        "maxLength": lambda: f"give up to {rule} characters",
        "pattern": lambda: _PATTERN_PHRASES[error.path[-1]],
    }[error.validator]()
    return f"{key} is {shown(given)}: {needed}"


_NAME_PHRASE = "use up to 100 letters, digits, '_', '-' and '.', the first a letter, digit or '_'"
_PATTERN_PHRASES = {
    "results": "give a folder without {, }, < and >",
    "hub": "give an id on the hub, such as meta-llama/Meta-Llama-3-8B",
    "revision": "give a branch, tag or commit",
    "folder": "give a folder without {, }, < and >",
    "include_path": "give a folder without {, }, < and >",
    "data": "give a file that ends in .jsonl, .json, .parquet or .csv, without {, }, < and >",
}


def _type_phrase(types: str | list[str]) -> str:
    phrases = {
        "object": "a mapping of keys to values",
        "array": "a list in brackets, such as [one, other]",
        "string": "text (in quotes where YAML reads it as something else)",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    return " or ".join(phrases[name] for name in ([types] if isinstance(types, str) else types))


def _unknown_key(error: ValidationError) -> str:
    known = list(error.schema["properties"])
    unknown = [key for key in error.instance if key not in known]
    where = f" in {_key_path(error.path)}" if error.path else ""
    return "; ".join(f"unknown key {shown(key)}{where} ({_nearest(key, known)})" for key in unknown)


def _nearest(key: str, known: list[str]) -> str:
    key = _short(key)
    if key in REFUSED_KEYS:
        return REFUSED_KEYS[key]
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {known_names(key, known)}"


def _unreadable_values(raw: Any) -> Iterator[str]:
    """Keys that are no text, text over several lines, numbers that are none or endless, endless aliases."""
    waiting, seen = deque([("", raw, 0)]), 0
    while waiting:
        key, value, depth = waiting.popleft()
        where, seen = key or "the configuration", seen + 1
        if seen + len(waiting) > MOST_VALUES:
            yield f"the configuration has more than {MOST_VALUES:,} values: give fewer"
            return
        if depth > MOST_LEVELS:
            yield f"{where} is nested too deeply"
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                if mistake := _unreadable_key(name):
                    yield f"{where} has the key {shown(name)}{mistake}"
                else:
                    waiting.append((f"{key}.{_short(name)}" if key else _short(name), inner, depth + 1))
        elif isinstance(value, list | tuple | set):
            waiting.extend((key, inner, depth + 1) for inner in value)
        elif mistake := _unreadable_value(value):
            yield f"{where} is {mistake}"


def _unreadable_key(name: Any) -> str | None:
    if not isinstance(name, str):
        return ", which YAML reads as no text: put it in quotes"
    return ": give one line without control characters" if UNWRITABLE.search(name) else None


def _unreadable_value(value: Any) -> str | None:
    if isinstance(value, str) and UNWRITABLE.search(value):
        return f"{shown(value)}: give one line without control characters"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}: give a finite number"
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        return f"a number beyond {LARGEST_NUMBER:g}: give a smaller one"
    return None


def _fill_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """`value` with the schema's defaults, in the schema's order; a copy."""
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        given = value or {}
        return {
            key: _fill_defaults(given.get(key, _default(inner)), inner)
            for key, inner in schema["properties"].items()
        }
    if "additionalProperties" in schema:
        return {name: _fill_defaults(inner, schema["additionalProperties"]) for name, inner in value.items()}
    whole = schema.get("type") in ("integer", ["integer", "null"])
    return int(value) if whole and value is not None else value  # to JSON schema, 4.0 is a whole number too


def _default(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _default(_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    return schema["default"]


def _study_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """What the schema cannot say."""
    for kind in ("models", "tasks"):
        if not filled[kind]:
            yield f"{kind} is empty: name at least one"
        yield from _name_clashes(kind, list(filled[kind]))
    for name, keys in filled["models"].items():
        yield from _model_mistakes(f"models.{name}", keys)
        if name in RESERVED_MODEL_NAMES:
            yield f"models.{name}: this name is taken by a figure of its own; choose another"
    yield from _place_mistakes(filled)
    for name in filled["shards"]:
        if name not in filled["models"]:
            known = known_names(_short(name), filled["models"])
            yield f"shards.{_short(name)} is no model of this study: it has {known}"
    for name in filled["exact"]:
        if name not in filled["models"]:
            known = known_names(_short(name), filled["models"])
            yield f"exact: {_short(name)} is no model of this study: it has {known}"


def _place_mistakes(filled: dict[str, Any]) -> Iterator[str]:
    """Places that lead out of the working directory unsaid, that no disk has, or that get in each other's way."""
    results = filled["results"]
    if results.startswith("~"):
        yield f"results is {shown(results)}, and ~ is the name of a folder here: write your home folder out"
    if posixpath.normpath(results).split("/")[0] == "..":
        yield (
            f"results is {shown(results)}, which leads out of the working directory: give a folder in it, or an "
            "absolute path"
        )
    elif _is_in(os.getcwd(), results):
        yield f"results is {shown(results)}, which holds the working directory: give a folder of its own"
    if any(len(os.fsencode(part)) > MOST_NAME_BYTES for part in results.split("/")):
        yield f"results is {shown(results)}: no name in it may be longer than {MOST_NAME_BYTES} bytes"
    for name, keys in filled["tasks"].items():
        if (folder := keys["include_path"]) is not None and (
            _is_in(os.getcwd(), folder) or _is_in(results, folder)
        ):
            yield (
                f"tasks.{name}.include_path is {_short(folder)}, which holds the results too: "
                "give your tasks a folder of their own"
            )
        if (data := keys["data"]) is not None and _is_made(data, results):
            yield f"tasks.{name}.data is {shown(data)}, where the study writes its own files: move it elsewhere"
    for name, keys in filled["models"].items():
        folder = keys["folder"]
        if folder is not None and (_is_in(results, folder) or _is_made(folder, results)):
            yield f"models.{name}.folder is {shown(folder)}, where the study writes its own files: move it elsewhere"


def _is_in(path: str, folder: str) -> bool:
    """Whether a path is the folder or in it, links followed."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_made(path: str, results: str) -> bool:
    """Whether a path is in one of the folders that a study writes to."""
    return any(_is_in(path, os.path.join(results, folder)) for folder in _FOLDER_CHECKS)


def _name_clashes(kind: str, names: list[str]) -> Iterator[str]:
    """Names that are one file where capitals do not count (macOS)."""
    earlier: dict[str, str] = {}
    for name in names:
        if (other := earlier.setdefault(name.lower(), name)) != name:
            yield f"{kind} {other} and {name} differ only in capitals: rename one"


def _model_mistakes(key: str, model: dict[str, Any]) -> Iterator[str]:
    places = [place for place in ("hub", "folder") if model[place] is not None]
    if not places:
        yield f"{key} has neither hub nor folder: give one of them, to say where the model is"
    if len(places) == 2:
        yield f"{key} has both hub and folder: give only one of them"
    if places == ["folder"] and model["revision"] is not None:
        yield f"{key} has a revision, which only a model on the hub has: leave it out"
    if model["hub"] is not None and not _is_repository(model["hub"]):
        yield f"{key}.hub is {shown(model['hub'])}: {_PATTERN_PHRASES['hub']}"
    if model["revision"] is not None and ILL_REVISION.search(model["revision"]):
        yield f"{key}.revision is {shown(model['revision'])}: {_PATTERN_PHRASES['revision']}"
    if (gpus := model["resources"]["gpu"]) > 1:
        yield (
            f"{key}.resources.gpu is {gpus}: an evaluation runs on one GPU; give 1, and its tasks and designs "
            "run side by side on several"
        )


def _is_repository(name: str) -> bool:
    """Whether an id could be one of the hub's: what huggingface_hub's validate_repo_id accepts."""
    parts = name.split("/")
    return not re.search(r"--|\.\.|\.git$", name) and all(
        re.fullmatch(r"\w|\w[\w.-]{,94}\w", part, re.ASCII) for part in parts
    )


def _model(name: str, keys: dict[str, Any]) -> ModelConfig:
    revision = keys["revision"] or ("main" if keys["hub"] else None)
    fixed = {"name": name, "title": keys["title"] or name, "revision": revision}
    return ModelConfig(**{**keys, **fixed, "resources": Resources(**keys["resources"])})


def _task(name: str, keys: dict[str, Any], seed: int, sample: int | None) -> TaskConfig:
    """Of its own keys and, where these are left out, the study's."""
    own_seed = seed if keys["seed"] is None else keys["seed"]
    fixed = {"name": name, "task": keys["task"] or name, "title": keys["title"] or name, "seed": own_seed}
    return TaskConfig(**{**keys, **fixed, "sample": keys["sample"] or sample})


def _check_result(study: StudyConfig, path: str) -> None:
    """Check a path below the results folder; see check_targets."""
    folder, _, rest = path.partition("/")
    if folder in _FOLDER_CHECKS and rest:
        _FOLDER_CHECKS[folder](study, rest)
    elif rest.partition("/")[0] in _FOLDER_CHECKS or difflib.get_close_matches(folder, _FOLDER_CHECKS):
        folders = known_names(folder, [f"{name}/" for name in _FOLDER_CHECKS])
        raise CornerstoneError(
            f"this configuration has no {folder}/ in {study.results}/ (choose another with --configfile); "
            f"it has report.html and {folders}"
        )


def _check_figure(study: StudyConfig, name: str) -> None:
    stem, _, ending = name.rpartition(".")
    if not stem or ending not in FIGURE_ENDINGS:
        raise CornerstoneError(
            f"a figure ends in one of {', '.join('.' + known for known in FIGURE_ENDINGS)}"
        )
    kind, _, model = stem.partition("_")
    if stem in WHOLE_FIGURES:
        return
    if kind not in (*MODEL_FIGURES, *EXACT_FIGURES):
        kinds = [*(f"{known}_{{model}}" for known in (*MODEL_FIGURES, *EXACT_FIGURES)), *WHOLE_FIGURES]
        raise CornerstoneError(f"unknown figure {stem!r}: there are {known_names(stem, kinds)}")
    study.model(model)
    if kind not in study.figure_kinds_of(model):
        if kind == "interactions":
            raise CornerstoneError(
                "no two sublayers are removed together: give max_removed or pair_distance 2 or more"
            )
        raise CornerstoneError(f"there is no figure {stem}: name {model} in the configuration's exact")


def _check_table(study: StudyConfig, name: str) -> None:
    if name not in study.table_files:
        raise CornerstoneError(f"unknown table {name!r}: there are {known_names(name, study.table_files)}")


def _check_model_task_csv(study: StudyConfig, path: str) -> None:
    model, task = _split_result(path, "{model}/{task}.csv", ".csv", parts=2)
    study.model(model)
    study.task(task)


def _check_exact_csv(study: StudyConfig, path: str) -> None:
    _check_model_task_csv(study, path)
    model = path.partition("/")[0]
    if model not in study.exact:
        raise CornerstoneError(f"there is no audit of {model}: name it in the configuration's exact")


def _check_evaluation(study: StudyConfig, path: str) -> None:
    model, task, design = _split_result(path, "{model}/{task}/{design}.parquet", ".parquet", parts=3)
    study.model(model)
    study.task(task)
    if design not in (there := study.designs_of(model)):
        why = DESIGN_REASONS.get(design, "")
        raise CornerstoneError(f"unknown design {design!r}: there are {known_names(design, there)}{why}")


def _check_documents(study: StudyConfig, path: str) -> None:
    (task,) = _split_result(path, "{task}.parquet", ".parquet", parts=1)
    study.task(task)


def _check_manifest(study: StudyConfig, path: str) -> None:
    (model,) = _split_result(path, "{model}.json", ".json", parts=1)
    study.model(model)


def _split_result(path: str, pattern: str, ending: str, parts: int) -> list[str]:
    names = path.removesuffix(ending).split("/")
    if not path.endswith(ending) or len(names) != parts:
        raise CornerstoneError(f"files there are called {pattern}")
    return names


_FOLDER_CHECKS = {
    "figures": _check_figure,
    "tables": _check_table,
    "values": _check_model_task_csv,
    "ablation": _check_model_task_csv,
    "joint": _check_model_task_csv,
    "agreement": _check_model_task_csv,
    "audit": _check_exact_csv,
    "audit_positions": _check_exact_csv,
    "interactions": _check_model_task_csv,
    "evaluations": _check_evaluation,
    "documents": _check_documents,
    "models": _check_manifest,
    "logs": lambda study, path: None,
    "benchmarks": lambda study, path: None,
}
