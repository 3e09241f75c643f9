"""The configuration: what is accepted, what is filled in, and that every mistake is one clear line."""

import dataclasses
import json
import struct
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstone.models.folder import check_model_folder, count_sublayers_from_config
from cornerstone.study.config import (
    SCHEMA_PATH,
    ModelConfig,
    Resources,
    StudyConfig,
    TaskConfig,
    check_models,
    check_targets,
    known_names,
    load,
    resolve,
)
from cornerstone.system.errors import CornerstoneError

ROOT = Path(__file__).parents[2]
SHARED_MODELS = ROOT / ".." / "shared" / "data" / "models"
PAPER_TASKS = {"boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa"}
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text())


def a_study(**keys):
    return {"models": {"mine": {"folder": "models/mine"}}, **keys}


def message_of(call, *arguments):
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The files that come with Cornerstone


def test_paper_configuration_is_the_papers_study():
    study = load(ROOT / "config" / "config.yaml")
    models = {model.name: (model.hub, model.dtype, model.documents, model.title) for model in study.models}
    assert models == {
        "llama3_8b": ("meta-llama/Meta-Llama-3-8B", "float32", 1000, "Llama3 8B"),
        "llama3_70b": ("meta-llama/Meta-Llama-3-70B", "bfloat16", 300, "Llama3 70B"),
        "mixtral_8x7b": ("mistralai/Mixtral-8x7B-v0.1", "bfloat16", 300, "Mixtral 8x7B"),
    }
    assert set(study.task_names) == PAPER_TASKS
    assert (study.max_removed, study.edges, study.score, study.top_k) == (4, "both", "paper", 3)


def test_demo_configuration_needs_nothing_from_outside_and_keeps_its_results_apart():
    study = load(ROOT / "config" / "demo.yaml")
    assert study.results == "results/demo"
    assert set(study.task_names) == PAPER_TASKS
    assert all(model.hub is None and model.folder.startswith("resources/demo/") for model in study.models)
    assert all(task.data == f"resources/demo/documents/{task.name}.jsonl" for task in study.tasks)


def test_published_numbers_are_named_as_the_paper_configuration_names_them():
    study = load(ROOT / "config" / "config.yaml")
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    for table in ("sublayers", "top_3_share", "cornerstones", "drop", "other_drop"):
        assert set(paper[table]) == set(study.model_names), table
    assert all(set(drops) == set(study.task_names) for drops in paper["other_drop"].values())
    assert set(paper["chance"]) == set(study.task_names)
    for model, drops in paper["other_drop"].items():  # table 3 is the mean of table 4, up to rounding
        assert sum(drops.values()) / len(drops) == pytest.approx(paper["drop"][model]["other"], abs=0.1)


def test_tasks_left_out_are_the_papers():
    paper = load(ROOT / "config" / "config.yaml")
    assert resolve(a_study()).tasks == paper.tasks


# Schema, nouns and defaults agree


def described_keys(schema):
    for key, inner in schema["properties"].items():
        yield key, SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner


@pytest.mark.parametrize(
    ("schema", "noun"),
    [(SCHEMA, StudyConfig), (SCHEMA["$defs"]["model"], ModelConfig), (SCHEMA["$defs"]["task"], TaskConfig)],
)
def test_schema_describes_each_key_and_the_nouns_have_the_same_keys(schema, noun):
    for key, inner in described_keys(schema):
        assert inner["description"].strip(), key
        assert "default" in inner, key
    assert schema["additionalProperties"] is False
    fields = {field.name for field in dataclasses.fields(noun)}
    assert fields - {"name"} == set(schema["properties"])


def test_four_lines_are_enough_for_a_model_of_ones_own():
    study = resolve(yaml.safe_load("models:\n  mine:\n    folder: models/mine\n    documents: 100\n"))
    resources = Resources(gpu=1, cpus=8, mem_mb=16000, runtime=720)
    assert study.models == (
        ModelConfig(
            "mine", None, None, "models/mine", "mine", "float32", "auto", "auto", 100, False, resources
        ),
    )
    assert (study.results, study.memory_gb) == ("results", None)


def test_a_task_may_be_a_bare_name():
    assert resolve(a_study(tasks={"hellaswag": None})).tasks == (
        TaskConfig("hellaswag", "hellaswag", "hellaswag", None, None, None, None, 1234, None, None),
    )


def test_the_configuration_given_is_left_as_it_was():
    raw = a_study(tasks={"boolq": None})
    before = json.dumps(raw)
    resolve(raw)
    assert json.dumps(raw) == before


