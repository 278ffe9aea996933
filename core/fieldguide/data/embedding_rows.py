"""What a Parquet file of vectors holds: all of it, or a few rows at a time; never trusted."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.files import exists, require_file
from fieldguide.errors import LoadError, StoreError
from fieldguide.models.embeddings import Embeddings, SpaceId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

METADATA_KEY = b"fieldguide"
READ = ["id", "path", "vector", "metadata"]
MAX_DIM = 100_000
_BROKEN = (
    OSError,
    LoadError,
    pa.ArrowException,
    ValueError,
    TypeError,
    KeyError,
    RecursionError,
    MemoryError,
)
"""What reading a damaged file raises."""


@dataclass(frozen=True)
class StoredEmbeddings:
    """What a file holds.

    Attributes:
        ids: stable names of the rows.
        paths: as the user wrote them.
        metadata: of each row.
        embeddings: (N, D) with their space.
        about: modality, domain and version of the job that made it.
    """

    ids: list[str]
    paths: list[str]
    metadata: list[dict[str, Any]]
    embeddings: Embeddings
    about: Mapping[str, Any]


def read_embeddings(path: Path) -> StoredEmbeddings:
    """Read a file that ``fieldguide embed`` wrote.

    Raises:
        StoreError: it is missing, broken, or not written by fieldguide.
    """
    space = read_space(path)
    table = read_table(path, READ)
    with reading(path):
        return _rows_of(table, space, read_about(path))


def stream_embeddings(path: Path, rows: int) -> Iterator[StoredEmbeddings]:
    """Yield what a file holds, so many rows at a time, in memory that does not grow with it.

    Raises:
        StoreError: it is missing, broken, or not written by fieldguide; for rows that are broken
            when they are reached.
    """
    space, about = read_space(path), read_about(path)
    with reading(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        batches = file.iter_batches(rows, columns=READ)
    while True:
        with reading(path):
            batch = next(batches, None)
            if batch is None:
                return
            part = _rows_of(pa.Table.from_batches([batch]).select(READ), space, about)
        yield part


def _rows_of(table: pa.Table, space: SpaceId, about: Mapping[str, Any]) -> StoredEmbeddings:
    """Return rows of a file.

    Raises:
        ValueError: a value is missing or not a number.
        pa.ArrowException: a column is of another type.
    """
    table = table.cast(pa.schema([_field(name, space.dim) for name in table.schema.names]))
    vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    metadata = [dict(json.loads(text)) for text in table["metadata"].to_pylist()]
    if any(column.null_count for column in table.columns) or not np.isfinite(vectors).all():
        raise ValueError("a value is missing or not a number")
    return StoredEmbeddings(
        ids=table["id"].to_pylist(),
        paths=table["path"].to_pylist(),
        metadata=metadata,
        embeddings=Embeddings(vectors.reshape(-1, space.dim).astype(np.float32), space),
        about=about,
    )


def _field(name: str, dim: int) -> pa.Field:
    """Return a column of the file; none of them may lack a value."""
    kind = pa.list_(pa.float32(), dim) if name == "vector" else pa.string()
    return pa.field(name, kind)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise what a damaged file makes the libraries raise as our own error."""
    try:
        yield
    except _BROKEN as error:
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise StoreError(f"{path} cannot be read: {reason}. Embed the images again.") from error


def read_table(path: Path, columns: list[str]) -> pa.Table:
    """Return some columns of a file; raises StoreError when it is missing or broken."""
    with reading(path):
        require_file(path)
        table = pq.read_table(path, columns=columns, page_checksum_verification=True)
        return table.select(columns)


def read_space(path: Path) -> SpaceId:
    """Return the space of a file's vectors; raises StoreError when it does not say it."""
    about = read_about(path)
    try:
        space = SpaceId.model_validate(about.get("space"))
    except ValueError as error:
        raise StoreError(
            f"{path} does not say the space of its vectors. Name another file."
        ) from error
    if not 1 <= space.dim <= MAX_DIM:
        raise StoreError(f"{path} says its vectors have {space.dim} numbers. Name another file.")
    return space


def read_about(path: Path) -> dict[str, Any]:
    """Return what is noted in a file; raises StoreError when it is not one of ours."""
    try:
        require_file(path)
        metadata = pq.read_schema(path).metadata or {}
        return dict(json.loads(metadata[METADATA_KEY]))
    except (FileNotFoundError, LoadError) as error:
        reason = "does not exist" if not exists(path) else "is not a file"
        raise StoreError(
            f"{path} {reason}. Make one with 'fieldguide embed'. Name another file."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} is not a Parquet file: {error}. Name another file.") from error
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{path} was not written by 'fieldguide embed'. Name another file."
        ) from error
