"""Models in the Hugging Face cache that studies evaluated, and that none of them names now.

    unused = unused_models(studies)
    unused.revisions[0].hub, unused.revisions[0].commit, unused.freed

The cache does not say who brought a model, and its files may be other programs' too. A manifest says which commit was
evaluated, and the digests that are kept beside manifests which large files were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import CachedRepoInfo, CachedRevisionInfo, constants

from cornerstone.models.manifest import KEPT_DIGESTS, files_with_digests, read_manifest
from cornerstone.study.config import StudyConfig
from cornerstone.study.entries import ModelConfig
from cornerstone.system.errors import CornerstoneError


@dataclass(frozen=True)
class Revision:
    """A commit of a model in the cache. size: of its files, bytes; other commits may share some."""

    hub: str
    commit: str
    size: int


@dataclass(frozen=True)
class UnusedModels:
    """freed: bytes that would be free if the cache were without these revisions."""

    revisions: tuple[Revision, ...]
    freed: int


def cache_folder() -> Path:
    return Path(constants.HF_HUB_CACHE)


def unused_models(studies: Sequence[StudyConfig]) -> UnusedModels:
    """The revisions in the cache that were surely evaluated by a study with one of these folders of results, less those
    that a study names, or may mean."""
    if not cache_folder().is_dir():
        return UnusedModels((), 0)
    cache = huggingface_hub.scan_cache_dir(cache_folder())
    commits, digested = _evaluated(studies)
    models = [repository for repository in cache.repos if repository.repo_type == "model"]
    cached = [(model, revision, _files(revision)) for model in models for revision in model.revisions]
    # A file that two commits share does not say which of them was evaluated.
    owners = Counter(path for _, _, files in cached for path in files)
    digested = {path for path in digested if owners[path] == 1}
    in_use = {path for study in studies for model in study.models for path in _local_files(model)}
    unused = [
        (model.repo_id, revision)
        for model, revision, files in cached
        if ((model.repo_id, revision.commit_hash) in commits or digested & files)
        and not in_use & files
        and not any(_may_mean(study, model, revision) for study in studies)
    ]
    unused.sort(key=lambda found: (found[0], found[1].commit_hash))
    freed = cache.delete_revisions(*(revision.commit_hash for _, revision in unused)).expected_freed_size
    revisions = (Revision(hub, revision.commit_hash, revision.size_on_disk) for hub, revision in unused)
    return UnusedModels(tuple(revisions), freed)


def _files(revision: CachedRevisionInfo) -> set[str]:
    """Absolute paths, links followed."""
    return {str(file.file_path.resolve()) for file in revision.files}


def _local_files(model: ModelConfig) -> Iterator[str]:
    """The files of a model's folder, which may lie in the cache or lead there; links followed."""
    folder = Path(model.folder) if model.folder else None
    if folder is not None and folder.is_dir():
        yield from (str(path.resolve()) for path in folder.iterdir())


def _evaluated(studies: Iterable[StudyConfig]) -> tuple[set[tuple[str, str]], set[str]]:
    """Hub ids with the commits that manifests name, and the large files of which digests are kept."""
    commits, files = set(), set()
    for folder in {Path(study.results, "models") for study in studies}:
        files |= files_with_digests(folder / KEPT_DIGESTS)
        for path in folder.glob("[!.]*.json"):
            with suppress(CornerstoneError):  # damaged: it is made anew
                manifest = read_manifest(path)
                commits.add((manifest["hub"], manifest["revision"]))
    return commits, files


def _may_mean(study: StudyConfig, repository: CachedRepoInfo, revision: CachedRevisionInfo) -> bool:
    """Whether the study has this revision, or a branch of this model of which nothing here says which commit it is."""
    for model in study.models:
        if model.hub != repository.repo_id:
            continue
        known = {
            name: other.commit_hash
            for other in repository.revisions
            for name in (other.commit_hash, *other.refs)
        }
        commits = {known.get(model.revision), _noted_commit(study.manifest_path(model.name), model.hub)} - {
            None
        }
        if not commits or revision.commit_hash in commits:
            return True
    return False


def _noted_commit(manifest: Path, hub: str) -> str | None:
    """The commit that a model's manifest names, where it is of this model."""
    with suppress(CornerstoneError):
        described = read_manifest(manifest)
        return described["revision"] if described["hub"] == hub else None
    return None
