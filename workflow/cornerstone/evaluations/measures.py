"""Cheap measures on the disk: of each document, what every sublayer and block does to its hidden state, and groups of
blocks where these are the players.

    measures = read_measures("results/measures/demo_llama/boolq.parquet")
    measures.sublayers["block_influence"]       # (documents, sublayers)
    mean_measures(path, chosen_documents)       # of some documents: a number per sublayer and per block
    measures.of_players(players)["block_influence"]     # (documents, players)

Like an evaluation, a file is there whole or not at all, says in its metadata what it is of, and is set aside and made
again where it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cornerstone.evaluations.evaluation import BadEvaluation, or_set_aside
from cornerstone.evaluations.parquet import TEXT, read_metadata, read_rows, write_rows
from cornerstone.measures import BLOCK, GROUP, MEASURES, MEASURES_VERSION, SUBLAYER
from cornerstone.shapley.players import Players, whole_blocks
from cornerstone.system.errors import CornerstoneError

ROWS = (("document", pa.int32()), ("part", TEXT), ("number", pa.int16()))
"""The columns that say what a row is of."""


@dataclass(frozen=True, eq=False)
class Measures:
    """The measures of a model on a task's documents.

    labels:     of the sublayers in execution order; block_of: the block of each, int (sublayers,).
    documents:  indices of the documents, ascending.
    sublayers, blocks: by a measure's name float64 (documents, sublayers) and (documents, blocks).
    groups:     the same of groups of blocks_together neighbouring blocks; nothing where that is 1.
    provenance, identity, about: see `Evaluation`'s provenance, identity and documents.
    """

    model: str
    task: str
    labels: tuple[str, ...]
    block_of: tuple[int, ...]
    documents: tuple[int, ...]
    sublayers: Mapping[str, np.ndarray]
    blocks: Mapping[str, np.ndarray]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    blocks_together: int = 1

    def of_players(self, players: Sequence[str]) -> Mapping[str, np.ndarray]:
        """The measures of these players by name, (documents, players).

        players: labels of the sublayers, or `Players`. Raises CornerstoneError where they were not measured.
        """
        if not isinstance(players, Players) or players.are_sublayers:
            return self.sublayers
        for together, measured in ((1, self.blocks), (self.blocks_together, self.groups)):
            if players.sets == whole_blocks(self.labels, together).sets:
                return measured
        raise CornerstoneError(
            f"the players of {self.model} on {self.task} were not measured: remove its file in measures/, then type "
            "the same command again"
        )

    def rows_of(self, documents: Collection[int]) -> list[int]:
        """The places of these documents. Raises CornerstoneError where one was not measured."""
        place = {index: row for row, index in enumerate(self.documents)}
        if missing := sorted(set(documents) - place.keys()):
            raise CornerstoneError(
                f"{self.model} was not measured on {len(missing)} of the documents of {self.task}, document "
                f"{missing[0]} first: remove its file in measures/, then type the same command again"
            )
        return [place[index] for index in documents]


@dataclass(frozen=True, eq=False)
class MeanMeasures:
    """Means over documents, by a measure's name: float64 (sublayers,), (blocks,) and (groups,)."""

    sublayers: Mapping[str, np.ndarray]
    blocks: Mapping[str, np.ndarray]
    groups: Mapping[str, np.ndarray]


def mean_measures(path: Path | str, documents: Collection[int] | None = None) -> MeanMeasures:
    """One number per sublayer and per block of each measure: the mean over these documents, by index; None: over all.

    More is more important. Raises as `read_measures`, and CornerstoneError for a document that was not measured.
    """
    measures = read_measures(path)
    rows = measures.rows_of(measures.documents if documents is None else documents)
    if not rows:
        raise CornerstoneError(
            f"no documents were given for a mean of the measures in {path}: give at least one"
        )
    means = (
        {name: numbers[rows].mean(axis=0) for name, numbers in of_parts.items()}
        for of_parts in (measures.sublayers, measures.blocks, measures.groups)
    )
    return MeanMeasures(*means)


def measures_schema(names: Iterable[str]) -> pa.Schema:
    """document (index), part ("sublayer", "block" or "group"), number (of the part), and a column per measure."""
    return pa.schema([*ROWS, *((name, pa.float64()) for name in names)])


def _names_in(path: Path) -> list[str]:
    """The measures that a file has, by its footer; none where it cannot be read."""
    with suppress(OSError, pa.ArrowException):
        return [name for name in pq.read_schema(path).names if name not in dict(ROWS)]
    return []


