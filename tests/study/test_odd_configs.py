"""Configurations as people mistype them and worse: each is refused in one line, or all it names is safe to write.

In process, through what the Snakefile does when it is read; test_odd_commands.py has the hardest by the command.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from cornerstone.shapley.designs import DESIGNS
from cornerstone.study.places import check_models, check_places
from cornerstone.study.resolve import resolve
from cornerstone.study.targets import check_targets
from cornerstone.system.errors import LONGEST_MESSAGE, CornerstoneError
from cornerstone.tables import TABLES
from odd_configurations import ODD, mutated, odd_texts

RULES = Path(__file__).parents[2] / "workflow" / "rules"

pytestmark = pytest.mark.usefixtures("clone")


def assert_one_line(error):
    line = str(error)
    assert line.splitlines() == [line], ascii(line)
    assert len(line) <= LONGEST_MESSAGE, ascii(line)
    line.encode("utf-8")


def expand(group, include_path):
    """lm-eval's answer where it knows no such group."""
    raise CornerstoneError(f"lm-eval has no task {group!r}")


def outcome(read):
    """Whether a study is refused, in one line, or is accepted, and then is safe."""
    try:
        study = read()
        check_targets(study, ["all", f"{study.results}/report.html"])
        check_places(study)
        check_models(study)
    except CornerstoneError as error:
        assert_one_line(error)
        return "refused"
    assert_safe(study)
    return "accepted"


TEXT_OF_RULES = "\n".join(path.read_text() for path in sorted(RULES.glob("*.smk")))
WRITTEN = sorted(set(re.findall(r'"(<(?:results|logs|benchmarks)>/[^"]*)"', TEXT_OF_RULES)))


def written(study):
    """Every path that a rule may write for a study."""
    folders = {
        "<results>": study.results,
        "<logs>": f"{study.results}/logs",
        "<benchmarks>": f"{study.results}/benchmarks",
    }
    for pattern in WRITTEN:
        folder, _, rest = pattern.partition("/")
        for model in study.model_names:
            for task in study.task_names:
                words = {
                    "model": model,
                    "task": task,
                    "shard": 1,
                    "shards": 2,
                    "figure": f"pie_{model}",
                    "name": "shares.csv",
                    "ending": "pdf",
                    "folder": "values",
                    "ranking": "values",
                    "number": 2,
                }
                for design, table in zip(DESIGNS.names, TABLES.names, strict=False):
                    yield f"{folders[folder]}/{rest.format(**words, design=design, table=table)}"


def assert_safe(study):
    assert os.path.isabs(study.results) or os.path.relpath(study.results).split("/")[0] not in (".", "..")
    assert not set("{}<>") & set(study.results)
    for path in set(written(study)):
        assert posixpath.normpath(path) == path, path
        assert path.startswith(study.results + "/")
        assert all(len(os.fsencode(name)) <= 255 for name in path.split("/"))
    for title in [noun.title for noun in (*study.models, *study.tasks)]:
        assert title.splitlines() == [title] == [title.encode("utf-8").decode("utf-8")]
    assert all(noun.name.lower() != "all" for noun in study.models)
    assert study.max_removed >= 1
    assert study.top_k >= 1


def test_the_paths_that_rules_write_are_found_in_the_rules():
    assert {
        "<results>/models/{model}.json",
        "<results>/documents/{task}.parquet",
        "<results>/report.html",
    } <= set(WRITTEN)


def test_malformed_configurations_are_each_refused_in_one_line():
    outcomes, refused = Counter(), set()

    @settings(ODD, max_examples=1000)
    @given(mutated())
    def try_one(raw):
        ended = outcome(lambda: resolve(raw, expand))
        outcomes[ended] += 1
        if ended == "refused":
            refused.add(shown(raw))

    try_one()
    print(dict(outcomes), len(refused), "of the refused differ")
    assert len(refused) >= 800
    assert outcomes["accepted"] >= 20


def shown(raw, depth=0):
    """A configuration in words, short enough for those that never end."""
    if depth > 4:
        return "..."
    if isinstance(raw, dict):
        return tuple((repr(key), shown(inner, depth + 1)) for key, inner in list(raw.items())[:20])
    if isinstance(raw, list):
        return tuple(shown(inner, depth + 1) for inner in raw[:3])
    return hex(raw) if isinstance(raw, int) else repr(raw)


def test_whatever_yaml_makes_of_a_text_is_a_study_or_refused_in_one_line():
    outcomes = Counter()

    @settings(ODD, max_examples=300)
    @given(odd_texts())
    def try_one(text):
        try:
            raw = yaml.safe_load(text)
        except Exception:  # PyYAML passes on whatever a date or a number that is none raises
            outcomes["no YAML"] += 1
        else:
            outcomes[outcome(lambda: resolve(raw, expand))] += 1

    try_one()
    assert outcomes["refused"] >= 50
    assert outcomes["accepted"] >= 5
