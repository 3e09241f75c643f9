"""Configurations as people mistype them and worse: each is refused in one line, or all it names is safe to write.

In process through what the Snakefile does when it is read; the hardest cases by the command `snakemake` itself.
"""

from __future__ import annotations

import copy
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornerstone.study.config import (
    DESIGNS,
    SCHEMA_PATH,
    check_models,
    check_places,
    check_targets,
    load,
    resolve,
)
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import TABLES

REPOSITORY = Path(__file__).parents[2]
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text())
BASES = [yaml.safe_load((REPOSITORY / "config" / name).read_text()) for name in ("demo.yaml", "config.yaml")]
LONGEST_LINE = 3000
ODD = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def clone(tmp_path_factory):
    """A working directory like a clone's, and odd places in it."""
    folder = tmp_path_factory.mktemp("odd") / "clone"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "config", "profiles", "envs"):
        (folder / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "resources", folder / "resources")
    documents = (REPOSITORY / "resources" / "demo" / "documents" / "piqa.jsonl").read_text()
    (folder / "rows *[a]?.jsonl").write_text(documents)
    (folder / "folder.jsonl").mkdir()
    (folder / "loop").symlink_to("loop")
    shutil.copytree(folder / "resources" / "demo" / "models" / "demo_llama", folder / "a *[b] 'ü'")
    (folder / "a *[b] 'ü'" / "{note}<a>.txt").write_text("Mine.")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


# What is tried

HOSTILE_NAMES = [
    "", " ", ".", "..", "...", "../x", "../../etc/passwd", "a/../../x", "/", "/tmp/x", "a/b", "a//b",
    "./a", "~", "~/x",
    "~root", "$HOME", "${HOME}", "`x`", "$(x)", "a b", " a", "a ", "-n", "--all", "*", "a*", "?", "[a]",
    "a[0-9]", "{model}",
    "{task}", "{{x}}", "{", "}", "{0}", "a{b,c}", "<results>", "<a>", "a<b", "a|b", "a;b", "a&b", "a\\b",
    "a'b", 'a"b', "a\nb",
    "a\r\nb", "a\tb", "\x00", "a\x00b", "\x1b[31m", "\x85", "\u2028", "\ud800", "ünïcode", "ｆｕｌｌ", "名",
    "🐈", "a\u0301", "\u202eabc",
    "\ufeff", "all", "scheme", "ALL", "con", "nul", ".hidden", "-", "_", "a.", "a.parquet", "x" * 101,
    "x" * 300, "x" * 5000,
    "ü" * 130, "a/" * 600, "null", "true", "%s", "%(x)s", "a:b", "https://x/y", "s3://x/y", "loop",
    "loop/x", "Snakefile",
    "Snakefile/x", "resources", "config/demo.yaml", "resources/demo/documents/piqa.jsonl",
    "resources/demo/models",
    "resources/demo/models/demo_llama/config.json", "a--b", "a/..", "a/b.git", "main/../../x", "v1..v2",
    "v1.lock", "v1/",
    "rows *[a]?.jsonl", "folder.jsonl", "a *[b] 'ü'", "results/documents/piqa.jsonl",
    "nowhere.jsonl", "\\", "'",
]  # fmt: skip
NUMBERS = [
    *(0, -1, 1, 2, 5, 10, 11, 2.5, 1.0, -0.0, 1e-300, 1e15, 1e16, 1e300, 2**31, 2**53, 2**63, 2**64,
    10**400, -(10**5000)),
    *(float("nan"), float("inf"), float("-inf"), True, False),
]  # fmt: skip


def deep(levels, wrap):
    value = {}
    for _ in range(levels):
        value = wrap(value)
    return value


def bomb(levels, wrap):
    value = wrap(*["x"] * 9)
    for _ in range(levels):
        value = wrap(*[value] * 9)
    return value


def endless():
    value = {}
    value["again"] = value
    return value


def listed(*values):
    return list(values)


def keyed(*values):
    return {f"key{number}": value for number, value in enumerate(values)}


