"""The text world: its documents have the real schemas, are balanced, and were never told."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from cornerstone.demo.pronouns import CLASSES
from cornerstone.demo.questions import LENGTH_NORMALISED, TASKS, Question, answered, choice_lengths, requests
from cornerstone.demo.scenes import SIGNS
from cornerstone.demo.words import WORDS
from cornerstone.demo.world import SEED, build_world, read_documents, tell, write_documents

DOCUMENTS = Path(__file__).parents[2] / "resources" / "demo" / "documents"
REAL_DOCUMENTS = Path(__file__).parents[3] / "shared" / "data" / "documents"


@pytest.fixture(scope="module")
def told(world) -> list[str]:
    """The whole training text, every text of it."""
    return list(tell(world))


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Question]]:
    return {task: read_documents(DOCUMENTS, task) for task in TASKS}


def test_shipped_documents_are_those_of_the_seed(world, tmp_path):
    write_documents(world, tmp_path)
    for task in TASKS:
        name = f"{task}.jsonl"
        assert (tmp_path / name).read_bytes() == (DOCUMENTS / name).read_bytes()


def test_another_seed_makes_another_world(world):
    other = build_world(SEED + 1)
    assert set(other.creatures.classes) != set(world.creatures.classes)
    assert list(tell(other, 20)) != list(tell(world, 20))


def test_texts_depend_on_nothing_but_the_seed(world):
    assert list(tell(build_world(), 300)) == list(tell(world, 300))


def test_each_task_has_at_least_200_documents_none_twice(asked):
    for task, questions in asked.items():
        assert len(questions) >= 200
        assert len({answered(question) for question in questions}) == len(questions), task


@pytest.mark.parametrize("task", TASKS)
def test_prompts_are_those_of_lm_evals_stock_task(task, asked):
    tasks = pytest.importorskip("cornerstone.documents.tasks", reason="needs lm-eval", exc_type=ImportError)
    documents = tasks.build_documents(task, data=DOCUMENTS / f"{task}.jsonl").documents
    assert len(documents) == len(asked[task])
    for document, question in zip(documents, asked[task], strict=True):
        pairs, gold = requests(question)
        assert [(request.context, request.continuation) for request in document.requests] == pairs
        assert document.gold == (gold,)
        if task in LENGTH_NORMALISED:
            assert list(document.choice_lengths) == choice_lengths(question)


FIELDS = {
    "boolq": {"question": str, "passage": str, "idx": int, "label": int},
    "arc_easy": {"id": str, "question": str, "choices": dict, "answerKey": str},
    "arc_challenge": {"id": str, "question": str, "choices": dict, "answerKey": str},
    "piqa": {"goal": str, "sol1": str, "sol2": str, "label": int},
    "winogrande": {"sentence": str, "option1": str, "option2": str, "answer": str},
    "openbookqa": {"id": str, "question_stem": str, "choices": dict, "answerKey": str},
}


@pytest.mark.parametrize("task", TASKS)
def test_documents_have_the_fields_of_the_real_dataset(task, asked):
    for question in asked[task]:
        assert {name: type(value) for name, value in question.record.items()} == FIELDS[task]


@pytest.mark.parametrize("task", ["boolq", "piqa", "winogrande"])
def test_fields_and_types_are_those_of_the_real_documents(task, asked):
    path = REAL_DOCUMENTS / f"{task}.jsonl"
    if not path.exists():
        pytest.skip(f"no real documents at {path}")
    real = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    ours = asked[task][0].record
    assert {name: type(value) for name, value in ours.items()} == {n: type(v) for n, v in real.items()}


def test_arc_varies_where_the_real_one_does(asked):
    for task in ("arc_easy", "arc_challenge"):
        choices = [question.record["choices"] for question in asked[task]]
        assert {len(choice["text"]) for choice in choices} == {3, 4, 5}
        assert {choice["label"][0] for choice in choices} == {"A", "1"}
        assert all(len(choice["text"]) == len(choice["label"]) for choice in choices)
    assert {len(q.record["choices"]["text"]) for q in asked["openbookqa"]} == {4}


def test_choices_differ_within_a_document(asked):
    for task in TASKS:
        for question in asked[task]:
            pairs, _ = requests(question)
            assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("task", TASKS)
def test_gold_positions_are_balanced(task, asked):
    sizes: dict[int, Counter] = {}
    for question in asked[task]:
        pairs, gold = requests(question)
        sizes.setdefault(len(pairs), Counter())[gold] += 1
    for size, golds in sizes.items():
        assert set(golds) == set(range(size))
        assert max(golds.values()) - min(golds.values()) <= 1


@pytest.mark.parametrize("task", [task for task in TASKS if task != "boolq"])
@pytest.mark.parametrize("extreme", [min, max])
def test_the_gold_choice_is_not_told_by_its_length(task, extreme, asked):
    """Picking the shortest or the longest choice (of the equally long ones, the first) stays near chance."""
    right = chance = 0.0
    for question in asked[task]:
        pairs, gold = requests(question)
        lengths = [len(context + continuation) for context, continuation in pairs]
        right += lengths.index(extreme(lengths)) == gold
        chance += 1 / len(pairs)
    assert right / len(asked[task]) < chance / len(asked[task]) + 0.12


def test_no_wrong_choice_is_seen_to_be_wrong_by_never_being_gold(asked):
    """In the tasks that draw choices from tables, what is wrong here is right elsewhere."""
    for task in ("arc_easy", "arc_challenge", "openbookqa"):
        golds, others = Counter(), Counter()
        for question in asked[task]:
            pairs, gold = requests(question)
            golds[pairs[gold][1]] += 1
            others.update(continuation for i, (_, continuation) in enumerate(pairs) if i != gold)
        never_gold = sum(count for choice, count in others.items() if choice not in golds)
        assert never_gold < 0.1 * sum(others.values()), task


def test_no_word_of_a_question_tells_its_answer(asked):
    """Each way of asking is answered yes about as often as no: only the passage tells."""
    labels: dict[str, list[int]] = {}
    for question in asked["boolq"]:
        labels.setdefault(question.record["question"], []).append(question.record["label"])
    right = sum(max(found.count(0), found.count(1)) for found in labels.values())
    assert right / len(asked["boolq"]) < 0.75


def test_winogrande_turns_on_the_role_not_on_the_place(asked):
    """The one who is meant is named first as often as second, and so is the first option."""
    first = sum(
        question.record[f"option{question.record['answer']}"] in first_named(question)
        for question in asked["winogrande"]
    )
    assert abs(first / len(asked["winogrande"]) - 0.5) < 0.02


def first_named(question: Question) -> str:
    """The part of the sentence up to the first of its two options."""
    sentence = question.record["sentence"]
    options = (question.record["option1"], question.record["option2"])
    return min((sentence[: re.search(rf"\b{option}\b", sentence).end()] for option in options), key=len)


def test_no_asked_prompt_is_told(asked, told):
    """No asked question, stem, goal or passage stands in a training text, with whatever answer."""
    lines = "\n".join(dict.fromkeys(line for text in told for line in text.split("\n")))
    for task in TASKS:
        for question in asked[task]:
            assert prompt_line(question) not in lines


def prompt_line(question: Question) -> str:
    """The line of the prompt that makes the document what it is; that of BoolQ is its passage."""
    if question.task == "winogrande":
        return question.record["sentence"].split("_")[0]
    return requests(question)[0][0][0].split("\n")[0]


def test_asked_scenes_are_told_in_no_order(asked, told):
    scenes = {signs_in(text.split("\nQuestion:")[0]) for text in told}
    assert len(scenes) > 1000
    for question in asked["boolq"]:
        assert signs_in(question.record["passage"]) not in scenes


SIGN_SENTENCES = {
    sentence for sign in SIGNS.values() for answer in ("yes", "no") for sentence in sign[answer]
}


def signs_in(passage: str) -> frozenset[str]:
    """The sentences of a passage that show something."""
    return frozenset(passage.replace(". ", ".\n").split("\n")) & SIGN_SENTENCES


def test_asked_facts_of_a_creature_are_told_in_prose_only(world, told):
    questions = [text for text in told if text.startswith("Question:")]
    prose = "\n".join(text for text in told if not text.startswith("Question:"))
    for kind, name in world.creatures.asked_facts:
        table = WORDS["creatures"]["attributes"][name]
        value = world.creatures.attributes[kind, name]
        assert any(form.format(kind, value) in prose for form in table["tell"]), (kind, name)
        asked = {f"Question: {form.format(kind)}" for form in table["ask"]}
        assert not any(text.split("\n")[0] in asked for text in questions)


def test_asked_traits_follow_from_told_classes_and_are_not_told(world, told):
    text = "\n".join(told)
    for kind, trait in world.creatures.asked_traits:
        table, class_name = WORDS["creatures"]["traits"][trait], world.creatures.classes[kind]
        end = table["ends"][WORDS["creatures"]["classes"].index(class_name)]
        assert f"{table['class'].format(class_name)} {end}." in text
        assert f"The {kind} is a {class_name}." in text
        assert not any(stem.format(kind) in text for stem in table["kind"])


def test_asked_pairs_of_words_stand_in_no_training_sentence_together(world, told):
    told_pairs = set()
    for text in (text for text in told if "because" in text):
        for sentence in text.split("."):
            found = [word for word in re.findall(r"\w+", sentence) if word in PAIRED_WORDS]
            told_pairs |= {(a, b) for a in found for b in found if a != b}
    assert len(told_pairs) > 100
    assert not told_pairs & world.pronouns.asked


PAIRED_WORDS = {word for words in CLASSES.values() for word in words}


def test_asked_pairs_of_thing_and_event_are_not_told_together(world, told):
    events = WORDS["materials"]["events"]
    for text in told:
        event = next((event for event in events if event in text), None)
        if event is None or "something made of" in text or text.startswith("What is made of"):
            continue
        thing = re.search(r"(?:the|The|This) (\w+)", text).group(1)
        assert (thing, events.index(event)) not in world.materials.asked, text


def test_asked_jobs_on_a_thing_are_not_told(world, told):
    jobs = set(WORDS["tools"]["jobs"])
    found = set()
    for text in told:
        for job, thing in re.findall(r"\b(\w+) (?:the|a|your) (\w+)[.,?]", text):
            if job in jobs:
                found.add((job, thing))
    assert len(found) > 100
    assert not found & world.tools.asked_jobs
