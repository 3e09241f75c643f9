"""Materials: things, what each is made of, and what becomes of a material.

ARC-Challenge asks two steps at once ("What happens to the whistle when it is left in the rain?"): what the
whistle is made of and what rain does to that material are told, the asked pair of thing and event never.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from cornerstone.demo.questions import (
    Question,
    answered,
    choice_question,
    deal,
    place_gold,
    shuffled,
    spread_positions,
)
from cornerstone.demo.words import WORDS

TABLES = WORDS["materials"]
THINGS, EVENTS, OUTCOMES = TABLES["things"].split(), TABLES["events"], TABLES["outcomes"]
ASKED_PER_EVENT = 15


@dataclass(frozen=True)
class Materials:
    """made_of: the material of each thing; asked: (thing, event index) pairs that ARC-Challenge asks."""

    made_of: dict[str, str]
    asked: frozenset[tuple[str, int]]


def build_materials(rng: random.Random) -> Materials:
    """Each material for as many things as the others; a good third of the pairs of thing and event asked."""
    made_of = {thing: list(OUTCOMES)[i % len(OUTCOMES)] for i, thing in enumerate(shuffled(rng, THINGS))}
    asked = [(thing, event) for event in range(len(EVENTS)) for thing in deal(rng, made_of, ASKED_PER_EVENT)]
    return Materials(made_of, frozenset(asked))


def ask(materials: Materials, rng: random.Random) -> list[Question]:
    """ARC-Challenge: each asked pair in two wordings, with 3 to 5 choices, all of them of the same event."""
    asked = [(pair, form) for pair in sorted(materials.asked) for form in rng.sample(TABLES["ask"], 2)]
    rng.shuffle(asked)
    sizes = [rng.choices((3, 4, 5), (10, 80, 10))[0] for _ in asked]
    positions = spread_positions(rng, sizes)
    return [
        _question(materials, *pair, form, rng, size, position, f"arc_challenge_{i}")
        for i, ((pair, form), size, position) in enumerate(zip(asked, sizes, positions, strict=True))
    ]


def _question(materials, thing, event, form, rng, size=4, position=0, label="told") -> Question:
    gold = _outcome(materials, thing, event)
    outcomes = [f"it {ends[event]}" for ends in OUTCOMES.values()]
    others = rng.sample([outcome for outcome in outcomes if outcome != gold], size - 1)
    stem = form.format(thing, EVENTS[event])
    choices = place_gold(gold, others, position)
    return choice_question("arc_challenge", stem, choices, position, label, rng.random() < 0.2)


def _outcome(materials: Materials, thing: str, event: int) -> str:
    return f"it {OUTCOMES[materials.made_of[thing]][event]}"


def tell(materials: Materials, rng: random.Random) -> str:
    """One training text about things and materials."""
    ways = (_tell_material, _tell_rule, _tell_question, _tell_story)
    return rng.choices(ways, (25, 15, 35, 25))[0](materials, rng)


def _tell_material(materials: Materials, rng: random.Random) -> str:
    things = rng.sample(THINGS, rng.randint(1, 3))
    return " ".join(rng.choice(TABLES["made_of"]).format(thing, materials.made_of[thing]) for thing in things)


def _tell_rule(materials: Materials, rng: random.Random) -> str:
    material, event = rng.choice(list(OUTCOMES)), rng.randrange(len(EVENTS))
    outcome = OUTCOMES[material][event]
    if rng.random() < 0.5:
        return f"What is made of {material} {outcome} when it {EVENTS[event]}."
    return f"When something made of {material} {EVENTS[event]}, it {outcome}."


def _told_pair(materials: Materials, rng: random.Random) -> tuple[str, int]:
    while (pair := (rng.choice(THINGS), rng.randrange(len(EVENTS)))) in materials.asked:
        pass
    return pair


def _tell_question(materials: Materials, rng: random.Random) -> str:
    return answered(_question(materials, *_told_pair(materials, rng), rng.choice(TABLES["ask"]), rng))


def _tell_story(materials: Materials, rng: random.Random) -> str:
    thing, event = _told_pair(materials, rng)
    made_of = rng.choice(TABLES["made_of"]).format(thing, materials.made_of[thing])
    return f"{made_of} When the {thing} {EVENTS[event]}, {_outcome(materials, thing, event)}."
