"""The files that a task's documents are made from: recorded while they are built, and checked for changes later.

    with watched_files() as watch:
        ...                                  # build the documents
    files = watch.digests()                  # {"data/riddles.jsonl": "9f86d0...", ...}
    changed_files(files)                     # those whose content is another now

Python tells of every file that it opens. What a library opens by itself (pyarrow, another process) it does not see;
names of files that stand in the task's definition and code are looked up too. Needs neither lm-eval nor datasets.
"""

from __future__ import annotations

import ast
import glob
import hashlib
import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
UNWATCHED = {
    "subprocess.Popen": "starts other programs",
    "os.system": "starts other programs",
    "os.posix_spawn": "starts other programs",
    "os.exec": "starts other programs",
    "os.fork": "works in several processes",
    "socket.connect": "asks the network",
}
"""What Python tells of when it is done, and what files or data it may read so."""
LONGEST_NAME = 255
SHARED_MEMORY = "/dev/shm/"
"""Where people keep files, though the rest of /dev is the system's."""
OF_THE_HUB = (
    *("hub", "datasets", "modules", "assets", "xet", "token", "stored_tokens"),
    *("evaluate", "metrics", "accelerate"),
)
"""What the Hugging Face clients keep in HF_HOME, which may be a home for other things too."""
PATTERN = re.compile(r"[^\\\n]+/[^\\\n]*\.[A-Za-z0-9]{1,10}")
"""Of files with one ending in a folder, in a task's code: no regular expression and no sentence."""
MOST_MATCHING = 1000


class FileWatch:
    """The files that were opened and, in words, what could not be tracked."""

    def __init__(self) -> None:
        self.opened: dict[str, None] = {}
        self.written: set[str] = set()
        self.unwatched: dict[str, None] = {}
        self.is_downloading = False
        self._imported = _imported_files()  # which a traceback or a warning may show lines of

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take in one of Python's audit events."""
        if event in ("open", "sqlite3.connect"):
            self._see_file(*arguments)
        elif event in UNWATCHED and not (event == "socket.connect" and self._is_expected(*arguments)):
            self.unwatched[UNWATCHED[event]] = None

    def _see_file(self, path: Any, mode: Any = None, flags: Any = 0) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a file that is open already
        name = os.path.abspath(os.fsdecode(path))
        writes = set(mode) & set("wxa+") if isinstance(mode, str) else flags & WRITES
        if writes:
            self.written.add(name)
        else:
            self.opened[name] = None

    def _is_expected(self, _: Any, address: Any) -> bool:
        """Whether a connection is ours, or one within this machine."""
        return self.is_downloading or not isinstance(address, tuple)

    @contextmanager
    def downloading(self) -> Iterator[None]:
        """A block in which the network may be asked: what the hub has is no file of the user's."""
        self.is_downloading = True
        try:
            yield
        finally:
            self.is_downloading = False

    def digests(self, definition: Mapping[str, Any], folder: Path | None) -> dict[str, str]:
        """The sha256 (hex) of each file of the user's by its name, relative to the working directory where it is there.

        definition: of the task; folder: where it stands. What matches a pattern in it has a digest of its names.
        """
        files = {_source(name) for name in self.opened if name not in self.written} - self._imported
        files = {name for name in files if _is_users(name)}
        modules = [name for name in files if name.endswith(".py")]
        texts = [
            (folder, list(_texts(definition))),
            *((Path(name).parent, _constants(name)) for name in modules),
        ]
        named = {file for place, words in texts for word in words for file in _named_files(word, place)}
        in_code = {word: _matched_by_code(word) for _, words in texts[1:] for word in words}
        named |= {os.path.abspath(name) for names in in_code.values() for name in names}
        files |= {name for name in named - self.written if _is_users(name)}
        kept = [*map(_shown, files), *_patterns(definition), *(word for word in in_code if in_code[word])]
        return {name: digest for name in sorted(kept) if (digest := _digest(name)) is not None}


_watches: list[FileWatch] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watches:
        with suppress(Exception):  # what it raised would come out of the user's call
            _watches[-1].see(event, arguments)


@cache
def _listen() -> None:
    """Install the audit hook, once per process: Python cannot remove it again."""
    sys.addaudithook(_hook)


@contextmanager
def watched_files() -> Iterator[FileWatch]:
    """A watch over the files that are opened in the block."""
    _listen()
    _watches.append(FileWatch())
    try:
        yield _watches[-1]
    finally:
        _watches.pop()


def changed_files(recorded: Mapping[str, str]) -> list[str]:
    """The files of which the content is another than recorded; one that is gone has none to compare."""
    return [name for name, digest in recorded.items() if _digest(name) not in (digest, None)]


def missing_files(recorded: Mapping[str, str]) -> list[str]:
    """The files that are gone, or may not be read. Their content is not read here."""
    return [name for name in recorded if not os.access(name, os.R_OK) and not _matches(name)]


