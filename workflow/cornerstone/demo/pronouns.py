"""Pronouns: sentences about two, in which the ending tells which of the two is meant.

WinoGrande asks them. An asked pair of names or things stands together in no training sentence, in
neither order; the other pairs do, with every sentence and both endings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from cornerstone.demo.questions import Question, answered
from cornerstone.demo.words import WORDS

TABLES = WORDS["pronouns"]
NAMES, OBJECTS = TABLES["names"].split(), TABLES["objects"].split()


@dataclass(frozen=True)
class Pronouns:
    """The pairs, sorted within, that WinoGrande asks; no training sentence has both of a pair."""

    asked: frozenset[tuple[str, str]]


def build_pronouns(rng: random.Random) -> Pronouns:
    """A sixth of the pairs of names, and of objects, asked."""
    pairs = [list(combinations(words, 2)) for words in (NAMES, OBJECTS)]
    return Pronouns(frozenset(pair for some in pairs for pair in rng.sample(some, len(some) // 6)))


def ask(pronouns: Pronouns, rng: random.Random, count: int = 210) -> list[Question]:
    """WinoGrande: asked pairs in random sentences, each answer equally often, first or second named."""
    found: dict[str, Question] = {}
    while len(found) < count:
        pair = rng.choice(sorted(pronouns.asked))
        # Four turns: which of the two is meant, and whether it is option 1 or 2.
        meant, gold = len(found) % 2, len(found) // 2 % 2
        question = _question(rng.sample(pair, 2), rng, meant, gold)
        found.setdefault(question.record["sentence"], question)
    questions = list(found.values())
    rng.shuffle(questions)
    return questions


def _question(pair: list[str], rng: random.Random, meant: int, gold: int = 0) -> Question:
    sentences = TABLES["about_people" if pair[0] in NAMES else "about_objects"]
    start = rng.choice(list(sentences))
    options = [pair[meant], pair[1 - meant]]
    options = options[::-1] if gold else options
    sentence = f"{start.format(*pair)} {sentences[start][meant]}"
    return Question(
        "winogrande", dict(sentence=sentence, option1=options[0], option2=options[1], answer=str(gold + 1))
    )


def tell(pronouns: Pronouns, rng: random.Random) -> str:
    """One training sentence, or two, with the one who is meant named."""
    return " ".join(_tell_sentence(pronouns, rng) for _ in range(rng.randint(1, 2)))


def _tell_sentence(pronouns: Pronouns, rng: random.Random) -> str:
    words = NAMES if rng.random() < 0.65 else OBJECTS
    while tuple(sorted(pair := rng.sample(words, 2))) in pronouns.asked:
        pass
    return answered(_question(pair, rng, rng.randrange(2)))