def read_measures(path: Path | str) -> Measures:
    """Read a file of measures whole, checksums verified.

    Raises BadEvaluation where it is cut off, damaged or something else; CornerstoneError where it is missing.
    """
    path = Path(path)
    try:
        about = read_measures_metadata(path)
        table = read_rows(path)
        return _measures(about, table)
    except FileNotFoundError:
        raise CornerstoneError(f"there are no measures {path}: make them first") from None
    except ValueError as error:
        raise BadEvaluation(path, str(error)) from error


def read_measures_or_set_aside(path: Path | str) -> Measures:
    """`read_measures` for a rule's script: sets a bad file aside, so that the same command makes it again.

    Raises CornerstoneError saying so.
    """
    return or_set_aside(read_measures, path, "measure anew")


def read_measures_metadata(path: Path | str) -> dict[str, Any]:
    """What a file of measures is of, from its footer alone. Raises as `parquet.read_metadata`.

    It has every measure that is registered here, and maybe more: a user's own are registered where their file was run.
    """
    names = _names_in(Path(path))
    metadata = read_metadata(Path(path), {"measures": measures_schema(names)})
    if missing := [name for name in MEASURES.names if name not in names]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if (version := metadata["identity"].get("measures_version")) != MEASURES_VERSION:
        raise ValueError(f"of version {version} of the measures, this Cornerstone has {MEASURES_VERSION}")
    return metadata


def write_measures(measures: Measures, path: Path | str) -> None:
    """Write the measures of a model on a task, whole or not at all."""
    parts = {SUBLAYER: measures.sublayers, BLOCK: measures.blocks, GROUP: measures.groups}
    tables = [_rows(part, measures.documents, of_part) for part, of_part in parts.items() if of_part]
    metadata = {
        "kind": "measures",
        "model": measures.model,
        "task": measures.task,
        "identity": dict(measures.identity),
        "sublayers": list(measures.labels),
        "block_of": list(measures.block_of),
        "blocks_together": measures.blocks_together,
        "documents": dict(measures.about),
        "provenance": dict(measures.provenance),
    }
    schema = measures_schema(measures.sublayers)
    write_rows(Path(path), pa.concat_tables(tables).cast(schema), metadata)


def _rows(part: str, documents: tuple[int, ...], numbers: Mapping[str, np.ndarray]) -> pa.Table:
    n_parts = next(iter(numbers.values())).shape[1]
    columns = {
        "document": np.repeat(documents, n_parts).astype(np.int32),
        "part": pa.array([part] * (len(documents) * n_parts)).dictionary_encode(),
        "number": np.tile(np.arange(n_parts, dtype=np.int16), len(documents)),
    }
    return pa.table(columns | {name: each.ravel() for name, each in numbers.items()})


def _measures(metadata: Mapping[str, Any], table: pa.Table) -> Measures:
    """Raises ValueError where rows are missing, out of order or not finite."""
    labels, block_of = tuple(metadata["sublayers"]), tuple(metadata["block_of"])
    together, n_parts = metadata.get("blocks_together", 1), [len(labels), 1 + max(block_of)]
    n_parts += [ceil(n_parts[1] / together)] * (together > 1)
    n_documents, left_over = divmod(table.num_rows, sum(n_parts))
    if left_over:
        raise ValueError(f"it has {table.num_rows} rows, which are no {sum(n_parts)} a document")
    names = [name for name in table.column_names if name not in dict(ROWS)]
    documents = table["document"].to_numpy()[: n_documents * len(labels) : len(labels)]
    if (np.diff(documents) <= 0).any():
        raise ValueError("its documents are out of order")
    found: list[Mapping[str, np.ndarray]] = []
    for start, count in zip(accumulate(n_parts[:-1], initial=0), n_parts, strict=True):
        rows = table.slice(n_documents * start, n_documents * count)
        right = np.repeat(documents, count), np.tile(np.arange(count), n_documents)
        columns = (rows[name].to_numpy() for name in ("document", "number"))
        if not all(map(np.array_equal, columns, right)):
            raise ValueError("its rows are out of order")
        numbers = {name: rows[name].to_numpy().reshape(n_documents, count) for name in names}
        if not all(np.isfinite(each).all() for each in numbers.values()):
            raise ValueError("it has measures that are not finite")
        found.append(numbers)
    sublayers, blocks, *groups = found
    fields = (metadata[name] for name in ("provenance", "identity", "documents"))
    named = metadata["model"], metadata["task"], labels, block_of, tuple(documents.tolist())
    return Measures(*named, sublayers, blocks, *fields, *groups, blocks_together=together)
