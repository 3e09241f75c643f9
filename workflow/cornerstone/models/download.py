"""Download a model from the hub into the Hugging Face cache, complete and verified; use a copy that is there.

    snapshot = download_model("meta-llama/Meta-Llama-3-8B", "main")
    snapshot.folder     # …/models--meta-llama--Meta-Llama-3-8B/snapshots/<commit>

    the hub's listing ─► config.json: one we can evaluate? ─► room on the disk? ─► shards, four at a time
                         ─► every digest equals the hub's (else that file once more)

A file that is finished is never fetched again; whatever stops the download, no partial file stays behind.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
from filelock import FileLock, Timeout
from huggingface_hub import constants
from tqdm import tqdm

from cornerstone.models.chat_template import is_template, template_files
from cornerstone.models.folder import (
    check_config,
    check_model_folder,
    check_own_code,
    check_tokenizer,
    read_configs,
    read_model_config,
    refuse_adapter,
)
from cornerstone.models.manifest import TOKENIZER_PATTERNS, file_digests, git_sha1
from cornerstone.models.weights import INDEX, is_twin, read_json_object, weight_files, weight_names
from cornerstone.system.errors import CornerstoneError
from cornerstone.system.hub import (
    NOT_OURS,
    HubFile,
    HubModel,
    HubRefused,
    HubUnreachable,
    explained,
    find_model,
    no_room,
    not_writable,
    page_of,
    persistently,
)
from cornerstone.system.progress import Advance, progress
from cornerstone.system.stopping import stopped_in_order

SMALL_FILES = ("config.json", "generation_config.json", INDEX, *TOKENIZER_PATTERNS)
"""All that is needed besides weights, chat templates and a model's own code."""
PARALLEL = 4
"""Files fetched at a time: one connection rarely fills a line."""


@dataclass(frozen=True)
class Snapshot:
    """A model on the disk: its folder, and the commit on the hub that it is."""

    folder: Path
    commit: str


def download_model(
    hub_id: str,
    revision: str,
    *,
    allow_remote_code: bool | None = None,
    digests: Path | None = None,
    read_template: Callable[[Path], object] | None = None,
) -> Snapshot:
    """Bring a model into the Hugging Face cache: config, tokenizer and safetensors, nothing else.

    What is there already is used; a model that is wholly there also without a network, and where the hub refuses it.
    Python files come too where `allow_remote_code`; see `check_own_code`.
    digests: a JSON file that remembers the sha256 of large files. read_template: where a chat template writes
    prompts out: called with the folder before the weights are there, to raise where the template is not.
    Raises CornerstoneError with one line for what the hub refuses, a model that cannot be evaluated, a disk
    without room, a cache that may not be written to and lacks something, and files that come damaged twice.
    """
    try:
        model = find_model(hub_id, revision)
    except (HubUnreachable, HubRefused) as error:
        return _cached_snapshot(hub_id, revision, allow_remote_code, digests, error)
    names = [file.path for file in model.files]
    refuse_adapter(names, page_of(hub_id))
    small = _small_files(model, bool(allow_remote_code))
    with explained(hub_id, revision), stopped_in_order():
        _fetch(model, small)
        _verify(model, small, digests)
        folder = _folder(model)
        check_config(read_model_config(folder), page_of(hub_id))
        check_own_code(read_configs(folder), names, page_of(hub_id), allow_remote_code)
        if read_template is not None:
            read_template(folder)
        check_tokenizer(folder, page_of(hub_id))
        files = [*small, *_weights(model, folder)]
        _fetch(model, files)
        _verify(model, files, digests)
        _note_ref(model)
    check_model_folder(folder, allow_remote_code)
    return Snapshot(folder, model.commit)


def weights_of(model: HubModel, index: dict[str, Any] | None) -> list[HubFile]:
    """The safetensors files that hold the model; `index` is the content of its index, if it has one.

    Raises CornerstoneError where there are none, nothing says which they are, or one of them is not there.
    """
    top = [file.path for file in model.files if "/" not in file.path]
    remedy = f"choose a revision or a repository that has them, see {page_of(model.id)}"
    return [model.file(name) for name in weight_names(top, index, model.id, remedy)]


def missing_bytes(model: HubModel, files: Sequence[HubFile]) -> int:
    """How many bytes of the files are not in the cache yet; another commit's same file counts as there."""
    places = [(file, (_folder(model) / file.path, _blob(model, file))) for file in files]
    return sum(file.size for file, paths in places if not any(_is_whole(path, file) for path in paths))


def _is_ours(file: HubFile) -> bool:
    """At the top level and no twin: `*` of a pattern would match across folders too."""
    return "/" not in file.path and not is_twin(file.path)


