"""A local file's rows with the types of the file: no text is converted to a date, a number or a null.

    read_rows(Path("piqa.csv"), definition, folder)     # a datasets.Dataset, kept in that folder

JSON and parquet have types of their own. The cells of a CSV file are texts; what a task has to read as a number
or as a list is made one (see `_typed`).
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import TemplateSyntaxError, nodes
from lm_eval.utils import env as template_environment

from cornerstone.documents.data_set import is_full_disk, no_room_for
from cornerstone.system.errors import CornerstoneError, one_line, shown

SEPARATORS = ",;\t|"
INTEGER = re.compile(r"[+-]?[0-9]+")
Cast = Callable[[str], Any]
"""From a cell to its value. Raises ValueError or RecursionError."""


def _whole(cell: str) -> int:
    if not INTEGER.fullmatch(cell.strip()):
        raise ValueError
    return int(cell)


STOCK_FIELDS: dict[str, dict[str, Cast]] = {
    "aps/super_glue": {field: _whole for field in ("label", "span1_index", "span2_index")},
    "allenai/ai2_arc": {"choices": json.loads},
    "allenai/openbookqa": {"choices": json.loads},
    "allenai/winogrande": {},
    "baber/piqa": {"label": _whole},
}
"""By dataset_path, of the six tasks of the demo: the fields that lm-eval reads and that are no texts on the hub."""


def read_rows(path: Path, definition: Mapping[str, Any], folder: Path) -> datasets.Dataset:
    """All rows of a .jsonl, .json, .parquet or .csv file, on the disk in `folder`, where lm-eval's would be too.

    Raises CornerstoneError where the file cannot be read, or has no rows.
    """
    try:
        rows = (
            _parquet_rows(path, folder) if path.suffix == ".parquet" else _text_rows(path, definition, folder)
        )
    except CornerstoneError:
        raise
    except Exception as error:  # datasets wraps what its readers raise, and each reader raises its own
        if is_full_disk(error):
            raise CornerstoneError(no_room_for(str(path))) from error
        while error.__cause__ is not None:
            error = error.__cause__
        raise _unreadable(path, one_line(error)) from error
    if len(rows) == 0:
        raise CornerstoneError(f"{path} has no documents: give one per line")
    return rows


def _unreadable(path: Path, reason: str) -> CornerstoneError:
    return CornerstoneError(f"cannot read {path} ({reason}): give one document per line")


def _parquet_rows(path: Path, folder: Path) -> datasets.Dataset:
    if pq.read_metadata(path).num_rows == 0:  # which datasets does not read
        return datasets.Dataset.from_dict({})
    # The cache is for this file alone, so that no stale copy of a changed one is read.
    return datasets.load_dataset(
        "parquet", data_files=str(path.resolve()), split="train", cache_dir=str(folder / "data")
    )


def _text_rows(path: Path, definition: Mapping[str, Any], folder: Path) -> datasets.Dataset:
    if path.suffix == ".csv":
        columns = _typed(path, _csv_columns(path), definition)
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
        raise _unreadable(path, f"it lists {', '.join(content)} by column")
    for number, row in enumerate(content if isinstance(content, list) else [content], 1):
        if not isinstance(row, dict):
            raise _unreadable(path, f"document {number} is {shown(row)}, no object with fields")
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
        raise _unreadable(path, f"{where}: {one_line(error)}") from error
    if not isinstance(row, dict):
        raise _unreadable(path, f"{where} is {shown(row)}, no object with fields")
    return row


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """By field; null where a row leaves a field out."""
    listed = list(rows)
    fields = dict.fromkeys(field for row in listed for field in row)
    return {field: [row.get(field) for row in listed] for field in fields}


# CSV


def _csv_columns(path: Path) -> dict[str, list[str]]:
    """The cells as they stand in the file, by the names in its first row."""
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="", encoding="utf-8-sig") as file:
        text = file.read()
    header, *rows = list(_csv_rows(text, _separator(text))) or [[]]
    if repeated := sorted({name for name in header if header.count(name) > 1 and name}):
        raise _unreadable(path, f"its first row names {', '.join(repeated)} twice")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise _unreadable(
                path, f"row {number} has {len(row)} cells, and the first row names {len(header)} columns"
            )
    # A column without a name is the row numbers that pandas writes.
    return {name: [row[place] for row in rows] for place, name in enumerate(header) if name}


def _csv_rows(text: str, separator: str) -> Iterator[list[str]]:
    lines = csv.reader(_lines(text), delimiter=separator, strict=True)
    return (row for row in lines if row)


def _lines(text: str) -> list[str]:
    """Cut at line feeds only: splitlines would also cut at characters that stand in texts."""
    return [f"{line}\n" for line in text.split("\n")]


def _separator(text: str) -> str:
    """The separator that splits the first row into the most columns."""

    def columns(separator: str) -> int:
        try:
            return len(next(_csv_rows(text, separator), []))
        except csv.Error:
            return 0

    return max(SEPARATORS, key=columns)


def _typed(path: Path, columns: dict[str, list[str]], definition: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns with the types of the task's data set.

    Where these are not known, a column is lists or mappings if each of its cells is one in JSON, and numbers if
    the task takes them as they are for the answer and they are no choices' own texts, or if one of its templates
    reckons with them.
    """
    casts = STOCK_FIELDS.get(definition.get("dataset_path") or "")
    if casts is None:
        casts = _guessed_casts(columns, definition)
    return {field: _cast(path, field, cells, casts.get(field)) for field, cells in columns.items()}