ODD_VALUES = st.one_of(
    st.sampled_from(HOSTILE_NAMES),
    st.sampled_from(NUMBERS),
    st.none(),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.lists(st.sampled_from(HOSTILE_NAMES) | st.none(), max_size=3),
    st.dictionaries(
        st.sampled_from(HOSTILE_NAMES) | st.integers() | st.none(), st.sampled_from(NUMBERS), max_size=3
    ),
    st.sampled_from([deep(50, lambda value: {"a": value}), deep(900, listed), b"bytes", {1, 2}]),
    st.builds(bomb, st.just(12), st.sampled_from([listed, keyed])),
    st.builds(endless),
)
KEYS = st.sampled_from(
    [*HOSTILE_NAMES, *SCHEMA["$defs"]["task"]["properties"], "token", "trust_remote_code", "Results"]
)
ANY_KEY = KEYS | st.text(max_size=6) | st.sampled_from([None, 1, 1.5, True, ("a", "b")])
OF_MODEL, OF_TASK = (list(SCHEMA["$defs"][kind]["properties"]) for kind in ("model", "task"))
OF_RESOURCES = list(SCHEMA["$defs"]["model"]["properties"]["resources"]["properties"])


@st.composite
def mutated(draw):
    """One of the configurations that come with Cornerstone, with one to three things wrong."""
    raw = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from(MUTATIONS))(draw, raw)
    return raw


def one_of(draw, raw, kind):
    """A model or task of the configuration, where it still has one that is a mapping."""
    nouns = raw.get(kind)
    known = [noun for noun in nouns.values() if isinstance(noun, dict)] if isinstance(nouns, dict) else []
    return draw(st.sampled_from(known)) if known else {}


def change_a_key(draw, raw):
    raw[draw(st.sampled_from(list(SCHEMA["properties"])))] = draw(ODD_VALUES)


def change_a_models_key(draw, raw):
    one_of(draw, raw, "models")[draw(st.sampled_from(OF_MODEL))] = draw(ODD_VALUES)


def change_a_tasks_key(draw, raw):
    one_of(draw, raw, "tasks")[draw(st.sampled_from(OF_TASK))] = draw(ODD_VALUES)


def change_a_resource(draw, raw):
    model = one_of(draw, raw, "models")
    if not isinstance(resources := model.get("resources") or {}, dict):
        resources = {}
    model["resources"] = resources = dict(resources)
    resources[draw(st.sampled_from(OF_RESOURCES) | KEYS)] = draw(ODD_VALUES)


def add_a_key(draw, raw):
    place = draw(st.sampled_from([raw, one_of(draw, raw, "models"), one_of(draw, raw, "tasks")]))
    place[draw(ANY_KEY)] = draw(ODD_VALUES)


def add_a_name(draw, raw):
    kind = draw(st.sampled_from(["models", "tasks", "shards"]))
    if isinstance(raw.setdefault(kind, {}), dict):
        names = ANY_KEY | st.sampled_from(
            [name.upper() for name in raw[kind] if isinstance(name, str)] or ["X"]
        )
        values = {"models": {"folder": "resources/demo/models/demo_llama"}, "tasks": {}, "shards": 2}
        raw[kind][draw(names)] = values[kind]


def take_a_key_away(draw, raw):
    place = draw(st.sampled_from([raw, one_of(draw, raw, "models")]))
    for key in list(place)[: draw(st.integers(0, 2))]:
        del place[key]


MUTATIONS = [
    change_a_key,
    change_a_models_key,
    change_a_tasks_key,
    change_a_resource,
    add_a_key,
    add_a_name,
    take_a_key_away,
]  # fmt: skip


# What is held against it


def assert_one_line(error):
    line = str(error)
    assert line.splitlines() == [line], ascii(line)
    assert len(line) <= LONGEST_LINE, ascii(line)
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


RULES = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")))
WRITTEN = sorted(set(re.findall(r'"(<(?:results|logs|benchmarks)>/[^"]*)"', RULES)))


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
                    "name": f"pie_{model}",
                    "ending": "pdf",
                }
                for design, table in zip(DESIGNS, TABLES.names, strict=False):
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


def test_thousands_of_malformed_configurations_are_each_refused_in_one_line():
    outcomes, refused = Counter(), set()

    @settings(ODD, max_examples=2500)
    @given(mutated())
    def try_one(raw):
        ended = outcome(lambda: resolve(raw, expand))
        outcomes[ended] += 1
        if ended == "refused":
            refused.add(shown(raw))

    try_one()
    print(dict(outcomes), len(refused), "of the refused differ")
    assert len(refused) >= 2000
    assert outcomes["accepted"] >= 50


def shown(raw, depth=0):
    """A configuration in words, short enough for those that never end."""
    if depth > 4:
        return "..."
    if isinstance(raw, dict):
        return tuple((repr(key), shown(inner, depth + 1)) for key, inner in list(raw.items())[:20])
    if isinstance(raw, list):
        return tuple(shown(inner, depth + 1) for inner in raw[:3])
    return hex(raw) if isinstance(raw, int) else repr(raw)