def _small_files(model: HubModel, allow_remote_code: bool) -> list[HubFile]:
    patterns = [*SMALL_FILES, *["*.py"] * allow_remote_code]
    found = [f for f in model.files if _is_ours(f) and any(fnmatch(f.path, pattern) for pattern in patterns)]
    found += [file for file in model.files if is_template(file.path)]  # for a later run without network too
    if model.file("config.json") is None:
        raise CornerstoneError(
            f"{model.id} has no config.json, so it is not a model in Hugging Face format: see {page_of(model.id)}"
        )
    return found


def _weights(model: HubModel, folder: Path) -> list[HubFile]:
    index = folder / INDEX
    return weights_of(model, read_json_object(index) if index.is_file() else None)


def _storage(hub_id: str) -> Path:
    return Path(constants.HF_HUB_CACHE, "models--" + hub_id.replace("/", "--"))


def _folder(model: HubModel) -> Path:
    return _storage(model.id) / "snapshots" / model.commit


def _blob(model: HubModel, file: HubFile) -> Path:
    """Where the cache keeps the content: under its digest, which is the hub's etag."""
    return _storage(model.id) / "blobs" / (file.sha256 or file.git_sha1)


def _note_ref(model: HubModel) -> None:
    """Record the commit of a branch or tag in the cache, as huggingface_hub does, for later use without network.

    Where that cannot be written, in a cache that is others', nothing is lacking now.
    """
    if model.revision != model.commit and _noted_commit(model.id, model.revision) != model.commit:
        ref = _ref(model.id, model.revision)
        with suppress(OSError):
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(model.commit, encoding="utf-8")


def _noted_commit(hub_id: str, revision: str) -> str | None:
    """The commit that the cache noted for a branch or tag."""
    with suppress(OSError, UnicodeDecodeError):
        return _ref(hub_id, revision).read_text(encoding="utf-8").strip()
    return None


def _ref(hub_id: str, revision: str) -> Path:
    return _storage(hub_id) / "refs" / revision


def _is_whole(path: Path, file: HubFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


class _Received:
    """Bytes received so far by all threads; once `stop` is set, each thread ends at its next piece."""

    def __init__(self, total: int, advance: Advance) -> None:
        self.total, self.advance = total, advance
        self.done = 0
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def add(self, number: int) -> None:
        with self.lock:
            self.done += number
            self.advance(self.done, self.total)

    @contextmanager
    def one_try(self) -> Iterator[type[tqdm]]:
        """The progress bar class that huggingface_hub is given for one try; a failed try counts no bytes."""
        received, counted = self, 0

        class Bar(tqdm):
            def __init__(self, *arguments: Any, **keywords: Any) -> None:
                super().__init__(disable=True)

            def update(self, n: float | None = 1) -> None:
                nonlocal counted
                if received.stop.is_set():
                    raise InterruptedError("the download was stopped")
                counted += int(n)
                received.add(int(n))

            def update_transfer(self, n: float | None = 1) -> None:
                """Xet reports the network's bytes and the file's; the file's are counted."""

        try:
            yield Bar
        except BaseException:
            self.add(-counted)
            raise


def _fetch(model: HubModel, files: Sequence[HubFile], force: bool = False) -> None:
    """Bring the files that the snapshot lacks. The first failure stops the others.

    force: take none from huggingface_hub's store of files that several repositories share.
    """
    there = {file: _folder(model) / file.path for file in files if (_folder(model) / file.path).is_file()}
    _discard(model, [file for file, path in there.items() if not _is_whole(path, file)])
    _remove_orphans(model, files)
    missing = [file for file in files if not (_folder(model) / file.path).is_file()]
    total = missing_bytes(model, missing)
    _check_room(model, total)
    with progress(f"downloading {model.id}", "B") as advance, ThreadPoolExecutor(PARALLEL) as pool:
        received = _Received(total, advance)
        futures = [pool.submit(_fetch_file, model, file, received, force) for file in missing]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException as error:  # a signal too
            received.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, OSError) and error.errno in NOT_OURS:
                raise not_writable(f"{model.id} lacks {_listed(missing)}", error) from error
            raise


def _fetch_file(model: HubModel, file: HubFile, received: _Received, force: bool) -> None:
    def fetch() -> None:
        with received.one_try() as bar:
            huggingface_hub.hf_hub_download(
                model.id, file.path, revision=model.commit, tqdm_class=bar, force_download=force
            )

    persistently(fetch, f"downloading {file.path}", sleep=received.stop.wait)


def _listed(files: Sequence[HubFile]) -> str:
    """The names of files in a phrase; of many, the first three."""
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(file.path for file in files[:3]) + more


