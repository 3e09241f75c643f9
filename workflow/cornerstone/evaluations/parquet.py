"""Parquet files with metadata and checksums: written whole or not at all, verified when they are read.

    write_rows(path, table, {"kind": "part", "identity": identity})
    read_metadata(path, {"part": schema})["identity"]     # of the footer alone
    read_rows(path)

A file's metadata is one JSON object under METADATA_KEY: kind, format, number of rows, and what its kind needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cornerstone.system.durable_files import durable_file
from cornerstone.system.errors import CornerstoneError

FORMAT = 3
METADATA_KEY = b"cornerstone"
TEXT = pa.dictionary(pa.int32(), pa.string())


def read_metadata(path: Path, schemas: Mapping[str, pa.Schema]) -> dict[str, Any]:
    """The metadata of a Parquet file of ours, from its footer alone.

    schemas: of the kinds that it may be. Raises ValueError, saying what is wrong in a few words, unless it is a whole
    Parquet file of one of these kinds and its schema; FileNotFoundError where there is none; CornerstoneError where the
    system cannot read it.
    """
    try:
        footer = pq.read_metadata(path)
        found = footer.schema.to_arrow_schema()
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        _raise_unreadable(path, error)
        raise ValueError(f"cut off, or no Parquet file ({str(error).splitlines()[0][:120]})") from error
    metadata = _parse_metadata((found.metadata or {}).get(METADATA_KEY))
    if (schema := schemas.get(metadata.get("kind"))) is None:
        raise ValueError(f"no {' or '.join(schemas)} of Cornerstone (kind {metadata.get('kind')!r})")
    if metadata.get("format") != FORMAT:
        raise ValueError(f"written in format {metadata.get('format')!r}, this Cornerstone reads {FORMAT}")
    if not found.equals(schema):
        raise ValueError(f"its columns are {', '.join(found.names)}, needed are {', '.join(schema.names)}")
    if metadata.get("rows") != footer.num_rows:
        raise ValueError(f"it has {footer.num_rows} rows and says {metadata.get('rows')}")
    return metadata


def read_rows(path: Path) -> pa.Table:
    """All rows, checksums verified. Raises ValueError where the data are damaged."""
    try:
        return pq.read_table(path, page_checksum_verification=True, partitioning=None)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        _raise_unreadable(path, error)
        raise ValueError(f"damaged ({str(error).splitlines()[0][:120]})") from error


def write_rows(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table with its metadata durably, with checksums that `read_rows` verifies."""
    note = {"format": FORMAT, **metadata, "rows": table.num_rows}
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(note, ensure_ascii=False)})
    with durable_file(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            use_dictionary=[each.name for each in table.schema if not pa.types.is_floating(each.type)],
            write_page_checksum=True,
        )


def _parse_metadata(text: bytes | None) -> dict[str, Any]:
    try:
        metadata = json.loads(text or b"{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _raise_unreadable(path: Path, error: Exception) -> None:
    """Raise CornerstoneError where the system could not read a file, which says nothing of what is in it.

    A damaged file is an error of pyarrow's, without a number of the system's.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise CornerstoneError(
            f"{path} could not be read ({os.strerror(error.errno)}): mend that, then type the same command again"
        ) from error
