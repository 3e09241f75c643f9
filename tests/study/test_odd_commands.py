"""The hardest of the odd configurations, by the command `snakemake` itself; test_odd_configs.py has thousands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cornerstone.system.errors import LONGEST_MESSAGE
from odd_configurations import BOMB, DEMO, deep

pytestmark = pytest.mark.study

MINE = {"models": {"mine": {"folder": "resources/demo/models/demo_llama"}}, "results": "results/odd"}
DATA = {"piqa": {"data": "resources/demo/documents/piqa.jsonl"}}
REFUSED_BY_COMMAND = [
    (MINE | {"results": "../x"}, "results is '../x', which leads out of the working directory"),
    (MINE | {"results": "<results>/x"}, "results is '<results>/x': give a folder without {, }, < and >"),
    (MINE | {"results": "Snakefile/x"}, "results is Snakefile/x, but Snakefile is a file"),
    (MINE | {"results": "."}, "results is '.', which holds the working directory"),
    ({"models": {"../x": {"hub": "a/b"}}}, "models has the name '../x': use up to 100 letters"),
    (MINE | {"tasks": {"{task}*": {}}}, "tasks has the name '{task}*': use up to 100 letters"),
    ({"models": {"mine": {"hub": "a/b", "title": "\ud800"}}}, "mine.title is '\\ud800': give one line"),
    (MINE | {"tasks": {"piqa": {"data": "{task}.csv"}}}, "tasks.piqa.data is '{task}.csv': give a file that"),
    (MINE | {"tasks": {"piqa": {"data": "x/*.jsonl"}}}, "tasks.piqa.data: x/*.jsonl does not exist: give"),
    (MINE | {"tasks": {"piqa": {"data": "folder.jsonl"}}}, "tasks.piqa.data: folder.jsonl is a folder: give"),
    (
        MINE | {"tasks": {"piqa": {"data": "results/odd/documents/x.csv"}}},
        "where the study writes its own files",
    ),
    (MINE | {"tasks": {"piqa": {"include_path": "x"}}}, "tasks.piqa.include_path: x does not exist: give"),
    ({"models": {"mine": {"folder": "x" * 900}}}, "does not exist: give a folder with config.json in it"),
    ({"models": {"mine": {"hub": "a/b", "revision": "v/../../x"}}}, "revision is 'v/../../x': give a branch"),
    (MINE | {"max_removed": 10**400}, "max_removed is a number beyond 1e+15: give a smaller one"),
    (MINE | {"shards": {"../x": 2}}, "shards.../x is not a model of this study: it has mine"),
    ({"models": ["mine"]}, "models is ['mine']: give a mapping of keys to values"),
    (BOMB, "the configuration has more than 20,000 values"),
    ({"models": deep(50, lambda value: {"a": value})}, "is nested too deeply"),
]
ACCEPTED_BY_COMMAND = {
    "results of special characters": MINE | {"tasks": DATA, "results": "results/a *[b]? $HOME -n 'ü'"},
    "results on another disk": MINE | {"tasks": DATA, "results": "ELSEWHERE"},
    "data and a model of special characters": {
        "models": {"mine": {"folder": "a *[b] 'ü'"}},
        "tasks": {"piqa": {"data": "rows *[a]?.jsonl"}},
    },
    "titles of special characters": {
        "models": {"mine": {**MINE["models"]["mine"], "title": "{model} $\\foo$ <b> %s \u202e"}},
        "tasks": {"piqa": {**DATA["piqa"], "title": "{task}|*"}},
    },
    "the largest and smallest numbers": MINE
    | {"tasks": DATA, "memory_gb": 1e-300, "gpu_tflops": 1e-300, "seed": 2**32 - 1, "documents": 10**15}
    | {"models": {"mine": {**MINE["models"]["mine"], "resources": {"mem_mb": 10**15, "runtime": 10**15}}}},
}
REFUSED_BY_SNAKEMAKE = {
    "YAML that is none": "models: [\n\t}",
    "a list": "[models]",
    "two documents": DEMO + "\n---\na: 1",
}
COMMANDS = """
import json, os, sys, traceback
from snakemake import cli

def tree():
    return sorted(os.path.join(at, name) for at, folders, files in os.walk("..") if ".snakemake" not in at
                  for name in folders + files if name != ".snakemake")

for path in sys.argv[1:]:
    before = tree()
    if not (child := os.fork()):  # one process a command, each with Snakemake imported already
        os.dup2(os.open(path + ".said", os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(1, 2)
        sys.argv = ["snakemake", "--dry-run", "all", "--configfile", path]
        try:
            cli.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else end.code is not None)
        except BaseException:
            traceback.print_exc()
        os._exit(70)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(path + ".ended", "w") as file:
        file.write(f"{code} {sorted(set(tree()) - set(before))}")
"""


@pytest.fixture(scope="module")
def ended(clone, tmp_path_factory):
    """How `snakemake --dry-run all` ends with each configuration: exit code, new files and all that it says."""
    folder = tmp_path_factory.mktemp("commands")
    paths = {}
    cases = (
        {expected: raw for raw, expected in REFUSED_BY_COMMAND} | ACCEPTED_BY_COMMAND | REFUSED_BY_SNAKEMAKE
    )
    for number, (name, raw) in enumerate(cases.items()):
        paths[name] = folder / f"{number}.yaml"
        text = raw if isinstance(raw, str) else json.dumps(raw)
        paths[name].write_text(text.replace("ELSEWHERE", str(folder / "elsewhere")))
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, *map(str, paths.values())],
        env={
            **os.environ,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: (Path(f"{path}.ended").read_text(), Path(f"{path}.said").read_text(errors="replace"))
        for name, path in paths.items()
    }


def lines_of(said):
    return [
        line for line in said.splitlines() if line and not line.startswith("Using workflow specific profile")
    ]


@pytest.mark.parametrize("expected", [expected for _, expected in REFUSED_BY_COMMAND])
def test_the_command_refuses_in_one_line_and_writes_nothing(ended, expected):
    end, said = ended[expected]
    assert end == "1 []"
    (line,) = lines_of(said)
    assert line.startswith("Cornerstone: ")
    assert expected in line
    assert len(line) <= LONGEST_MESSAGE


@pytest.mark.parametrize("name", ACCEPTED_BY_COMMAND)
def test_the_command_plans_what_is_odd_but_sound_and_writes_nothing(ended, name):
    end, said = ended[name]
    assert end == "0 []", said
    assert "Traceback" not in said
    assert re.search(r"^evaluate +1$", said, re.MULTILINE), said


@pytest.mark.parametrize("name", REFUSED_BY_SNAKEMAKE)
def test_what_is_no_yaml_mapping_is_refused_by_snakemake_itself(ended, name):
    end, said = ended[name]
    assert end == "1 []"
    assert "Traceback" not in said
    assert len(lines_of(said)) <= 4