def _check_room(model: HubModel, needed: int) -> None:
    place = Path(constants.HF_HUB_CACHE).absolute()
    place = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise no_room(f"{model.id} needs {needed / 1e9:.2f} GB more, but {free / 1e9:.2f} GB are free")


def _verify(model: HubModel, files: Sequence[HubFile], digests: Path | None) -> None:
    """Compare every digest with the hub's; what is damaged is fetched once more.

    huggingface_hub compares sizes alone, and files that were there already may have suffered since.
    """
    for last_try in (False, True):
        damaged = _damaged(model, files, digests)
        if not damaged:
            return
        names = ", ".join(file.path for file in damaged)
        _discard(model, damaged)
        if last_try:
            raise CornerstoneError(
                f"{names} of {model.id} was damaged twice in transit (its digest is not the one that the hub lists): "
                "something between the hub and this machine changes files; type the same command again, or "
                "use another network"
            )
        print(
            f"{names}: its digest is not the one that the hub lists; removed, and downloaded again",
            flush=True,
        )
        _fetch(model, damaged, force=True)


def _damaged(model: HubModel, files: Sequence[HubFile], digests: Path | None) -> list[HubFile]:
    paths = {file: _folder(model) / file.path for file in files}
    large = [path for file, path in paths.items() if file.sha256]
    sums = file_digests(f"verifying {model.id}", large, digests)
    return [
        file
        for file, path in paths.items()
        if (sums[path] != file.sha256 if file.sha256 else git_sha1(path) != file.git_sha1)
    ]


def _discard(model: HubModel, files: Sequence[HubFile]) -> None:
    """Remove files from the model's part of the cache: what the snapshot names and the content under its digest.

    That may be a link in turn, to what several repositories share: it stays, for it is not this model's alone.
    """
    try:
        for file in files:
            (_folder(model) / file.path).unlink(missing_ok=True)
            _blob(model, file).unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        raise not_writable(
            f"{_listed(files)} of {model.id} was damaged in transit, and lies", error
        ) from error


def _remove_orphans(model: HubModel, files: Sequence[HubFile]) -> None:
    """Remove the partial files of downloads that were killed: they are never continued.

    A download that still runs holds the lock of its file; those are left alone. So are those of others, in a cache
    that may only be read.
    """
    locks = Path(constants.HF_HUB_CACHE, ".locks", _storage(model.id).name)
    for file in files:
        blob = _blob(model, file)
        if orphans := list(blob.parent.glob(f"{blob.name}*.incomplete")):
            with suppress(Timeout, OSError, NotImplementedError):
                locks.mkdir(parents=True, exist_ok=True)
                with FileLock(locks / f"{blob.name}.lock", timeout=0):
                    for orphan in orphans:
                        orphan.unlink(missing_ok=True)


def _cached_snapshot(
    hub_id: str, revision: str, allow_remote_code: bool | None, digests: Path | None, trouble: Exception
) -> Snapshot:
    """The copy that is in the cache already, where the hub gives none. Raises what was the trouble else."""
    commit = _noted_commit(hub_id, revision) or revision
    folder = _storage(hub_id) / "snapshots" / commit
    if not folder.is_dir():
        raise trouble
    try:
        check_model_folder(folder, allow_remote_code)
    except CornerstoneError as error:
        raise CornerstoneError(f"{trouble}; the copy in the cache cannot be used: {error}") from error
    _verify_by_name(folder, digests)
    why = "refuses it" if isinstance(trouble, HubRefused) else "cannot be asked"
    print(f"{hub_id}: the hub {why}, so the copy in the cache is used: commit {commit}", flush=True)
    return Snapshot(folder, commit)


def _verify_by_name(folder: Path, digests: Path | None) -> None:
    """In the cache the name of a file's content is its digest: sha256 of large files, git's of small ones.

    Files that nobody reads, such as a README or pickled weights, may be damaged or gone.
    """
    needed = {*weight_files(folder), *template_files(folder)}
    needed |= {path for pattern in (*SMALL_FILES, "*.py") for path in folder.glob(pattern)}
    named = {path: Path(os.readlink(path)).name for path in needed if path.is_symlink()}
    large = [path for path, name in named.items() if len(name) == 64]
    sums = file_digests("verifying the copy in the cache", large, digests)
    sums |= {path: git_sha1(path) for path, name in named.items() if len(name) == 40}
    for path, digest in sums.items():
        if digest != named[path]:
            raise CornerstoneError(
                f"{path} is damaged (its digest differs): remove it, and type the same command online"
            )


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock: each download relies on the free disk space that it found.

    On a disk that has no locks, nothing is waited for.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    with suppress(OSError, NotImplementedError):
        held.acquire()
    try:
        yield
    finally:
        held.release()
