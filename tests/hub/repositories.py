"""Repositories as folders: ROOT/{models,datasets}/OWNER/NAME is the branch `main` of OWNER/NAME.

Any other branch or tag is a folder beside it, NAME@REVISION (a slash in REVISION is written %2F). A commit's
number is a digest of its files: a file that changes on disk makes a new commit, at once. Only where REVISION is a
commit's number itself is it taken as it stands: so the real commits that a configuration pins can be served.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import quote, unquote

KINDS = ("models", "datasets")
LFS_ENDINGS = (".safetensors", ".parquet", ".bin", ".pt", ".pth", ".model", ".arrow", ".gz", ".zip")
"""Files that the hub keeps in large-file storage, and so knows the sha256 of."""
COMMIT = re.compile("[0-9a-f]{40}")


class UnknownRepository(LookupError):
    pass


class UnknownRevision(LookupError):
    pass


@dataclass(frozen=True)
class File:
    """path: within the repository; location: on this disk; blob_id: git's sha1; sha256: of LFS files only."""

    path: str
    location: Path
    size: int
    blob_id: str
    sha256: str | None

    @property
    def etag(self) -> str:
        return self.sha256 or self.blob_id

    @property
    def lfs(self) -> dict | None:
        return {"sha256": self.sha256, "size": self.size, "pointerSize": 134} if self.sha256 else None


@dataclass(frozen=True)
class Repository:
    """One repository at one commit."""

    kind: str
    id: str
    commit: str
    files: dict[str, File]

    @cached_property
    def folders(self) -> list[str]:
        return sorted({str(parent) for path in self.files for parent in Path(path).parents} - {"."})

    def tree(self, folder: str, recursive: bool) -> Iterator[dict]:
        """What lies in a folder ("" for the whole repository), as the hub lists it."""
        for path in self.folders:
            if _lies_in(path, folder, recursive):
                oid = hashlib.sha1(path.encode()).hexdigest()
                yield {"type": "directory", "oid": oid, "size": 0, "path": path}
        for path, file in self.files.items():
            if _lies_in(path, folder, recursive):
                yield _entry(file)

    def entries(self, paths: list[str]) -> list[dict]:
        """Those of `paths` that are there, as the tree lists them."""
        return [entry for entry in self.tree("", recursive=True) if entry["path"] in paths]


def _entry(file: File) -> dict:
    entry = {"type": "file", "oid": file.blob_id, "size": file.size, "path": file.path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return entry


def _lies_in(path: str, folder: str, recursive: bool) -> bool:
    start = f"{folder}/" if folder else ""
    return path.startswith(start) and (recursive or "/" not in path[len(start) :])


def read_repository(root: Path, kind: str, repository_id: str, revision: str) -> Repository:
    """The repository at a branch, a tag or a commit. Raises UnknownRepository or UnknownRevision."""
    main = root / kind / repository_id
    if kind not in KINDS or repository_id.count("/") != 1 or "@" in repository_id or not main.is_dir():
        raise UnknownRepository(repository_id)
    folder = main if revision == "main" else main.with_name(f"{main.name}@{quote(revision, safe='')}")
    if folder.is_dir():
        files = {file.path: file for file in _files(folder)}
        commit = revision if COMMIT.fullmatch(revision) else _commit(kind, repository_id, files)
        return Repository(kind, repository_id, commit, files)
    if COMMIT.fullmatch(revision):
        for name in revisions(root, kind, repository_id):
            repository = read_repository(root, kind, repository_id, name)
            if repository.commit == revision:
                return repository
    raise UnknownRevision(revision)


def _commit(kind: str, repository_id: str, files: dict[str, File]) -> str:
    listing = [[path, file.blob_id] for path, file in files.items()]
    return hashlib.sha1(json.dumps([kind, repository_id, listing]).encode()).hexdigest()


def revisions(root: Path, kind: str, repository_id: str) -> list[str]:
    """Every branch and tag, and the commits that have a folder."""
    main = root / kind / repository_id
    others = sorted(main.parent.glob(f"{main.name}@*"))
    return ["main", *(unquote(folder.name.split("@", 1)[1]) for folder in others)]


def _files(folder: Path) -> Iterator[File]:
    for location in sorted(folder.rglob("*")):
        if location.is_file():
            found = location.stat()
            sha1, sha256 = _digests(location, found.st_size, found.st_mtime_ns)
            is_lfs = location.name.endswith(LFS_ENDINGS)
            path = location.relative_to(folder).as_posix()
            yield File(path, location, found.st_size, sha1, sha256 if is_lfs else None)


@cache
def _digests(location: Path, size: int, modified: int) -> tuple[str, str]:
    """git's sha1 and the sha256 of a file, read again only when its size or time changes."""
    content = location.read_bytes()
    return hashlib.sha1(b"blob %d\0" % size + content).hexdigest(), hashlib.sha256(content).hexdigest()
