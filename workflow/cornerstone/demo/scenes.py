"""Scenes: short passages on who is where with what, and yes/no questions that only the passage answers.

BoolQ asks them. Each scene falls, by a digest of who is where with what, either among those that may be
asked or among those that may be told.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import sha256

from cornerstone.demo.questions import Question, answered
from cornerstone.demo.words import WORDS

TABLES = WORDS["scenes"]
PEOPLE = TABLES["people"].split()
VALUES = {relation: TABLES[relation]["values"].split() for relation in ("where", "has", "colour")}
ASKED_IN = 10
"""One scene in so many may be asked and is never told."""


@dataclass(frozen=True)
class Fact:
    """`relation` ("where", "has" or "colour") holds between `subject` and `value`."""

    relation: str
    subject: str
    value: str


Scene = tuple[Fact, ...]


def draw_scene(rng: random.Random, asked: bool) -> Scene:
    """Two or three people, each in a place of their own with an item of its own, some items coloured."""
    while True:
        people = rng.sample(PEOPLE, rng.choice((2, 2, 3)))
        places, items, colours = (rng.sample(values, len(people)) for values in VALUES.values())
        facts = [Fact("where", *pair) for pair in zip(people, places, strict=True)]
        facts += [Fact("has", *pair) for pair in zip(people, items, strict=True)]
        facts += [Fact("colour", *pair) for pair in zip(items, colours, strict=True)]
        kept = rng.sample(facts, min(len(facts), rng.randint(4, 6)))
        if may_be_asked(tuple(kept)) == asked:
            return tuple(kept)


def may_be_asked(scene: Scene) -> bool:
    """Whether the scene is one to ask; the same for every order and wording of its facts."""
    text = ";".join(sorted(f"{fact.subject}:{fact.value}" for fact in scene))
    return sha256(text.encode()).digest()[0] % ASKED_IN == 0


def ask(rng: random.Random, count: int = 220) -> list[Question]:
    """BoolQ: one question on each scene, yes as often as no."""
    questions = [_questions(draw_scene(rng, True), rng, 1, number % 2)[0] for number in range(count)]
    rng.shuffle(questions)
    return [Question(q.task, {**q.record, "idx": number}) for number, q in enumerate(questions)]


def _passage(scene: Scene, rng: random.Random) -> str:
    return " ".join(_say(fact, rng.choice(TABLES[fact.relation]["tell"])) for fact in scene)


def _say(fact: Fact, form: str) -> str:
    return form.format(fact.subject, fact.value)


def _questions(scene: Scene, rng: random.Random, count: int, label: int | None = None) -> list[Question]:
    """Questions on one passage; with no `label`, each is yes or no by chance."""
    passage = _passage(scene, rng)
    questions = []
    for fact in rng.choices(scene, k=count):
        truth = rng.randrange(2) if label is None else label
        value = fact.value if truth else _wrong_value(fact, scene, rng)
        text = rng.choice(TABLES[fact.relation]["ask"]).format(fact.subject, value)
        questions.append(Question("boolq", dict(question=text, passage=passage, idx=0, label=truth)))
    return questions


def _wrong_value(fact: Fact, scene: Scene, rng: random.Random) -> str:
    """A value that the passage gives to another, so that its mere mention tells nothing."""
    values = [other.value for other in scene if other.relation == fact.relation and other.value != fact.value]
    return rng.choice(values or [value for value in VALUES[fact.relation] if value != fact.value])


def tell(rng: random.Random) -> str:
    """One training text: a scene with a few questions, or with what follows from it restated."""
    scene = draw_scene(rng, asked=False)
    if rng.random() < 0.25:
        restated = [_say(fact, TABLES[fact.relation]["conclude"]) for fact in rng.choices(scene, k=3)]
        return " ".join([_passage(scene, rng), *restated])
    first, *more = _questions(scene, rng, rng.choice((1, 3, 5)))
    start = len(first.record["passage"])
    return answered(first) + "".join(answered(question)[start:] for question in more)
