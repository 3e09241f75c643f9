"""The configuration: what is filled in, and what follows for models, tasks and designs."""

import dataclasses
import json

import pytest
import yaml

from configurations import CONFIG, a_study, message_of, shipped
from cornerstone.shapley.players import players_of
from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig, Resources, TaskConfig
from cornerstone.study.resolve import resolve
from cornerstone.study.schema import schema
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.titles import Titles

PAPER_TASKS = {"boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa"}
SCHEMA = schema()
TWO = {"models": {"one": {"folder": "models/one"}, "two": {"folder": "models/two"}}}


# The files that come with Cornerstone


def test_paper_configuration_is_the_papers_study():
    study = shipped("config")
    models = {model.name: (model.hub, model.dtype, model.documents, model.title) for model in study.models}
    assert models == {
        "llama3_8b": ("meta-llama/Meta-Llama-3-8B", "float32", 1000, "Llama3 8B"),
        "llama3_70b": ("meta-llama/Meta-Llama-3-70B", "bfloat16", 300, "Llama3 70B"),
        "mixtral_8x7b": ("mistralai/Mixtral-8x7B-v0.1", "bfloat16", 300, "Mixtral 8x7B"),
    }
    assert set(study.task_names) == PAPER_TASKS
    assert (study.max_removed, study.edges, study.score, study.top_k) == (4, "both", "paper", 3)


def test_demo_configuration_needs_nothing_from_outside_and_keeps_its_results_apart():
    study = shipped("demo")
    assert study.results == "results/demo"
    assert set(study.task_names) == PAPER_TASKS
    assert all(model.hub is None and model.folder.startswith("resources/demo/") for model in study.models)
    assert all(task.data == f"resources/demo/documents/{task.name}.jsonl" for task in study.tasks)


def test_published_numbers_are_named_as_the_paper_configuration_names_them():
    study = shipped("config")
    paper = yaml.safe_load((CONFIG / "paper.yaml").read_text())
    for table in ("sublayers", "top_3_share", "cornerstones", "drop", "other_drop"):
        assert set(paper[table]) == set(study.model_names), table
    assert all(set(drops) == set(study.task_names) for drops in paper["other_drop"].values())
    assert set(paper["chance"]) == set(study.task_names)
    for model, drops in paper["other_drop"].items():  # table 3 is the mean of table 4, up to rounding
        assert sum(drops.values()) / len(drops) == pytest.approx(paper["drop"][model]["other"], abs=0.1)


def test_the_papers_models_are_pinned_to_a_commit():
    assert all(len(model.revision) == 40 for model in shipped("config").models)


def test_tasks_left_out_are_the_papers():
    paper = shipped("config")
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
            "mine", None, None, "models/mine", "mine", "float32", "auto", "auto", 100, None, resources
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


def test_a_chat_template_is_the_studys_unless_a_model_has_its_own_and_asks_all_tasks_in_messages():
    models = {"base": {"folder": "b"}, "chat": {"folder": "c", "apply_chat_template": "rag"}}
    tasks = {"boolq": {}, "piqa": {"system_instruction": "Guess.", "fewshot_as_multiturn": False}}
    study = resolve({"models": models, "tasks": tasks, "system_instruction": "Be brief.\nThink."})
    assert study.template_of("base") is None
    assert study.template_of("chat") == {"name": "rag", "date": None, "given": {}}
    assert [study.prompting_of(task) for task in study.tasks] == [
        {"system_instruction": "Be brief.\nThink.", "multiturn": True},
        {"system_instruction": "Guess.", "multiturn": False},
    ]
    models["base"]["apply_chat_template"] = False
    models["chat"] |= {"apply_chat_template": None, "chat_template_args": {"enable_thinking": False}}
    date = yaml.safe_load("2026-11-30")
    study = resolve({"models": models, "apply_chat_template": True, "chat_template_date": date})
    assert study.template_of("base") is None
    given = {"enable_thinking": False}
    assert study.template_of("chat") == {"name": True, "date": "2026-11-30", "given": given}


def test_without_a_chat_template_questions_are_asked_plainly():
    study = resolve(a_study(tasks={"boolq": {}, "piqa": {"system_instruction": "Be brief."}}))
    assert study.template_of("mine") is None
    assert [study.prompting_of(task) for task in study.tasks] == [
        None,
        {"system_instruction": "Be brief.", "multiturn": None},
    ]


