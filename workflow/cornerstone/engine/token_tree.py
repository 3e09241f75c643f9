"""The token tree: a document's requests as one trie, so that what they share is computed once.

    the cat sat           the ─ cat ─ sat          one row of 4 tokens instead of 6;
    the cat ran     ─►             └─ ran          a token sees its ancestors, its position is its depth

Tree rows hold a whole trie and need attention under our own mask; plain rows hold one path each, under
the model's own causal mask, and are right for any causal token mixer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from cornerstone.loading.encoding import EncodedDocument, EncodedRequest

ROOT = -1


@dataclass(frozen=True)
class Scored:
    """One scored token: `target` is predicted at `node` of a row, and adds to `choice` of the document."""

    node: int
    target: int
    choice: int


@dataclass(frozen=True)
class Row:
    """What one row of a batch holds.

    document: position of the document in the list given to the engine; of a shared prefix, that of one of them.
    tokens:   token ids, parents before children.
    parents:  index of each token's parent in the row, ROOT for the first.
    depths:   number of ancestors of each token, its position in the model.
    scored:   what is read off this row.
    prefix:   the row whose tokens come before all of these and are computed there (`shared_prefixes`).
    """

    document: int
    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    scored: tuple[Scored, ...]
    prefix: Row | None = None

    @property
    def is_path(self) -> bool:
        """Whether every token follows the one before it: then the plain causal mask is this row's mask."""
        return self.prefix is None and self.parents == tuple(range(ROOT, len(self.tokens) - 1))

    @property
    def depth(self) -> int:
        """Tokens on its longest path, those of its prefixes included."""
        return 1 + max(self.depths)

    @property
    def prefixes(self) -> list[Row]:
        """The rows before it, the outermost first."""
        return [] if self.prefix is None else [*self.prefix.prefixes, self.prefix]


@dataclass(frozen=True)
class RowKind:
    """How documents become rows, and which rows may share a batch.

    name:     "tree" or "plain".
    switches: lengths (tokens) at which the model changes its ways. Requests on different sides of one, or at it,
              share no row, and such rows no batch.
    padded:   whether rows of different lengths may share a batch at all.
    windows:  each block's attention window for tree rows (tokens, None: all).
    pace:     seconds per (token × sublayer) of the model's own forward, one request at a time.
    shares:   whether tree rows of several documents share the computation of a long prefix (`shared_prefixes`).
    """

    name: str
    switches: tuple[int, ...] = ()
    padded: bool = True
    windows: tuple[int | None, ...] | None = None
    pace: float = 0.0
    shares: bool = False

    def __str__(self) -> str:
        if not self.padded:
            return f"{self.name} rows, those of one length together"
        at = f", apart at {', '.join(map(str, self.switches))} tokens" if self.switches else ""
        return f"{self.name} rows{at}"

    def side_of(self, length: int) -> tuple[int, int]:
        """Where a length lies among the switches."""
        return bisect_left(self.switches, length), bisect_right(self.switches, length)

    def like(self, row: Row) -> Hashable:
        """Rows for which this is the same may share a batch."""
        if not self.padded:
            return len(row.tokens)
        return self.side_of(row.depth), self.side_of(len(row.tokens))


TREE, PLAIN = RowKind("tree"), RowKind("plain")


def tree_row(position: int, document: EncodedDocument, numbers: Sequence[int] | None = None) -> Row:
    """The trie over the requests of a document as one row: over all, or over those of these numbers."""
    children: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    scored: list[Scored] = []
    for number, request in enumerate(document.requests):
        if numbers is not None and number not in numbers:
            continue
        path = []
        node = ROOT
        for token in request.tokens:
            parent, node = node, children.setdefault((node, token), len(tokens))
            if node == len(tokens):
                tokens.append(token)
                parents.append(parent)
                depths.append(len(path))
            path.append(node)
        scored += _scored_on(path, request, document.choice(number))
    return Row(position, tuple(tokens), tuple(parents), tuple(depths), tuple(scored))


def plain_rows(position: int, document: EncodedDocument, kind: RowKind = PLAIN) -> list[Row]:
    """One row for each request that is no prefix of another; a prefix is read off the longer one's row.

    A request has a row of its own where the longer one's row is none of its like.
    """
    by_length = sorted(enumerate(document.requests), key=lambda item: -len(item[1].tokens))
    held: list[Row] = []
    for number, request in by_length:
        scored = _scored_on(range(len(request.tokens)), request, document.choice(number))
        row = _path_row(position, request.tokens, scored)
        for place, holder in enumerate(held):
            if holder.tokens[: len(row.tokens)] == row.tokens and kind.like(holder) == kind.like(row):
                held[place] = replace(holder, scored=(*holder.scored, *row.scored))
                break
        else:
            held.append(row)
    return held


def _path_row(position: int, tokens: tuple[int, ...], scored: Sequence[Scored]) -> Row:
    length = len(tokens)
    return Row(position, tokens, tuple(range(ROOT, length - 1)), tuple(range(length)), tuple(scored))


def _scored_on(path: Sequence[int], request: EncodedRequest, choice: int) -> list[Scored]:
    """The scored tokens of a request: its targets at the last nodes of its path."""
    nodes = path[len(path) - len(request.targets) :]
    return [Scored(node, target, choice) for node, target in zip(nodes, request.targets, strict=True)]


def rows_of(documents: Sequence[EncodedDocument], kind: RowKind) -> list[Row]:
    """All rows of the documents."""
    return [
        row for position, document in enumerate(documents) for row in document_rows(position, document, kind)
    ]


def document_rows(position: int, document: EncodedDocument, kind: RowKind) -> list[Row]:
    """The rows of one document; the windows of a text share no beginning, so that one row would only cost more."""
    if kind.name == "plain":
        return plain_rows(position, document, kind)
    if document.is_text:
        return [tree_row(position, document, [number]) for number in range(len(document.requests))]
    sides: dict[Hashable, list[int]] = {}
    for number, request in enumerate(document.requests):
        sides.setdefault(kind.side_of(len(request.tokens)), []).append(number)
    return [tree_row(position, document, numbers) for numbers in sides.values()]
