"""An evaluation in memory: a cell for each coalition of each document, with the log-likelihood of each choice.

                  document 0   document 1        document 2
    ()             -3.1 -4.0    -9.2 -8.8 -7.1    NaN  NaN      NaN: not evaluated yet
    (0,)           -3.3 -4.1     NaN  NaN  NaN
    (0, 1)         -5.0 -4.9                      -9.7 -9.8     nothing: not of this document's coalitions

Documents may have the same coalitions or each its own, so the cells stand one after another: those of a document
together, in the order of their coalitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from cornerstone.shapley.coalitions import ForEach, Removed, listed_sublayers, removed_text
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class DocumentKey:
    """A document as far as an evaluation knows it; `digest` is of the encoded document."""

    index: int
    digest: str
    n_choices: int


@dataclass(frozen=True, eq=False)
class Grid:
    """coalitions: all different ones, by size, then as tuples. documents: by index.

    row:      int32 (cells,): the coalition of each cell. position: int32 (cells,): its document.
    values:   the log-likelihoods of all cells, nats.
    greedy:   bool, alike: whether each token of the choice is the most likely one.
    saved:    bool (cells,): whether a cell's numbers are on the disk already.
    """

    coalitions: tuple[Removed, ...]
    documents: tuple[DocumentKey, ...]
    row: np.ndarray
    position: np.ndarray
    values: np.ndarray
    greedy: np.ndarray
    saved: np.ndarray

    @cached_property
    def n_choices(self) -> np.ndarray:
        """Of each document."""
        return np.array([document.n_choices for document in self.documents], dtype=np.int64)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each cell's numbers begin, and how many there are at the end: (cells + 1,)."""
        return np.append(0, np.cumsum(self.n_choices[self.position]))

    @cached_property
    def row_of(self) -> dict[Removed, int]:
        """Row of each coalition."""
        return {coalition: row for row, coalition in enumerate(self.coalitions)}

    @cached_property
    def position_of(self) -> dict[int, int]:
        """Position of each document, by its index in the scored split."""
        return {document.index: position for position, document in enumerate(self.documents)}

    @cached_property
    def _keys(self) -> np.ndarray:
        """Ascending: cells stand by document, then by coalition."""
        return self.position.astype(np.int64) * len(self.coalitions) + self.row

    def cells(self, rows: np.ndarray, positions: np.ndarray | int) -> np.ndarray:
        """The cells of these coalitions and documents, −1 where there is none; a row or position may be −1."""
        keys = np.where((rows >= 0) & (positions >= 0), positions * len(self.coalitions) + rows, -1)
        found = np.searchsorted(self._keys, keys)
        found[found == len(self._keys)] = 0
        return np.where(self._keys[found] == keys, found, -1) if len(self._keys) else np.full(keys.shape, -1)


def empty_grid(coalitions: Sequence[Removed] | ForEach, documents: Sequence[DocumentKey]) -> Grid:
    """A grid where nothing is evaluated. coalitions: of all documents, or of each of these in the order given."""
    order = sorted(range(len(documents)), key=lambda place: documents[place].index)
    keys = tuple(documents[place] for place in order)
    if isinstance(coalitions, ForEach):
        lists = [coalitions.of[place] for place in order]
        different = _sorted({coalition for own in lists for coalition in own})
        row_of = {coalition: row for row, coalition in enumerate(different)}
        rows = [np.unique(np.array([row_of[c] for c in own], dtype=np.int32)) for own in lists]
    else:
        different = _sorted(set(coalitions))
        rows = [np.arange(len(different), dtype=np.int32)] * len(keys)
    position = np.repeat(np.arange(len(keys), dtype=np.int32), [len(own) for own in rows])
    numbers = sum(len(own) * key.n_choices for own, key in zip(rows, keys, strict=True))
    row = np.concatenate([*rows, np.zeros(0, dtype=np.int32)])
    values, greedy = np.full(numbers, np.nan), np.zeros(numbers, dtype=bool)
    return Grid(different, keys, row, position, values, greedy, np.zeros(len(row), dtype=bool))


