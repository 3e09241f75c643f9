"""Questions: one benchmark item in the fields of the real dataset, and the prompt that lm-eval makes of it.

    Question(task="piqa", record={"goal": ..., "sol1": ..., "sol2": ..., "label": 0})

The training text needs the same prompts as ordinary text, without lm-eval in its environment; a test
holds `requests` against lm-eval's own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

TASKS = ("boolq", "arc_easy", "arc_challenge", "piqa", "winogrande", "openbookqa")
LENGTH_NORMALISED = ("arc_easy", "arc_challenge", "piqa", "openbookqa")
"""Tasks scored by acc_norm, the log-likelihood over the choice's characters; the others by acc."""


@dataclass(frozen=True)
class Question:
    """One item of `task`; `record` has exactly the fields of the dataset that the stock task reads."""

    task: str
    record: dict


def choice_question(
    task: str, stem: str, choices: Sequence[str], gold: int, name: str, digits: bool = False
) -> Question:
    """An item of ARC or OpenBookQA; labels are A, B, ... or, as in a part of ARC, 1, 2, ..."""
    labels = [str(i + 1) if digits else "ABCDE"[i] for i in range(len(choices))]
    field = "question_stem" if task == "openbookqa" else "question"
    choices = {"text": list(choices), "label": labels}
    return Question(task, {"id": name, field: stem, "choices": choices, "answerKey": labels[gold]})


def place_gold(gold: str, others: Sequence[str], position: int) -> list[str]:
    """The choices with `gold` at `position` and the others around it."""
    return [*others[:position], gold, *others[position:]]


def shuffled(rng: random.Random, items: Sequence[str]) -> list[str]:
    """The items in random order."""
    return rng.sample(items, len(items))


def deal(rng: random.Random, group_of: Mapping[str, str], count: int) -> list[str]:
    """`count` random items, taken from the groups in turn: each group gives as many as any other, or one less."""
    groups: dict[str, list[str]] = {}
    for item in shuffled(rng, list(group_of)):
        groups.setdefault(group_of[item], []).append(item)
    turns = zip_longest(*groups.values())
    return [item for turn in turns for item in turn if item is not None][:count]


def spread_positions(rng: random.Random, sizes: Sequence[int]) -> list[int]:
    """A gold position for each item of the given number of choices, each position equally often."""
    positions = [0] * len(sizes)
    for size in sorted(set(sizes)):
        items = [i for i, s in enumerate(sizes) if s == size]
        rng.shuffle(items)
        for turn, item in enumerate(items):
            positions[item] = turn % size
    return positions


def requests(question: Question) -> tuple[list[tuple[str, str]], int]:
    """The (context, continuation) of each choice, as lm-eval's stock task makes them, and the gold index."""
    record = question.record
    if question.task == "winogrande":
        return _winogrande(record)
    if question.task == "boolq":
        context, choices, gold = _boolq(record)
    elif question.task == "piqa":
        context = f"Question: {record['goal']}\nAnswer:"
        choices, gold = [record["sol1"], record["sol2"]], record["label"]
    else:
        stem = record.get("question_stem") or f"Question: {record['question']}\nAnswer:"
        context, choices = stem, record["choices"]["text"]
        gold = record["choices"]["label"].index(record["answerKey"])
    return [(context, f" {choice}") for choice in choices], gold


def _boolq(record: dict) -> tuple[str, list[str], int]:
    return f"{record['passage']}\nQuestion: {record['question']}?\nAnswer:", ["no", "yes"], record["label"]


def _winogrande(record: dict) -> tuple[list[tuple[str, str]], int]:
    """The choice stands in the context here, and what follows the blank is scored."""
    before, after = record["sentence"].split("_")
    options = (record["option1"], record["option2"])
    return [(before + option, f" {after.strip()}") for option in options], int(record["answer"]) - 1


def answered(question: Question) -> str:
    """The prompt with its right answer: how a question looks in a training text."""
    pairs, gold = requests(question)
    return "".join(pairs[gold])


def choice_lengths(question: Question) -> list[int]:
    """Characters of each choice, the divisor of acc_norm."""
    return [len(continuation) - 1 for _, continuation in requests(question)[0]]
