"""The files of code that a job's results depend on: its script and whatever that imports, found in their text.

    files_of_code(Path("workflow/scripts/estimate_values.py"), [*score_files("paper"), *estimator_files("windows")])

Snakemake reruns a job whose inputs changed, and an edited module is none unless it is listed. No list is kept by hand:
the imports of the script are followed through the library. What a registry hands out is imported by name at run time,
so the rule says which entries its job uses, and a user's own file among them is handed to the job in the same way.

The package system is left out, as it decides no number. Downloads, documents and evaluations do not ask here at all:
they are made again by version numbers alone (ENGINE_VERSION, DOCUMENTS_VERSION), never because a file was edited.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from cornerstone.scores import SCORES, yardstick
from cornerstone.shapley.estimators import ESTIMATORS
from cornerstone.system.registry import is_own

LIBRARY = Path(__file__).parents[1]
DECIDES_NO_NUMBER = LIBRARY / "system"


def files_of_code(script: Path, entries: Iterable[Path] = ()) -> list[str]:
    """The files of a script's code, as paths from the working directory, sorted.

    script: one of workflow/scripts. Not listed itself where a repository handed it out and the library was installed: a
    copy of it stands elsewhere in each run. entries: the files of the registered things that it uses.
    """
    found: set[Path] = set()
    waiting = [script, *(Path(entry).resolve() for entry in entries)]
    while waiting:
        file = waiting.pop()
        if file not in found and DECIDES_NO_NUMBER not in file.parents:
            found.add(file)
            waiting.extend(_imported(file))
    if is_own(script):
        found.discard(script)
    return sorted(os.path.relpath(file) for file in found | _texts_beside(found))


def score_files(score: str) -> list[Path]:
    """The files of the configuration's score, and of those that it stands for."""
    return [SCORES.file_of(name) for name in (score, *SCORES[score].stands_for)]


def estimator_files(estimator: str) -> list[Path]:
    """The files of the configuration's estimator, and of the score that tells it of documents."""
    of_documents = ESTIMATORS[estimator].of_documents is not None
    return [
        ESTIMATORS.file_of(estimator),
        *([SCORES.file_of(yardstick().name)] if of_documents else []),
    ]


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The library's modules that a file imports, in its functions too, with the packages that they are in."""
    tree = ast.parse(file.read_bytes())
    return tuple(dict.fromkeys(path for name in _names(tree) for path in _files_of(name)))


def _names(block: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported: a.b.c of `from a.b import c`, which may be a module or something in one."""
    for statement in _statements_in(block):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"):
            yield from _names(statement)


def _statements_in(block: ast.AST) -> Iterator[ast.stmt]:
    """The statements one level below; expressions hold none, and most of a file is expressions."""
    for part in ("body", "orelse", "finalbody"):
        statements = getattr(block, part, ())
        yield from statements if isinstance(statements, list) else ()
    for handler in getattr(block, "handlers", ()):
        yield from handler.body


@cache
def _files_of(name: str) -> tuple[Path, ...]:
    """The file of a module of the library and those of its packages; nothing for other modules."""
    first, *parts = name.split(".")
    if first != LIBRARY.name:
        return ()
    folder, found = LIBRARY, [LIBRARY / "__init__.py"]
    for part in parts:
        folder = folder / part
        if (module := folder.with_suffix(".py")).is_file():
            found.append(module)
        elif (package := folder / "__init__.py").is_file():
            found.append(package)
        else:
            break
    return tuple(found)


def _texts_beside(files: Iterable[Path]) -> set[Path]:
    """Templates, styles and scripts of the page in the packages of these files."""
    return {text for folder in {file.parent for file in files} for text in _texts_in(folder)}


@cache
def _texts_in(folder: Path) -> tuple[Path, ...]:
    ours = LIBRARY in folder.parents
    return (
        tuple(text for ending in ("*.j2", "*.css", "*.js") for text in folder.rglob(ending)) if ours else ()
    )
