"""Text vectors on disk, by key; shared by threads and processes, and never trusted.

One SQLite file. Each row has a CRC-32 over key and vector: a row that does not fit is as good as
missing, and so is everything in a file that is locked, full, broken or gone. The rollback journal
is used, not the write-ahead log: that one needs memory shared by all its users, which a home
folder on a network file system does not have. Nothing is flushed to the disk's own cells: a
killed process leaves a complete file or a journal that the next one plays back, and after a power
failure the CRC tells.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sqlite3
import threading
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "texts-v1.sqlite"
MAX_BYTES = 1 << 30
"""1 GiB: half a million vectors of 512 numbers. Beyond it the oldest fifth is dropped."""

WAIT_S = 1.0  # for another process that writes
MAX_FAILURES = 3  # in a row; then this process leaves the file alone
KEYS_AT_ONCE = 500  # SQLite takes 999 in every build
_TABLE = (
    "CREATE TABLE IF NOT EXISTS texts ("
    "id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, crc INTEGER NOT NULL)"
)


class TextStore:
    """Vectors as bytes by 32-byte keys. No method raises for what is wrong with the file."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._failures = 0

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the sound vectors among those of some keys."""
        found: dict[bytes, bytes] = {}
        with self._lock, self._mishaps():
            connection = self._open()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                places = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT id, key, vector, crc FROM texts WHERE key IN ({places})", some
                ).fetchall()
                found.update(
                    (key, vector) for _, key, vector, crc in rows if _fits(key, vector, crc)
                )
                broken = [(place,) for place, *row in rows if not _fits(*row)]
                connection.executemany("DELETE FROM texts WHERE id = ?", broken)
        return found

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Store vectors; what is there already stays as it is."""
        rows = [(key, vector, zlib.crc32(vector, zlib.crc32(key)))
                for key, vector in vectors.items()]  # fmt: skip
        with self._lock, self._mishaps():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR IGNORE INTO texts (key, vector, crc) VALUES (?, ?, ?)", rows
            )
            self._drop_oldest(connection)
            connection.execute("COMMIT")

    def _drop_oldest(self, connection: sqlite3.Connection) -> None:
        """Delete a fifth of the rows until the rest is small enough; their pages are used again."""
        while self._used_bytes(connection) > self.max_bytes:
            first, last = connection.execute("SELECT min(id), max(id) FROM texts").fetchone()
            if first is None:
                return
            connection.execute("DELETE FROM texts WHERE id <= ?", [first + (last - first) // 5])

    def _used_bytes(self, connection: sqlite3.Connection) -> int:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _open(self) -> sqlite3.Connection:
        if self._failures >= MAX_FAILURES:
            raise sqlite3.OperationalError("given up for this process")
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        # a connection that came through a fork is another process's: it is left as it is
        connection = sqlite3.connect(
            self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA page_size = 8192")  # of a new file: four vectors of 512 numbers
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_TABLE)
        self._connection, self._owner = connection, os.getpid()
        return connection

    @contextlib.contextmanager
    def _mishaps(self) -> Iterator[None]:
        """Turn whatever is wrong with the file into nothing found and nothing stored."""
        try:
            yield
            self._failures = 0
        except (sqlite3.Error, OSError) as error:
            self._failures += 1
            logger.debug("%s is not used: %s", self.path, error)
            self._close()
            # only "malformed" and "not a database" are of this very class
            if type(error) is sqlite3.DatabaseError:
                for ending in ("", "-journal"):
                    with contextlib.suppress(OSError):
                        self.path.with_name(self.path.name + ending).unlink()
        except BaseException:  # an interrupt must not leave the file locked
            self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                connection.close()  # what was not committed is rolled back


@functools.cache
def store_in(folder: Path) -> TextStore:
    """Return this process's one store of a folder."""
    return TextStore(folder / FILE_NAME)


def _fits(key: object, vector: object, crc: object) -> bool:
    if not (isinstance(key, bytes) and isinstance(vector, bytes)):
        return False
    return zlib.crc32(vector, zlib.crc32(key)) == crc