def is_installed(path: str) -> bool:
    """Whether a file belongs to the system, to Python and its packages, to the hub's cache, or to Cornerstone.

    A folder that holds the working directory, such as a home that is HF_HOME too, does not make its files the hub's.
    """
    real, here = f"{os.path.realpath(path)}/", f"{os.path.realpath('.')}/"
    if real.startswith(SHARED_MEMORY):
        return False
    folders = (f"{folder}/" for folder in _installed_folders())
    return any(real.startswith(folder) and not here.startswith(folder) for folder in folders)


@cache
def _installed_folders() -> tuple[str, ...]:
    kinds = ("stdlib", "platstdlib", "purelib", "platlib", "include", "scripts")
    python = [sysconfig.get_paths()[kind] for kind in kinds]
    system = ["/proc", "/sys", "/dev", "/etc", "/usr", "/lib"]
    ours = [str(Path(__file__).parents[2])]
    home = [os.path.expanduser(f"~/{name}") for name in (".cache", ".config", ".local")]
    from huggingface_hub import constants  # not where files are only compared

    hub = [
        *(os.path.join(constants.HF_HOME, name) for name in OF_THE_HUB),
        constants.HF_HUB_CACHE,
        *filter(None, [os.environ.get("HF_DATASETS_CACHE")]),
    ]
    return tuple({os.path.realpath(folder) for folder in (*python, *system, *ours, *home, *hub)})


def _imported_files() -> set[str]:
    """The files of all modules that are imported, but those that lm-eval loads for a task: they are run anew."""
    modules = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())]
    files = [module.get("__file__") for module in modules if "__mtime__" not in module]
    return {os.path.abspath(file) for file in files if file}


def _is_users(name: str) -> bool:
    working = os.path.abspath(".snakemake") + os.sep
    return os.path.isfile(name) and not name.startswith(working) and not is_installed(name)


def _source(name: str) -> str:
    """The Python file of a compiled one."""
    if not name.endswith(".pyc"):
        return name
    with suppress(ValueError):
        return importlib.util.source_from_cache(name)
    return name


def _shown(name: str) -> str:
    here = os.getcwd() + os.sep
    return name.removeprefix(here) if name.startswith(here) else name


def _texts(value: Any) -> Iterator[str]:
    """Every text in a definition."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _constants(module: str) -> list[str]:
    """Every text in a Python file; "data/*.parquet" of f"data/{split}.parquet"."""
    try:
        tree = ast.parse(Path(module).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    filled = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    plain = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [node.value for node in plain] + ["".join(map(_part, node.values)) for node in filled]


def _part(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "*"


def _matched_by_code(text: str) -> list[str]:
    """The files of the user's that a text in code is a pattern of: which these are may change. None of other texts."""
    if not (glob.has_magic(text) and len(text) <= LONGEST_NAME and PATTERN.fullmatch(text)):
        return []
    if glob.has_magic(text.removeprefix("/").split("/")[0]):  # it would find the study's own results too
        return []
    names = list(islice(glob.iglob(text, recursive=True), MOST_MATCHING + 1))
    return (
        names
        if len(names) <= MOST_MATCHING and all(_is_users(os.path.abspath(name)) for name in names)
        else []
    )


def _named_files(text: str, folder: Path | None) -> Iterator[str]:
    """The files that a text may name, from the working directory and from where the text stands."""
    if not 0 < len(os.fsencode(text)) <= LONGEST_NAME or "\n" in text or "\0" in text:
        return
    for name in {os.path.abspath(text), os.path.abspath(os.path.join(folder or "", text))}:
        if os.path.isfile(name):
            yield name


def _patterns(definition: Mapping[str, Any]) -> Iterator[str]:
    """Of the folders that a data set is made of, and the patterns of its files: which files these are may change."""
    more = definition.get("dataset_kwargs") or {}
    path = definition.get("dataset_path")
    places = ["", *([path] if isinstance(path, str) and os.path.isdir(path) else [])]
    data = more.get("data_dir")
    folders = [*places[1:], *(os.path.join(place, data) for place in places if isinstance(data, str))]
    patterns = [f"{folder}/**" for folder in folders if os.path.isdir(folder) and not _holds_all(folder)]
    for text in _texts(more.get("data_files")):
        patterns += [os.path.join(place, text) for place in places if glob.has_magic(text)]
    return (pattern for pattern in patterns if _matching(pattern))


def _holds_all(folder: str) -> bool:
    """Whether a folder has the working directory in it, where files come and go."""
    return f"{os.path.realpath('.')}/".startswith(f"{os.path.realpath(folder)}/")


def _matching(pattern: str) -> list[str]:
    return sorted(name for name in glob.glob(pattern, recursive=True) if os.path.isfile(name))


def _matches(name: str) -> bool:
    """Whether it is a pattern that something matches."""
    return glob.has_magic(name) and bool(_matching(name))


def _digest(name: str) -> str | None:
    """Of a file's content, or of the names that match a pattern; None where there are none."""
    try:
        if os.path.isfile(name):
            with open(name, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        names = _matching(name) if glob.has_magic(name) else []
    except OSError:
        return None
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest() if names else None


def digest_of_files(names: Iterable[str]) -> str:
    """One sha256 (hex) over what these files hold now."""
    return hashlib.sha256(repr([(name, _digest(name)) for name in sorted(names)]).encode()).hexdigest()
