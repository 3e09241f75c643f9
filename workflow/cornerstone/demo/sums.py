"""Sums: two small numbers and what they are together, for the model that answers in both ways.

An asked pair of numbers is told in no training text, in neither order. The other pairs are, as questions and in prose.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from cornerstone.demo.questions import Question, answered, choice_question, place_gold, spread_positions
from cornerstone.demo.words import WORDS

TABLES = WORDS["sums"]
LARGEST = 49
"""Of the two numbers."""
ASKED = 105
"""So many pairs, each in both orders."""
NEAR = (1, 2, 10)
"""How far a wrong choice may be from the sum: a slip of one digit, or a carry that is lost."""


@dataclass(frozen=True)
class Sums:
    """asked: the pairs of numbers that are asked, the smaller one first."""

    asked: frozenset[tuple[int, int]]


def build_sums(rng: random.Random) -> Sums:
    """A tenth of the pairs whose sum leaves room for smaller choices, asked."""
    pairs = [pair for pair in combinations(range(1, LARGEST + 1), 2) if sum(pair) > max(NEAR)]
    return Sums(frozenset(rng.sample(pairs, ASKED)))


def ask(sums: Sums, rng: random.Random) -> list[Question]:
    """Each asked pair in both orders, each in a wording of its own, with four choices.

    The sum is as often the smallest of its choices as the second, third or largest.
    """
    orders = [order for pair in sorted(sums.asked) for order in (pair, pair[::-1])]
    rng.shuffle(orders)
    positions = spread_positions(rng, [4] * len(orders))
    return [
        _question(order, rng, number % 4, position, f"sums_{number}")
        for number, (order, position) in enumerate(zip(orders, positions, strict=True))
    ]


def _question(
    order: tuple[int, int], rng: random.Random, smaller: int = 0, position: int = 0, label: str = "told"
) -> Question:
    """smaller: how many of the three wrong choices are smaller than the sum."""
    total = sum(order)
    wrong = [total - by for by in rng.sample(NEAR, smaller)] + [
        total + by for by in rng.sample(NEAR, 3 - smaller)
    ]
    choices = place_gold(str(total), [str(number) for number in rng.sample(wrong, 3)], position)
    return choice_question("sums", rng.choice(TABLES["ask"]).format(*order), choices, position, label)


def tell(sums: Sums, rng: random.Random) -> str:
    """One training text: a question, or a few sums in prose, of which most are of single digits."""
    if rng.random() < 0.6:
        return answered(_question(_told(sums, rng), rng))
    largest = [9 if rng.random() < 0.6 else LARGEST for _ in range(rng.randint(2, 5))]
    orders = [_told(sums, rng, most) for most in largest]
    return " ".join(TABLES["tell"].format(*order, sum(order)) for order in orders)


def _told(sums: Sums, rng: random.Random, largest: int = LARGEST) -> tuple[int, int]:
    """Two numbers up to the largest that are not asked together; they may be equal."""
    while True:
        first, second = rng.randint(1, largest), rng.randint(1, largest)
        if (min(first, second), max(first, second)) not in sums.asked:
            return first, second
