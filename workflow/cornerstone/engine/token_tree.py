"""The token tree: a document's requests as one trie, so that what they share is computed once.

    the cat sat           the ─ cat ─ sat          one row of 4 tokens instead of 6;
    the cat ran     ─►             └─ ran          a token sees its ancestors, its position is its depth

Tree rows hold a whole trie and need attention under our own mask; plain rows hold one path each, under
the model's own causal mask, and are right for any causal token mixer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cornerstone.loading.encoding import EncodedDocument, EncodedRequest

ROOT = -1


@dataclass(frozen=True)
class Scored:
    """One scored token: `target` is predicted at `node` of a row, for `request` of the document."""

    node: int
    target: int
    request: int


@dataclass(frozen=True)
class Row:
    """What one row of a batch holds.

    document: position of the document in the list given to the engine.
    tokens:   token ids, parents before children.
    parents:  index of each token's parent in the row, ROOT for the first.
    depths:   number of ancestors of each token, its position in the model.
    scored:   what is read off this row.
    """

    document: int
    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    scored: tuple[Scored, ...]

    @property
    def is_path(self) -> bool:
        """Whether every token follows the one before it: then the plain causal mask is this row's mask."""
        return self.parents == tuple(range(ROOT, len(self.tokens) - 1))


def tree_row(position: int, document: EncodedDocument) -> Row:
    """The trie over all requests of a document as one row."""
    children: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    scored: list[Scored] = []
    for number, request in enumerate(document.requests):
        path = []
        node = ROOT
        for token in request.tokens:
            parent, node = node, children.setdefault((node, token), len(tokens))
            if node == len(tokens):
                tokens.append(token)
                parents.append(parent)
                depths.append(len(path))
            path.append(node)
        scored += _scored_on(path, request, number)
    return Row(position, tuple(tokens), tuple(parents), tuple(depths), tuple(scored))


def plain_rows(position: int, document: EncodedDocument) -> list[Row]:
    """One row for each request that is no prefix of another; a prefix is read off the longer one's row."""
    by_length = sorted(enumerate(document.requests), key=lambda item: -len(item[1].tokens))
    held: list[tuple[EncodedRequest, list[Scored]]] = []
    for number, request in by_length:
        scored = _scored_on(range(len(request.tokens)), request, number)
        for holder, holder_scored in held:
            if holder.tokens[: len(request.tokens)] == request.tokens:
                holder_scored += scored
                break
        else:
            held.append((request, scored))
    return [_path_row(position, request.tokens, tuple(scored)) for request, scored in held]


def _path_row(position: int, tokens: tuple[int, ...], scored: tuple[Scored, ...]) -> Row:
    length = len(tokens)
    return Row(position, tokens, tuple(range(ROOT, length - 1)), tuple(range(length)), scored)


def _scored_on(path: Sequence[int], request: EncodedRequest, number: int) -> list[Scored]:
    """A request's targets at the last nodes of its path."""
    nodes = path[len(path) - len(request.targets) :]
    return [Scored(node, target, number) for node, target in zip(nodes, request.targets, strict=True)]


def rows_of(documents: Sequence[EncodedDocument], kind: str) -> list[Row]:
    """All rows of the documents; `kind` is "tree" or "plain"."""
    return [
        row for position, document in enumerate(documents) for row in document_rows(position, document, kind)
    ]


def document_rows(position: int, document: EncodedDocument, kind: str) -> list[Row]:
    """The rows of one document; `kind` is "tree" or "plain"."""
    return [tree_row(position, document)] if kind == "tree" else plain_rows(position, document)
