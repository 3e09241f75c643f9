"""An evaluation in memory: a cell for each coalition of each document, with the log-likelihood of each choice.

Or with the answer that was generated, which is its only number's place.

                  document 0   document 1        document 2
    ()             -3.1 -4.0    -9.2 -8.8 -7.1    NaN  NaN      NaN: not evaluated yet
    (0,)           -3.3 -4.1     NaN  NaN  NaN
    (0, 1)         -5.0 -4.9                      -9.7 -9.8     nothing: not of this document's coalitions

Documents may have the same coalitions or each its own, so the cells stand one after another: those of a document
together, in the order of their coalitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from cornerstone.shapley.coalitions import ForEach, Removed, listed_sublayers, removed_text
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class Kind:
    """What the cells hold.

    name:    of a file of them, in its metadata.
    columns: by name the type in a file; nothing is there yet where the first is NaN, or None.
    """

    name: str
    columns: Mapping[str, pa.DataType]

    def empty(self, count: int) -> dict[str, np.ndarray]:
        """Columns with nothing in them yet."""
        made = {}
        for name, kind in self.columns.items():
            if pa.types.is_floating(kind):
                made[name] = np.full(count, np.nan)
            elif pa.types.is_string(kind):
                made[name] = np.full(count, None, dtype=object)
            else:
                made[name] = np.zeros(count, dtype=kind.to_pandas_dtype())
        return made

    def schema(self, keys: Sequence[tuple[str, pa.DataType]]) -> pa.Schema:
        """Of a file that has these columns before its own."""
        return pa.schema([*keys, *self.columns.items()])


LOGLIKELIHOODS = Kind("evaluation", {"loglikelihood": pa.float64(), "greedy": pa.bool_()})
"""loglikelihood: nats; greedy: whether each token of the choice is the most likely one."""
ANSWERS = Kind("generation", {"answer": pa.string(), "tokens": pa.int32(), "ended": pa.bool_()})
"""answer: up to its stop word; tokens: how many were generated; ended: by itself, before the limit."""


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
    columns:  what `kind` has, one entry for each choice of each cell.
    saved:    bool (cells,): whether a cell's numbers are on the disk already.
    """

    coalitions: tuple[Removed, ...]
    documents: tuple[DocumentKey, ...]
    row: np.ndarray
    position: np.ndarray
    columns: dict[str, np.ndarray]
    saved: np.ndarray
    kind: Kind = LOGLIKELIHOODS

    @property
    def values(self) -> np.ndarray:
        """The column that tells what is there."""
        return self.columns[next(iter(self.kind.columns))]

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


def empty_grid(
    coalitions: Sequence[Removed] | ForEach, documents: Sequence[DocumentKey], kind: Kind = LOGLIKELIHOODS
) -> Grid:
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
    return Grid(different, keys, row, position, kind.empty(numbers), np.zeros(len(row), dtype=bool), kind)


def _sorted(coalitions: set[Removed]) -> tuple[Removed, ...]:
    return tuple(sorted(coalitions, key=lambda removed: (len(removed), removed)))


def evaluated(grid: Grid) -> np.ndarray:
    """Bool, (cells,): those that have a number for every choice."""
    if not len(grid.values):
        return np.ones(grid.saved.shape, dtype=bool)
    first = grid.values
    there = np.isfinite(first) if first.dtype.kind == "f" else np.not_equal(first, None)
    return np.logical_and.reduceat(there.astype(bool), grid.offsets[:-1])


def add_block(
    grid: Grid,
    documents: Sequence[int],
    coalitions: Sequence[Sequence[Removed]],
    columns: Mapping[str, Sequence[np.ndarray]],
) -> None:
    """Put the engine's numbers in: of each document, by its index, coalitions and an array (coalitions, choices) for
    each column.

    Raises CornerstoneError naming coalition and document for a number that is not finite, and then
    keeps nothing of the block.
    """
    for document, own, numbers in zip(documents, coalitions, columns.get("loglikelihood", ()), strict=False):
        _check_finite(own, document, np.asarray(numbers))
    rows: dict[int, np.ndarray] = {}  # by the list of coalitions, which many documents share
    for number, (document, own) in enumerate(zip(documents, coalitions, strict=True)):
        if id(own) not in rows:
            rows[id(own)] = np.array([grid.row_of[tuple(coalition)] for coalition in own], dtype=np.int64)
        cells = grid.cells(rows[id(own)], grid.position_of[document])
        for name, arrays in columns.items():
            places = grid.offsets[cells][:, None] + np.arange(np.shape(arrays[number])[1])
            grid.columns[name][places] = arrays[number]


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

    coalition, position, choice: what each is of; columns: of the grid, in the same order.
    """

    coalition: np.ndarray
    position: np.ndarray
    choice: np.ndarray
    columns: dict[str, np.ndarray]


def rows_of_cells(grid: Grid, chosen: np.ndarray) -> Rows:
    """The rows of the chosen cells (bool, (cells,))."""
    cells = np.flatnonzero(chosen)
    cells = cells[np.argsort(grid.row[cells], kind="stable")]
    counts = grid.n_choices[grid.position[cells]]
    of_row = np.repeat(cells, counts)
    choice = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = grid.offsets[of_row] + choice
    columns = {name: column[place] for name, column in grid.columns.items()}
    return Rows(grid.row[of_row], grid.position[of_row], choice, columns)


def table_of(grid: Grid, rows: Rows, keys: Mapping[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """Rows as a table: the keys first, then choice, where the schema has it, and the columns."""
    own = {name: pa.array(rows.columns[name], kind) for name, kind in grid.kind.columns.items()}
    arrays = {**keys, "choice": pa.array(rows.choice, pa.int16()), **own}
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def removed_column(grid: Grid, rows: Rows) -> pa.DictionaryArray:
    """The column `removed`, with the texts of those coalitions alone that the rows have."""
    used, codes = np.unique(rows.coalition, return_inverse=True)
    names = pa.array([removed_text(grid.coalitions[row]) for row in used], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names)


def index_column(grid: Grid, rows: Rows) -> pa.Array:
    """The column `document`."""
    indices = np.array([document.index for document in grid.documents], dtype=np.int32)
    return pa.array(indices[rows.position], pa.int32())
