"""An evaluation in memory: one matrix, a row per coalition, a column per choice of each document.

                  document 0   document 1        document 2
    ()             -3.1 -4.0    -9.2 -8.8 -7.1    NaN  NaN      NaN: not evaluated yet
    (0,)           -3.3 -4.1     NaN  NaN  NaN    NaN  NaN
    (0, 1)         -5.0 -4.9    -9.9 -9.7 -9.8    NaN  NaN

Rows and columns stand in the order of the finished table, so writing it needs no sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from cornerstone.shapley.coalitions import Removed, removed_text
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class DocumentKey:
    """A document as far as an evaluation knows it; `digest` is of the encoded document."""

    index: int
    digest: str
    n_choices: int


@dataclass(frozen=True, eq=False)
class Grid:
    """coalitions and documents in the table's order; values (coalitions, choices of all documents), nats.

    saved: bool (coalitions, documents): the pairs whose values are on the disk already.
    """

    coalitions: tuple[Removed, ...]
    documents: tuple[DocumentKey, ...]
    values: np.ndarray
    saved: np.ndarray

    @cached_property
    def offsets(self) -> np.ndarray:
        """First column of each document, and the number of columns at the end: (documents + 1,)."""
        return np.concatenate([[0], np.cumsum([d.n_choices for d in self.documents])]).astype(np.int64)

    @cached_property
    def document_of_column(self) -> np.ndarray:
        """Position of the document that each column belongs to."""
        return np.repeat(np.arange(len(self.documents)), np.diff(self.offsets))

    @cached_property
    def choice_of_column(self) -> np.ndarray:
        """Choice that each column stands for."""
        return np.arange(self.offsets[-1]) - self.offsets[self.document_of_column]

    @cached_property
    def row_of(self) -> dict[Removed, int]:
        """Row of each coalition."""
        return {coalition: row for row, coalition in enumerate(self.coalitions)}

    @cached_property
    def position_of(self) -> dict[int, int]:
        """Position of each document, by its index in the scored split."""
        return {document.index: position for position, document in enumerate(self.documents)}


def empty_grid(coalitions: Sequence[Removed], documents: Sequence[DocumentKey]) -> Grid:
    """A grid where nothing is evaluated: coalitions by size, then as tuples; documents by index."""
    coalitions = tuple(sorted(set(coalitions), key=lambda removed: (len(removed), removed)))
    documents = tuple(sorted(documents, key=lambda document: document.index))
    columns = sum(document.n_choices for document in documents)
    return Grid(
        coalitions,
        documents,
        np.full((len(coalitions), columns), np.nan),
        np.zeros((len(coalitions), len(documents)), dtype=bool),
    )


def evaluated(grid: Grid) -> np.ndarray:
    """Bool, (coalitions, documents): the pairs that have a number for every choice."""
    if not grid.values.size:
        return np.ones(grid.saved.shape, dtype=bool)
    return np.logical_and.reduceat(np.isfinite(grid.values), grid.offsets[:-1], axis=1)


def add_block(
    grid: Grid,
    documents: Sequence[int],
    coalitions: Sequence[Sequence[Removed]],
    loglikelihoods: Sequence[np.ndarray],
) -> None:
    """Put the engine's numbers in: of each document, by its index, coalitions and an array (coalitions, choices).

    Raises CornerstoneError naming coalition and document for a number that is not finite, and then
    keeps nothing of the block.
    """
    blocks = list(zip(documents, coalitions, loglikelihoods, strict=True))
    for document, own, numbers in blocks:
        _check_finite(own, document, np.asarray(numbers))
    rows: dict[int, np.ndarray] = {}  # by the list of coalitions, which many documents share
    for document, own, numbers in blocks:
        if id(own) not in rows:
            rows[id(own)] = np.array([grid.row_of[tuple(coalition)] for coalition in own], dtype=np.int64)
        first = grid.offsets[position := grid.position_of[document]]
        grid.values[rows[id(own)], first : grid.offsets[position + 1]] = numbers


def _check_finite(coalitions: Sequence[Removed], document: int, numbers: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, choice = bad[0]
        raise CornerstoneError(
            f"the log-likelihood of document {document}, choice {choice}, is {numbers[row, choice]} without "
            f"sublayers [{removed_text(coalitions[row])}]: not kept; try dtype float32 or bfloat16"
        )


def missing_pairs(grid: Grid) -> tuple[list[int], list[list[Removed]]]:
    """What is left to do: the indices of documents, and the coalitions that each of them lacks."""
    missing = ~evaluated(grid)
    documents = np.flatnonzero(missing.any(axis=0))
    lists: dict[bytes, list[Removed]] = {}  # most documents lack the same
    for column in missing[:, documents].T:
        if (key := column.tobytes()) not in lists:
            lists[key] = [grid.coalitions[row] for row in np.flatnonzero(column)]
    return (
        [grid.documents[position].index for position in documents],
        [lists[column.tobytes()] for column in missing[:, documents].T],
    )


def rows_of_pairs(grid: Grid, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid rows and columns of the chosen pairs (bool, coalitions × documents), in the table's order."""
    return np.nonzero(pairs[:, grid.document_of_column])


def removed_column(grid: Grid, rows: np.ndarray) -> pa.DictionaryArray:
    """The column `removed` of table rows that stand in these grid rows."""
    names = pa.array([removed_text(removed) for removed in grid.coalitions], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(rows, pa.int32()), names)


def index_column(grid: Grid, columns: np.ndarray) -> pa.Array:
    """The column `document` of table rows that stand in these grid columns."""
    indices = np.array([document.index for document in grid.documents], dtype=np.int32)
    return pa.array(indices[grid.document_of_column[columns]], pa.int32())
