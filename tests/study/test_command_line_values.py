"""Values given by Snakemake's --config, which hands on texts: they mean what they mean in a YAML file."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from configurations import message_of
from cornerstone.study.resolve import resolve
from cornerstone.study.schema import read_texts

STUDY = yaml.safe_load("""
models:
  mine: {hub: a/b, revision: v1, documents: 5, title: Mine, resources: {gpu: 0}}
  other: {folder: models/other}
tasks:
  piqa: {data: piqa.jsonl, documents: 4, shots: 2}
  boolq: {}
documents: 5
memory_gb: 2
exact: [other]
max_removed: 1
""")


def with_command_line(*entries):
    """The study's configuration as Snakemake hands it on, with entries of --config."""
    raw = copy.deepcopy(STUDY)
    update_config(raw, parse_config(list(entries)))
    return raw


def with_yaml(text):
    """The study's configuration with what a YAML file has in place of some of it."""
    raw = copy.deepcopy(STUDY)
    update_config(raw, yaml.safe_load(text))
    return raw


@pytest.mark.parametrize(
    ("entry", "in_a_file"),
    [
        ("documents=null", "documents: null"),
        ("documents=", "documents:"),
        ("documents=~", "documents: ~"),
        ("documents=3", "documents: 3"),
        ("documents=0x10", "documents: 0x10"),
        ("memory_gb=null", "memory_gb: null"),
        ("memory_gb=1.5", "memory_gb: 1.5"),
        ("exact=[]", "exact: []"),
        ("exact=[other, other]", "exact: [other, other]"),
        ("shards={mine: 2, other: 3}", "shards: {mine: 2, other: 3}"),
        ("tasks={piqa: {documents: 3}}", "tasks: {piqa: {documents: 3}}"),
        ("tasks={piqa: {documents: null, data: null}}", "tasks: {piqa: {documents: null, data: null}}"),
        ("tasks={piqa: {documents: , data: ~}}", "tasks: {piqa: {documents: , data: ~}}"),
        ("tasks={piqa: null, hellaswag: }", "tasks: {piqa: null, hellaswag: }"),
        ("tasks={piqa: {seed: 0, sample: 7, shots: 0}}", "tasks: {piqa: {seed: 0, sample: 7, shots: 0}}"),
        ("models={mine: {allow_remote_code: true}}", "models: {mine: {allow_remote_code: true}}"),
        ("models={mine: {allow_remote_code: no}}", "models: {mine: {allow_remote_code: no}}"),
        ("models={mine: {allow_remote_code: null}}", "models: {mine: {allow_remote_code: null}}"),
        (
            "models={mine: {hub: null, revision: null, folder: models/mine, title: null}}",
            "models: {mine: {hub: null, revision: null, folder: models/mine, title: null}}",
        ),
        (
            "models={mine: {resources: {gpu: 1, mem_mb: 4_000}}}",
            "models: {mine: {resources: {gpu: 1, mem_mb: 4_000}}}",
        ),
    ],
)
def test_a_value_on_the_command_line_means_what_it_means_in_a_file(entry, in_a_file):
    assert resolve(with_command_line(entry)) == resolve(with_yaml(in_a_file))


def test_what_a_key_takes_as_text_stays_text():
    study = resolve(
        with_command_line(
            "models={007: {hub: a/1, revision: 1234567, title: 3.0}, null: {folder: no, title: yes}}",
            "tasks={1_000: {task: 12, title: 0x10}}",
        )
    )
    assert (study.model("007").hub, study.model("007").revision) == ("a/1", "1234567")
    assert (study.model("007").title, study.model("null").title) == ("3.0", "yes")
    assert study.model("null").folder == "no"
    assert (study.task("1_000").task, study.task("1_000").title) == ("12", "0x10")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("documents=none", "documents is 'none': give a whole number or null"),
        ("tasks={piqa: {documents: three}}", "tasks.piqa.documents is 'three': give a whole number or null"),
        ("tasks={piqa: {documents: 2.5}}", "tasks.piqa.documents is 2.5: give a whole number or null"),
        ("tasks={piqa: {documents: true}}", "tasks.piqa.documents is 'true': give a whole number or null"),
        ("tasks={piqa: {documents: 0}}", "tasks.piqa.documents is 0: give 1 or more"),
        ("shards={mine: null}", "shards.mine is 'null': give a whole number"),
        ("memory_gb=.inf", "memory_gb is inf: give a finite number"),
        ("models={mine: {resources: {gpu: .nan}}}", "models.mine.resources.gpu is nan: give a finite number"),
        ("models={mine: {resources: {gpu: 9999999999999999}}}", "gpu is a number beyond 1e+15"),
        ("models={mine: {allow_remote_code: 1}}", "allow_remote_code is '1': give true or false or null"),
        ("exact=null", "exact is 'null': give a list in brackets"),
        ("tasks={piqa: {dokuments: 3}}", "unknown key 'dokuments' in tasks.piqa"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_the_words_of_the_file(entry, told):
    assert told in message_of(resolve, with_command_line(entry))


def test_texts_that_are_no_value_of_yaml_stay_as_they_are():
    for text in ("2001-13-45", "9" * 5000, "!!int 3", "[3]", "*a", "3 # three", " 3"):
        assert read_texts({"documents": text}) == {"documents": text}


def test_a_whole_command_takes_null_and_nested_values(clone):
    (clone / "lifted.yaml").write_text(
        "models: {mine: {folder: resources/demo/models/demo_llama, resources: {gpu: 0}}}\n"
        "tasks: {piqa: {data: resources/demo/documents/piqa.jsonl, documents: 4}}\n"
        "documents: 5\nmax_removed: 1\nresults: results/lifted\n"
    )
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "results/lifted/models/mine.json",
        "--cores",
        "1",
        "--quiet",
    ]
    values = ["documents=null", "tasks={piqa: {documents: 3}}", "models={mine: {allow_remote_code: false}}"]
    finished = subprocess.run(
        [*command, "--configfile", "lifted.yaml", "--config", *values],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert finished.returncode == 0, finished.stderr
    assert (clone / "results/lifted/models/mine.json").is_file()