def test_a_task_of_two_groups_is_there_once_unless_they_say_different_things_of_it():
    members = {"stem": ["anatomy", "law"], "mmlu": ["law", "anatomy", "virology"]}

    def expand(group, include_path):
        return members[group]

    def asked(**few):
        return a_study(tasks={"stem": {"group": "stem", "shots": 5}, "rest": {"group": "mmlu", **few}})

    assert resolve(asked(shots=5), expand).task_names == ("anatomy", "law", "virology")
    said = message_of(resolve, asked(), expand)
    assert (
        "law is a task of tasks.stem and of tasks.rest, which have other settings: give it an entry of its"
        in said
    )


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


# What follows from a configuration


def test_an_unknown_name_lists_the_known_ones_nearest_first():
    study = shipped("config")
    assert "unknown model 'mixtral': the configuration has mixtral_8x7b, " in message_of(
        study.model, "mixtral"
    )
    assert "unknown task 'arc': the configuration has arc_easy" in message_of(study.task, "arc")


def test_pairs_are_evaluated_only_beyond_neighbours():
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}, "max_removed": 2}
    assert resolve(raw).designs_of("mine") == ("ablation", "windows")
    farther = resolve(raw | {"pair_distance": 3})
    assert farther.designs_of("mine") == ("ablation", "windows", "pairs")
    assert farther.coalitions_of("pairs", 4) == [(0, 2), (0, 3), (1, 3)]
    no_windows = resolve(raw | {"pair_distance": 3, "max_removed": 1})
    assert no_windows.coalitions_of("pairs", 3) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("players", ["blocks", "2 blocks", "12 sublayers", {"b": "Attn 0-3", "a": "FFN 0-"}])
def test_players_are_as_configured_and_words_follow(players):
    raw = {"models": {"mine": {"hub": "a/b"}}, "tasks": {"piqa": {}}}
    study, usual = resolve(raw | {"players": players}), resolve(raw)
    assert study.players == players and usual.players == "sublayers"
    assert study.titles["player"] == Titles(**study.titles).player != "sublayer"
    assert Titles(**usual.titles) == Titles({"mine": "mine"}, {"piqa": "piqa"})
    assert list(resolve(raw | {"players": {"b": "Attn 0", "a": "FFN 0"}}).players) == [
        "b",
        "a",
    ]  # in this order


def test_coalitions_of_players_are_spelled_out_in_sublayers():
    study = resolve(TWO | {"players": "blocks", "max_removed": 2, "exact": ["one"]})
    players = players_of(study.players, ["Attn 0", "FFN 0", "Attn 1", "Attn 2", "FFN 2"])
    assert study.coalitions_of("ablation", players) == [(), (0, 1), (2,), (3, 4)]
    assert study.coalitions_of("windows", players) == [(0, 1, 2), (2, 3, 4)]
    assert len(study.coalitions_of("exact", players)) == 8
    deep = players_of("blocks", [f"{kind} {n}" for n in range(17) for kind in ("Attn", "FFN")])
    with pytest.raises(CornerstoneError, match=r"exact values of a model with 17 blocks need 2\^17"):
        study.coalitions_of("exact", deep)


def test_exact_values_and_estimators_add_their_designs():
    study = resolve(TWO | {"exact": ["one"], "estimator": "gaussian_process"})
    assert study.designs_of("one") == ("ablation", "windows", "informative", "exact")
    assert study.designs_of("two") == ("ablation", "windows", "informative")
    assert "audit_one" in study.figures and "audit_two" not in study.figures
    assert "audit.md" in study.table_files and "audit_positions.md" not in study.table_files
    assert len(study.coalitions_of("exact", 12)) == 4096
    assert len(study.coalitions_of("informative", 12)) + 13 == 43


def test_exact_values_of_a_deep_model_are_refused_with_the_numbers():
    study = resolve(TWO | {"estimator": "exact"})
    needed = r"64 sublayers need 2\^64 = 1.8e\+19 coalitions.* at most 2\^16 = 65,536"
    with pytest.raises(CornerstoneError, match=needed):
        study.coalitions_of("exact", 64)
