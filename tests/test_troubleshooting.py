"""docs/troubleshooting.md has every refusal and warning of the code, and nothing that the code does not say.

An entry is a piece of a line in `code`, with … for what varies. A new line needs one: the failing test quotes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflow"
PAGE = ROOT / "docs" / "troubleshooting.md"
NO_ERRORS = (
    *("cornerstone/demo/", "scripts/"),
    *("study/estimate.py", "study/overview.py", "study/precision.py", "study/stale.py"),
)
"""What is printed there is what was asked for. The scripts' prints say what was done."""
LETTERS = 15
"""Fewer of its own has a line that passes on another one, such as "models.…: …"."""
ENOUGH = 7
"""Letters of an entry that tells one line from others: "is gated"."""


ERRORS = ("CornerstoneError", "HubRefused")


def said(node: ast.AST, module: ast.Module) -> list[str]:
    """The texts that an expression may be, … for what varies; of a call, what that function of the module returns."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)]
    if isinstance(node, ast.BinOp):
        return [one + other for one in said(node.left, module) for other in said(node.right, module)]
    if isinstance(node, ast.IfExp):
        return [*said(node.body, module), *said(node.orelse, module)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [text for value in returned(node.func.id, module) for text in said(value, module)] or ["…"]
    if isinstance(node, ast.Name):
        constants = [
            a for a in module.body if isinstance(a, ast.Assign) and ast.unparse(a.targets[0]) == node.id
        ]
        return [text for each in constants for text in said(each.value, module)] or ["…"]
    return ["…"]


def returned(name: str, module: ast.Module) -> Iterator[ast.AST]:
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef) and function.name == name:
            yield from (n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value)


def lines_in(path: Path) -> Iterator[tuple[int, str]]:
    """The line number and the text of every refusal and warning of a file."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(WORKFLOW).as_posix()
    for node in ast.walk(module):
        told = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            prints = node.func.id == "print" and not any(part in place for part in NO_ERRORS)
            told = node.args[0] if prints or node.func.id in ERRORS else None
        elif isinstance(node, ast.Yield) and place.endswith("study/mistakes.py"):
            told = node.value
        if told is not None:
            yield from ((node.lineno, plain(text)) for text in said(told, module))


def lines_of_snakefile() -> Iterator[tuple[int, str]]:
    """The same of workflow/Snakefile, which is no Python file: what it ends with where the library is missing."""
    text = (WORKFLOW / "Snakefile").read_text(encoding="utf-8")
    for match in re.finditer(r"sys\.exit(\(\n.*?\n    \))", text, re.DOTALL):
        told = ast.parse(match[1], mode="eval").body
        yield from (
            (text[: match.start()].count("\n") + 1, plain(one)) for one in said(told, ast.Module([], []))
        )


def every_line() -> Iterator[tuple[Path, int, str]]:
    for path in sorted(WORKFLOW.rglob("*.py")):
        yield from ((path, *line) for line in lines_in(path))
    yield from ((WORKFLOW / "Snakefile", *line) for line in lines_of_snakefile())


def plain(text: str) -> str:
    """One … for what varies, however much it is, and no backticks, which end an entry."""
    return re.sub(r"…(\s*…)*", "…", text.replace("`", "")).strip()


def letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@cache
def lines() -> dict[str, str]:
    """ "errors.py:12" -> a text of more than LETTERS letters of its own."""
    return {
        f"{path.relative_to(ROOT)}:{number}: {text}": text
        for path, number, text in every_line()
        if letters(text) >= LETTERS
    }


@cache
def entries() -> list[str]:
    rows = [line.split(" | ")[0] for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [plain(entry) for row in rows for entry in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("line", lines(), ids=lambda line: re.sub(r"\W+", " ", line)[:90])
def test_every_line_of_the_code_is_on_the_page(line):
    told = [entry for entry in entries() if entry in lines()[line] and letters(entry) >= ENOUGH]
    assert told, (
        f"add a row to docs/troubleshooting.md with a piece in backticks, … for what varies, of {line}"
    )


def test_the_page_has_nothing_that_the_code_does_not_say():
    everything = [text for _, _, text in every_line()]
    gone = [entry for entry in entries() if not any(entry in text for text in everything)]
    assert not gone, f"no line of the code has these pieces any more: {gone}"


def test_lines_are_found_wherever_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "WORKFLOW", tmp_path)
    path = tmp_path / "made.py"
    path.write_text(
        "WHY = 'a constant of its own'\n"
        "def _hint(a):\n    return f'no {a}: or else' if a else 'nothing at all'\n"
        "def f(a, b):\n"
        "    raise CornerstoneError(f'{a} {b}, and ' + _hint(a))\n"
        "    raise CornerstoneError(WHY)\n"
        "    print(f'a warning of {a}')\n"
    )
    assert [text for _, text in lines_in(path)] == [
        "…, and no …: or else",
        "…, and nothing at all",
        "a constant of its own",
        "a warning of …",
    ]
