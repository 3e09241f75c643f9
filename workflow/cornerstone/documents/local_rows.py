"""A local file's rows with the types of the file: no text is converted to a date, a number or a null.

    read_rows(Path("piqa.csv"), definition, folder)     # a datasets.Dataset, kept in that folder

JSON and parquet have types of their own. The cells of a CSV file are texts; what a task has to read as a number
or as a list is made one (see `csv_columns`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from cornerstone.documents.csv_columns import typed_columns, unreadable_rows
from cornerstone.documents.data_set import is_full_disk, no_room_for
from cornerstone.system.errors import CornerstoneError, one_line, shown


def read_rows(
    path: Path, definition: Mapping[str, Any], folder: Path, numbers: Collection[str] = ()
) -> datasets.Dataset:
    """All rows of a .jsonl, .json, .parquet or .csv file, on the disk in `folder`, where lm-eval's would be too.

    numbers: columns of a CSV file that are to be numbers, if they can.

    Raises CornerstoneError where the file cannot be read, or has no rows.
    """
    try:
        rows = (
            _parquet_rows(path, folder)
            if path.suffix == ".parquet"
            else _text_rows(path, definition, folder, numbers)
        )
    except CornerstoneError:
        raise
    except Exception as error:  # datasets wraps what its readers raise, and each reader raises its own
        if is_full_disk(error):
            raise CornerstoneError(no_room_for(str(path))) from error
        if isinstance(error, UnicodeDecodeError):
            raise CornerstoneError(f"{path} is no text in UTF-8 ({one_line(error)}): save it so") from error
        while error.__cause__ is not None:
            error = error.__cause__
        raise unreadable_rows(path, one_line(error)) from error
    if len(rows) == 0:
        raise CornerstoneError(f"{path} has no documents: give one per line")
    return rows


def _parquet_rows(path: Path, folder: Path) -> datasets.Dataset:
    if pq.read_metadata(path).num_rows == 0:  # which datasets does not read
        return datasets.Dataset.from_dict({})
    # The cache is for this file alone, so that no stale copy of a changed one is read.
    return datasets.load_dataset(
        "parquet", data_files=str(path.resolve()), split="train", cache_dir=str(folder / "data")
    )


def _text_rows(
    path: Path, definition: Mapping[str, Any], folder: Path, numbers: Collection[str]
) -> datasets.Dataset:
    if path.suffix == ".csv":
        columns = typed_columns(path, definition, numbers)
    else:
        columns = _columns(_jsonl_rows(path) if path.suffix == ".jsonl" else _json_rows(path))
    table = _table(path, columns)
    kept = folder / "data.arrow"
    with pa.OSFile(str(kept), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return datasets.Dataset.from_file(str(kept))


def data_set_of(rows: Sequence[Mapping[str, Any]], place: str) -> datasets.Dataset:
    """A data set of rows that JSON can hold, in memory. place: what an error calls it."""
    return datasets.Dataset(_table(place, _columns(rows)))


def _table(place: Path | str, columns: Mapping[str, list[Any]]) -> pa.Table:
    arrays = {field: _array(place, field, values) for field, values in columns.items()}
    features = datasets.Features(
        {
            field: datasets.Json()
            if isinstance(array, pa.ExtensionArray)
            else datasets.Features.from_arrow_schema(pa.schema([(field, array.type)]))[field]
            for field, array in arrays.items()
        }
    )
    return pa.table(list(arrays.values()), schema=features.arrow_schema)


def _array(place: Path | str, field: str, values: list[Any]) -> pa.Array:
    """A column; as JSON, value by value, where a common type would change some values."""
    with suppress(pa.ArrowException, ValueError, TypeError, OverflowError):
        array = pa.array(values)
        if json.dumps(array.to_pylist()) == json.dumps(values):
            return array
    kind = datasets.Json()
    texts = [None if value is None else json.dumps(value) for value in values]
    for number, (text, value) in enumerate(zip(texts, values, strict=True), 1):
        try:
            is_kept = kind.decode_example(text) == value
        except ValueError:
            is_kept = False
        if not is_kept:
            raise CornerstoneError(
                f"{place}, row {number}: field {shown(field)} is {shown(value)}, which cannot be kept unchanged "
                "beside the other rows' values: give them one type"
            )
    return pa.ExtensionArray.from_storage(kind.pa_type, pa.array(texts, pa.string()))


# JSON


def _jsonl_rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            yield _object(path, f"line {number}", line)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON file: a list of documents, one document, or one per line."""
    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text)
    except ValueError as error:
        if not str(error).startswith("Extra data"):
            raise
        yield from _jsonl_rows(path)
        return
    if isinstance(content, dict) and _is_by_column(content):
        raise unreadable_rows(path, f"it lists {', '.join(content)} by column")
    for number, row in enumerate(content if isinstance(content, list) else [content], 1):
        if not isinstance(row, dict):
            raise unreadable_rows(path, f"document {number} is {shown(row)}, no object with fields")
        yield row


def _is_by_column(content: dict[str, Any]) -> bool:
    """Whether an object looks like a table by its columns, as pandas writes one."""
    return bool(content) and any(
        all(isinstance(column, kind) for column in content.values()) for kind in (list, dict)
    )


def _object(path: Path, where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise unreadable_rows(path, f"{where}: {one_line(error)}") from error
    if not isinstance(row, dict):
        raise unreadable_rows(path, f"{where} is {shown(row)}, no object with fields")
    return row


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """By field; null where a row leaves a field out."""
    listed = list(rows)
    fields = dict.fromkeys(field for row in listed for field in row)
    return {field: [row.get(field) for row in listed] for field in fields}
