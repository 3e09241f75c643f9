"""The columns of a CSV file, whose cells are texts, with the types that a task needs.

    typed_columns(Path("piqa.csv"), definition)                   # {"goal": ["007", …], "label": [0, …]}
    typed_columns(Path("piqa.csv"), definition, {"level"})        # the column level as numbers too

What a task has to read as a number, as true or false, or as a list is made one; all else stays as it is written.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from lm_eval.utils import env as template_environment

from cornerstone.system.errors import CornerstoneError, shown

SEPARATORS = ",;\t|"
INTEGER = re.compile(r"[+-]?[0-9]+")
REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
TRUTHS = {"True": True, "true": True, "TRUE": True, "False": False, "false": False, "FALSE": False}
LIKE_A_LIST = re.compile(r"""\[\s*(['"].*['"]|[-+.e\d]+(\s+[-+.e\d]+)+)\s*\]|\{.*array\(.*\}""", re.DOTALL)
"""Lists as numpy writes them, without commas, and mappings that have some."""
NEED_NUMBERS = frozenset({"abs", "round"})
"""Jinja's filters."""
Cast = Callable[[str], Any]
"""From a cell to its value. Raises ValueError or RecursionError."""


def _whole(cell: str) -> int:
    if not INTEGER.fullmatch(cell.strip()):
        raise ValueError
    return int(cell)


def _truth(cell: str) -> bool:
    if cell.strip() not in TRUTHS:
        raise ValueError
    return TRUTHS[cell.strip()]


def _nested(cell: str) -> list[Any] | dict[str, Any]:
    """A list or mapping in JSON, or as Python writes it, which is what pandas and datasets do with them."""
    with suppress(ValueError):
        value = json.loads(cell)
        if isinstance(value, list | dict):
            return value
    with suppress(SyntaxError, MemoryError):
        value = ast.literal_eval(cell.strip())
        if isinstance(value, list | dict) and repr(value) == cell.strip():  # numpy writes no commas
            return value
    raise ValueError


WANTED = {_whole: "a whole number", _nested: "JSON, such as a list in brackets"}
STOCK_FIELDS: dict[str, dict[str, Cast]] = {
    "aps/super_glue": {field: _whole for field in ("label", "span1_index", "span2_index")},
    "allenai/ai2_arc": {"choices": _nested},
    "allenai/openbookqa": {"choices": _nested},
    "allenai/winogrande": {},
    "baber/piqa": {"label": _whole},
}
"""By dataset_path, of the six tasks of the demo: the fields that lm-eval reads and that are no texts on the hub."""


def typed_columns(
    path: Path, definition: Mapping[str, Any], numbers: Collection[str] = ()
) -> dict[str, list[Any]]:
    """The columns with the types of the task's data set.

    Where these are not known, a column is lists or mappings if each of its cells is one. It is numbers if all its cells
    are, and the task takes them as they are for the answer and they are no choices' own texts, or one of its templates
    reckons with them. It is also 0 and 1, or true and false, where a template asks whether it is true. numbers: other
    columns that are to be numbers, if they can.

    Raises CornerstoneError for a file that is no table, and for a cell that is not what the task reads there.
    """
    columns = _cells(path)
    casts = STOCK_FIELDS.get(definition.get("dataset_path") or "")
    if casts is None:
        casts = _guessed_casts(path, columns, definition, numbers)
    return {field: _cast(path, field, cells, casts.get(field)) for field, cells in columns.items()}


def unreadable_rows(path: Path, reason: str) -> CornerstoneError:
    """What is told of a file of documents that cannot be read."""
    return CornerstoneError(f"cannot read {path} ({reason}): give one document per line")


def columns_for_code_alone(path: Path, definition: Mapping[str, Any]) -> list[str]:
    """The columns that could be numbers and that no template names: only a task's functions may read them."""
    if definition.get("dataset_path") in STOCK_FIELDS:
        return []
    named = _named(definition, parsed_templates(definition))
    return [
        field
        for field, cells in _cells(path).items()
        if field not in named and _plain_cast([cell.strip() for cell in cells if cell.strip()])
    ]


# The cells as they stand in the file


def _cells(path: Path) -> dict[str, list[str]]:
    """The cells as they stand in the file, by the names in its first row."""
    csv.field_size_limit(sys.maxsize)
    with path.open(newline="", encoding="utf-8-sig") as file:
        text = file.read()
    header, *rows = list(_csv_rows(text, _separator(text))) or [[]]
    if repeated := sorted({name for name in header if header.count(name) > 1 and name}):
        raise unreadable_rows(path, f"its first row names {', '.join(repeated)} twice")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise unreadable_rows(
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


# Their types


def _cast(path: Path, field: str, cells: Sequence[str], cast: Cast | None) -> list[Any]:
    if cast is None:
        return list(cells)
    values = []
    for number, cell in enumerate(cells, 1):
        try:
            values.append(cast(cell) if cell.strip() else None)
        except (ValueError, RecursionError) as error:
            raise CornerstoneError(
                f"{path}, row {number}: {field!r} is {shown(cell)}, but the task reads {WANTED[cast]} there"
            ) from error
    return values


def _guessed_casts(
    path: Path, columns: Mapping[str, list[str]], definition: Mapping[str, Any], numbers: Collection[str]
) -> dict[str, Cast]:
    filled = {field: [cell.strip() for cell in cells if cell.strip()] for field, cells in columns.items()}
    nested = {field for field, cells in filled.items() if cells and all(map(_is_nested, cells))}
    trees = parsed_templates(definition)
    named, has_code = _named(definition, trees), any(map(callable, definition.values()))
    for field in filled:
        if field not in nested and (field in named or has_code):
            _check_no_list(path, field, columns[field])
    lists = {field for field in nested if all(cell.startswith("[") for cell in filled[field])}
    reckoned, asked = reckoned_with(trees, lists), asked_for_truth(trees)
    casts: dict[str, Cast] = dict.fromkeys(nested, _nested)
    for field, cells in filled.items():
        is_answer = field == definition.get("doc_to_target") and not _are_choices(field, columns, definition)
        is_truth = field in asked and TRUTHS.keys() | {"0", "1"} >= {*cells}
        if cells and is_answer and all(map(INTEGER.fullmatch, cells)):
            casts[field] = _whole
        elif (is_truth or field in numbers or field in reckoned) and (cast := _plain_cast(cells)):
            casts[field] = cast
    return casts


def _plain_cast(cells: Sequence[str]) -> Cast | None:
    """That of cells that are all numbers, or all true or false; None of other texts, as of names such as 007.

    A number is written as Python writes it, so that a prompt has it as the file does.
    """
    for pattern, cast in ((INTEGER, _whole), (REAL, float)):
        if cells and all(map(pattern.fullmatch, cells)):
            return cast if all(cell == str(cast(cell)) for cell in cells) else None
    return _truth if cells and all(cell in TRUTHS for cell in cells) else None


def _check_no_list(path: Path, field: str, cells: Sequence[str]) -> None:
    """Raise CornerstoneError for a column of lists as numpy writes them: they would be asked character by character."""
    filled = [(number, cell.strip()) for number, cell in enumerate(cells, 1) if cell.strip()]
    if not (filled and all(LIKE_A_LIST.fullmatch(cell) for _, cell in filled)):
        return
    number, cell = next((number, cell) for number, cell in filled if not _is_nested(cell))
    raise CornerstoneError(
        f"{path}, row {number}: {field!r} is {shown(cell)}, which looks like a list and is none in JSON: write "
        "the file as JSON Lines"
    )


def reckoned_with(trees: Sequence[nodes.Template], lists: Collection[str] = ()) -> set[str]:
    """The fields that templates use as numbers: {{answer - 1}}, {{["no", "yes"][label]}}, {{0 if said == 0 else 1}}.

    lists: the fields that are lists, of which a number takes an entry. What is compared with a text too is none.
    """
    numbers = {name for tree in trees for name in _number_names(tree, {*lists, *_set_lists(tree)})}
    return numbers - _compared_with_texts(trees)


def asked_for_truth(trees: Sequence[nodes.Template]) -> set[str]:
    """The fields of which templates ask whether they are true: {% if label %}, {{"yes" if label else "no"}}."""
    tests = [node.test for tree in trees for node in tree.find_all((nodes.If, nodes.CondExpr))]
    asked = {side.name for test in tests for side in _truth_sides(test) if isinstance(side, nodes.Name)}
    return asked - _compared_with_texts(trees)


def parsed_templates(definition: Mapping[str, Any]) -> list[nodes.Template]:
    """The templates of documents. A function is none, and what is wrong with one lm-eval tells."""
    rules = [rule for key, rule in definition.items() if key.startswith("doc_to_")]
    trees = []
    for text in [each for rule in rules for each in (rule if isinstance(rule, list) else [rule])]:
        with suppress(TypeError, TemplateSyntaxError):
            trees.append(template_environment.parse(text))
    return trees


def _named(definition: Mapping[str, Any], trees: Sequence[nodes.Template]) -> set[str]:
    """The fields that templates name, or that a rule is."""
    rules = {rule for key, rule in definition.items() if key.startswith("doc_to_") and isinstance(rule, str)}
    # jinja2.meta says the same, but folds the tree's constants.
    names = [name for tree in trees for name in tree.find_all(nodes.Name)]
    assigned = {name.name for name in names if name.ctx != "load"}
    return rules | ({name.name for name in names} - assigned)


def _compared_with_texts(trees: Sequence[nodes.Template]) -> set[str]:
    """The fields that are compared with a text of a template, or that one is added to."""
    compared = [
        [node.expr, *(operand.expr for operand in node.ops)]
        for tree in trees
        for node in tree.find_all(nodes.Compare)
    ]
    compared += [[node.left, node.right] for tree in trees for node in tree.find_all(nodes.Add)]
    sides = [side for group in compared if any(map(_is_text, group)) for side in group]
    return {side.name for side in sides if isinstance(side, nodes.Name)}


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def _set_lists(tree: nodes.Template) -> Iterator[str]:
    """The names that a template gives lists of its own: {% set names = ["no", "yes"] %}."""
    for assigned in tree.find_all(nodes.Assign):
        if isinstance(assigned.target, nodes.Name) and _is_listed(assigned.node):
            yield assigned.target.name


def _number_names(tree: nodes.Template, lists: Collection[str]) -> Iterator[str]:
    """The names that stand where a template needs a number."""
    for node in tree.find_all(nodes.Expr):
        yield from (side.name for side in _number_sides(node, lists) if isinstance(side, nodes.Name))


def _number_sides(node: nodes.Node, lists: Collection[str]) -> list[nodes.Node | None]:
    match node:
        case nodes.Add(left=left, right=right) | nodes.Mul(left=left, right=right):
            return [left, right] if any(map(_is_number, (left, right))) else []
        case nodes.Mod(left=nodes.Const(value=str())):  # a text with places to fill
            return []
        case nodes.Sub() | nodes.Div() | nodes.FloorDiv() | nodes.Mod() | nodes.Pow():
            return [node.left, node.right]
        case nodes.Neg():
            return [node.node]
        case nodes.Compare():
            compared = [node.expr, *(operand.expr for operand in node.ops)]
            return compared if any(map(_is_number, compared)) else []
        case nodes.Getitem(node=nodes.Name(name=name), arg=place) if name in lists:
            return [place]
        case nodes.Getitem(node=of, arg=place) if _is_listed(of):
            return [place]
        case nodes.Slice():
            return [node.start, node.stop, node.step]
        case nodes.Filter(node=of, name=name) if name in NEED_NUMBERS:
            return [of]
    return []


def _truth_sides(test: nodes.Node) -> list[nodes.Node]:
    match test:
        case nodes.Not(node=of):
            return _truth_sides(of)
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            return _truth_sides(left) + _truth_sides(right)
    return [test]


def _is_number(node: nodes.Node) -> bool:
    """Whether it is a number, true or false, or a list of such."""
    if isinstance(node, nodes.List | nodes.Tuple):
        return bool(node.items) and all(map(_is_number, node.items))
    return isinstance(node, nodes.Const) and isinstance(node.value, int | float)


def _is_listed(node: nodes.Node) -> bool:
    """Whether a number takes an entry of it: a list, a text, or a mapping from numbers."""
    if isinstance(node, nodes.Dict):
        return all(_is_number(pair.key) for pair in node.items)
    return isinstance(node, nodes.List | nodes.Tuple) or _is_text(node)


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
    """Whether a cell is the answer, or a list with it."""
    return cell == answer or (_is_nested(cell.strip()) and answer in _nested(cell))


def _is_nested(cell: str) -> bool:
    if not cell.startswith(("[", "{")):
        return False
    try:
        _nested(cell)
    except (ValueError, RecursionError):
        return False
    return True
