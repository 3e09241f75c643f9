"""The Hugging Face hub: the files of a model's repository, and errors of the hub in plain words.

    model = find_model("meta-llama/Meta-Llama-3-8B", "main")
    model.commit, [(file.path, file.size) for file in model.files]

Metadata only; models/download.py fetches. HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE mean what they mean to
huggingface_hub.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import huggingface_hub
from huggingface_hub import RepoFile, constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cornerstone.system.errors import CornerstoneError, one_line

WAITS = (1.0, 4.0, 15.0, 60.0)
"""Seconds before each further try of what a bad connection broke off."""
TRANSIENT_STATUS = (408, 429, 500, 502, 503, 504)
NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)
"""What is answered to who may not write somewhere."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: its size in bytes, and the digest (hex) that the hub lists.

    sha256 for large files (LFS); git's blob digest (SHA-1 over "blob <size>\\0" and the content) for the others.
    """

    path: str
    size: int
    sha256: str | None
    git_sha1: str


@dataclass(frozen=True)
class HubModel:
    """A model's repository at one commit (40 hex digits), which `revision` named."""

    id: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]

    def file(self, path: str) -> HubFile | None:
        return next((file for file in self.files if file.path == path), None)


def find_model(hub_id: str, revision: str) -> HubModel:
    """Look up on the hub which commit a revision is and which files it has.

    Raises HubUnreachable without a network, HubRefused for a repository that the hub does not show, and
    CornerstoneError for what else it refuses.
    """
    api = huggingface_hub.HfApi()

    def ask() -> HubModel:
        commit = api.model_info(hub_id, revision=revision).sha
        tree = api.list_repo_tree(hub_id, recursive=True, revision=commit)
        files = tuple(_hub_file(entry) for entry in tree if isinstance(entry, RepoFile))
        return HubModel(hub_id, revision, commit, files)

    with explained(hub_id, revision):
        return persistently(ask, f"asking the hub about {hub_id}")


def persistently(
    call: Callable[[], Result], what: str, waits: tuple[float, ...] | None = None, sleep=time.sleep
) -> Result:
    """`call()`, again after each of the waits (seconds; default WAITS) while a bad connection breaks it off.

    huggingface_hub itself tries again after some of these failures only, and not after a reset connection or
    a 503 in answer to a GET.
    """
    for wait in WAITS if waits is None else waits:
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            print(f"{what}: {one_line(error)}; trying again in {wait:.0f} s", flush=True)
            sleep(wait)
    return call()


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in TRANSIENT_STATUS
    if isinstance(error, LocalEntryNotFoundError):  # a HEAD that failed; why, is its cause
        return error.__cause__ is None or is_transient(error.__cause__)
    wrong_size = isinstance(error, OSError) and "Consistency check failed" in str(error)
    return wrong_size or isinstance(error, HTTPError | ConnectionError | TimeoutError)


class HubUnreachable(CornerstoneError):
    """No answer from the hub: what is in the cache may still be used."""


class HubRefused(CornerstoneError):
    """The hub does not show a repository, which is gated, private or gone, or does not know the token: what is in the
    cache may still be used."""


@contextmanager
def explained(hub_id: str, revision: str | None, kind: str = "model") -> Iterator[None]:
    """Turn what huggingface_hub raises in the block into a CornerstoneError that says what to do."""
    try:
        yield
    except CornerstoneError:
        raise
    except Exception as error:
        raise _explanation(error, hub_id, revision, kind) from None  # the chain may show request headers


def page_of(hub_id: str, kind: str = "model") -> str:
    """The address of a repository's page."""
    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{hub_id}"


def _hub_file(entry: RepoFile) -> HubFile:
    return HubFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)


def _explanation(error: Exception, hub_id: str, revision: str | None, kind: str) -> CornerstoneError:
    has_token = huggingface_hub.get_token() is not None
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, GatedRepoError):
        return HubRefused(_gated(hub_id, kind, has_token))
    if isinstance(error, RevisionNotFoundError):
        return CornerstoneError(
            f"{hub_id} has no revision {revision!r}: give a branch, tag or commit of {page_of(hub_id, kind)}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return HubRefused(_unknown(hub_id, kind, has_token))
    if status in (401, 403):
        return HubRefused(
            f"the hub refuses the token for {hub_id} (status {status}): set HF_TOKEN to a valid one, made at "
            f"{constants.ENDPOINT}/settings/tokens"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_room(f"{hub_id} does not fit")
    if isinstance(error, OSError) and error.errno in NOT_OURS:
        return not_writable(f"{hub_id} is not whole", error)
    if isinstance(error, OfflineModeIsEnabled) or constants.is_offline_mode():
        return HubUnreachable(
            f"{hub_id} is not (whole) in the Hugging Face cache {constants.HF_HUB_CACHE}, and {constants.ENDPOINT} "
            "cannot be asked for it: there is no network, or HF_HUB_OFFLINE is set; change that"
        )
    if is_transient(error):
        return HubUnreachable(
            f"{constants.ENDPOINT} does not answer as it should for {hub_id} ({one_line(error)}): check the "
            "network and type the same command again; finished files are kept"
        )
    return CornerstoneError(f"the hub's {hub_id} could not be fetched ({one_line(error)})")


def no_room(trouble: str) -> CornerstoneError:
    """The error for a cache whose disk is too full."""
    return CornerstoneError(
        f"{trouble} on the disk of the Hugging Face cache {constants.HF_HUB_CACHE}: make room there, or set HF_HOME "
        "to a folder on a larger disk, and type the same command again"
    )


def not_writable(trouble: str, error: OSError) -> CornerstoneError:
    """The error for a cache that may only be read, where something in it is missing or damaged."""
    return CornerstoneError(
        f"{trouble} in the Hugging Face cache {constants.HF_HUB_CACHE}, which is not writable "
        f"({one_line(error)}): ask whoever keeps it to download the model there, or set HF_HOME to a folder of yours"
    )


def _gated(hub_id: str, kind: str, has_token: bool) -> str:
    if has_token:
        return (
            f"{kind} {hub_id} is gated, and your token gives no access: accept its terms at {page_of(hub_id, kind)} "
            "with the token's account and wait until access is granted, or set HF_TOKEN to another account's token"
        )
    return (
        f"{kind} {hub_id} is gated: accept its terms at {page_of(hub_id, kind)}, make a token at "
        f"{constants.ENDPOINT}/settings/tokens, and set HF_TOKEN to it"
    )


def _unknown(hub_id: str, kind: str, has_token: bool) -> str:
    hint = "or your token gives no access to it" if has_token else "or it is private: then set HF_TOKEN"
    return f"the hub has no {kind} {hub_id}: check the spelling at {page_of(hub_id, kind)} ({hint})"
