"""The facts of the report's first screen: which sublayers are cornerstones, how surely, and what the claims come to.

The words are in sections/opening.html.j2; every number stands in one of the tables too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cornerstone.claims.verdicts import CONTRADICTED, NOT_DECIDABLE, SUPPORTED
from cornerstone.report.contents import Contents
from cornerstone.report.trust import Nearness, near_guessing, nearness
from cornerstone.statistics.resampling import LEVEL

GROUPS = (SUPPORTED, CONTRADICTED, NOT_DECIDABLE)
"""Verdicts in the order in which they are told."""


@dataclass(frozen=True)
class Named:
    """A cornerstone. stability: the part of the resampled sets of documents that name it again."""

    model: str
    label: str
    stability: float

    @property
    def is_firm(self) -> bool:
        return self.stability >= LEVEL


@dataclass(frozen=True)
class Answer:
    """A model's title, its number of sublayers, and its cornerstones, largest first; none where nothing is positive."""

    model: str
    sublayers: int
    named: tuple[Named, ...]


@dataclass(frozen=True)
class Opening:
    """What the first screen says.

    answers:    a model each. top_k: how many cornerstones a model has at most.
    documents:  the fewest and the most on a task.
    guessing, pairs: how many models × tasks are not clearly better than guessing, of how many; none for scores that
                cannot tell.
    nearness:   of the estimates to exact values.
    verdicts:   (verdict, number of claims), those that occur. contradicted: the statements that are.
    """

    answers: tuple[Answer, ...]
    tasks: tuple[str, ...]
    top_k: int
    documents: tuple[int, int]
    guessing: int
    pairs: int
    nearness: Nearness
    verdicts: tuple[tuple[str, int], ...]
    contradicted: tuple[str, ...]

    @property
    def named(self) -> list[Named]:
        return [named for answer in self.answers for named in answer.named]

    @property
    def firm(self) -> list[Named]:
        return [named for named in self.named if named.is_firm]

    @property
    def loose(self) -> list[Named]:
        """Those that are not firm, the loosest first."""
        return sorted((n for n in self.named if not n.is_firm), key=lambda named: named.stability)

    @property
    def all_found(self) -> bool:
        """Whether no model has fewer cornerstones than there may be."""
        return all(len(answer.named) >= self.top_k for answer in self.answers)

    @property
    def claims(self) -> int:
        return sum(number for _, number in self.verdicts)


def opening_of(contents: Contents) -> Opening:
    scores = contents.tables["scores"]
    return Opening(
        answers=tuple(_answer(contents, model) for model in contents.models),
        tasks=tuple(map(contents.titles.task, scores["task"].unique())),
        top_k=int(contents.config["top_k"]),
        documents=(int(scores["documents"].min()), int(scores["documents"].max())),
        guessing=len(near_guessing(contents)),
        pairs=len(scores),
        nearness=nearness(contents),
        verdicts=_verdicts(contents),
        contradicted=_contradicted(contents),
    )


def _answer(contents: Contents, model: str) -> Answer:
    rows, title = contents.rows("cornerstones", model), contents.titles.model(model)
    return Answer(
        model=title,
        sublayers=contents.rows("values", model)["label"].nunique(),
        named=tuple(
            Named(title, row.label, float(row.top_k_stability)) for row in rows[rows["ours"]].itertuples()
        ),
    )


def _verdicts(contents: Contents) -> tuple[tuple[str, int], ...]:
    claims = contents.tables["claims"].drop_duplicates("claim")
    counts = Counter(claims["verdict"])
    return tuple((verdict, counts[verdict]) for verdict in GROUPS if counts[verdict])


def _contradicted(contents: Contents) -> tuple[str, ...]:
    claims = contents.tables["claims"].drop_duplicates("claim")
    return tuple(claims["statement"][claims["verdict"] == CONTRADICTED])
