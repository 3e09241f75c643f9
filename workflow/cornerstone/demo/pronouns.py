"""Pronouns: sentences about two, in which the ending tells which of the two is meant.

WinoGrande asks them. An asked pair of words stands together in no training sentence; the other pairs do,
with every sentence for their classes and both endings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

from cornerstone.demo.questions import Question, answered
from cornerstone.demo.words import WORDS

TABLES = WORDS["pronouns"]
CLASSES = {name: words.split() for name, words in TABLES["classes"].items()}
SENTENCES = TABLES["sentences"]
ASKED_IN = 5
"""One pair in so many is asked and never told."""


@dataclass(frozen=True)
class Pronouns:
    """The pairs, first and second named, that WinoGrande asks; no training sentence has both of a pair."""

    asked: frozenset[tuple[str, str]]


def pairs_of(sentence: str) -> list[tuple[str, str]]:
    """All pairs of words that a sentence may be about, in a fixed order."""
    first, second = SENTENCES[sentence]["classes"]
    return list(product(CLASSES[first], CLASSES[second]))


def build_pronouns(rng: random.Random) -> Pronouns:
    """A fifth of the pairs that some sentence may be about, asked."""
    pairs = sorted({pair for sentence in SENTENCES for pair in pairs_of(sentence)})
    return Pronouns(frozenset(rng.sample(pairs, len(pairs) // ASKED_IN)))


def ask(pronouns: Pronouns, rng: random.Random, count: int = 212) -> list[Question]:
    """WinoGrande: asked pairs in random sentences, each answer equally often, first or second named."""
    # For each meaning, every sentence with every asked pair that it may be about.
    able = [(start, pair) for start in SENTENCES for pair in pairs_of(start) if pair in pronouns.asked]
    questions = []
    for meant in (0, 1):
        for turn, (start, pair) in enumerate(rng.sample(able, count // 2)):
            questions.append(_question(start, pair, meant, gold=turn % 2))
    rng.shuffle(questions)
    return questions


def _question(start: str, pair: tuple[str, str], meant: int, gold: int = 0) -> Question:
    options = [pair[meant], pair[1 - meant]]
    options = options[::-1] if gold else options
    sentence = f"{start.format(*pair)} {SENTENCES[start]['ends'][meant]}"
    record = dict(sentence=sentence, option1=options[0], option2=options[1], answer=str(gold + 1))
    return Question("winogrande", record)


def tell(pronouns: Pronouns, rng: random.Random) -> str:
    """One to three training sentences, in each the one who is meant named."""
    return " ".join(_tell_sentence(pronouns, rng) for _ in range(rng.randint(1, 3)))


def _tell_sentence(pronouns: Pronouns, rng: random.Random) -> str:
    sentence = rng.choice(list(SENTENCES))
    pair = rng.choice([pair for pair in pairs_of(sentence) if pair not in pronouns.asked])
    return answered(_question(sentence, pair, rng.randrange(2)))
