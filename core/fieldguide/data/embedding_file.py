"""Vectors in one Parquet file, written so that a kill at any moment loses nothing committed.

While a job runs, finished rows go into numbered parts beside the file; at the end the parts and
what was there before become one new file, which takes the old one's place in one step.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fieldguide.data.embedding_rows import (
    METADATA_KEY,
    read_about,
    read_space,
    read_table,
    reading,
)
from fieldguide.data.files import (
    atomic_path,
    exists,
    is_link,
    only_writer,
    remove_leftovers,
    utf8_text,
)
from fieldguide.errors import StoreError
from fieldguide.models.embeddings import Embeddings, SpaceId, require_same_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from fieldguide.data.pipeline import Row

ROWS_PER_GROUP = 4096


class EmbeddingFile:
    """One Parquet file of vectors that grows by jobs; use as a context manager to write.

    Args:
        path: the file.
        space: the space of all its vectors.
        about: what else is noted in the file, such as domain and modality.

    Raises:
        SpaceMismatchError: the file holds vectors of another space.
        StoreError: the file is not ours, or another process writes it.
    """

    def __init__(self, path: Path, space: SpaceId, about: Mapping[str, Any]) -> None:
        self.path = path
        self.parts = path.with_name(f"{path.name}.parts")
        self._lock = self.parts / ".lock"
        self.space = space
        self._about = about
        self._stack = contextlib.ExitStack()
        self._next = 0

    def __enter__(self) -> EmbeddingFile:
        """Take the lock and check that what is there belongs to the same space."""
        if is_link(self.parts):
            raise StoreError(f"{self.parts} is a link. Remove it, or choose another --output.")
        self._stack.enter_context(only_writer(self._lock, self.path))
        try:
            remove_leftovers(self.path)
            for path in self._sources():
                require_same_space(read_space(path), self.space, str(self.path))
        except BaseException:
            self._stack.close()
            raise
        names = [int(path.stem.removeprefix("part-")) for path in self._part_paths()]
        self._next = max(names, default=-1) + 1
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock; unfinished parts stay for the next run."""
        self._stack.close()

    def about_before(self) -> dict[str, Any] | None:
        """Return what is noted in what is there; None where nothing is."""
        sources = self._sources()
        return read_about(sources[0]) if sources else None

    def known(self) -> dict[str, str]:
        """Return the fingerprint of every stored row by id."""
        found: dict[str, str] = {}
        for path in self._sources():
            table = read_table(path, ["id", "fingerprint"])
            ids, prints = table["id"].to_pylist(), table["fingerprint"].to_pylist()
            found.update(zip(ids, prints, strict=True))
        return found

    def add(self, rows: Sequence[Row], fingerprints: Sequence[str], vectors: Embeddings) -> None:
        """Commit rows in one step as the next part."""
        table = self._table(rows, fingerprints, vectors)
        with atomic_path(self.parts / f"part-{self._next:08d}.parquet") as temporary:
            pq.write_table(table, temporary, write_page_checksum=True)
        self._next += 1

    def finish(self) -> int:
        """Make the parts one file with what was there; return how many rows it has.

        A later row takes the place of an earlier one with the same id.
        """
        parts = self._part_paths()
        if parts or not self.path.exists():
            with atomic_path(self.path) as temporary:
                self._consolidate(temporary)
        with reading(self.path):
            rows = int(pq.ParquetFile(self.path).metadata.num_rows)
        self._remove_parts(parts)
        self._stack.close()
        return rows

    def _remove_parts(self, parts: Sequence[Path]) -> None:
        """Remove the folder of parts, its lock last and while it is held; what stays is harmless.

        The next job merges a part that stayed once more, and may be in the folder already.
        """
        with contextlib.suppress(OSError):
            for path in [*parts, *self.parts.glob(".part-*.tmp-*"), self._lock]:
                path.unlink(missing_ok=True)
            self.parts.rmdir()

    def _consolidate(self, target: Path) -> None:
        """Stream all sources, newest row of an id only, in bounded memory."""
        sources = self._sources()
        last: dict[str, int] = {}
        for number, path in enumerate(sources):
            for name in read_table(path, ["id"])["id"].to_pylist():
                last[name] = number
        with pq.ParquetWriter(target, self._schema(), write_page_checksum=True) as writer:
            for number, path in enumerate(sources):
                for batch in self._batches(path):
                    keep = [last[name] == number for name in batch.column("id").to_pylist()]
                    kept = batch.filter(pa.array(keep))
                    if kept.num_rows:
                        writer.write_table(pa.Table.from_batches([kept]))

    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        with reading(path):
            file = pq.ParquetFile(path, page_checksum_verification=True)
            batches = file.iter_batches(ROWS_PER_GROUP)
        while True:
            with reading(path):  # and not while a batch is written
                batch = next(batches, None)
                if batch is None:
                    return
                table = pa.Table.from_batches([batch]).cast(self._schema())
            yield from table.to_batches()

    def _sources(self) -> list[Path]:
        return ([self.path] if exists(self.path) else []) + self._part_paths()

    def _part_paths(self) -> list[Path]:
        return sorted(self.parts.glob("part-*.parquet"))

    def _schema(self) -> pa.Schema:
        fields = [
            ("id", pa.string()),
            ("path", pa.string()),
            ("vector", pa.list_(pa.float32(), self.space.dim)),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("metadata", pa.string()),
            ("fingerprint", pa.string()),
        ]
        about = {"space": self.space.model_dump(), **self._about}
        return pa.schema(fields, metadata={METADATA_KEY: json.dumps(about).encode()})

    def _table(
        self, rows: Sequence[Row], fingerprints: Sequence[str], vectors: Embeddings
    ) -> pa.Table:
        require_same_space(self.space, vectors.space, str(self.path))
        columns = {
            "id": [utf8_text(row.item.id) for row in rows],
            "path": [utf8_text(row.item.name) for row in rows],
            "vector": vector_array(vectors),
            "status": [row.status for row in rows],
            "reason": [utf8_text(row.reason) for row in rows],
            "metadata": [json.dumps(row.metadata, default=str) for row in rows],
            "fingerprint": list(fingerprints),
        }
        return pa.table(columns, schema=self._schema())


def vector_array(vectors: Embeddings) -> pa.Array:
    """Return (N, D) vectors as an Arrow array of fixed-size lists."""
    flat = np.ascontiguousarray(vectors.vectors, dtype=np.float32).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.space.dim)
