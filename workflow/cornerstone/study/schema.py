"""The configuration's schema: reading it, its errors in plain words, and its defaults.

    read = read_texts({"documents": "3"})    # {"documents": 3}, as --config hands it on
    mistakes = schema_mistakes(raw)          # ["max_removed is 0: give 1 or more"]
    filled = fill_defaults(raw)              # only where there are no mistakes

The schema (workflow/schemas/config.schema.yaml, to which a link beside this file leads, so that it is installed too)
has every key with its description and default.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cornerstone.scores import SCORES
from cornerstone.shapley.estimators import choosable
from cornerstone.system.errors import known_names, shortened, shown

SCHEMA_PATH = Path(__file__).with_name("config.schema.yaml")
REFUSED_KEYS = {
    "chat_template": "it is called apply_chat_template here, as in lm-eval",
    "quantization_config": "weights are evaluated as they are stored, in the dtype; leave it out",
    "load_in_8bit": "weights are evaluated as they are stored, in the dtype; leave it out",
    "load_in_4bit": "weights are evaluated as they are stored, in the dtype; leave it out",
    "device_map": "an evaluation runs on one device; choose a device, and placement: streamed for a larger model",
    "trust_remote_code": "it is called allow_remote_code here",
}
"""What people know from other tools and might hope for; each with what holds here."""
NAME_PHRASE = "use up to 100 letters, digits, '_', '-' and '.', the first a letter, digit or '_'"
NAME_PHRASES = {
    "players": "use up to 40 characters, no commas",
    "chat_template_args": "use letters, digits and '_', no digit first, no word of Jinja's (not, true, false, none)",
}
PATTERN_PHRASES = {
    "results": "give a folder without {, }, < and >",
    "hub": "give an id on the hub, such as meta-llama/Meta-Llama-3-8B",
    "revision": "give a branch, tag or commit",
    "folder": "give a folder without {, }, < and >",
    "include_path": "give a folder without {, }, < and >",
    "players": "give sublayers, blocks, a number of these such as 2 blocks, or names with the labels of each",
    "chat_template_date": "give a date, YYYY-MM-DD",
    "data": "give a file that ends in .jsonl, .json, .parquet or .csv, without {, }, < and >",
}


TEXTS_MAY_BE = {"integer": (int, float), "number": (int, float), "boolean": (bool,), "null": (type(None),)}
"""By the schema's names of types: what a text may stand for. 4.0 is a whole number to JSON schema, too."""

REGISTRIES: dict[str, Callable[[], Sequence[str]]] = {
    "scores": lambda: SCORES.names,
    "estimators": lambda: [estimator.name for estimator in choosable()],
}
"""What a key with `registry` in the schema may be: the names that are registered, a user's own too."""


def schema() -> dict[str, Any]:
    """The schema, with every registered name where a key names a registry. Callers must not change it."""
    parsed = _parsed_schema()
    for key in parsed["properties"].values():
        if "registry" in key:
            key["enum"] = list(REGISTRIES[key["registry"]]())
    return parsed


@cache
def _parsed_schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))


def read_texts(raw: Any) -> Any:
    """A copy of a configuration in which a text is what YAML reads it as, wherever its key takes such a value.

    Snakemake's --config hands on texts: documents=null is "null". Where a key takes text, a text stays as it is (a
    title 007, a revision 1234567), but for YAML's words for null and for nothing at all, where the key may be null, and
    for true and false where it may be one. What YAML reads as a date is a text.
    """
    return _read(raw, schema())


def _read(value: Any, rule: dict[str, Any]) -> Any:
    rule = _definition(rule)
    if isinstance(value, str):
        return _read_text(value, rule.get("type", ()))
    if isinstance(value, Mapping):
        own, others = rule.get("properties", {}), rule.get("additionalProperties") or {}
        return {key: _read(inner, own.get(key, others)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_read(inner, rule.get("items", {})) for inner in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _read_text(text: str, types: str | Sequence[str]) -> Any:
    """What YAML reads a text as where that is of one of the types; else the text."""
    types = [types] if isinstance(types, str) else types
    wanted = tuple(kind for name in types for kind in TEXTS_MAY_BE.get(name, ()))
    node = yaml.ScalarNode(yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False)), text)
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, OverflowError, yaml.YAMLError):  # a date that is none, a number too long
        return text
    if "string" in types and not (value is None or isinstance(value, bool)):
        return text
    return value if type(value) in wanted else text


def schema_mistakes(raw: Any) -> list[str]:
    """What breaks the schema, a phrase each: the key, what was given, what was needed."""
    errors = Draft202012Validator(schema()).iter_errors(raw)
    return [_in_our_words(error) for error in sorted(errors, key=lambda error: list(map(str, error.path)))]


def _in_our_words(error: ValidationError) -> str:
    key = _key_path(error.path) or "the configuration"
    given, rule = error.instance, error.validator_value
    if "propertyNames" in error.schema_path:
        phrase = NAME_PHRASES.get(str(error.path[-1]), NAME_PHRASE)
        return f"{key} has the name {shown(given)}: {phrase}"
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
        "pattern": lambda: PATTERN_PHRASES[error.path[-1]],
    }[error.validator]()
    return f"{key} is {shown(given)}: {needed}"


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
    key = shortened(key)
    if key in REFUSED_KEYS:
        return REFUSED_KEYS[key]
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {known_names(key, known)}"


def _key_path(path: Iterable[Any]) -> str:
    return ".".join(shortened(str(key)) for key in path)


def fill_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    """A copy of a configuration without mistakes, with every default, in the schema's order."""
    return _filled(raw, schema())


def own_or_studys(keys: Mapping[str, Any], of_study: Mapping[str, Any], key: str) -> Any:
    """What a model or a task says, or the study where that has nothing of its own; both with their defaults."""
    return of_study[key] if keys.get(key) is None else keys[key]


def _filled(value: Any, rule: dict[str, Any]) -> Any:
    rule = _definition(rule)
    if "properties" in rule:
        if value is None and rule["default"] is None:
            return None
        given = value or {}
        return {
            key: _filled(given.get(key, _definition(inner)["default"]), inner)
            for key, inner in rule["properties"].items()
        }
    if "additionalProperties" in rule and isinstance(value, Mapping):
        return {name: _filled(inner, rule["additionalProperties"]) for name, inner in value.items()}
    whole = rule.get("type") in ("integer", ["integer", "null"])
    return int(value) if whole and value is not None else value  # to JSON schema, 4.0 is a whole number too


def _definition(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of the schema, or the one under $defs that it refers to."""
    return _parsed_schema()["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
