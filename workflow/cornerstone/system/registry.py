"""Registries: scores, estimators, figures and the like by name, each one module with all that belongs to it.

    SCORES: Registry[Score] = Registry("score", "cornerstone.scores")

    SCORES.register(Score(name="acc", …))    # in the module cornerstone/scores/acc.py, or in a user's own file
    SCORES["acc"]                            # imports that module alone
    [score.name for score in SCORES]         # imports every module of the package; sorted by the entries' order

The driver walks whole registries. So a registered module imports heavy packages (matplotlib, SciPy) inside the
functions that need them.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from cornerstone.system.errors import CornerstoneError, one_line

LAST = 1000.0
"""The `order` of an entry that does not say its place: behind all that do."""

WORKFLOW = Path(__file__).resolve().parents[2]
"""The folder of Cornerstone's own code."""

Entry = TypeVar("Entry")
_registries: list[Registry[Any]] = []


class Registry(Generic[Entry]):
    """Entries by name. Each has the fields `name` and `order`, its place wherever entries are listed."""

    def __init__(self, noun: str, package: str) -> None:
        """noun: what an entry is called in messages. package: its modules register the entries, or it does itself."""
        _registries.append(self)
        self._noun, self._package = noun, package
        self._entries: dict[str, Any] = {}
        self._files: dict[str, Path] = {}
        self._complete = False

    def register(self, entry: Entry) -> Entry:
        """Add an entry; the file that calls this is the entry's. Raises CornerstoneError for a name that is taken."""
        name, file = entry.name, Path(sys._getframe(1).f_globals["__file__"])
        if name in self._files and self._files[name] != file:
            # The library's module may be imported later than a user's own file, which is still the one to change.
            known, new = sorted((self._files[name], file), key=is_own)
            raise CornerstoneError(
                f"{new} registers the {self._noun} {name!r}, which {known} has already: rename it"
            )
        self._entries[name], self._files[name] = entry, file
        return entry

    def __getitem__(self, name: str) -> Entry:
        """The entry of this name. Raises CornerstoneError naming the known ones."""
        if name not in self:
            raise CornerstoneError(f"unknown {self._noun} {name!r}: give one of {', '.join(self.names)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            self._import_module_of(str(name))
        if name not in self._entries:
            self._import_all()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, sorted by order and name."""
        self._import_all()
        return iter(sorted(self._entries.values(), key=lambda entry: (entry.order, entry.name)))

    def __len__(self) -> int:
        self._import_all()
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self)

    def file_of(self, name: str) -> Path:
        """The file that registered an entry. Raises CornerstoneError as `registry[name]` does."""
        self[name]
        return self._files[name]

    @property
    def files(self) -> list[Path]:
        """The files that register entries, and the others of the package: whoever walks the entries imports all."""
        self._import_all()
        return sorted(
            {*self._files.values(), *(file for folder in self._path() for file in Path(folder).glob("*.py"))}
        )

    def _import_module_of(self, name: str) -> None:
        """Import the module of an entry: it has the entry's name, or the first words of it (pie_all is in pie)."""
        modules = {found.name for found in pkgutil.iter_modules(self._path())}
        words = name.split("_")
        for count in range(len(words), 0, -1):
            if (module := "_".join(words[:count])) in modules:
                importlib.import_module(f"{self._package}.{module}")
                return

    def _path(self) -> list[str]:
        """Where the package's modules are; nowhere where a single module registers all entries."""
        return list(getattr(importlib.import_module(self._package), "__path__", ()))

    def _import_all(self) -> None:
        if not self._complete:
            for found in pkgutil.iter_modules(self._path(), f"{self._package}."):
                importlib.import_module(found.name)
            self._complete = True


def load_extension(file: Path | str) -> None:
    """Run a user's own Python file, which registers entries; a second time it does nothing.

    Raises CornerstoneError where the file is missing, or with what its code raises.
    """
    path = Path(file).resolve()
    module_name = f"cornerstone_extension_{path.stem}_{abs(hash(str(path))):x}"
    if module_name in sys.modules:
        return
    if not path.is_file():
        raise CornerstoneError(
            f"extensions: {file} is not a file: give the path of a Python file of your own"
        )
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise CornerstoneError(f"extensions: {file} is not a Python file: give one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        if isinstance(error, CornerstoneError):
            raise
        raise CornerstoneError(
            f"extensions: {file} cannot be used: {one_line(error)}: correct it, or leave it out"
        ) from error


def check_names() -> None:
    """Raise CornerstoneError where a user's own file has registered a name that is one of Cornerstone's."""
    for registry in _registries:
        registry._import_all()


def is_own(file: Path | str) -> bool:
    """Whether a file is a user's own and not one of Cornerstone's."""
    return WORKFLOW not in Path(file).resolve().parents
