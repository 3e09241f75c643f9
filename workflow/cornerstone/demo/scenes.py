"""Scenes: short passages that show how things are without saying it, and yes/no questions on them.

BoolQ asks them. Each scene falls, by a digest of its sentences, either among those that may be asked or
among those that may be told.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import sha256

from cornerstone.demo.questions import Question, answered
from cornerstone.demo.words import WORDS

TABLES = WORDS["scenes"]
PEOPLE, PLACES = TABLES["people"].split(), TABLES["places"].split()
SIGNS = TABLES["signs"]
ANSWERS = ("no", "yes")
ASKED_IN = 10
"""One scene in so many may be asked and is never told."""
SIZES = (1, 2)
"""How many things a scene shows."""


@dataclass(frozen=True)
class Shown:
    """`sentence` speaks for `sign` (truth 1) or against it (truth 0)."""

    sign: str
    truth: int
    sentence: str


Scene = tuple[Shown, ...]


def draw_scene(rng: random.Random, asked: bool) -> Scene:
    """A few things shown, each by one sentence."""
    while True:
        signs = rng.sample(list(SIGNS), rng.choice(SIZES))
        truths = [rng.randrange(2) for _ in signs]
        scene = tuple(
            Shown(sign, truth, rng.choice(SIGNS[sign][ANSWERS[truth]]))
            for sign, truth in zip(signs, truths, strict=True)
        )
        if may_be_asked(scene) == asked:
            return scene


def may_be_asked(scene: Scene) -> bool:
    """Whether the scene is one to ask; the same for every order of its sentences."""
    text = ";".join(sorted(shown.sentence for shown in scene))
    return sha256(text.encode()).digest()[0] % ASKED_IN == 0


def ask(rng: random.Random, count: int = 220) -> list[Question]:
    """BoolQ: one question on each scene, yes as often as no."""
    questions = [_question_with(rng, truth=number % 2) for number in range(count)]
    rng.shuffle(questions)
    return [Question(q.task, {**q.record, "idx": number}) for number, q in enumerate(questions)]


def _question_with(rng: random.Random, truth: int) -> Question:
    """A question on a scene of its own whose answer is `truth`."""
    while True:
        scene = draw_scene(rng, asked=True)
        if fitting := [shown for shown in scene if shown.truth == truth]:
            return _question(_passage(scene, rng), rng.choice(fitting), rng)


def _passage(scene: Scene, rng: random.Random) -> str:
    frame = [
        form.format(rng.choice(PEOPLE), rng.choice(PLACES)) for form in rng.sample(TABLES["openings"], 2)
    ]
    return " ".join([frame[0], *(shown.sentence for shown in scene), frame[1]])


def _question(passage: str, shown: Shown, rng: random.Random) -> Question:
    text = rng.choice(SIGNS[shown.sign]["ask"])
    return Question("boolq", dict(question=text, passage=passage, idx=0, label=shown.truth))


def tell(rng: random.Random) -> str:
    """One training text: a scene with a question on each thing that it shows."""
    scene = draw_scene(rng, asked=False)
    passage = _passage(scene, rng)
    first, *more = (_question(passage, shown, rng) for shown in rng.sample(scene, len(scene)))
    return answered(first) + "".join(answered(question)[len(passage) :] for question in more)
