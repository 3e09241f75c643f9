"""English-like sentences, questions and answers from a seeded generator, for the data sets and tokenizers."""

from __future__ import annotations

from random import Random


def _phrases(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.split(",")]


ANIMALS = _phrases("heron, otter, beetle, salmon, badger, falcon, tortoise, lizard, moth, wolf, rabbit, owl")
PLACES = _phrases("river, meadow, forest, desert, harbour, village, mountain, kitchen, garden, library, cave")
THINGS = _phrases(
    "wooden ladder, copper wire, glass jar, cotton towel, steel hammer, paper bag, rubber band, clay pot, "
    "candle, magnet, mirror, lamp, bucket, compass, blanket"
)
DEEDS = _phrases("carries, hides, finds, repairs, washes, warms, breaks, paints, lifts, measures")
PLAIN_DEEDS = _phrases("carry, hide, find, repair, wash, warm, break, paint, lift, measure")
NAMES = _phrases(
    "Ada, Boris, Clara, Dmitri, Elena, Farid, Grace, Hugo, Ines, Jonas, Keiko, Liam, Mónica, Noor"
)
QUALITIES = _phrases("heavy, quiet, fragile, bright, slippery, warm, useful, narrow, rough, expensive")
REASONS = (
    "because the night is cold",
    "when the rain has stopped",
    "so that nobody is hurt",
    "although the path is steep",
    "before the water freezes",
    "while the others are asleep",
)
TIMES = ("every spring", "after dark", "in the morning", "once a year", "during a storm")


def sentence(random: Random) -> str:
    subject, place, thing = random.choice(ANIMALS), random.choice(PLACES), random.choice(THINGS)
    return random.choice(
        (
            f"The {subject} near the {place} {random.choice(DEEDS)} a {thing} {random.choice(TIMES)}.",
            f"A {thing} is {random.choice(QUALITIES)} {random.choice(REASONS)}.",
            f"{random.choice(NAMES)} went to the {place} and saw {random.randint(2, 90)} {subject}s there.",
            f"People in the {place} {random.choice(PLAIN_DEEDS)} the {thing} {random.choice(REASONS)}.",
        )
    )


def passage(random: Random, sentences: int) -> str:
    return " ".join(sentence(random) for _ in range(sentences))


def answer(random: Random) -> str:
    """A few words, never long."""
    return random.choice(
        (
            f"a {random.choice(THINGS)}",
            f"the {random.choice(ANIMALS)} in the {random.choice(PLACES)}",
            f"{random.choice(QUALITIES)} and {random.choice(QUALITIES)}",
            f"to {random.choice(PLAIN_DEEDS)} a {random.choice(THINGS)} {random.choice(TIMES)}",
        )
    )


def answers(random: Random, count: int) -> list[str]:
    """`count` different answers."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[answer(random)] = None
    return list(found)


def question(random: Random) -> str:
    """With its question mark; now and then with a sentence before it."""
    animal, place, thing = random.choice(ANIMALS), random.choice(PLACES), random.choice(THINGS)
    asked = random.choice(
        (
            f"Which of these does a {animal} need in the {place}?",
            f"Why would someone {random.choice(PLAIN_DEEDS)} a {thing} {random.choice(TIMES)}?",
            f"What is most likely {random.choice(QUALITIES)} {random.choice(REASONS)}?",
            f"Which change helps a {animal} most {random.choice(TIMES)}?",
        )
    )
    return f"{sentence(random)} {asked}" if random.random() < 0.4 else asked


def text(random: Random, sentences: int) -> list[str]:
    """What tokenizers are trained on."""
    lines = [passage(random, 4) for _ in range(sentences // 8)]
    return lines + [f"Question: {question(random)}\nAnswer: {answer(random)}" for _ in range(sentences // 8)]