# YAML that is none, or says something else than it seems to

DEMO = (REPOSITORY / "config" / "demo.yaml").read_text()
LINES = [
    *DEMO.splitlines(),
    *(
        "max_removed: 2020-13-45",
        "seed: !!int x",
        "top_k: !!float y",
        "score: !!bool z",
        "seed: !!timestamp w",
    ),
    *(
        "results: !!binary ===",
        "results: !!python/object/apply:os.system [touch executed]",
        "models: !!set {a, b}",
    ),
    *(
        "tasks: &t {boolq: *t}",
        "models: &m [*m, *m]",
        "tasks: *nowhere",
        "tasks: {<<: [x]}",
        "<<: {results: r}",
        "? [a, b]\n: c",
    ),
    *(
        "\tmodels: {}",
        "models:\n\tmine: {}",
        "results: a: b",
        "results: [",
        "results: '",
        'title: "\\ud800"',
        "- a",
        "--- b",
        "...",
    ),
    *(
        "results: one",
        "results: two",
        "seed: " + "9" * 5000,
        "seed: 0x" + "f" * 5000,
        "top_k: 1:30:00",
        "edges: yes",
        "%YAML 3.0",
    ),
    *(
        "a" * 5000 + ": 1",
        "[" * 500,
        "{" * 500,
        "tasks: {boolq: {data: ~}}",
        "shards: {demo_llama: 2, demo_llama: 0}",
        "!",
        "*",
        "&",
    ),
    *(
        "seed: 1_000",
        "seed: .nan",
        "seed: -.inf",
        "max_removed: 1e3",
        "max_removed: 3.0",
        "results: ''",
        "\ufeffseed: 1",
        "# only",
    ),
]
BOMB = "\n".join(
    ["b0: &b0 [x, x, x]"] + [f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]" for n in range(1, 12)]
)


def odd_texts():
    lines = st.lists(st.sampled_from(LINES), max_size=6)
    beside = lines.map(lambda odd: "\n".join([DEMO, *odd]))
    instead = st.builds(lambda at, odd: "\n".join([*DEMO.splitlines()[:at], *odd]), st.integers(0, 40), lines)
    bombs = st.sampled_from(
        [BOMB, BOMB.replace("b11", "models"), BOMB.replace("b11:", "results:"), DEMO + "\n---\n" + DEMO]
    )
    return (beside | instead | bombs | st.text(max_size=30)).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )


def test_any_text_is_a_study_or_refused_in_one_line(tmp_path):
    path, outcomes = tmp_path / "study.yaml", Counter()

    @settings(ODD, max_examples=300)
    @given(odd_texts() | st.binary(max_size=30))
    def try_one(text):
        path.write_bytes(text)
        outcomes[outcome(lambda: load(path, expand))] += 1

    try_one()
    assert outcomes["refused"] >= 150
    assert outcomes["accepted"] >= 10
    assert not Path("executed").exists()


def test_a_place_that_cannot_be_read_or_written_is_told_so(tmp_path, monkeypatch):
    """Told by the system's own answer, which for root is always yes."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    data = "resources/demo/documents/piqa.jsonl"
    raw = {"models": {"mine": {"hub": "a/b"}}, "results": "new", "tasks": {"piqa": {"data": data}}}
    with pytest.raises(CornerstoneError, match=r"results is new, and \. may not be written to"):
        check_places(resolve(raw))
    with pytest.raises(CornerstoneError, match=r"piqa\.jsonl may not be read"):
        check_places(resolve(raw | {"results": "config"}))


# By the command itself

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
    (MINE | {"shards": {"../x": 2}}, "shards.../x is no model of this study: it has mine"),
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
        timeout=300,
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
    assert len(line) <= LONGEST_LINE


@pytest.mark.parametrize("name", ACCEPTED_BY_COMMAND)
def test_the_command_plans_what_is_odd_but_sound_and_writes_nothing(ended, name):
    end, said = ended[name]
    assert end == "0 []", said
    assert "Traceback" not in said
    assert re.search(r"^evaluate +2$", said, re.MULTILINE), said


@pytest.mark.parametrize("name", REFUSED_BY_SNAKEMAKE)
def test_what_is_no_yaml_mapping_is_refused_by_snakemake_itself(ended, name):
    end, said = ended[name]
    assert end == "1 []"
    assert "Traceback" not in said
    assert len(lines_of(said)) <= 4