def _cast(path: Path, field: str, cells: Sequence[str], cast: Cast | None) -> list[Any]:
    if cast is None:
        return list(cells)
    values = []
    for number, cell in enumerate(cells, 1):
        try:
            values.append(cast(cell) if cell.strip() else None)
        except (ValueError, RecursionError) as error:
            wanted = "a whole number" if cast is _whole else "JSON, such as a list in brackets"
            raise CornerstoneError(
                f"{path}, row {number}: {field!r} is {shown(cell)}, but the task reads {wanted} there"
            ) from error
    return values


def _guessed_casts(columns: Mapping[str, list[str]], definition: Mapping[str, Any]) -> dict[str, Cast]:
    filled = {field: [cell.strip() for cell in cells if cell.strip()] for field, cells in columns.items()}
    nested = {field for field, cells in filled.items() if cells and all(map(_is_nested, cells))}
    lists = {field for field in nested if all(cell.startswith("[") for cell in filled[field])}
    numbers = reckoned_with(definition, lists)
    casts: dict[str, Cast] = dict.fromkeys(nested, json.loads)
    for field, cells in filled.items():
        if not cells or not all(map(INTEGER.fullmatch, cells)):
            continue
        is_plain = all(cell == str(int(cell)) for cell in cells)  # 007 is a name
        is_answer = field == definition.get("doc_to_target") and not _are_choices(field, columns, definition)
        if is_answer or (is_plain and field in numbers):
            casts[field] = _whole
    return casts


def reckoned_with(definition: Mapping[str, Any], lists: Collection[str] = ()) -> set[str]:
    """The fields that templates use as numbers: {{answer - 1}}, {{["no", "yes"][label]}}, {{0 if said == 0 else 1}}.

    lists: the fields that are lists, of which a number takes an entry.
    """
    rules = [rule for key, rule in definition.items() if key.startswith("doc_to_")]
    texts = [each for rule in rules for each in (rule if isinstance(rule, list) else [rule])]
    trees = []
    for text in texts:
        # A function is no template, and what is wrong with one lm-eval tells.
        with suppress(TypeError, TemplateSyntaxError):
            trees.append(template_environment.parse(text))
    return {name for tree in trees for name in _number_names(tree, lists)}


def _number_names(tree: nodes.Template, lists: Collection[str]) -> Iterator[str]:
    """The names that stand where a template needs a number."""
    for node in tree.find_all((nodes.BinExpr, nodes.Neg, nodes.Compare, nodes.Getitem, nodes.Slice)):
        match node:
            case nodes.Add(left=left, right=right) | nodes.Mul(left=left, right=right):
                sides = [left, right] if any(map(_is_number, (left, right))) else []
            case nodes.Mod(left=nodes.Const(value=str())):  # a text with places to fill
                sides = []
            case nodes.Sub() | nodes.Div() | nodes.FloorDiv() | nodes.Mod() | nodes.Pow():
                sides = [node.left, node.right]
            case nodes.Neg():
                sides = [node.node]
            case nodes.Compare():
                compared = [node.expr, *(operand.expr for operand in node.ops)]
                sides = compared if any(map(_is_number, compared)) else []
            case nodes.Getitem(node=nodes.List(), arg=place):
                sides = [place]
            case nodes.Getitem(node=nodes.Name(name=name), arg=place) if name in lists:
                sides = [place]
            case nodes.Slice():
                sides = [node.start, node.stop, node.step]
            case _:
                sides = []
        yield from (side.name for side in sides if isinstance(side, nodes.Name))


def _is_number(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, int | float)


def _are_choices(field: str, columns: Mapping[str, list[str]], definition: Mapping[str, Any]) -> bool:
    """Whether answers are the texts of choices: those of the definition, or what stands elsewhere in their row."""
    given = definition.get("doc_to_choice")
    choices = list(map(str, given)) if isinstance(given, list) else []
    others = [cells for name, cells in columns.items() if name != field]
    rows = zip(columns[field], zip(*others, strict=True), strict=True) if others else []
    return not set(choices).isdisjoint(columns[field]) or (
        bool(others) and all(any(_has(cell, answer) for cell in row) for answer, row in rows)
    )


def _has(cell: str, answer: str) -> bool:
    """Whether a cell is the answer, or a list in JSON with it."""
    return cell == answer or (_is_nested(cell.strip()) and answer in json.loads(cell))


def _is_nested(cell: str) -> bool:
    if not cell.startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(cell), list | dict)
    except (ValueError, RecursionError):
        return False
