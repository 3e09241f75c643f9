"""Shared prefixes: what many documents begin with is a row of its own, computed once for all of them.

    shots ─ question 1            shots ─┬─ question 1       a prefix's row comes first; the rows that hang on it
    shots ─ question 2     ─►            ├─ question 2       attend to its keys and values (`prefix_cache`)
    shots ─ passage ─ one                └─ passage ─┬─ one
    shots ─ passage ─ two                            └─ two

Only tree rows can hang on a prefix, and only rows whose documents have the same coalitions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from cornerstone.engine.token_tree import ROOT, Row, RowKind, Scored

SHORTEST = 64
"""Tokens below which a prefix of its own costs more than it spares. The rows that hang on it run in batches of their
own: with 16, documents that all begin with "Question: How do I" took up to a third longer."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Documents that go through the blocks together because they share prefixes, or one that shares none.

    positions: of the documents, those that share most side by side.
    rows:      theirs, each prefix before the rows that hang on it.
    """

    positions: tuple[int, ...]
    rows: tuple[Row, ...]

    @cached_property
    def tokens(self) -> int:
        """Tokens in the rows, each prefix's once."""
        return sum(len(row.tokens) for row in self.rows)

    @cached_property
    def prefixes(self) -> list[Row]:
        """The rows that others hang on: all that nothing is read off."""
        return [row for row in self.rows if not row.scored]


def bundles_of(rows: Sequence[Sequence[Row]], designs: Sequence[Hashable], kind: RowKind) -> list[Bundle]:
    """Bundle documents by the prefixes that they share, if rows of this kind share any.

    rows: of each document; designs: equal for documents that have the same coalitions.
    """
    if not kind.shares:
        return [Bundle((position,), tuple(of_one)) for position, of_one in enumerate(rows)]
    pairs = zip(rows, designs, strict=True)
    return _joined(_shared(((row, design) for of_one, design in pairs for row in of_one), kind))


def _shared(rows: Iterable[tuple[Row, Hashable]], kind: RowKind) -> list[Row]:
    """`shared_rows` among the rows that are alike, each given with what else they have to have in common."""
    groups: dict[Hashable, list[Row]] = {}
    for row, design in rows:
        groups.setdefault((design, kind.like(row)), []).append(row)
    return [row for group in groups.values() for row in shared_rows(group, kind)]


def halves(bundle: Bundle, rows: Sequence[Sequence[Row]], kind: RowKind) -> list[Bundle]:
    """A bundle of several documents cut in two of about as many tokens; each half computes the prefixes again.

    rows: of each document by its position.
    """
    own = dict.fromkeys(bundle.positions, 0)
    for row in bundle.rows:
        if row.scored:
            own[row.document] += len(row.tokens)
    half, taken = sum(own.values()) / 2, 0
    first: list[int] = []
    for position in bundle.positions[:-1]:
        if first and taken + own[position] / 2 > half:
            break
        first.append(position)
        taken += own[position]
    found = []
    for positions in (first, bundle.positions[len(first) :]):
        of_half = _shared(((row, None) for position in positions for row in rows[position]), kind)
        found.append(Bundle(tuple(positions), tuple(of_half)))
    return found


def _joined(rows: Iterable[Row]) -> list[Bundle]:
    """The bundles of these rows: of documents that are joined by an outermost prefix, one after another."""
    rows = list(rows)
    bundle_of: dict[int, list[int]] = {}  # by document
    by_prefix: dict[int, list[int]] = {}  # by outermost prefix: the documents that hang on it
    for row in rows:
        if not row.scored:
            continue
        own = bundle_of.setdefault(row.document, [row.document])
        if row.prefix is None:
            continue
        other = by_prefix.setdefault(id(row.prefixes[0]), own)
        # A document has a row on each side of a switch: these may hang on different prefixes.
        if (other := bundle_of[other[0]]) is not own:
            other.extend(own)
            bundle_of |= dict.fromkeys(own, other)
    positions = {id(own): own for own in bundle_of.values()}
    rows_of: dict[int, list[Row]] = {key: [] for key in positions}
    for row in rows:
        rows_of[id(bundle_of[row.document])].append(row)
    return [Bundle(tuple(own), tuple(rows_of[key])) for key, own in positions.items()]


def shared_rows(rows: Iterable[Row], kind: RowKind) -> list[Row]:
    """The rows with what several begin with in rows of its own; each such prefix stands before those on it.

    A prefix ends before the first scored node of all that hang on it, so that nothing is read off it, and on the side
    of the model's switches on which their ends lie: there it has the numbers that it has in the longer text.
    """
    trunks = sorted(((row.tokens[: _trunk(row)], row) for row in rows), key=lambda pair: pair[0])
    common = [_common(one, other) for (one, _), (other, _) in pairwise(trunks)]
    found: list[Row] = []
    # Runs of neighbours that have their first `start` tokens in the rows on which they hang.
    stack: list[tuple[int, int, int, Row | None]] = [(0, len(trunks), 0, None)] if trunks else []
    while stack:
        low, high, start, prefix = stack.pop()
        tokens, row = trunks[low]
        if high - low == 1:
            found.append(_rest(row, start, prefix))
            continue
        end = min(common[low : high - 1])
        # Rows of one group lie on one side: any tells which.
        if end - start >= SHORTEST and kind.side_of(end) == kind.side_of(row.depth):
            prefix = _prefix(row.document, tokens[start:end], start, prefix)
            found.append(prefix)
            start = end
        cuts = [low, *(n + 1 for n in range(low, high - 1) if common[n] == end), high]
        stack += [(a, b, start, prefix) for a, b in reversed(list(pairwise(cuts)))]
    return found


def _trunk(row: Row) -> int:
    """How many tokens of a row may lie in a prefix: those before its first branch and its first scored node."""
    branch = min(
        (parent + 1 for node, parent in enumerate(row.parents) if parent != node - 1), default=len(row.tokens)
    )
    return min(branch, *(scored.node for scored in row.scored))


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How many tokens two texts have in common at the beginning."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(n for n in range(most) if one[n] != other[n])


def _prefix(document: int, tokens: tuple[int, ...], start: int, prefix: Row | None) -> Row:
    length = len(tokens)
    parents = tuple(range(ROOT, length - 1))
    return Row(document, tokens, parents, tuple(range(start, start + length)), (), prefix)


def _rest(row: Row, start: int, prefix: Row | None) -> Row:
    """What is left of a row whose first `start` tokens are in the rows on which it hangs."""
    if not start:
        return row
    return replace(
        row,
        tokens=row.tokens[start:],
        parents=tuple(max(ROOT, parent - start) for parent in row.parents[start:]),
        depths=row.depths[start:],
        scored=tuple(Scored(one.node - start, one.target, one.choice) for one in row.scored),
        prefix=prefix,
    )