def test_the_lower_of_a_models_and_a_tasks_document_limits_counts():
    study = resolve(
        {
            "models": {"small": {"hub": "a/b", "documents": 10}, "free": {"hub": "a/b"}},
            "tasks": {"boolq": {"documents": 20}, "piqa": {"documents": 5}, "arc_easy": {}},
        }
    )
    limits = [study.document_limit(model, task) for model in study.model_names for task in study.task_names]
    assert limits == [10, 5, 10, 20, 5, None]


def test_a_sample_and_its_seed_are_the_studys_unless_a_task_has_its_own():
    study = resolve(
        a_study(sample=200, seed=7, documents=50, tasks={"boolq": {}, "piqa": {"sample": 30, "seed": 0}})
    )
    assert [(task.sample, task.seed) for task in study.tasks] == [(200, 7), (30, 0)]
    assert study.document_limit("mine", "boolq") == 50


def test_a_group_stands_for_its_tasks_and_one_that_is_named_too_keeps_its_settings():
    asked = []

    def expand(group, include_path):
        asked.append((group, include_path))
        return ["mmlu_anatomy", "mmlu_virology"]

    tasks = {"knowledge": {"group": "mmlu", "shots": 5}, "mmlu_virology": {"shots": 0}, "boolq": {}}
    study = resolve(a_study(tasks=tasks), expand)
    assert [(task.name, task.task, task.shots, task.group) for task in study.tasks] == [
        ("mmlu_anatomy", "mmlu_anatomy", 5, "mmlu"),
        ("mmlu_virology", "mmlu_virology", 0, None),
        ("boolq", "boolq", None, None),
    ]
    assert asked == [("mmlu", None)]


def test_the_papers_models_are_pinned_to_a_commit():
    assert all(len(model.revision) == 40 for model in load(ROOT / "config" / "config.yaml").models)


# Mistakes

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
    (a_study(seed=-1), "seed is -1: give 0 or more"),
    (a_study(seed=2**32), "seed is 4294967296: give 4294967295 or less"),
    (a_study(sample=0), "sample is 0: give 1 or more"),
    (a_study(gpu_tflops=0), "gpu_tflops is 0: give more than 0"),
    (
        a_study(tasks={"own": {"include_path": "."}}),
        "tasks.own.include_path is ., which holds the results too",
    ),
    (a_study(tasks={"own": {"include_path": "results"}}), "which holds the results too"),
    (a_study(shards={"other": 2}), "shards.other is no model of this study: it has mine"),
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
    (a_study(tasks={True: {}}), "tasks has the key True, which YAML reads as no text: put it in quotes"),
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
    ({"models": {"all": {"hub": "a/b"}}}, "models.all: this name is taken"),
    ({"models": {"a": {"hub": "a/b", "allow_remote_code": "yes"}}}, "is 'yes': give true or false"),
    ({"models": {"a": {"hub": "a/b", "trust_remote_code": True}}}, "it is called allow_remote_code here"),
    ({"models": {"a": {"hub": "a/b", "chat_template": True}}}, "asked in lm-eval's plain prompts"),
    ({"models": {"a": {"hub": "a/b", "load_in_4bit": True}}}, "weights are evaluated as they are stored"),
    ({"models": {"a": {"hub": "a/b", "resources": {"gpu": 4}}}}, "an evaluation runs on one GPU"),
    ({"models": {"a": {"hub": "a/b", "resources": {"mem_mb": 0}}}}, "resources.mem_mb is 0: give 1 or more"),
    (a_study(tasks={"mmlu": {"group": "mmlu", "title": "MMLU"}}), "tasks.mmlu is a group and has title"),
    (a_study(tasks={"mmlu": {"group": "mmlu"}}), "tasks.mmlu is a group, and nothing here can expand it"),
]


@pytest.mark.parametrize(("raw", "expected"), MISTAKES, ids=[expected[:40] for _, expected in MISTAKES])
def test_a_mistake_is_told_in_one_line_with_what_was_needed(raw, expected):
    message = message_of(resolve, raw)
    assert message.startswith("config: ")
    assert expected in message


def test_all_mistakes_are_told_at_once():
    message = message_of(resolve, a_study(max_removed=0, edges="last", colour="red"))
    assert all(part in message for part in ("max_removed is 0", "edges is 'last'", "unknown key 'colour'"))


