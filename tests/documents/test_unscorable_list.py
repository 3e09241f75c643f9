"""The list of documents that a model cannot score: written whole, refused in one line that has all, or passed on."""

import json

import pytest

from cornerstone.documents.unscorable import (
    CheckedModel,
    CheckedTask,
    Unscorable,
    accept_unscorable,
    read_unscorable,
    write_unscorable,
)
from cornerstone.system.errors import LONGEST_MESSAGE, CornerstoneError

EMPTY = "the continuation '' has no tokens of its own: it is empty"
SOME = {
    "boolq": CheckedTask("b" * 64, 20),
    "piqa": CheckedTask("p" * 64, 20, (Unscorable(17, 0, EMPTY), Unscorable(3, 0, EMPTY), Unscorable(3, 1, EMPTY))),
    "arc": CheckedTask("a" * 64, 1200, (Unscorable(5, 2, "it has the token 9"),)),
}  # fmt: skip


def write(folder, tasks):
    path = folder / "found.json"
    write_unscorable(CheckedModel("tiny", "c" * 64, "t" * 64, tasks), path)
    return path


def refusal(found, policy):
    output = found.with_name("accepted")
    with pytest.raises(CornerstoneError) as caught:
        accept_unscorable([found], output, skip=policy == "skip")
    assert not output.exists()
    message = str(caught.value)
    assert "\n" not in message and len(message) < LONGEST_MESSAGE
    return message


def test_what_is_written_is_read(tmp_path):
    checked = read_unscorable(write(tmp_path, SOME))
    assert checked == CheckedModel("tiny", "c" * 64, "t" * 64, SOME)
    assert [task.left_out for task in checked.tasks.values()] == [(), (3, 17), (5,)]


def test_refuse_lists_all_of_all_tasks_in_one_line(tmp_path):
    message = refusal(found := write(tmp_path, SOME), "refuse")
    assert message.startswith("tiny cannot score 2 of 20 documents of piqa and 1 of 1,200 documents of arc: ")
    assert "unscorable: skip in the configuration" in message
    for one in (f"piqa document 17, choice 0: {EMPTY}", f"piqa document 3, choice 1: {EMPTY}"):
        assert one in message
    assert "arc document 5, choice 2: it has the token 9" in message
    assert message.endswith(f"({found})")


def test_thousands_are_counted_and_their_list_is_named(tmp_path):
    many = tuple(Unscorable(index, choice, EMPTY) for index in range(3000) for choice in range(2))
    tasks = {"piqa": CheckedTask("p" * 64, 3001, many), **{f"task{n}": SOME["arc"] for n in range(40)}}
    message = refusal(found := write(tmp_path, tasks), "refuse")
    assert "3,000 of 3,001 documents of piqa" in message and "some of 29 more tasks" in message
    told = message.count(", choice ")
    assert "task9 document 5" in message and told > 20
    assert message.endswith(f"; and {6040 - told:,} more choices, all listed in {found}")


def test_skip_passes_on_what_was_found(tmp_path):
    found = write(tmp_path, SOME)
    accept_unscorable([found], tmp_path / "accepted", skip=True)
    assert read_unscorable(tmp_path / "accepted") == read_unscorable(found)


def test_the_lists_of_a_models_tasks_are_judged_together(tmp_path):
    found = []
    for name, task in SOME.items():
        (tmp_path / name).mkdir()
        found.append(write(tmp_path / name, {name: task}))
    accept_unscorable(found, tmp_path / "accepted", skip=True)
    assert read_unscorable(tmp_path / "accepted").tasks == SOME
    with pytest.raises(CornerstoneError, match=r"of piqa and 1 of 1,200 documents of arc: .*\*\.json\)$"):
        accept_unscorable(found, tmp_path / "other", skip=False)


@pytest.mark.parametrize("policy", ["refuse", "skip"])
def test_a_model_that_can_score_all_is_accepted(tmp_path, policy):
    found = write(tmp_path, {"boolq": SOME["boolq"]})
    accept_unscorable([found], tmp_path / "accepted", skip=policy == "skip")
    assert read_unscorable(tmp_path / "accepted").tasks["boolq"].left_out == ()


@pytest.mark.parametrize("policy", ["refuse", "skip"])
def test_a_task_of_which_nothing_can_be_scored_is_refused_in_any_case(tmp_path, policy):
    nothing = CheckedTask("n" * 64, 2, (Unscorable(0, 0, EMPTY), Unscorable(1, 1, EMPTY)))
    message = refusal(write(tmp_path, {**SOME, "winogrande": nothing}), policy)
    assert "2 of 2 documents of winogrande" in message
    assert "leave out a task of which nothing can be scored" in message and "skip" not in message
    assert ("of piqa" in message) == (policy == "refuse")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 1, "kind": "manifest"}', '{"format": 1, "kind": "unscorable"}']
)
def test_a_damaged_list_is_told_in_a_line(tmp_path, content):
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(CornerstoneError, match="is not a list of unscorable documents"):
        read_unscorable(path)


def test_a_list_of_another_format_is_told_in_a_line(tmp_path):
    path = write(tmp_path, SOME)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(CornerstoneError, match="another kind or format"):
        read_unscorable(path)