def _sorted(coalitions: set[Removed]) -> tuple[Removed, ...]:
    return tuple(sorted(coalitions, key=lambda removed: (len(removed), removed)))


def evaluated(grid: Grid) -> np.ndarray:
    """Bool, (cells,): those that have a number for every choice."""
    if not len(grid.values):
        return np.ones(grid.saved.shape, dtype=bool)
    return np.logical_and.reduceat(np.isfinite(grid.values), grid.offsets[:-1])


def add_block(
    grid: Grid,
    documents: Sequence[int],
    coalitions: Sequence[Sequence[Removed]],
    loglikelihoods: Sequence[np.ndarray],
    greedy: Sequence[np.ndarray],
) -> None:
    """Put the engine's numbers in: of each document, by its index, coalitions and two arrays (coalitions, choices).

    Raises CornerstoneError naming coalition and document for a number that is not finite, and then
    keeps nothing of the block.
    """
    blocks = list(zip(documents, coalitions, loglikelihoods, greedy, strict=True))
    for document, own, numbers, _ in blocks:
        _check_finite(own, document, np.asarray(numbers))
    rows: dict[int, np.ndarray] = {}  # by the list of coalitions, which many documents share
    for document, own, numbers, most_likely in blocks:
        if id(own) not in rows:
            rows[id(own)] = np.array([grid.row_of[tuple(coalition)] for coalition in own], dtype=np.int64)
        cells = grid.cells(rows[id(own)], grid.position_of[document])
        places = grid.offsets[cells][:, None] + np.arange(np.shape(numbers)[1])
        grid.values[places] = numbers
        grid.greedy[places] = most_likely


def _check_finite(coalitions: Sequence[Removed], document: int, numbers: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, choice = bad[0]
        raise CornerstoneError(
            f"the log-likelihood of document {document}, choice {choice}, is {numbers[row, choice]} without "
            f"sublayers [{listed_sublayers(coalitions[row])}]: not kept; try dtype float32 or bfloat16"
        )


def missing_pairs(grid: Grid) -> tuple[list[int], list[list[Removed]]]:
    """What is left to do: the indices of documents, and the coalitions that each of them lacks."""
    missing = np.flatnonzero(~evaluated(grid))
    positions, first = np.unique(grid.position[missing], return_index=True)
    lists: dict[bytes, list[Removed]] = {}  # most documents lack the same
    of_each = []
    for start, end in pairwise([*first.tolist(), len(missing)]):
        rows = grid.row[missing[start:end]]
        if (key := rows.tobytes()) not in lists:
            lists[key] = [grid.coalitions[row] for row in rows]
        of_each.append(lists[key])
    return [grid.documents[position].index for position in positions], of_each


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table, one a number: by coalition, then document, then choice.

    coalition, position, choice: what each is of; values: nats; greedy: bool, in the same order.
    """

    coalition: np.ndarray
    position: np.ndarray
    choice: np.ndarray
    values: np.ndarray
    greedy: np.ndarray


def rows_of_cells(grid: Grid, chosen: np.ndarray) -> Rows:
    """The rows of the chosen cells (bool, (cells,))."""
    cells = np.flatnonzero(chosen)
    cells = cells[np.argsort(grid.row[cells], kind="stable")]
    counts = grid.n_choices[grid.position[cells]]
    of_row = np.repeat(cells, counts)
    choice = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = grid.offsets[of_row] + choice
    return Rows(grid.row[of_row], grid.position[of_row], choice, grid.values[place], grid.greedy[place])


def removed_column(grid: Grid, rows: Rows) -> pa.DictionaryArray:
    """The column `removed`, with the texts of those coalitions alone that the rows have."""
    used, codes = np.unique(rows.coalition, return_inverse=True)
    names = pa.array([removed_text(grid.coalitions[row]) for row in used], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names)


def index_column(grid: Grid, rows: Rows) -> pa.Array:
    """The column `document`."""
    indices = np.array([document.index for document in grid.documents], dtype=np.int32)
    return pa.array(indices[rows.position], pa.int32())
