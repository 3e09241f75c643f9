"""Documents whose prompts begin alike: fixed examples before each question, a passage that is asked about repeatedly.

for prefix in shared_prefixes(documents):
    prefix.documents, prefix.characters
together = drawn_together(documents, 8)     # up to eight documents of one prefix
draw_ids(documents, together)               # what each one's coalitions are drawn from
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cornerstone.documents.document import Document, document_ids

LEAST_SHARED = 0.5
"""Documents begin alike where they share at least so much of the longer one's context, and"""
LEAST_CHARACTERS = 64
"""at least so many characters: of fewer the computation is not shared, as no tokenizer makes more tokens of them."""


@dataclass(frozen=True)
class Prefix:
    """documents: positions of two documents or more, ascending; characters: how many of their contexts are the same."""

    documents: tuple[int, ...]
    characters: int


def shared_prefixes(documents: Sequence[Document]) -> list[Prefix]:
    """The groups of documents that begin alike, in order; a document is in one at most."""
    contexts = [document.requests[0].context for document in documents]
    order = sorted(range(len(documents)), key=lambda position: (contexts[position], position))
    groups: list[list[int]] = [[position] for position in order[:1]]
    for before, position in pairwise(order):
        if _is_alike(contexts[before], contexts[position]):
            groups[-1].append(position)
        else:
            groups.append([position])
    found = [
        Prefix(tuple(sorted(group)), _common([contexts[place] for place in group]))
        for group in groups
        if len(group) > 1
    ]
    return sorted(found, key=lambda prefix: prefix.documents)


def _is_alike(one: str, other: str) -> bool:
    return _common([one, other]) >= max(LEAST_CHARACTERS, LEAST_SHARED * max(len(one), len(other)))


def _common(contexts: Sequence[str]) -> int:
    first, last = min(contexts), max(contexts)  # all others lie between these
    for place, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return place
    return min(len(first), len(last))


def drawn_together(documents: Sequence[Document], per_draw: int) -> list[tuple[int, ...]]:
    """Positions of documents that have the same coalitions, all of them, by their first: one each where per_draw is 1.

    Documents that begin alike go together, in their order, up to per_draw of them: they share the computation of what
    they share, and are one unit of the sample of coalitions.
    """
    together: list[tuple[int, ...]] = []
    if per_draw > 1:
        for prefix in shared_prefixes(documents):
            members = prefix.documents
            together += [members[start : start + per_draw] for start in range(0, len(members), per_draw)]
    alone = set(range(len(documents))) - {position for group in together for position in group}
    return sorted([*together, *((position,) for position in alone)])


def draw_ids(documents: Sequence[Document], together: Sequence[Sequence[int]]) -> dict[int, tuple[str, int]]:
    """Index of each document -> what its coalitions are drawn from: `document_ids` of the first that it goes with.

    together: as `drawn_together` gives it.
    """
    ids = document_ids(documents)
    return {
        documents[position].index: ids[documents[group[0]].index] for group in together for position in group
    }
