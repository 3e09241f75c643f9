"""Creatures: kinds with invented names, what each is like, and what it inherits from its class.

Two tasks ask about them. ARC-Easy asks back a fact that was told of the kind ("Where does the mirral
live?"): an asked fact is told in prose only, never as a question. OpenBookQA asks what follows from the
kind's class ("The mirral is covered in"): an asked pair of kind and trait is never told at all, only that
the mirral is a bird, and what birds are covered in.
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

TABLES = WORDS["creatures"]
CLASSES, TRAITS, ATTRIBUTES = TABLES["classes"], TABLES["traits"], TABLES["attributes"]
KINDS_PER_CLASS = 5
ASKED_PER_ATTRIBUTE = 14
ASKED_PER_TRAIT = 15


@dataclass(frozen=True)
class Creatures:
    """The kinds, and which facts are asked.

    classes:         class of each kind.
    attributes:      (kind, attribute) -> value.
    asked_facts:     (kind, attribute) pairs that ARC-Easy asks.
    asked_traits:    (kind, trait) pairs that OpenBookQA asks.
    """

    classes: dict[str, str]
    attributes: dict[tuple[str, str], str]
    asked_facts: frozenset[tuple[str, str]]
    asked_traits: frozenset[tuple[str, str]]


def build_creatures(rng: random.Random) -> Creatures:
    """Names, classes and attributes drawn by `rng`; a good third of the facts and of the traits asked."""
    kinds = invented_names(rng, len(CLASSES) * KINDS_PER_CLASS)
    classes = {kind: CLASSES[i % len(CLASSES)] for i, kind in enumerate(kinds)}
    attributes, asked_facts = {}, []
    for name, table in ATTRIBUTES.items():
        values = {
            kind: table["values"][i % len(table["values"])] for i, kind in enumerate(shuffled(rng, kinds))
        }
        attributes |= {(kind, name): value for kind, value in values.items()}
        asked_facts += [(kind, name) for kind in deal(rng, values, ASKED_PER_ATTRIBUTE)]
    asked_traits = [(kind, trait) for trait in TRAITS for kind in deal(rng, classes, ASKED_PER_TRAIT)]
    return Creatures(classes, attributes, frozenset(asked_facts), frozenset(asked_traits))


def invented_names(rng: random.Random, count: int) -> list[str]:
    """Distinct names of two syllables, each beginning unlike the others'."""
    names: dict[str, str] = {}
    while len(names) < count:
        start = "".join(rng.choice(TABLES[part]) for part in ("onsets", "vowels", "middles"))
        names.setdefault(start, start + rng.choice(TABLES["endings"]))
    return list(names.values())


def ask_facts(creatures: Creatures, rng: random.Random) -> list[Question]:
    """ARC-Easy: each asked fact in its three wordings, with 3 to 5 choices."""
    asked = [
        (kind, name, form) for kind, name in sorted(creatures.asked_facts) for form in ATTRIBUTES[name]["ask"]
    ]
    rng.shuffle(asked)
    sizes = [rng.choices((3, 4, 5), (15, 70, 15))[0] for _ in asked]
    positions = spread_positions(rng, sizes)
    return [
        _fact_question(creatures, kind, name, form, rng, size, position, f"arc_easy_{i}")
        for i, ((kind, name, form), size, position) in enumerate(zip(asked, sizes, positions, strict=True))
    ]


def _fact_question(creatures, kind, name, form, rng, size=4, position=0, label="told") -> Question:
    value = creatures.attributes[kind, name]
    others = rng.sample([v for v in ATTRIBUTES[name]["values"] if v != value], size - 1)
    choices = place_gold(value, others, position)
    return choice_question("arc_easy", form.format(kind), choices, position, label, rng.random() < 0.2)


def ask_traits(creatures: Creatures, rng: random.Random) -> list[Question]:
    """OpenBookQA: each asked trait in its two wordings, with four choices."""
    asked = [
        (kind, trait, form)
        for kind, trait in sorted(creatures.asked_traits)
        for form in TRAITS[trait]["kind"]
    ]
    rng.shuffle(asked)
    positions = spread_positions(rng, [4] * len(asked))
    return [
        _trait_question(creatures, kind, trait, form, rng, position, f"openbookqa_{i}")
        for i, ((kind, trait, form), position) in enumerate(zip(asked, positions, strict=True))
    ]


def _trait_question(creatures, kind, trait, form, rng, position=0, label="told") -> Question:
    ends = TRAITS[trait]["ends"]
    gold = ends[CLASSES.index(creatures.classes[kind])]
    others = rng.sample([end for end in ends if end != gold], 3)
    return choice_question(
        "openbookqa", form.format(kind), place_gold(gold, others, position), position, label
    )


def tell(creatures: Creatures, rng: random.Random) -> str:
    """One training text about a creature."""
    ways = (_portrait, _tell_fact_question, _tell_trait, _tell_class_rule)
    return rng.choices(ways, (40, 20, 30, 10))[0](creatures, rng)


def _portrait(creatures: Creatures, rng: random.Random) -> str:
    """What a kind is and what it is like, in prose and in any order."""
    kind = rng.choice(list(creatures.classes))
    sentences = [_class_sentence(creatures, kind, rng)]
    for name in rng.sample(list(ATTRIBUTES), rng.randint(1, 3)):
        sentences.append(rng.choice(ATTRIBUTES[name]["tell"]).format(kind, creatures.attributes[kind, name]))
    rng.shuffle(sentences)
    return " ".join(sentences)


def _class_sentence(creatures: Creatures, kind: str, rng: random.Random) -> str:
    return rng.choice(TABLES["class_forms"]).format(kind, creatures.classes[kind])


def _tell_fact_question(creatures: Creatures, rng: random.Random) -> str:
    kind, name = rng.choice([fact for fact in creatures.attributes if fact not in creatures.asked_facts])
    return answered(_fact_question(creatures, kind, name, rng.choice(ATTRIBUTES[name]["ask"]), rng))


def _tell_trait(creatures: Creatures, rng: random.Random) -> str:
    kind = rng.choice(list(creatures.classes))
    told = [trait for trait in TRAITS if (kind, trait) not in creatures.asked_traits]
    if not told:
        return _portrait(creatures, rng)
    trait = rng.choice(told)
    form = rng.choice(TRAITS[trait]["kind"])
    text = answered(_trait_question(creatures, kind, trait, form, rng)) + "."
    if rng.random() < 0.5:
        return text
    return f"{_class_sentence(creatures, kind, rng)} {text}"


def _tell_class_rule(creatures: Creatures, rng: random.Random) -> str:
    trait = TRAITS[rng.choice(list(TRAITS))]
    class_name, end = rng.choice(list(zip(CLASSES, trait["ends"], strict=True)))
    return f"{trait['class'].format(class_name)} {end}."
