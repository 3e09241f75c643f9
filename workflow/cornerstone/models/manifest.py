"""Manifests: digests of a model's files, by which its evaluations are never confused with another model's.

    write_manifest(describe_folder("demo_llama", Path("resources/demo/models/demo_llama")), path)

The declared output of the model step. The weights themselves stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cornerstone.models.folder import check_model_folder
from cornerstone.models.weights import weight_files
from cornerstone.system.durable_files import digest_of, write_json
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.progress import progress

FORMAT = 1
TOKENIZER_PATTERNS = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
)
"""Files that decide how a text becomes tokens."""
KEPT_DIGESTS = ".digests.json"
"""Beside manifests: the digests of large files, so that they are read once."""
CACHED_SIZE = 16 << 20
"""Files of so many bytes are not read again while their path, size and time are the same."""
CHUNK = 8 << 20


def describe_folder(
    name: str,
    folder: Path | str,
    cache: Path | str | None = None,
    *,
    hub: str | None = None,
    revision: str | None = None,
    allow_remote_code: bool | None = None,
    chat_template: str | None = None,
    chat_template_args: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The manifest of a model's folder: its files with sizes and sha256, and the three digests.

    weights, config and tokenizer are digests over the names and contents of the files of each kind; Python
    files count as config where `allow_remote_code` (see `check_own_code`).
    cache: a JSON file in which the digests of large files are kept, by path, size and time.
    hub, revision: the id on the hub and the commit, of a model that came from there.
    chat_template: the text that prompts are written out by (`chosen_template`); without one it is not in the manifest.
    chat_template_args: what the text begins with, for who reads the manifest; if nothing, it is not there.
    Raises CornerstoneError unless the folder holds a model that can be evaluated (`check_model_folder`).
    """
    folder = Path(folder)
    check_model_folder(folder, allow_remote_code)
    kinds = {
        "weights": weight_files(folder),
        "config": [folder / "config.json", *(sorted(folder.glob("*.py")) if allow_remote_code else [])],
        "tokenizer": _tokenizer_files(folder),
    }
    paths = sorted({path for files in kinds.values() for path in files})
    digests = file_digests(f"{name}: reading the weights", paths, None if cache is None else Path(cache))
    files = [{"path": p.name, "size": p.stat().st_size, "sha256": digests[p]} for p in paths]
    whole = {kind: digest_of([[p.name, digests[p]] for p in sorted(files)]) for kind, files in kinds.items()}
    return {
        "format": FORMAT,
        "kind": "manifest",
        "name": name,
        "folder": str(folder),
        "hub": hub,
        "revision": revision,
        **whole,
        **({} if chat_template is None else {"chat_template": chat_template}),
        **({"chat_template_args": dict(chat_template_args)} if chat_template_args else {}),
        "files": files,
    }


def write_manifest(manifest: Mapping[str, Any], path: Path | str) -> None:
    """Write a manifest as JSON, whole or not at all."""
    write_json(manifest, path)


def read_manifest(path: Path | str) -> dict[str, Any]:
    """Read a manifest. Raises CornerstoneError where it is missing or is none."""
    path = Path(path)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CornerstoneError(
            f"manifest {path} cannot be read ({error}): remove it and make it again"
        ) from error
    fields = manifest if isinstance(manifest, dict) else {}
    if (fields.get("kind"), fields.get("format")) != ("manifest", FORMAT):
        raise CornerstoneError(f"{path} is not a manifest of format {FORMAT}: remove it and make it again")
    return manifest


