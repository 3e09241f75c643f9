"""Small rows in the fields of lm-eval's stock tasks, and what a refused call says."""

import json

import pytest

from cornerstone.system.errors import CornerstoneError


def question(number, choices, labels, answer):
    return {
        "id": f"q{number}",
        "question": f"Which thing is number {number}?",
        "question_stem": f"Thing number {number} is a",
        "choices": {"text": choices, "label": labels},
        "answerKey": answer,
    }


QUESTIONS = [
    question(0, ["ant", "bee – ünïcode", "cat", "dog"], ["A", "B", "C", "D"], "B"),
    question(1, ["a long answer", "no", "yes"], ["A", "B", "C"], "C"),
    question(2, ["one", "two", "three", "four", "five"], ["A", "B", "C", "D", "E"], "E"),
    question(3, ["up", "down", "left", "right"], ["1", "2", "3", "4"], "4"),
    question(4, ["same", "same", "other"], ["1", "2", "3"], "2"),
]
PASSAGES = [
    {"passage": f"Passage {n}.", "question": f"is it {n}", "idx": n, "label": n % 2} for n in range(8)
]
GOALS = [{"goal": f"Goal {n}", "sol1": f"do {n}", "sol2": "wait", "label": n % 2} for n in range(4)]
BLANKS = [
    {"sentence": f"Ann met Sue so _ was {n}.", "option1": "Ann", "option2": "Sue", "answer": str(1 + n % 2)}
    for n in range(4)
]
ENDINGS = [
    {
        "activity_label": "Cooking",
        "ctx_a": "A cook stirs [title] the pot.",
        "ctx_b": "then he",
        "endings": [f"tastes {n}", "leaves", "sings", "sits"],
        "label": str(n % 4),
    }
    for n in range(4)
]
LESSONS = [
    {"question": f"What is {n}?", "subject": "astronomy", "choices": ["p", "q", "r", "s"], "answer": n % 4}
    for n in range(8)
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refusal(call, *arguments, **keywords):
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)
