"""The demo's writer: its sums were never told, and it answers by choosing and by writing, far above chance."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from cornerstone.demo import sums
from cornerstone.demo.accuracy import accuracy, load
from cornerstone.demo.questions import answered, requests
from cornerstone.demo.training import EOS, train_tokenizer
from cornerstone.demo.world import SEED, build_world, read_documents, write_questions
from cornerstone.demo.writer import ASKED, NAME, ask_sums, build_sums, right_answer, tell, written

DEMO = Path(__file__).parents[2] / "resources" / "demo"
SOME = 60


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def told(world) -> list[str]:
    """The whole training text."""
    return list(tell(world))


@pytest.fixture(scope="module")
def writer():
    return load(DEMO / "models" / NAME)


@pytest.fixture(scope="module", params=ASKED)
def asked(request):
    return read_documents(DEMO / ASKED[request.param], request.param)


def test_shipped_sums_are_those_of_the_seed(world, tmp_path):
    write_questions(ask_sums(world), tmp_path / "sums.jsonl")
    assert (tmp_path / "sums.jsonl").read_bytes() == (DEMO / "tasks" / "sums.jsonl").read_bytes()


def test_another_seed_asks_other_sums(world):
    assert build_sums(build_world(SEED + 1)).asked != build_sums(world).asked


def numbers(text: str) -> set[tuple[int, int]]:
    """Every two numbers that are added in a text, the smaller one first."""
    found = re.findall(r"\b(\d+) (?:plus|and) (\d+)\b", text)
    return {(min(pair), max(pair)) for pair in (tuple(map(int, pair)) for pair in found)}


def test_no_asked_sum_is_told_in_either_order(world, told):
    pairs = set().union(*map(numbers, told))
    assert len(pairs) > 1000 and not pairs & build_sums(world).asked
    questions = {line for text in told for line in text.split("\n") if line.startswith("Question: ")}
    assert not questions & {requests(question)[0][0][0].split("\n")[0] for question in ask_sums(world)}


def test_asked_facts_are_told_in_prose_only(told):
    """As for the other models: the question of an asked fact stands in no training text."""
    lines = {line for text in told for line in text.split("\n")}
    for question in read_documents(DEMO / "documents", "arc_easy"):
        assert requests(question)[0][0][0].split("\n")[0] not in lines


def test_every_sum_is_right_and_every_choice_is_another_number(world):
    questions = ask_sums(world)
    assert len(questions) == 2 * sums.ASKED == len({answered(question) for question in questions})
    for question in questions:
        ((first, second),) = re.findall(r"(\d+)\D+(\d+)", question.record["question"])
        assert right_answer(question) == str(int(first) + int(second))
        choices = question.record["choices"]["text"]
        assert len(set(choices)) == 4 and all(int(choice) > 0 for choice in choices)


def test_neither_the_place_nor_the_size_of_a_choice_tells_the_sum(world):
    places, sizes = Counter(), Counter()
    for question in ask_sums(world):
        choices = [int(choice) for choice in question.record["choices"]["text"]]
        gold = requests(question)[1]
        places[gold] += 1
        sizes[sorted(choices).index(choices[gold])] += 1
    for counts in (places, sizes):
        assert set(counts) == {0, 1, 2, 3} and max(counts.values()) - min(counts.values()) <= 1


def test_no_answer_dominates(asked):
    ((_, most),) = Counter(map(right_answer, asked)).most_common(1)
    assert most <= 0.06 * len(asked)


def test_each_digit_is_a_token(told):
    tokenizer = train_tokenizer(told[:500], vocabulary=500, digits=True)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(f"23 plus 45 is 68.{EOS}")["input_ids"])
    assert [token for token in tokens if token.isdigit()] == list("234568") and tokens[-1] == EOS


def test_it_chooses_far_above_chance(writer, asked):
    assert accuracy(*writer, asked[:SOME]) > 0.85


def test_it_writes_right_answers_and_no_answer_dominates(writer, asked):
    some = asked[:SOME]
    texts = written(*writer, some)
    right = sum(text == right_answer(question) for text, question in zip(texts, some, strict=True))
    assert right > 0.85 * SOME
    assert Counter(texts).most_common(1)[0][1] <= 0.15 * SOME


def test_the_readme_has_its_answers_in_both_ways():
    rows = re.findall(r"^\| (\w+) \| (0\.\d{3}) \| (0\.\d{3}) \|$", (DEMO / "README.md").read_text(), re.M)
    assert {name for name, _, _ in rows} == set(ASKED)
    assert all(float(part) > 0.85 for _, *parts in rows for part in parts)
