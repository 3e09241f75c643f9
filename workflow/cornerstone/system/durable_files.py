"""Files that are either complete or absent, even if the process is killed or the disk fills.

    with durable_file(Path("results/table.parquet")) as temporary:
        pq.write_table(table, temporary)

What every output that is expensive or long in writing goes through.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cornerstone.system.errors import CornerstoneError

TEMPORARY_SUFFIX = ".tmp"
ABANDONED_SECONDS = 24 * 3600.0
"""A temporary file that nobody touched for so long was left by a process that was killed."""


@contextmanager
def durable_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to `path`; when the block succeeds, move it to `path`.

    Synced to the disk before and after the renaming, so a crash leaves the old file or the new one.
    Where the block fails, the temporary file is removed and `path` is as it was.
    Raises CornerstoneError where the file cannot be written (a full disk, a quota, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with told_what_to_do(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def told_what_to_do(path: Path) -> Iterator[None]:
    """Raise CornerstoneError, saying what to do, where the path cannot be written."""
    try:
        yield
    except OSError as error:
        raise CornerstoneError(
            f"{path} could not be written ({error}): make room or give write permission, "
            "then type the same command again"
        ) from error


def put_in_place(temporary: Path, path: Path) -> None:
    """Move what is finished, and synced, to its place."""
    os.replace(temporary, path)
    with suppress(OSError):  # some network file systems cannot sync a folder
        sync(path.parent)


def write_json(content: Any, path: Path | str) -> None:
    """Write `content` as JSON, durably."""
    with durable_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def digest_of(content: Any) -> str:
    """sha256 (hex) of `content` as canonical JSON: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def set_aside(path: Path | str, reason: str) -> Path:
    """Rename an unusable file to `….rejected`, and say so in one line on stderr; return the new path."""
    path = Path(path)
    rejected = path.with_name(path.name + ".rejected")
    number = 1
    while rejected.exists():
        number += 1
        rejected = path.with_name(f"{path.name}.rejected.{number}")
    try:
        os.rename(path, rejected)
    except FileNotFoundError:  # somebody else set it aside first
        return rejected
    except OSError as error:
        raise CornerstoneError(
            f"{path} is of no use ({reason}) and cannot be renamed ({error.strerror}): remove it, then type the same "
            "command again"
        ) from error
    print(f"set aside {path} as {rejected.name}: {reason}", file=sys.stderr, flush=True)
    return rejected


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed processes left in `folder` a day ago or earlier."""
    for temporary in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        try:
            if time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS:
                temporary.unlink()
        except OSError:  # another job was faster, or it is a colleague's
            continue


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