def test_an_unreadable_file_is_named(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("models: [")
    assert str(broken) in message_of(load, broken)
    assert "nowhere.yaml" in message_of(load, tmp_path / "nowhere.yaml")


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


# Looking up names, and targets on the command line


def test_an_unknown_name_lists_the_known_ones_nearest_first():
    study = load(ROOT / "config" / "config.yaml")
    assert "unknown model 'mixtral': the configuration has mixtral_8x7b, " in message_of(
        study.model, "mixtral"
    )
    assert "unknown task 'arc': the configuration has arc_easy" in message_of(study.task, "arc")


def test_known_names_are_cut_short():
    assert known_names("x", [f"name{number}" for number in range(20)]).endswith(" and 8 more")


GOOD_TARGETS = [
    "all",
    "train_demo_models",
    "elsewhere/pie_nobody.pdf",
    "results/figures/pie_llama3_70b.pdf",
    "./results/figures/pie_all.svg",
    "results/figures/ablation_scheme.png",
    "results/figures/values_mixtral_8x7b.png",
    "results/tables/shares.md",
    "results/values/llama3_8b/boolq.csv",
    "results/evaluations/llama3_8b/boolq/windows.parquet",
    "results/documents/boolq.parquet",
    "results/models/llama3_8b.json",
    "results/report.html",
]
BAD_TARGETS = [
    ("results/figures/pie_llama3_9b.pdf", "unknown model 'llama3_9b': the configuration has llama3_8b"),
    ("results/figures/pies_llama3_8b.pdf", "unknown figure 'pies_llama3_8b': there are "),
    ("results/figures/pie_llama3_8b.jpg", "a figure ends in one of .pdf, .png, .svg"),
    ("results/figures/pie_llama3_8b", "a figure ends in one of .pdf, .png, .svg"),
    ("results/tables/share.csv", "unknown table 'share.csv': there are shares.csv"),
    ("results/values/llama3_8b/bool.csv", "unknown task 'bool': the configuration has boolq"),
    ("results/values/boolq.csv", "files there are called {model}/{task}.csv"),
    ("results/evaluations/llama3_8b/boolq/window.parquet", "unknown design 'window': there are windows, abl"),
    (
        "results/evaluations/llama3_8b/boolq/pairs.parquet",
        "unknown design 'pairs': there are windows, ablation, pairs where pair_distance is 2 or more",
    ),
    ("results/documents/bool.parquet", "unknown task 'bool'"),
    ("results/models/llama3.json", "unknown model 'llama3'"),
    ("results/figure/pie_llama3_8b.pdf", "no figure/ in results/"),
    ("results/demo/figures/pie_demo_llama.pdf", "no demo/ in results/ (choose another with --configfile)"),
]


@pytest.mark.parametrize("target", GOOD_TARGETS)
def test_targets_that_can_be_made_pass(target):
    check_targets(load(ROOT / "config" / "config.yaml"), [target])


@pytest.mark.parametrize(("target", "expected"), BAD_TARGETS)
def test_a_target_that_cannot_be_made_names_the_known_ones(target, expected):
    message = message_of(check_targets, load(ROOT / "config" / "config.yaml"), ["all", target])
    assert message.startswith(f"cannot make {target}: ")
    assert expected in message


def test_a_study_of_single_removals_has_no_heat_map_of_pairs():
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "max_removed": 1}
    target = "results/figures/interactions_mine.pdf"
    assert "give max_removed or pair_distance 2 or more" in message_of(check_targets, resolve(raw), [target])
    for more in ({"max_removed": 2}, {"pair_distance": 2}):
        check_targets(resolve(raw | more), [target])


def test_pairs_are_evaluated_only_beyond_neighbours():
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "max_removed": 2}
    assert resolve(raw).designs_of("mine") == ("ablation", "windows")
    farther = resolve(raw | {"pair_distance": 3})
    assert farther.designs_of("mine") == ("ablation", "windows", "pairs")
    assert farther.coalitions_of("pairs", 4) == [(0, 2), (0, 3), (1, 3)]
    check_targets(farther, ["results/evaluations/mine/piqa/pairs.parquet"])
    no_windows = resolve(raw | {"pair_distance": 3, "max_removed": 1})
    assert no_windows.coalitions_of("pairs", 3) == [(0, 1), (0, 2), (1, 2)]


def test_a_target_of_another_results_folder_is_pointed_to_its_configuration():
    demo = load(ROOT / "config" / "demo.yaml")
    message = message_of(check_targets, demo, ["results/figures/pie_demo_llama.pdf"])
    assert "this configuration writes to results/demo/" in message


# Model folders


def write_model(folder, blocks=2):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": blocks}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_a_whole_model_folder_passes(tmp_path):
    check_model_folder(write_model(tmp_path / "model"))


