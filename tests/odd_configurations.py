"""What is tried in odd configurations: hostile names and numbers, configurations with a few things wrong, YAML.

mutated()      # a strategy: one of the configurations that come with Cornerstone, with one to three things wrong
odd_texts()    # a strategy: bytes of YAML, or of none
"""

from __future__ import annotations

import copy

import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from configurations import CONFIG
from cornerstone.study.schema import schema

SCHEMA = schema()
DEMO = (CONFIG / "demo.yaml").read_text()
BASES = [yaml.safe_load((CONFIG / name).read_text()) for name in ("demo.yaml", "config.yaml")]
ODD = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
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


# YAML that is none, or says something else than it seems to

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
