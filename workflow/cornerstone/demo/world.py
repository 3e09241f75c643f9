"""The text world: its facts, the six document sets asked on it, and the text told about it.

    python -m cornerstone.demo.world resources/demo/documents     writes the document sets

Everything is drawn from one seed, each part from a generator of its own, so that a change in one topic
leaves the others as they are.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cornerstone.demo import creatures, materials, pronouns, scenes, tools
from cornerstone.demo.questions import TASKS, Question

SEED = 1
N_TEXTS = 100_000
TELLERS = {"scenes": 26, "pronouns": 12, "creatures": 27, "materials": 22, "tools": 13}
"""How many of a hundred training texts are about each topic."""


@dataclass(frozen=True)
class World:
    """The facts of each topic; scenes have none, they are drawn anew for each passage."""

    seed: int
    creatures: creatures.Creatures
    materials: materials.Materials
    tools: tools.Tools
    pronouns: pronouns.Pronouns


def build_world(seed: int = SEED) -> World:
    """The world of `seed`; equal seeds give equal worlds on every machine."""
    return World(
        seed,
        creatures.build_creatures(generator(seed, "creatures")),
        materials.build_materials(generator(seed, "materials")),
        tools.build_tools(generator(seed, "tools")),
        pronouns.build_pronouns(generator(seed, "pronouns")),
    )


def generator(seed: int, part: str) -> random.Random:
    """A generator for one part. Seeding with a text does not depend on Python's hash randomisation."""
    return random.Random(f"{seed} {part}")


def ask(world: World, task: str) -> list[Question]:
    """The document set of `task`: at least 200 questions, gold positions balanced."""
    rng = generator(world.seed, f"ask {task}")
    asked = {
        "boolq": lambda: scenes.ask(rng),
        "arc_easy": lambda: creatures.ask_facts(world.creatures, rng),
        "arc_challenge": lambda: materials.ask(world.materials, rng),
        "piqa": lambda: tools.ask(world.tools, rng),
        "winogrande": lambda: pronouns.ask(world.pronouns, rng),
        "openbookqa": lambda: creatures.ask_traits(world.creatures, rng),
    }
    return asked[task]()


def tell(world: World, count: int = N_TEXTS) -> Iterator[str]:
    """The training texts, `count` of them, topics mixed."""
    rng = generator(world.seed, "tell")
    told = {
        "scenes": lambda: scenes.tell(rng),
        "pronouns": lambda: pronouns.tell(world.pronouns, rng),
        "creatures": lambda: creatures.tell(world.creatures, rng),
        "materials": lambda: materials.tell(world.materials, rng),
        "tools": lambda: tools.tell(world.tools, rng),
    }
    for topic in rng.choices(list(TELLERS), list(TELLERS.values()), k=count):
        yield told[topic]()


def write_documents(world: World, folder: Path) -> None:
    """Write {folder}/{task}.jsonl for each task: an object a line, in the dataset's own fields."""
    for task in TASKS:
        write_questions(ask(world, task), folder / f"{task}.jsonl")


def write_questions(questions: Iterable[Question], path: Path) -> None:
    """Write a document set: an object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(question.record) + "\n" for question in questions)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def read_documents(folder: Path, task: str) -> list[Question]:
    """The questions of a written document set."""
    lines = (folder / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Question(task, json.loads(line)) for line in lines]


if __name__ == "__main__":
    write_documents(build_world(), Path(sys.argv[1]))
