"""Mean contributions: what each sublayer of a model adds to the residual stream, on average over calibration documents.

    write_means(means, Path("results/means/demo_llama.npz"))
    read_means(path).sites[0]           # ("self_attn",): the module of the block whose output is replaced by its mean

A removal may keep them: then a sublayer that adds the same to every token loses nothing by it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cornerstone.system.durable_files import digest_of, durable_file
from cornerstone.system.errors import CornerstoneError

MEANS_VERSION = 1
"""Of how means are worked out: a change that moves them raises it."""
FORMAT = 1


@dataclass(frozen=True)
class Means:
    """Mean contributions of a model's sublayers.

    sublayers: their labels, in execution order.
    sites:     of each sublayer, the modules whose outputs, together, are what it adds, by their names in its block.
    vectors:   of each site float32 (2, D): the mean at the first position of a text, and at all others.
    identity:  what decides them: the model's digests, dtype, encoded calibration documents, MEANS_VERSION.
    documents: digest of each calibration document's contents, as `document_ids` has them.
    tokens:    how many tokens the means are of.
    """

    sublayers: tuple[str, ...]
    sites: tuple[tuple[str, ...], ...]
    vectors: tuple[tuple[np.ndarray, ...], ...]
    identity: Mapping[str, Any]
    documents: tuple[str, ...]
    tokens: int

    @property
    def digest(self) -> str:
        """Of the identity: the means that two devices work out differ in rounding alone, and are the same means."""
        return digest_of(self.identity)

    def of(self, label: str) -> tuple[tuple[str, ...], tuple[np.ndarray, ...]]:
        """The sites of a sublayer, and the means there. Raises CornerstoneError where these are another model's."""
        if label not in self.sublayers:
            raise CornerstoneError(
                f"the means know no sublayer {label}: they are of another model; make them again"
            )
        place = self.sublayers.index(label)
        return self.sites[place], self.vectors[place]


def write_means(means: Means, path: Path | str) -> None:
    """Write them, durably: a numpy archive of arrays `{sublayer}.{site}` and of `metadata`, JSON in UTF-8."""
    arrays = {
        f"{place}.{number}": vector
        for place, vectors in enumerate(means.vectors)
        for number, vector in enumerate(vectors)
    }
    metadata = {
        "format": FORMAT,
        "kind": "means",
        "sublayers": means.sublayers,
        "sites": means.sites,
        "identity": dict(means.identity),
        "documents": means.documents,
        "tokens": means.tokens,
        "sha256": _sha256(arrays.values()),
    }
    note = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
    with durable_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, metadata=note, **arrays)


def read_means(path: Path | str) -> Means:
    """What `write_means` wrote. Raises CornerstoneError where the file is missing, cut off, foreign or altered."""
    with _opened(Path(path)) as (archive, metadata):
        vectors = tuple(
            tuple(archive[f"{place}.{number}"] for number in range(len(sites)))
            for place, sites in enumerate(metadata["sites"])
        )
    if _sha256(vector for own in vectors for vector in own) != metadata["sha256"]:
        raise CornerstoneError(f"{path} was altered: remove it, then type the same command again")
    return Means(
        tuple(metadata["sublayers"]),
        tuple(map(tuple, metadata["sites"])),
        vectors,
        metadata["identity"],
        tuple(metadata["documents"]),
        metadata["tokens"],
    )


def read_means_digest(path: Path | str) -> str:
    """`Means.digest` of a file, whose vectors are not read. Raises CornerstoneError as `read_means`."""
    with _opened(Path(path)) as (_, metadata):
        return digest_of(metadata["identity"])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The arrays of a file, and its metadata."""
    if not path.is_file():
        raise CornerstoneError(f"{path} does not exist: make the means first")
    try:
        with np.load(path, allow_pickle=False) as archive:
            metadata = json.loads(archive["metadata"].tobytes())
            if metadata["kind"] != "means" or metadata["format"] != FORMAT:
                raise ValueError(f"kind {metadata['kind']!r}, format {metadata['format']!r}")
            yield archive, metadata
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CornerstoneError(
            f"{path} is no file of means of this version ({' '.join(str(error).split())}): remove it, then type the "
            "same command again"
        ) from error


def _sha256(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
