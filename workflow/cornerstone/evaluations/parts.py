"""Parts: the progress of an evaluation, in `{evaluation}.parquet.parts/`, which Snakemake does not know.

Snakemake deletes a declared output when its job fails or runs again, so what was evaluated is kept
beside it, in uniquely named Parquet files that are written once and never changed:

    windows.parquet.parts/
        3f0c….parquet        rows (removed, document, digest, choice, loglikelihood, greedy) of one identity;
                             of generated answers removed, document, digest, choice, answer, tokens, ended
        91be….parquet

A row counts only for its identity, coalition and encoded document, and doubled rows are dropped. So
several jobs may write here at once without a lock, and what another configuration left does no harm.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cornerstone.evaluations.grid import (
    ANSWERS,
    LOGLIKELIHOODS,
    DocumentKey,
    Grid,
    empty_grid,
    evaluated,
    index_column,
    removed_column,
    rows_of_cells,
    table_of,
)
from cornerstone.evaluations.parquet import METADATA_KEY, TEXT, read_metadata, read_rows, write_rows
from cornerstone.shapley.coalitions import ForEach, Removed, parse_removed
from cornerstone.system.durable_files import digest_of, remove_abandoned, set_aside

KEYS = (("removed", TEXT), ("document", pa.int32()), ("digest", TEXT), ("choice", pa.int16()))
NAMES = {LOGLIKELIHOODS.name: "part", ANSWERS.name: "part of a generation"}
"""What a part says that it is, by the kind of its cells."""
SCHEMAS = {NAMES[kind.name]: kind.schema(KEYS) for kind in (LOGLIKELIHOODS, ANSWERS)}


PARTS = ".parts"
"""Ends the name of a folder of parts."""


def parts_folder(output: Path | str) -> Path:
    """Where the progress of the evaluation `output` is kept."""
    output = Path(output)
    return output.with_name(output.name + PARTS)


@dataclass(frozen=True)
class Work:
    """What rows took: (coalition × document) pairs, seconds of evaluation, the devices it ran on."""

    pairs: int = 0
    seconds: float = 0.0
    devices: tuple[str, ...] = ()

    def __add__(self, other: Work) -> Work:
        devices = sorted({*self.devices, *other.devices})
        return Work(self.pairs + other.pairs, self.seconds + other.seconds, tuple(devices))


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts in a folder that are of one identity; those of others are left alone, for a configuration may be
    switched back.

    identity: see `identity.model_identity`; with `sublayers` None only `known_sublayers` makes sense.
    of_sets:  whether the players of the game are sets of sublayers; noted in what is written.
    """

    folder: Path
    identity: Mapping[str, Any]
    of_sets: bool = False

    @cached_property
    def _digest(self) -> str:
        return digest_of(self.identity)

    def write(self, grid: Grid, work: Work, prompts: Mapping[str, str]) -> int:
        """Write what is evaluated and not yet saved as one new part; return its number of pairs.

        work: what it took since the last part. prompts: digest of each document's prompts, by that of the encoded one.
        """
        cells = evaluated(grid) & ~grid.saved
        count = int(cells.sum())
        if count:
            digests = [grid.documents[position].digest for position in np.unique(grid.position[cells])]
            own = {digest: prompts[digest] for digest in digests if digest in prompts}
            self._write(_part_table(grid, cells), replace(work, pairs=count), own, NAMES[grid.kind.name])
            grid.saved[cells] = True
        return count

    def fill(self, grid: Grid) -> None:
        """Fill `grid` with what the parts hold, and mark it as saved.

        Files that are no parts, or cut off, are set aside as `….rejected`, named in one line.
        """
        remove_abandoned(self.folder)
        for _, table in self._tables():
            _fill(grid, table)
        grid.saved[evaluated(grid)] = True

    def fill_from_others(self, grid: Grid) -> None:
        """Fill what `grid` still lacks with what the parts of other designs hold; it is not saved here yet.

        A coalition of one game may be one of another design in another game: a block removed alone is a window of two
        sublayers. Between designs of one game of sublayers there is next to nothing of the kind, so these read from
        games of sets alone.
        """
        for folder in self._others():
            if evaluated(grid).all():
                return
            for path, metadata in _listed(folder):
                if self._has(metadata) and (self.of_sets or metadata.get("of_sets")):
                    with suppress(FileNotFoundError, ValueError):  # its own design's job deals with it
                        _fill(grid, read_rows(path))

    def compact(self) -> None:
        """Write the parts as one, and only then delete those it replaces.

        A part is deleted only after its rows are on the disk in another that this process wrote later. So
        two jobs that compact at once leave doubled rows at worst.
        """
        parts = dict(self._tables())
        if len(parts) < 2:
            return
        metadata = [json.loads(part.schema.metadata[METADATA_KEY]) for part in parts.values()]
        prompts = {digest: prompt for each in metadata for digest, prompt in each["prompts"].items()}
        tables = [table.replace_schema_metadata() for table in parts.values()]
        merged = replace(self, of_sets=any(each.get("of_sets") for each in metadata))
        rows, work = _without_doubles(pa.concat_tables(tables)), sum(map(_work, metadata), Work())
        merged._write(rows, work, prompts, metadata[0]["kind"])
        for path in parts:
            with suppress(OSError):  # another job was faster, or it is a colleague's: doubled rows do no harm
                path.unlink()

    def work_done(self) -> Work:
        """What the parts took together; what two jobs evaluated at once counts twice."""
        return work_in(self.folder, lambda identity: digest_of(identity) == self._digest)

    def known_sublayers(self) -> tuple[str, ...] | None:
        """The sublayers' labels from a part whose identity is equal in all else; None without such a part.

        With them a job that finds nothing left to do needs no model.
        """
        wanted = digest_of({**self.identity, "sublayers": None})
        for folder in (self.folder, *(self._others() if self.of_sets else ())):
            for _, metadata in _listed(folder):
                if digest_of({**_identity(metadata), "sublayers": None}) == wanted:
                    return tuple(_identity(metadata)["sublayers"])
        return None

    def _others(self) -> list[Path]:
        """The folders of the parts of the same model's other designs on the same task."""
        return [folder for folder in sorted(self.folder.parent.glob(f"*{PARTS}")) if folder != self.folder]

    def _has(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the part that says this of itself is one of these."""
        return digest_of(_identity(metadata)) == self._digest

    def _tables(self) -> Iterator[tuple[Path, pa.Table]]:
        """Each part with its rows; what is no part, or damaged, is set aside."""
        for path, metadata in _listed(self.folder, set_aside):
            if self._has(metadata):
                try:
                    yield path, read_rows(path)
                except FileNotFoundError:
                    continue
                except ValueError as error:
                    set_aside(path, str(error))

    def _write(self, table: pa.Table, work: Work, prompts: Mapping[str, str], name: str) -> None:
        note = {
            "kind": name,
            "identity": dict(self.identity),
            "work": asdict(work),
            "prompts": dict(prompts),
            **({"of_sets": True} if self.of_sets else {}),
        }
        write_rows(self.folder / f"{uuid.uuid4().hex}.parquet", table, note)


def saved_pairs(
    folder: Path,
    is_ours: Callable[[Mapping[str, Any]], bool],
    coalitions: Sequence[Removed] | ForEach,
    prompts: Mapping[int, str],
) -> int:
    """How many distinct (coalition, document) pairs the parts hold. Changes nothing on the disk.

    is_ours: whether a part's identity is meant. coalitions: of all documents, or of each. prompts: digest of each
    document's prompts, by its index.
    """
    grid = empty_grid(coalitions, [DocumentKey(index, digest, 0) for index, digest in prompts.items()])
    found = np.zeros(len(grid.row), dtype=bool)

    def position(metadata: Mapping[str, Any], index: int, digest: str) -> int:
        is_the_same = metadata["prompts"].get(digest) == prompts.get(index)
        return grid.position_of.get(index, -1) if is_the_same else -1

    for path, metadata in _listed(folder):
        if not is_ours(_identity(metadata)):
            continue
        with suppress(
            FileNotFoundError, ValueError
        ):  # compacted meanwhile, or damaged: the job deals with it
            cells = _cells(grid, read_rows(path), partial(position, metadata))
            found[cells[cells >= 0]] = True
    return int(found.sum())


def work_in(folder: Path, is_ours: Callable[[Mapping[str, Any]], bool]) -> Work:
    """What the parts took together whose identity is ours; what two jobs evaluated at once counts twice."""
    return sum((_work(metadata) for _, metadata in _listed(folder) if is_ours(_identity(metadata))), Work())


def foreign_parts(folder: Path, is_ours: Callable[[Mapping[str, Any]], bool]) -> list[Path]:
    """The parts whose identity is not ours; what is damaged is none of them."""
    return [path for path, metadata in _listed(folder) if not is_ours(_identity(metadata))]


def _listed(
    folder: Path, on_bad: Callable[[Path, str], object] = lambda path, reason: None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each part with what it says of itself; `on_bad` is given those that are none, with the reason.

    Another job may compact meanwhile: it writes first and deletes then, so a new listing finds the rows
    of a part that vanished under our eyes.
    """
    seen: set[Path] = set()
    while new := [path for path in _list(folder) if path not in seen]:
        for path in new:
            seen.add(path)
            try:
                metadata = read_metadata(path, SCHEMAS)
            except FileNotFoundError:
                continue
            except ValueError as error:
                on_bad(path, str(error))
            else:
                yield path, metadata


def _work(metadata: Mapping[str, Any]) -> Work:
    """What a part says that its rows took."""
    work = metadata["work"]
    return Work(work["pairs"], work["seconds"], tuple(work["devices"]))


def _part_table(grid: Grid, cells: np.ndarray) -> pa.Table:
    """The rows of the chosen cells (bool)."""
    rows = rows_of_cells(grid, cells)
    digests = pa.array([document.digest for document in grid.documents], pa.string())
    keys = {
        "removed": removed_column(grid, rows),
        "document": index_column(grid, rows),
        "digest": pa.DictionaryArray.from_arrays(pa.array(rows.position, pa.int32()), digests),
    }
    return table_of(grid, rows, keys, SCHEMAS[NAMES[grid.kind.name]])


def _identity(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return metadata.get("identity") or {}


def _list(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.parquet"))


def _fill(grid: Grid, table: pa.Table) -> None:
    """Put those rows into the grid whose coalition and encoded document it asks for and has not saved."""
    position_of = {(document.index, document.digest): p for p, document in enumerate(grid.documents)}
    cells = _cells(grid, table, lambda index, digest: position_of.get((index, digest), -1))
    choice = table["choice"].to_numpy()
    wanted = (cells >= 0) & (choice >= 0)
    wanted[wanted] &= ~grid.saved[cells[wanted]]
    wanted[wanted] &= choice[wanted] < grid.n_choices[grid.position[cells[wanted]]]
    places = grid.offsets[cells[wanted]] + choice[wanted]
    for name, column in grid.columns.items():
        column[places] = table[name].to_numpy(zero_copy_only=False)[wanted]


def _cells(grid: Grid, table: pa.Table, position_of: Callable[[int, str], int]) -> np.ndarray:
    """The cell that each row of a part belongs to, −1 where it is not asked for.

    position_of: from a document's index and the digest of the encoded document.
    """
    table = table.unify_dictionaries().combine_chunks()
    removed, digest = (_dictionary(table[name]) for name in ("removed", "digest"))
    row_of_code = np.array(
        [grid.row_of.get(_parse(text), -1) for text in removed.dictionary.to_pylist()], dtype=np.int64
    )
    # A document index has at most a few digests: look each (index, digest) up once, not once a row.
    documents, digests = table["document"].to_numpy(), _codes(digest)
    known, code_of = np.unique(documents.astype(np.int64) << 32 | digests, return_inverse=True)
    texts = digest.dictionary.to_pylist()
    positions = [position_of(int(k >> 32), texts[k & 0xFFFFFFFF]) for k in known]
    return grid.cells(row_of_code[_codes(removed)], np.array(positions, dtype=np.int64)[code_of])


def _codes(column: pa.DictionaryArray) -> np.ndarray:
    """A dictionary column's codes."""
    return column.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A dictionary column of one dictionary, in one piece."""
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _parse(text: str) -> tuple[int, ...] | None:
    try:
        return parse_removed(text)
    except ValueError:
        return None


def _without_doubles(table: pa.Table) -> pa.Table:
    """The rows with each (removed, document, digest, choice) once, the first one found."""
    table = table.unify_dictionaries().combine_chunks()
    key = np.zeros(table.num_rows, dtype=np.int64)
    for name in ("removed", "document", "digest", "choice"):
        column = table[name]
        is_text = pa.types.is_dictionary(column.type)
        codes = _codes(_dictionary(column)) if is_text else column.to_numpy().astype(np.int64)
        key = key * (int(codes.max(initial=0)) + 1) + codes
    _, first = np.unique(key, return_index=True)
    return table if len(first) == table.num_rows else table.take(np.sort(first))