def check_unchanged(manifest: Mapping[str, Any], digests: Path) -> None:
    """Raise CornerstoneError where a file of the model is another than when the manifest was made.

    Snakemake sees times that are newer than the manifest; this sees what it cannot, a folder that was swapped between
    two steps, or for an older one.
    digests: a JSON file that remembers the sha256 of large files: they are read only where place, size or time differ.
    """
    paths = {Path(manifest["folder"]) / file["path"]: file for file in manifest["files"]}
    for path, file in paths.items():
        size = path.stat().st_size if path.is_file() else None
        if size != file["size"]:
            found = "is gone" if size is None else f"has {size} bytes"
            raise _another(manifest, path, f"{found}, the manifest of {manifest['name']} says {file['size']}")
    found = file_digests(
        f"{manifest['name']}: reading weights that were moved or touched", list(paths), digests
    )
    for path, file in paths.items():
        if found[path] != file["sha256"]:
            raise _another(
                manifest, path, f"is another file than the manifest of {manifest['name']} describes"
            )


def read_unchanged(path: Path | str) -> dict[str, Any]:
    """`read_manifest`, of a model whose files are those that it describes. Raises as `check_unchanged` too."""
    manifest = read_manifest(path)
    check_unchanged(manifest, Path(path).with_name(KEPT_DIGESTS))
    return manifest


def _another(manifest: Mapping[str, Any], path: Path, how: str) -> CornerstoneError:
    return CornerstoneError(
        f"{path} {how}: put the model back, or remove its manifest ({manifest['name']}.json) to describe it anew"
    )


def files_stamp(paths: Iterable[Path | str]) -> str:
    """A digest (hex) of the places, sizes and times of files, which reads none of them.

    Places in the working directory are relative to it: a study that is copied with its models has the same.
    """
    return digest_of([[_place(path), *_key(Path(path)).values()] for path in paths])


def _place(path: Path | str) -> str:
    place, here = os.path.realpath(path), os.path.realpath(".") + os.sep
    return place.removeprefix(here)


def _tokenizer_files(folder: Path) -> list[Path]:
    return sorted({p for pattern in TOKENIZER_PATTERNS for p in folder.glob(pattern) if p.is_file()})


def file_digests(title: str, paths: Sequence[Path], cache: Path | None = None) -> dict[Path, str]:
    """sha256 (hex) of each file, with progress under the title; large ones that are in the cache are not read.

    cache: a JSON file, made or added to, with the digests of large files by path, size and time.
    """
    known = _read_cache(cache)
    entries = {path: known.get(str(path.resolve()), {}) for path in paths}
    digests = {p: entry["sha256"] for p, entry in entries.items() if entry.items() >= _key(p).items()}
    digests |= _digests(title, [p for p in paths if p not in digests])
    large = {str(p.resolve()): _key(p) | {"sha256": digests[p]} for p in paths if _is_large(p)}
    if cache is not None and not large.items() <= known.items():
        write_json(_read_cache(cache) | large, cache)  # another job may have written meanwhile
    return digests


def git_sha1(path: Path) -> str:
    """git's digest (hex) of a file's content. Raises CornerstoneError where it cannot be read."""
    content = b"".join(file_chunks(path))
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def files_with_digests(cache: Path) -> set[str]:
    """The absolute paths, links followed, of the files whose digests a cache of `file_digests` keeps."""
    return set(_read_cache(cache))


def _is_large(path: Path) -> bool:
    return path.stat().st_size >= CACHED_SIZE


def _key(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read_cache(cache: Path | None) -> dict[str, dict[str, Any]]:
    """The cached digests of large files; an unreadable cache counts as empty."""
    if cache is None or not cache.is_file():
        return {}
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _digests(title: str, paths: Sequence[Path]) -> dict[Path, str]:
    """sha256 (hex) of each file, with progress in bytes where there is something to wait for."""
    total = sum(path.stat().st_size for path in paths)
    done = 0
    digests = {}
    with progress(title, "B") as advance:
        for path in paths:
            digest = hashlib.sha256()
            for chunk in file_chunks(path):
                digest.update(chunk)
                done += len(chunk)
                if total >= CACHED_SIZE:
                    advance(done, total)
            digests[path] = digest.hexdigest()
    return digests


def file_chunks(path: Path) -> Iterator[bytes]:
    """The content of a file in pieces. Raises CornerstoneError where it cannot be read."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise CornerstoneError(
            f"{path} cannot be read ({error.strerror}): fix that, or copy it again"
        ) from error
