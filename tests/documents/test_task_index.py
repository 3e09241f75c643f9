"""Definitions found by name: as lm-eval's own index has them, and of a folder with tasks of one's own."""

import time
from functools import cache

import pytest
from lm_eval.tasks import TaskManager

from cornerstone.documents import task_index
from cornerstone.documents.task_index import expand_task, find_definition, load_definition
from cornerstone.system.errors import CornerstoneError

OWN_TASK = """
task: {name}
dataset_path: json
output_type: multiple_choice
validation_split: train
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["no", "yes"]
doc_to_target: answer
"""


@cache
def whole_index():
    return TaskManager().task_index


@pytest.fixture
def own(tmp_path):
    """A folder with a task, a group, and a tag that a template gives."""
    (tmp_path / "mine.yaml").write_text(OWN_TASK.format(name="mine"))
    (tmp_path / "tagged_template").write_text("tag: my_tag\n" + OWN_TASK.format(name="template"))
    (tmp_path / "tagged.yaml").write_text("include: tagged_template\ntask: tagged\n")
    (tmp_path / "group.yaml").write_text("group: my_group\ntask: [mine, my_tag, arc_easy, mmlu_stem]\n")
    return tmp_path


def refusal(call, *arguments):
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# lm-eval's own


@pytest.mark.parametrize(
    "task",
    ["boolq", "arc_challenge", "piqa", "winogrande", "openbookqa", "mmlu_astronomy", "anli_r1", "copa"],
)
def test_a_definition_is_that_of_the_whole_index(task, monkeypatch):
    expected = whole_index()[task]
    monkeypatch.setattr(task_index, "_whole_index", lambda: pytest.fail("asked the whole index"))
    assert find_definition(task) == expected


@pytest.mark.parametrize(
    "name", ["mmlu", "mmlu_stem", "ai2_arc", "blimp", "arabicmmlu", "super-glue-lm-eval-v1"]
)
def test_a_group_or_tag_has_the_members_of_the_whole_index(name, monkeypatch):
    entries = whole_index()
    expected = {entry.name for entry in task_index._members(entries[name], entries.get, name)}
    monkeypatch.setattr(task_index, "_whole_index", lambda: pytest.fail("asked the whole index"))
    find = task_index._finder(None)
    assert {entry.name for entry in task_index._members(find(name), find, name)} == expected


def test_a_group_expands_to_its_tasks_by_name():
    assert len(expand_task("mmlu")) == 57
    stem = expand_task("mmlu_stem")
    assert len(stem) == 19
    assert stem == sorted(stem)
    assert {"mmlu_astronomy", "mmlu_college_physics"} < set(stem)
    assert expand_task("ai2_arc") == ["arc_challenge", "arc_easy"]
    assert expand_task("boolq") == ["boolq"]


def test_a_group_expands_in_a_moment():
    task_index._stock_texts.cache_clear()
    started = time.perf_counter()
    expand_task("mmlu")
    assert time.perf_counter() - started < 5, "as slow as lm-eval's whole index"


def test_an_unknown_name_is_told_with_the_nearest():
    assert "has no task 'mmluu': did you mean mmlu" in refusal(expand_task, "mmluu")


def test_a_group_with_tasks_that_cannot_be_measured_names_them():
    message = refusal(expand_task, "super-glue-lm-eval-v1")
    assert message == (
        "group super-glue-lm-eval-v1 is not supported: of its 8 tasks, 1 cannot be measured: "
        "record (it scores by its own process_results); name the others one by one"
    )


def test_a_group_that_changes_its_tasks_is_refused_rather_than_half_followed():
    message = refusal(expand_task, "openllm")
    assert "group openllm is not supported: it has " in message
    assert "num_fewshot" in message


# A folder of one's own


def test_tasks_groups_and_tags_of_ones_own_are_found_beside_lm_evals(own):
    assert find_definition("mine", own).yaml_path == own / "mine.yaml"
    assert expand_task("my_tag", own) == ["tagged"]
    assert expand_task("my_group", own) == sorted(["mine", "tagged", "arc_easy", *expand_task("mmlu_stem")])
    assert find_definition("boolq", own) == find_definition("boolq")


def test_a_task_of_ones_own_goes_before_lm_evals_of_the_same_name(own):
    (own / "boolq.yaml").write_text(OWN_TASK.format(name="boolq"))
    assert find_definition("boolq", own).yaml_path == own / "boolq.yaml"


def test_an_edited_file_is_read_anew(own):
    (own / "group.yaml").write_text("group: my_group\ntask: [mine]\n")
    assert expand_task("my_group", own) == ["mine"]
    (own / "group.yaml").write_text("group: my_group\ntask: [tagged]\n")
    assert expand_task("my_group", own) == ["tagged"]


def test_a_stock_definition_may_be_included(own):
    stock = find_definition("boolq").yaml_path
    (own / "longer.yaml").write_text(f"include: {stock}\ntask: longer\ndescription: Read closely.\n")
    definition = load_definition(find_definition("longer", own))
    assert (definition["dataset_path"], definition["description"]) == ("aps/super_glue", "Read closely.")


def test_functions_of_ones_own_are_loaded(own):
    (own / "words.py").write_text("def text(row):\n    return row['question'].upper()\n")
    (own / "mine.yaml").write_text(OWN_TASK.format(name="mine") + "description: !function words.text\n")
    definition = load_definition(find_definition("mine", own))
    assert definition["description"]({"question": "why"}) == "WHY"


def test_a_function_that_is_not_there_is_named(own):
    (own / "mine.yaml").write_text(OWN_TASK.format(name="mine") + "process_docs: !function words.text\n")
    message = refusal(load_definition, find_definition("mine", own))
    assert f"task mine: the functions that {own / 'mine.yaml'} names cannot be loaded (" in message
    assert "words" in message


def test_a_missing_folder_is_named(tmp_path):
    missing = tmp_path / "nowhere"
    assert f"include_path {missing} is not a folder" in refusal(find_definition, "mine", missing)


def test_a_folder_without_tasks_is_named(tmp_path):
    assert f"include_path {tmp_path} has no task" in refusal(find_definition, "mine", tmp_path)


def test_a_name_that_neither_has_is_told_with_the_nearest(own):
    message = refusal(find_definition, "mime", own)
    assert message.startswith(f"neither {own} nor lm-eval ")
    assert "has a task 'mime': did you mean mine" in message


@pytest.mark.parametrize(
    "content", ["task: [broken\n", "- task\n", "include: nowhere\ntask: broken\n", "task: [a]\n"]
)
def test_a_file_that_cannot_be_read_is_named_before_lm_evals_task_is_taken_instead(own, content):
    (own / "broken.yaml").write_text(content)
    assert find_definition("mine", own).name == "mine"
    assert f"cannot read {own / 'broken.yaml'} (" in refusal(find_definition, "boolq", own)
