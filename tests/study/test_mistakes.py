"""Mistakes in a configuration: every one is one clear line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import a_study, message_of
from cornerstone.study.resolve import resolve
from cornerstone.study.schema import schema
from cornerstone.system.errors import CornerstoneError, shown

SCHEMA = schema()


def both_ways(given, **free):
    """A task of given answers, and one that is to generate those to the same items."""
    tasks = {
        "sums": {"data": "sums.jsonl"},
        "free": {"data": "sums.jsonl", "generate": True, "same_items_as": given, **free},
    }
    return a_study(tasks=tasks)


def in_chat(**given):
    """A chat model whose template is given this."""
    return a_study(
        models={"m": {"folder": "f", "apply_chat_template": True, "chat_template_args": given}},
    )


MISTAKES = [
    ({}, "models is empty: name at least one"),
    (None, "the configuration is None: give a mapping"),
    ([], "the configuration is []: give a mapping"),
    (a_study(max_remove=3), "unknown key 'max_remove' (did you mean 'max_removed'?)"),
    (a_study(zzz=3), "unknown key 'zzz' (known: "),
    (a_study(max_removed=0), "max_removed is 0: give 1 or more"),
    (a_study(max_removed=True), "max_removed is True: give a whole number"),
    (a_study(max_removed=2.5), "max_removed is 2.5: give a whole number"),
    (a_study(edges="last"), "edges is 'last': give one of both, first"),
    (a_study(score="f1"), "score is 'f1': give one of paper, acc, acc_norm"),
    (a_study(top_k=None), "top_k is None: give a whole number"),
    (a_study(collapse_margin=0), "collapse_margin is 0: give more than 0"),
    (a_study(removal="median"), "removal is 'median': give one of zero, mean"),
    (a_study(removal="mean"), "removal is mean, which needs calibration documents: name their task"),
    (
        a_study(compare_removals=True),
        "compare_removals is true, which needs calibration documents: name their task",
    ),
    (
        a_study(calibration={"documents": 3}),
        "calibration has no task: name the task of its documents, as in calibration: {task: wikitext",
    ),
    (
        a_study(tasks={"mine": {"task": "boolq"}}, calibration={"task": "boolq", "documents": 3}),
        "calibration has the documents of tasks.mine, which are scored: name another task",
    ),
    (a_study(calibration={"task": "a", "title": "b"}), "unknown key 'title' in calibration"),
    (
        a_study(calibration={"task": "a", "data": "b.txt"}),
        "calibration.data is 'b.txt': give a file that ends in",
    ),
    (a_study(calibration="wikitext"), "calibration is 'wikitext': give a mapping"),
    (
        a_study(calibration={"task": "a", "include_path": "."}),
        "calibration.include_path is ., which holds the results too",
    ),
    (a_study(seed=-1), "seed is -1: give 0 or more"),
    (a_study(seed=2**32), "seed is 4294967296: give 4294967295 or less"),
    (a_study(sample=0), "sample is 0: give 1 or more"),
    (
        a_study(fewshot_as_multiturn=True),
        "fewshot_as_multiturn is true, and no model has a chat template: give one apply_chat_template: true",
    ),
    (
        a_study(tasks={"boolq": {"fewshot_as_multiturn": True}}),
        "tasks.boolq.fewshot_as_multiturn is true, and no model has a chat template",
    ),
    (
        a_study(chat_template_date="2026-11-30"),
        "chat_template_date is given, and no model has apply_chat_template: leave it out",
    ),
    (
        a_study(models={"m": {"folder": "f", "chat_template_args": {"enable_thinking": False}}}),
        "models.m.chat_template_args is given, and the model has no apply_chat_template: leave it out",
    ),
    (
        in_chat(enable_thinking=True),
        "models.m.chat_template_args.enable_thinking is True: an answer is read where",
    ),
    (in_chat(messages="a"), "models.m.chat_template_args.messages: it is told by each document's messages"),
    (
        in_chat(**{"a b": 1}),
        "models.m.chat_template_args has the name 'a b': use letters, digits and '_', no digit",
    ),
    (
        in_chat(none=1),
        "models.m.chat_template_args has the name 'none': use letters, digits and '_', no digit",
    ),
    (in_chat(style=[1]), "models.m.chat_template_args.style is [1]: give true or false or a"),
    (a_study(chat_template_date="today"), "chat_template_date is 'today': give a date, YYYY-MM-DD"),
    (a_study(chat_template_date="2026-02-30"), "chat_template_date is '2026-02-30': give a day of the cal"),
    (a_study(apply_chat_template=""), "apply_chat_template is '': it must not be empty"),
    (a_study(apply_chat_template=None), "apply_chat_template is None: give true or false or text"),
    (a_study(system_instruction="a\x00b"), "system_instruction is 'a\\x00b': give one line without"),
    (a_study(gpu_tflops=0), "gpu_tflops is 0: give more than 0"),
    (
        a_study(tasks={"own": {"include_path": "."}}),
        "tasks.own.include_path is ., which holds the results too",
    ),
    (a_study(tasks={"own": {"include_path": "results"}}), "which holds the results too"),
    (a_study(shards={"other": 2}), "shards.other is not a model of this study: it has mine"),
    (a_study(shards={"mine": 0}), "shards.mine is 0: give 1 or more"),
    (a_study(token="hf_secret"), "unknown key 'token' (did you mean"),
    (a_study(memory_gb=0), "memory_gb is 0: give more than 0"),
    (a_study(memory_gb=float("nan")), "memory_gb is nan: give a finite number"),
    (a_study(results=""), "results is '': it must not be empty"),
    (a_study(results="results/{model}"), "results is 'results/{model}': give a folder without {, }, < and >"),
    (a_study(results="a\nb"), "give one line without control characters"),
    (a_study(tasks={}), "tasks is empty: name at least one"),
    (a_study(tasks=["boolq"]), "tasks is ['boolq']: give a mapping"),
    (
        a_study(tasks={"boolq": {"data": "boolq.txt"}}),
        "tasks.boolq.data is 'boolq.txt': give a file that ends in",
    ),
    (a_study(tasks={"boolq": {"shots": -1}}), "tasks.boolq.shots is -1: give 0 or more"),
    (a_study(tasks={"boolq": {"documents": 0}}), "tasks.boolq.documents is 0: give 1 or more"),
    (a_study(tasks={"boolq": {"shot": 1}}), "unknown key 'shot' in tasks.boolq (did you mean 'shots'?)"),
    (a_study(tasks={True: {}}), "tasks has the key True, which YAML does not read as text: put it in quotes"),
    (a_study(tasks={"boolq": {}, "BoolQ": {}}), "tasks boolq and BoolQ differ only in capitals"),
    ({"models": {"mine": {}}}, "models.mine has neither hub nor folder"),
    ({"models": {"mine": None}}, "models.mine is None: give a mapping"),
    ({"models": {"mine": {"hub": "a/b", "folder": "c"}}}, "models.mine has both hub and folder"),
    ({"models": {"mine": {"folder": "c", "revision": "v1"}}}, "which only a model on the hub has"),
    ({"models": {"mine": {"hub": "a/b/c"}}}, "models.mine.hub is 'a/b/c': give an id on the hub"),
    ({"models": {"mine": {"hub": "a/b", "dtype": "int8"}}}, "give one of float32, bfloat16, float16"),
    ({"models": {"mine": {"hub": "a/b", "documents": 0}}}, "models.mine.documents is 0: give 1 or more"),
    ({"models": {"mine": {"hub": "a/b", "title": 7}}}, "models.mine.title is 7: give text"),
    ({"models": {".mine": {"hub": "a/b"}}}, "models has the name '.mine': use up to 100 letters"),
    ({"models": {"a/b": {"hub": "a/b"}}}, "models has the name 'a/b'"),
    ({"models": {"mine\n": {"hub": "a/b"}}}, "models has the key 'mine\\n': give one line"),
    ({"models": {"all": {"hub": "a/b"}}}, "models.all: this name is reserved"),
    (
        {"models": {"a": {"hub": "a/b", "allow_remote_code": "perhaps"}}},
        "is 'perhaps': give true or false or null",
    ),
    ({"models": {"a": {"hub": "a/b", "trust_remote_code": True}}}, "it is called allow_remote_code here"),
    ({"models": {"a": {"hub": "a/b", "chat_template": True}}}, "it is called apply_chat_template here"),
    ({"models": {"a": {"hub": "a/b", "load_in_4bit": True}}}, "weights are evaluated as they are stored"),
    ({"models": {"a": {"hub": "a/b", "resources": {"gpu": 4}}}}, "an evaluation runs on one GPU"),
    ({"models": {"a": {"hub": "a/b", "resources": {"mem_mb": 0}}}}, "resources.mem_mb is 0: give 1 or more"),
    (a_study(tasks={"mmlu": {"group": "mmlu", "title": "MMLU"}}), "tasks.mmlu is a group and has title"),
    (
        a_study(players="heads"),
        "players is 'heads': give sublayers, blocks, a number of these such as 2 blocks",
    ),
    (a_study(players="1 blocks"), "players is '1 blocks': give sublayers, blocks"),
    (a_study(players=2), "players is 2: give text"),
    (a_study(players={}), "players names 0 of them: give two or more"),
    (a_study(players={"all": "Block 0-"}), "players names 1 of them: give two or more"),
    (a_study(players={"a": 3, "b": "FFN 0"}), "players.a is 3: give text"),
    (a_study(players={"a": "", "b": "FFN 0"}), "players.a is '': it must not be empty"),
    (a_study(players={"a": "Attn 0;", "b": "FFN 0"}), "players.a has 'Attn 0;': give labels of sublayers"),
    (
        a_study(players={"a, b": "Attn 0", "c": "FFN 0"}),
        "players has the name 'a, b': use up to 40 characters",
    ),
    *(
        (
            a_study(players=players, cheap_measures=True),
            f"cheap_measures is true, and players is {shown(players)}: these measures are of sublayers, blocks and "
            "neighbouring blocks",
        )
        for players in ("4 sublayers", {"early": "Block 0-1", "late": "Block 2-"})
    ),
    (
        a_study(tasks={"piqa": {"metric": "exact_match"}}),
        "tasks.piqa has a metric, which is of tasks with generate: true",
    ),
    (
        a_study(tasks={"piqa": {"same_items_as": "boolq"}, "boolq": {}}),
        "tasks.piqa has same_items_as, which is of tasks with generate: true",
    ),
    (both_ways("sum"), "tasks.free.same_items_as is 'sum', which is not a task of this study: it has sums"),
    (both_ways("free"), "tasks.free.same_items_as is 'free', whose answers are generated too"),
    (
        both_ways("sums", data="other.jsonl"),
        "data of tasks.free is 'other.jsonl', and 'sums.jsonl' of tasks.sums, whose items are to be the same",
    ),
    (both_ways("sums", documents=5), "documents of tasks.free is 5, and None of tasks.sums"),
    (
        both_ways("sums") | {"sample": 9},
        "tasks.free.same_items_as is 'sums', and a sample draws other items for each task: give documents",
    ),
    (both_ways("sums", sample=9), "and a sample draws other items for each task: give documents"),
    (a_study(tasks={"mean": {"task": "piqa"}}), "tasks.mean: in tables this name is the mean over tasks"),
    (a_study(exact=["other"]), "exact: other is not a model of this study: it has mine"),
    (
        a_study(tasks={"mmlu": {"group": "mmlu"}}),
        "tasks.mmlu is a group, and no function that expands groups was given",
    ),
]


@pytest.mark.parametrize(("raw", "expected"), MISTAKES, ids=[expected[:40] for _, expected in MISTAKES])
def test_a_mistake_is_told_in_one_line_with_what_was_needed(raw, expected):
    message = message_of(resolve, raw)
    assert message.startswith("config: ")
    assert expected in message


def test_all_mistakes_are_told_at_once():
    message = message_of(resolve, a_study(max_removed=0, edges="last", colour="red"))
    assert all(part in message for part in ("max_removed is 0", "edges is 'last'", "unknown key 'colour'"))


SCALARS = st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SCALARS, inner, max_size=2)
)
NAMES = st.sampled_from(["mine", "all", "a b", ".x", "Mine"]) | st.text(max_size=3)


def keys_of(schema):
    sensible = {
        "hub": st.just("a/b"),
        "folder": st.just("c"),
        "data": st.just("d.csv"),
        "dtype": st.just("float16"),
    }
    return st.fixed_dictionaries(
        {}, optional={key: VALUES | sensible.get(key, st.integers(1, 3)) for key in schema["properties"]}
    )


STUDIES = st.fixed_dictionaries(
    {"models": st.dictionaries(NAMES, keys_of(SCHEMA["$defs"]["model"]), max_size=2) | VALUES},
    optional={
        "tasks": st.dictionaries(NAMES, keys_of(SCHEMA["$defs"]["task"]), max_size=2) | VALUES,
        "max_removed": VALUES,
        "memory_gb": VALUES,
        "results": VALUES,
        "extra": VALUES,
    },
)


@settings(max_examples=150, deadline=None)
@given(STUDIES | VALUES)
def test_any_configuration_gives_a_study_or_one_clear_line(raw):
    try:
        study = resolve(raw)
    except CornerstoneError as error:
        assert "\n" not in str(error)
    else:
        assert study.models and study.tasks and isinstance(study.max_removed, int)