@pytest.mark.parametrize("name", ["stories260K", "babyllama-tok361"])
def test_real_model_folders_pass(name):
    if not SHARED_MODELS.is_dir():
        pytest.skip(f"no real models: {SHARED_MODELS} is missing")
    check_model_folder(SHARED_MODELS / name)


def shard_index(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"w": "model-1.safetensors", "v": "model-2.safetensors"}})
    )


BROKEN_FOLDERS = [
    (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    (lambda folder: (folder / "config.json").write_text("{"), "config.json is not JSON"),
    (lambda folder: (folder / "config.json").write_text("[]"), "config.json is no JSON object"),
    (lambda folder: (folder / "config.json").write_text("{}"), "gives no number of blocks"),
    (
        lambda folder: (folder / "model.safetensors").unlink(),
        "has no safetensors weights: put model.safetensors",
    ),
    (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "a pickle"),
    (lambda folder: (folder / "model.safetensors").write_bytes(b""), "is cut off"),
    (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs"),
        "no safetensors file",
    ),
    (
        lambda folder: (folder / "model.safetensors").write_bytes(
            (folder / "model.safetensors").read_bytes()[:-1]
        ),
        "is cut off: ",
    ),
    (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    (shard_index, "lacks model-2.safetensors, which model.safetensors.index.json names"),
]


@pytest.mark.parametrize(
    ("damage", "expected"), BROKEN_FOLDERS, ids=[expected for _, expected in BROKEN_FOLDERS]
)
def test_a_broken_model_folder_is_refused_saying_what_is_missing(tmp_path, damage, expected):
    folder = write_model(tmp_path / "model")
    damage(folder)
    message = message_of(check_model_folder, folder)
    assert expected in message
    assert str(folder) in message or "config.json" in message


def test_local_models_are_checked_before_anything_runs(tmp_path):
    raw = {"models": {"mine": {"folder": str(tmp_path / "model")}, "far": {"hub": "a/b"}}, "max_removed": 4}
    assert "models.mine: model folder" in message_of(check_models, resolve(raw))
    write_model(tmp_path / "model", blocks=2)
    expected = "models.mine: max_removed is 4, but this model has 4 sublayers: give a number from 1 to 3"
    assert message_of(check_models, resolve(raw)) == expected
    check_models(resolve(raw | {"max_removed": 3}))


@pytest.mark.parametrize(
    ("config_json", "sublayers"),
    [
        ({"num_hidden_layers": 32}, 64),
        ({"n_layer": 12}, 24),
        ({"model_type": "gpt_neo", "num_layers": 6}, 12),
        ({"model_type": "gemma3", "text_config": {"num_hidden_layers": 26}, "num_hidden_layers": 3}, 52),
    ],
)
def test_sublayers_are_counted_from_config_json(config_json, sublayers):
    assert count_sublayers_from_config(config_json) == sublayers


TWO = {"models": {"one": {"folder": "models/one"}, "two": {"folder": "models/two"}}}


def test_exact_values_and_estimators_add_their_designs():
    study = resolve(TWO | {"exact": ["one"], "estimator": "gaussian_process"})
    assert study.designs_of("one") == ("ablation", "windows", "informative", "exact")
    assert study.designs_of("two") == ("ablation", "windows", "informative")
    assert study.figure_kinds_of("one")[-1] == "audit"
    assert "audit" not in study.figure_kinds_of("two")
    assert "audit.md" in study.table_files and "audit_positions.md" not in study.table_files
    assert len(study.coalitions_of("exact", 12)) == 4096
    assert len(study.coalitions_of("informative", 12)) + 13 == 43


def test_exact_values_of_an_unknown_model_are_refused():
    with pytest.raises(CornerstoneError, match="exact: other is no model of this study"):
        resolve(TWO | {"exact": ["other"]})


def test_exact_values_of_a_deep_model_are_refused_with_the_numbers():
    study = resolve(TWO | {"estimator": "exact"})
    needed = r"64 sublayers need 2\^64 = 1.8e\+19 coalitions.* at most 2\^16 = 65,536"
    with pytest.raises(CornerstoneError, match=needed):
        study.coalitions_of("exact", 64)


def test_targets_of_the_audit_need_exact_values():
    study = resolve(TWO | {"exact": ["one"]})
    check_targets(study, [f"{study.results}/figures/audit_one.pdf", f"{study.results}/tables/audit.md"])
    with pytest.raises(CornerstoneError, match="name two in the configuration's exact"):
        check_targets(study, [f"{study.results}/figures/audit_two.pdf"])
    with pytest.raises(CornerstoneError, match=r"unknown table 'audit\.md'"):
        check_targets(resolve(TWO), [f"{study.results}/tables/audit.md"])
